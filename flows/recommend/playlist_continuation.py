"""`tonelake playlists`: how well a lake's vectors continue playlists.

The evaluation is that of the RecSys Challenge 2018. Only tracks that the lake holds are shown, withheld and
recommended. Every figure comes with their number.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import with_progress
from flows.recommend.candidates import CandidateSet
from flows.recommend.continuation_report import (
    ContinuationCoverage,
    ContinuationFigure,
    ContinuationGain,
    ContinuationReport,
)
from flows.search.version import resolve_version, text_tower
from lake.catalogue.rights import unavailable_tracks
from lake.catalogue.runs import RunRecord, new_run_id
from lake.sources.interactions import read_interactions
from lake.sources.million_playlist import TrackLookup, list_slices, read_slice
from lake.storage.arrow import factorize
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseName
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.log import Log
from schemas.recommend import PlaylistsRequest
from schemas.rights import RightsFilter
from schemas.settings import Settings
from workers.evaluation.scoring import RESAMPLES, compare_values
from workers.metrics.bootstrap import interval, resamples
from workers.metrics.continuation import clicks, ndcg, r_precision
from workers.metrics.retrieval import mean_of
from workers.recommend.baselines import (
    continue_by_interests,
    continue_by_mean,
    continue_by_popularity,
    continue_by_query,
)
from workers.recommend.continuation_tasks import CATEGORIES, TITLE, ContinuationTask, Playlists, make_tasks

POPULARITY, MEAN, WORDS, INTERESTS = "popularity", "mean vector", "title in words", "interests"
ALL_BUT_TITLE = "all but title"
_BLOCK_TASKS = 64


@dataclass(frozen=True, slots=True)
class MethodScores:
    """The scores of one method for one category of tasks.

    `playlists` are the numbers of the U evaluated playlists, int [U]; `values` maps a metric to float [U].
    """

    category: str
    method: str
    playlists: np.ndarray
    values: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class ContinuationEvaluation:
    """The playlists to evaluate, and the tracks that may continue them.

    `evaluated` are numbers of playlists; `popularity` [P] counts in how many other playlists each candidate stands.
    """

    request: PlaylistsRequest
    candidates: CandidateSet
    playlists: Playlists
    evaluated: np.ndarray
    popularity: np.ndarray

    def tasks(self, category: str) -> list[ContinuationTask]:
        """Return a task for each playlist that is long enough for the category."""
        return make_tasks(self.playlists, self.evaluated, category, self.request.seed)

    def score_by_category(self) -> list[MethodScores]:
        """Score three methods on every category except title-only."""
        scores = []
        for category in CATEGORIES:
            tasks = [] if category == TITLE else self.tasks(category)
            if not tasks:
                continue
            starts = range(0, len(tasks), _BLOCK_TASKS)
            parts = [
                self._recommend_by_each_method(tasks[start : start + _BLOCK_TASKS])
                for start in with_progress(starts, f"continuing playlists, {category}", len(starts))
            ]
            lists = {method: np.concatenate([part[method] for part in parts]) for method in parts[0]}
            scores += self.score(category, tasks, lists)
        return scores

    def score_by_title(self, spec: EncoderSpec, settings: Settings, log: Log) -> list[MethodScores]:
        """Score the playlists of which only the title is shown.

        If titles cannot be embedded, log why and return no scores.
        """
        tasks = self.tasks(TITLE)
        if not tasks:
            return []
        try:
            titles = [self.playlists.titles[task.playlist] for task in tasks]
            queries = text_tower(spec, settings).embed_text(titles)
        except UserError as error:
            log(f"not evaluated by title: {error}")
            return []
        lists = {
            POPULARITY: continue_by_popularity(self.popularity, tasks),
            WORDS: continue_by_query(self.candidates.vectors, queries, tasks),
        }
        return self.score(TITLE, tasks, lists)

    def score(self, category: str, tasks: list[ContinuationTask], lists: dict[str, np.ndarray]) -> list[MethodScores]:
        """Score the lists [U, K] of each method with every metric."""
        artists = factorize(pc.utf8_lower(pc.utf8_trim_whitespace(self.candidates.metadata["artist"])))
        withheld = [task.withheld for task in tasks]
        playlists = np.array([task.playlist for task in tasks])
        scores = []
        for method, recommended in lists.items():
            values = {
                "R-precision": r_precision(recommended, withheld, artists),
                "nDCG": ndcg(recommended, withheld),
                "clicks": clicks(recommended, withheld),
            }
            scores.append(MethodScores(category, method, playlists, values))
        return scores

    def _recommend_by_each_method(self, tasks: list[ContinuationTask]) -> dict[str, np.ndarray]:
        vectors, request = self.candidates.vectors, self.request
        return {
            POPULARITY: continue_by_popularity(self.popularity, tasks),
            MEAN: continue_by_mean(vectors, tasks),
            INTERESTS: continue_by_interests(vectors, tasks, request.interests, request.diversity),
        }


def evaluate_continuation(request: PlaylistsRequest, settings: Settings, log: Log = print) -> ContinuationReport:
    """Evaluate playlist continuation, and record the result in `runs`.

    The gains are those of the interests and of the title over the baselines. Raises UserError if the request names no
    source or two, if it cannot be read, or if fewer than five playlists have two tracks in the lake.
    """
    rights = RightsFilter.from_options(request.on, request.territory, request.any_date)
    if (request.data is None) == (request.interactions is None):
        raise UserError(
            "playlists from where? Give --data FOLDER of the Million Playlist Dataset or --interactions FILE"
        )
    plays = None if request.interactions is None else read_interactions(request.interactions)
    reader = resolve_version(settings, request.embedding_version, request.release)
    lake, spec = reader.lake, reader.spec
    run_id = new_run_id()
    with (
        Lease(lake, LeaseName.PLAYLISTS, run_id, log),
        RunRecord(lake, run_id, "playlists", spec, asdict(request)) as record,
    ):
        candidates = CandidateSet.load(lake, spec, without=unavailable_tracks(lake, rights))
        if plays is not None:
            playlists = _playlists_of_users(plays, candidates)
        else:
            playlists = _read_data_set(Path(request.data or ""), lake, candidates)
        evaluated, training = playlists.split(request.judged, request.seed)
        if not len(evaluated):
            raise UserError(
                f"only {np.sum(playlists.lengths > 1):,} playlists have two tracks in {lake.uri}, five are needed; "
                "tracks are found by track_id, Spotify URI or ISRC"
            )
        popularity = playlists.popularity(training, len(candidates.vectors))
        evaluation = ContinuationEvaluation(request, candidates, playlists, evaluated, popularity)
        by_seeds = evaluation.score_by_category()
        scores = [*by_seeds, *_mean_over_seeds(by_seeds), *evaluation.score_by_title(spec, settings, log)]
        report = ContinuationReport(
            run_id=run_id,
            encoder=spec.name,
            embedding_version=spec.embedding_version,
            source=request.data or request.interactions or "",
            coverage=_coverage(evaluation, len(training)),
            figures=tuple(figure for method_scores in scores for figure in _figures(method_scores)),
            gains=tuple(gain for method_scores in scores for gain in _gains(method_scores, scores)),
        )
        record.finish(report.to_json())
    return report


def _playlists_of_users(plays: pa.Table, candidates: CandidateSet) -> Playlists:
    """Make a playlist without a title of each user's plays, in order of time."""
    users = factorize(plays["user_id"])
    titles = [""] * (int(users.max(initial=-1)) + 1)
    return Playlists.from_tracks(titles, users, candidates.indices(plays["track_id"]))


def _read_data_set(folder: Path, lake: Lake, candidates: CandidateSet) -> Playlists:
    """Read the Million Playlist Dataset. Raises UserError if the folder does not hold it."""
    files, lookup = list_slices(folder), TrackLookup(lake)
    parts = []
    for path in with_progress(files, "reading playlists", len(files)):
        playlists = read_slice(path)
        indices = candidates.indices(lookup.track_ids(playlists))
        parts.append(Playlists.from_tracks(playlists.titles, playlists.playlist, indices))
    return Playlists.concatenate(parts)


def _coverage(evaluation: ContinuationEvaluation, training: int) -> ContinuationCoverage:
    playlists = evaluation.playlists
    return ContinuationCoverage(
        playlists=len(playlists.titles),
        playlists_with_two_tracks=int(np.sum(playlists.lengths > 1)),
        tracks=playlists.listed,
        tracks_matched=playlists.matched,
        judged=len(evaluation.evaluated),
        counted_for_popularity=training,
        candidates=len(evaluation.candidates.vectors),
    )


def _mean_over_seeds(scores: list[MethodScores]) -> list[MethodScores]:
    """Average the scores of each playlist over all kinds of seeds.

    So every playlist counts once when playlists are resampled.
    """
    means = []
    for method in (POPULARITY, MEAN, INTERESTS):
        parts = [part for part in scores if part.method == method]
        if len(parts) < 2:
            continue
        all_playlists = np.concatenate([part.playlists for part in parts])
        playlists, indices = np.unique(all_playlists, return_inverse=True)
        counts = np.bincount(indices)
        values = {
            metric: np.bincount(indices, np.concatenate([part.values[metric] for part in parts])) / counts
            for metric in parts[0].values
        }
        means.append(MethodScores(ALL_BUT_TITLE, method, playlists, values))
    return means


def _figures(scores: MethodScores) -> list[ContinuationFigure]:
    """Return the mean of each metric with its 95 % interval."""
    weights = resamples(len(scores.playlists), RESAMPLES)
    figures = []
    for metric, values in scores.values.items():
        low, high = interval(np.asarray(mean_of(values, weights)))
        figures.append(
            ContinuationFigure(
                seeds=scores.category,
                method=scores.method,
                playlists=len(values),
                metric=metric,
                value=float(values.mean()),
                low=low,
                high=high,
            )
        )
    return figures


def _gains(scores: MethodScores, all_scores: list[MethodScores]) -> list[ContinuationGain]:
    """Return the paired differences, playlist by playlist, to each baseline.

    Only the interests and the title have gains.
    """
    if scores.method not in (INTERESTS, WORDS):
        return []
    gains = []
    for baseline in all_scores:
        if baseline.category != scores.category or baseline.method not in (POPULARITY, MEAN):
            continue
        for metric, values in scores.values.items():
            change = compare_values(baseline.values[metric], values)
            gains.append(
                ContinuationGain(
                    seeds=scores.category,
                    method=scores.method,
                    over=baseline.method,
                    metric=metric,
                    gain=change.gain,
                    low=change.low,
                    high=change.high,
                )
            )
    return gains
