"""Check whether a trained head can be the default encoder.

The rule, fixed before its figures on recordings were known:

* better than ConSE on rendered pieces: the paired 95 % interval of the gain lies above 0 for sentences, tags and
  instruments, and, since synonyms are trained, for the other names of instruments;
* not worse on real recordings and on words that no training clip has: no such interval lies below 0.

python -m tests.benchmarks.default_head HEAD --corpus MANIFEST [--work FOLDER]

HEAD is a folder of `tonelake train`, or an encoder's name. All vectors are computed from musicnn's features. Those
of the corpus are in the lake of the training (TONELAKE_LAKE), the others in lakes below the work folder.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flows.console.progress import ProgressReporter
from flows.evaluation.benchmark_data import find_data_folder, load_benchmark
from flows.ingest.index import index_catalogue
from flows.ingest.report import IndexRequest
from flows.training.dataset import load_features
from lake.benchmarks.labelled_manifest import manifest_clips
from lake.sources.listing import list_sources
from lake.storage.lake import Lake
from lake.storage.vectors import load_track_vectors
from schemas.benchmarks import Clip
from schemas.settings import Settings
from tests.benchmarks.recordings import fetch_recordings, read_clips
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.registry import find_by_name
from workers.evaluation.predictions import Predictions
from workers.evaluation.scoring import compare, compute_figures
from workers.evaluation.zero_shot_retrieval import classify_zero_shot, retrieve_by_sentence, retrieve_by_tag
from workers.synthetic_music.corpus.pieces import HELD_OUT

BASE = "musicnn-conse"


@dataclass(frozen=True, slots=True)
class Question:
    """An evaluation of the clips by one metric.

    If `must_rise`, the metric must be better than ConSE's, otherwise not worse.
    """

    name: str
    clips: list[Clip]
    metric: str
    must_rise: bool
    names: tuple[str, ...] = ()

    def predict(self, vectors: np.ndarray, tower: object, prompt: str) -> Predictions:
        """Return the predictions of an encoder with these vectors [N, dim] and this text tower."""
        if self.metric == "recall@10":
            return retrieve_by_sentence(self.clips, vectors, tower)
        if self.metric == "map@10":
            return retrieve_by_tag(self.clips, vectors, self.names, tower, prompt)
        task = "multiclass" if self.metric == "accuracy" else "multilabel"
        return classify_zero_shot(self.clips, vectors, self.names, task, tower, prompt)


def main() -> None:
    """Print a line for each question as Markdown, and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head")
    parser.add_argument("--corpus", required=True, help="manifest.jsonl of tonelake corpus build")
    parser.add_argument("--work", type=Path, default=Path("default-head"))
    arguments = parser.parse_args()
    settings = Settings()
    entries = [find_by_name(BASE), find_by_name(arguments.head)]
    loaded = [(entry, entry.load(entry.spec, settings.models), _tower(entry, settings)) for entry in entries]
    print("| question | metric | items | ConSE | head | gain | must | |\n|---|---|---|---|---|---|---|---|")
    fit = True
    for question, rows in questions(arguments.corpus, arguments.work, settings):
        before, after = (
            question.predict(encoder.project(rows), tower, entry.spec.prompt) for entry, encoder, tower in loaded
        )
        gain = compare(before, after)[question.metric]
        passed = gain.low > 0 if question.must_rise else gain.high >= 0
        fit &= passed
        figures = [_format_figure(predictions, question.metric) for predictions in (before, after)]
        must, verdict = "rise" if question.must_rise else "not fall", "passed" if passed else "FAILED"
        print(
            f"| {question.name} | {question.metric} | {len(before.ids)} | {figures[0]} | {figures[1]} | "
            f"{gain.gain:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) | {must} | {verdict} |"
        )
    print(f"\nby the rule {arguments.head} {'can' if fit else 'must not'} be the default")


def questions(corpus: str, work: Path, settings: Settings) -> Iterator[tuple[Question, np.ndarray]]:
    """Yield each question with the features [N, dim] of its clips."""
    for name, metrics in (("rendered", ("recall@10", "map@10", "roc_auc")), ("rendered-instruments", ("accuracy",))):
        clips = [clip for clip in load_benchmark(name, None).clips if clip.split == "test"]
        folder = find_data_folder(load_benchmark(name, None).benchmark, None)
        features = index_features(sorted(str(path) for path in folder.glob("seed-*")), work / "rendered", settings)
        clips = [replace(clip, clip_id=str(folder / clip.path)) for clip in clips]
        for metric in metrics:
            yield from _make_question(name, clips, features, metric, True)
    manifest = fetch_recordings(work / "recordings")
    features = index_features([str(manifest)], work / "recordings-lake", settings)
    clips = manifest_clips(list_sources([str(manifest)], settings.s3).tracks)
    for name, chosen, metrics in (
        ("recorded instruments", "gcompris", ("accuracy", "map@10")),
        ("recorded instruments, larger set", "larger", ("accuracy", "map@10")),
        ("recorded genres", "genres", ("roc_auc",)),
    ):
        ids = {clip.clip_id for clip in read_clips(chosen)}
        for metric in metrics:
            yield from _make_question(name, [clip for clip in clips if clip.clip_id in ids], features, metric, False)
    test = load_features(corpus, BASE, settings).splits["test"]
    features = dict(zip((clip.clip_id for clip in test.clips), test.features, strict=True))
    clips = [replace(clip, labels=tuple(tag for tag in clip.labels if tag in HELD_OUT)) for clip in test.clips]
    yield from _make_question("words never trained", clips, features, "roc_auc", False)
    clips = [replace(clip, labels=_other_names(clip)) for clip in test.clips]
    yield from _make_question("other names of instruments", clips, features, "roc_auc", True)


def _other_names(clip: Clip) -> tuple[str, ...]:
    """Return other names of the clip's instruments, such as "vibes".

    Instruments that training never saw are left out.
    """
    names = (name for tag, others in clip.other_names if tag not in HELD_OUT for name in others)
    return tuple(dict.fromkeys(names))


def _make_question(
    name: str, clips: list[Clip], features: dict[str, np.ndarray], metric: str, must_rise: bool
) -> Iterator[tuple[Question, np.ndarray]]:
    available = [clip for clip in clips if clip.clip_id in features]
    if len(available) < len(clips):
        raise SystemExit(f"{name}: {len(clips) - len(available)} of {len(clips)} clips could not be embedded")
    names = tuple(sorted({label for clip in available for label in clip.labels}))
    rows = np.stack([features[clip.clip_id] for clip in available])
    yield Question(f"{name} ({len(names)} words)", available, metric, must_rise, names), rows


def index_features(sources: list[str], lake: Path, settings: Settings) -> dict[str, np.ndarray]:
    """Return the features [dim] of every track of the sources, by track_id and by path."""
    lake_settings = settings.model_copy(update={"lake": str(lake.absolute()), "encoder": BASE})
    index_catalogue(IndexRequest(tuple(sources)), lake_settings, ProgressReporter())
    features_lake, spec = Lake.at(lake_settings.lake, lake_settings.s3), find_by_name(BASE).spec
    tracks = features_lake.table("tracks").to_table(["track_id", "uri"]).to_pylist()
    vectors = load_track_vectors(features_lake, spec, {row["track_id"] for row in tracks}, "features")
    known = dict(zip(vectors.track_ids, vectors.rows, strict=True))
    by_uri = {row["uri"]: known[row["track_id"]] for row in tracks if row["track_id"] in known}
    return by_uri | known


def _tower(entry: EncoderRegistration, settings: Settings) -> object:
    assert entry.load_text is not None, "the questions need a text tower"
    return entry.load_text(entry.spec, settings.models)


def _format_figure(predictions: Predictions, metric: str) -> str:
    (figure,) = (figure for figure in compute_figures(predictions) if figure.metric == metric)
    return f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


if __name__ == "__main__":
    main()
