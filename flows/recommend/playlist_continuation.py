"""`tonelake playlists`: how well do a lake's vectors continue playlists, as the RecSys Challenge 2018 asked it?

Only tracks that the lake holds are shown, withheld and recommended; how many these are stands beside every figure.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import track
from flows.recommend.candidates import Pool
from flows.search.search import held, text_tower
from lake.catalogue.runs import RunRecord, new_run_id
from lake.sources.interactions import read_interactions
from lake.sources.million_playlist import TrackNames, read_slice, slices
from lake.storage.arrow import codes
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.recommend import PlaylistsRequest
from schemas.settings import Settings
from workers.evaluation.scoring import RESAMPLES, compare_values
from workers.metrics.bootstrap import interval, resamples
from workers.metrics.continuation import clicks, ndcg, r_precision
from workers.metrics.retrieval import mean_of
from workers.recommend.baselines import by_interests, by_mean, by_popularity, by_query
from workers.recommend.continuation_tasks import SEEDS, TITLE, Playlists, Task, tasks

Row = dict[str, Any]
LEASE = "playlists"
POPULARITY, MEAN, WORDS, INTERESTS = "popularity", "mean vector", "title in words", "interests"
ALL = "all but title"
_TASKS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Measured:
    """One method from some seeds: a value a playlist for each metric [U], in the order of `playlists` [U]."""

    seeds: str
    method: str
    playlists: np.ndarray
    values: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Trial:
    """The playlists `judged`, to be continued with the pool's tracks; `counts` [N] are of the other playlists."""

    request: PlaylistsRequest
    pool: Pool
    playlists: Playlists
    judged: np.ndarray
    counts: np.ndarray

    def tasks(self, seeds: str) -> list[Task]:
        return tasks(self.playlists, self.judged, seeds, self.request.seed)

    def by_seeds(self) -> list[Measured]:
        """The three methods, from as many tracks as the challenge showed."""
        found = []
        for seeds in SEEDS:
            if seeds == TITLE or not (asked := self.tasks(seeds)):
                continue
            starts = range(0, len(asked), _TASKS_AT_ONCE)
            blocks = (asked[start : start + _TASKS_AT_ONCE] for start in starts)
            made = [self._lists(block) for block in track(blocks, f"continuing playlists, {seeds}", len(starts))]
            lists = {method: np.concatenate([one[method] for one in made]) for method in made[0]}
            found += self.measured(seeds, asked, lists)
        return found

    def measured(self, seeds: str, asked: list[Task], lists: dict[str, np.ndarray]) -> list[Measured]:
        """Every metric of each method's lists."""
        artists = codes(pc.utf8_lower(pc.utf8_trim_whitespace(self.pool.shown["artist"])))
        withheld, numbers = [task.withheld for task in asked], np.array([task.playlist for task in asked])
        return [
            Measured(
                seeds,
                method,
                numbers,
                {
                    "R-precision": r_precision(made, withheld, artists),
                    "nDCG": ndcg(made, withheld),
                    "clicks": clicks(made, withheld),
                },
            )
            for method, made in lists.items()
        ]

    def _lists(self, asked: list[Task]) -> dict[str, np.ndarray]:
        rows, request = self.pool.rows, self.request
        return {
            POPULARITY: by_popularity(self.counts, asked),
            MEAN: by_mean(rows, asked),
            INTERESTS: by_interests(rows, asked, request.interests, request.diversity),
        }


def judge_playlists(request: PlaylistsRequest, settings: Settings, say: Any = print) -> Row:
    """Coverage, figures with 95 % intervals, and what the interests gain over both baselines. A row in `runs`."""
    if (request.data is None) == (request.interactions is None):
        raise UserError(
            "playlists from where? Give --data FOLDER of the Million Playlist Dataset or --interactions FILE"
        )
    played = None if request.interactions is None else read_interactions(request.interactions)
    lake, spec = held(settings, request.embedding_version, request.number)
    run_id = new_run_id()
    with Lease(lake, LEASE, run_id, say), RunRecord(lake, run_id, "playlists", spec, asdict(request)) as record:
        pool = Pool.of(lake, spec)
        playlists = (
            _of_data(Path(request.data or ""), lake, pool) if played is None else _of_interactions(played, pool)
        )
        judged, training = playlists.split(request.judged, request.seed)
        if not len(judged):
            raise UserError(
                f"{np.sum(playlists.lengths > 1):,} playlists have two tracks that {lake.uri} holds, five are needed; "
                "tracks are found by track_id, Spotify URI or ISRC"
            )
        trial = Trial(request, pool, playlists, judged, playlists.popularity(training, len(pool.rows)))
        measured = trial.by_seeds()
        measured += [*_together(measured), *_by_title(trial, spec, settings, say)]
        found = {
            "run_id": run_id,
            "encoder": spec.name,
            "embedding_version": spec.embedding_version,
            "source": request.data or request.interactions,
            "coverage": _coverage(playlists, judged, training, pool),
            "figures": [row for one in measured for row in _figures(one)],
            "gains": [row for one in measured for row in _gains(one, measured)],
        }
        record.done(found)
    return found


def _of_interactions(played: pa.Table, pool: Pool) -> Playlists:
    """Each user is a playlist in order of time, without a title."""
    users = codes(played["user_id"])
    titles = [""] * (int(users.max(initial=-1)) + 1)
    return Playlists.of(titles, users, pool.items(played["track_id"]))


def _of_data(folder: Path, lake: Lake, pool: Pool) -> Playlists:
    files, names = slices(folder), TrackNames(lake)
    parts = []
    for path in track(files, "reading playlists", len(files)):
        one = read_slice(path)
        parts.append(Playlists.of(one.titles, one.playlist, pool.items(names.track_ids(one))))
    return Playlists.joined(parts)


def _coverage(playlists: Playlists, judged: np.ndarray, training: np.ndarray, pool: Pool) -> Row:
    return {
        "playlists": len(playlists.titles),
        "playlists_with_two_tracks": int(np.sum(playlists.lengths > 1)),
        "tracks": playlists.listed,
        "tracks_matched": playlists.matched,
        "judged": len(judged),
        "counted_for_popularity": len(training),
        "candidates": len(pool.rows),
    }


def _by_title(trial: Trial, spec: EncoderSpec, settings: Settings, say: Any) -> list[Measured]:
    """The playlists of which nothing but the title is shown; said and left out where the encoder has no words."""
    asked = trial.tasks(TITLE)
    if not asked:
        return []
    try:
        titles = [trial.playlists.titles[task.playlist] for task in asked]
        queries = text_tower(spec, settings).embed_text(titles)
    except UserError as error:
        say(f"not judged by title: {error}")
        return []
    lists = {POPULARITY: by_popularity(trial.counts, asked), WORDS: by_query(trial.pool.rows, queries, asked)}
    return trial.measured(TITLE, asked, lists)


def _together(measured: list[Measured]) -> list[Measured]:
    """From all seeds: each playlist's mean, so that the playlists can be resampled."""
    found = []
    for method in (POPULARITY, MEAN, INTERESTS):
        parts = [one for one in measured if one.method == method and one.seeds != TITLE]
        if len(parts) > 1:
            numbers, place = np.unique(np.concatenate([one.playlists for one in parts]), return_inverse=True)
            times = np.bincount(place)
            values = {
                name: np.bincount(place, np.concatenate([one.values[name] for one in parts])) / times
                for name in parts[0].values
            }
            found.append(Measured(ALL, method, numbers, values))
    return found


def _figures(one: Measured) -> list[Row]:
    weights = resamples(len(one.playlists), RESAMPLES)
    rows = []
    for metric, values in one.values.items():
        low, high = interval(np.asarray(mean_of(values, weights)))
        told = {"seeds": one.seeds, "method": one.method, "playlists": len(values), "metric": metric}
        rows.append(told | {"value": float(values.mean()), "low": low, "high": high})
    return rows


def _gains(one: Measured, measured: list[Measured]) -> list[Row]:
    """Paired differences, playlist by playlist: of the interests, or the title, minus each baseline."""
    if one.method not in (INTERESTS, WORDS):
        return []
    rows = []
    for other in measured:
        if other.seeds == one.seeds and other.method in (POPULARITY, MEAN):
            for metric, values in one.values.items():
                change = compare_values(other.values[metric], values)
                told = {"seeds": one.seeds, "method": one.method, "over": other.method, "metric": metric}
                rows.append(told | {"gain": change.gain, "low": change.low, "high": change.high})
    return rows
