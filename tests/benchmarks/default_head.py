"""Is a trained head fit to be the default? The rule, fixed before its figures on recordings were seen:

* better than ConSE on rendered pieces: the paired 95 % interval of the gain lies above 0 for sentences, tags and
  instruments; since synonyms are trained also for the other names of instruments;
* not worse on real recordings, nor on words that no training clip has: no such interval lies below 0.

python -m tests.benchmarks.default_head HEAD --corpus MANIFEST [--work FOLDER]

HEAD is a folder of `tonelake train`, or an encoder's name. Everything is computed from musicnn's features: those of
the corpus in the lake that it was trained in (TONELAKE_LAKE), the others in lakes below the work folder.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flows.console.progress import Watch
from flows.evaluation.benchmark_data import data_folder, subject
from flows.ingest.index import index_catalogue
from flows.ingest.report import IndexRequest
from flows.training.dataset import features_of
from lake.benchmarks.labelled_manifest import manifest_clips
from lake.sources.listing import list_sources
from lake.storage.lake import Lake
from lake.storage.vectors import track_vectors
from schemas.benchmarks import Clip
from schemas.settings import Settings
from tests.benchmarks.recordings import recordings
from workers.encoders.base.registration import Entry
from workers.encoders.registry import encoder_entry
from workers.evaluation.predictions import Items
from workers.evaluation.scoring import compare, figures
from workers.evaluation.zero_shot_retrieval import sentence_retrieval, tag_retrieval, zero_shot
from workers.synthetic_music.corpus.pieces import HELD_OUT

BASE = "musicnn-conse"
Asked = Callable[[np.ndarray, object, str], Items]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the clips, and which metric answers; `better`: must it rise, or only not fall?"""

    name: str
    clips: list[Clip]
    metric: str
    better: bool
    names: tuple[str, ...] = ()

    def items(self, vectors: np.ndarray, tower: object, prompt: str) -> Items:
        """What an encoder with these vectors [N, dim] and this text tower finds."""
        if self.metric == "recall@10":
            return sentence_retrieval(self.clips, vectors, tower)
        if self.metric == "map@10":
            return tag_retrieval(self.clips, vectors, self.names, tower, prompt)
        task = "multiclass" if self.metric == "accuracy" else "multilabel"
        return zero_shot(self.clips, vectors, self.names, task, tower, prompt)


def main() -> None:
    """Prints a line a question as Markdown, and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head")
    parser.add_argument("--corpus", required=True, help="manifest.jsonl of tonelake corpus build")
    parser.add_argument("--work", type=Path, default=Path("default-head"))
    asked = parser.parse_args()
    settings = Settings()
    entries = [encoder_entry(BASE), encoder_entry(asked.head)]
    loaded = [(entry, entry.load(entry.spec, settings.models), _tower(entry, settings)) for entry in entries]
    print("| asked | metric | items | ConSE | head | gain | must | |\n|---|---|---|---|---|---|---|---|")
    fit = True
    for question, features in questions(asked.corpus, asked.work, settings):
        before, after = (
            question.items(encoder.project(features), tower, entry.spec.prompt) for entry, encoder, tower in loaded
        )
        gain = compare(before, after)[question.metric]
        passed = gain.low > 0 if question.better else gain.high >= 0
        fit &= passed
        told = [_figure(items, question.metric) for items in (before, after)]
        must, verdict = "rise" if question.better else "not fall", "passed" if passed else "FAILED"
        print(
            f"| {question.name} | {question.metric} | {len(before.ids)} | {told[0]} | {told[1]} | {gain.gain:+.3f} "
            f"({gain.low:+.3f} to {gain.high:+.3f}) | {must} | {verdict} |"
        )
    print(f"\nby the rule {asked.head} {'is fit to be' if fit else 'must not be'} the default")


def questions(corpus: str, work: Path, settings: Settings) -> Iterator[tuple[Question, np.ndarray]]:
    """Each question with the features [N, dim] of its clips."""
    for name, metrics in (("rendered", ("recall@10", "map@10", "roc_auc")), ("rendered-instruments", ("accuracy",))):
        clips = [clip for clip in subject(name, None).clips if clip.split == "test"]
        folder = data_folder(subject(name, None).benchmark, None)
        heard = features(sorted(str(path) for path in folder.glob("seed-*")), work / "rendered", settings)
        whole = [replace(clip, clip_id=str(folder / clip.path)) for clip in clips]
        for metric in metrics:
            yield from _about(name, whole, heard, metric, True)
    manifest = recordings(work / "recordings")
    heard = features([str(manifest)], work / "recordings-lake", settings)
    clips = manifest_clips(list_sources([str(manifest)], settings.s3).tracks)
    single = [clip for clip in clips if clip.clip_id.startswith("gcompris")]
    yield from _about("recorded instruments", single, heard, "accuracy", False)
    yield from _about("recorded instruments", single, heard, "map@10", False)
    genres = [clip for clip in clips if not clip.clip_id.startswith("gcompris")]
    yield from _about("recorded genres", genres, heard, "roc_auc", False)
    test = features_of(corpus, BASE, settings).splits["test"]
    heard = dict(zip((clip.clip_id for clip in test.clips), test.features, strict=True))
    clips = [replace(clip, labels=tuple(tag for tag in clip.labels if tag in HELD_OUT)) for clip in test.clips]
    yield from _about("words never trained", clips, heard, "roc_auc", False)
    clips = [replace(clip, labels=_other_names(clip)) for clip in test.clips]
    yield from _about("other names of instruments", clips, heard, "roc_auc", True)


def _other_names(clip: Clip) -> tuple[str, ...]:
    """What else the clip's instruments are called, as "vibes"; none of those that training never met."""
    names = (name for tag, others in clip.other_names if tag not in HELD_OUT for name in others)
    return tuple(dict.fromkeys(names))


def _about(
    name: str, clips: list[Clip], heard: dict[str, np.ndarray], metric: str, better: bool
) -> Iterator[tuple[Question, np.ndarray]]:
    found = [clip for clip in clips if clip.clip_id in heard]
    if len(found) < len(clips):
        raise SystemExit(f"{name}: {len(clips) - len(found)} of {len(clips)} clips could not be heard")
    names = tuple(sorted({label for clip in found for label in clip.labels}))
    rows = np.stack([heard[clip.clip_id] for clip in found])
    yield Question(f"{name} ({len(names)} words)", found, metric, better, names), rows


def features(sources: list[str], lake: Path, settings: Settings) -> dict[str, np.ndarray]:
    """Of every track of the sources, by track_id, or by path where no manifest names it."""
    own = settings.model_copy(update={"lake": str(lake.absolute()), "encoder": BASE})
    index_catalogue(IndexRequest(tuple(sources)), own, Watch())
    held, spec = Lake.at(own.lake, own.s3), encoder_entry(BASE).spec
    tracks = held.table("tracks").to_table(["track_id", "uri"]).to_pylist()
    vectors = track_vectors(held, spec, {row["track_id"] for row in tracks}, "features")
    known = dict(zip(vectors.track_ids, vectors.rows, strict=True))
    by_uri = {row["uri"]: known[row["track_id"]] for row in tracks if row["track_id"] in known}
    return by_uri | known


def _tower(entry: Entry, settings: Settings) -> object:
    assert entry.load_text is not None, "an encoder to be judged in words has a text tower"
    return entry.load_text(entry.spec, settings.models)


def _figure(items: Items, metric: str) -> str:
    (one,) = (figure for figure in figures(items) if figure.metric == metric)
    return f"{one.value:.3f} ({one.low:.3f}-{one.high:.3f})"


if __name__ == "__main__":
    main()
