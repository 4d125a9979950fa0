"""Benchmarks with their clips: data folder, annotations, and the lake of the vectors."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from flows.console.progress import ProgressReporter, TaskWrapper, with_progress
from flows.ingest.report import IndexReport, IndexRequest
from lake.benchmarks import rendered
from lake.benchmarks.readers.splits import split_hash
from lake.benchmarks.registry import find_benchmark
from lake.benchmarks.results import corpus_lake
from lake.storage.lake import Lake
from schemas.benchmarks import Benchmark, Clip
from schemas.errors import UserError
from schemas.evaluations import Protocol
from schemas.settings import Settings

RENDERED_PIECES, RENDERED_SECONDS = 60, 10


@dataclass(frozen=True, slots=True)
class LoadedBenchmark:
    """A benchmark with the clips of every split.

    `corpus` names the lake that holds their vectors.
    """

    benchmark: Benchmark
    data: Path
    clips: list[Clip]
    corpus: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, or the names of a regression's numbers; the order is the same everywhere."""
        labels = sorted({label for clip in self.clips for label in clip.labels})
        return self.benchmark.targets or tuple(labels)

    def clips_for(self, protocol: Protocol) -> list[Clip]:
        """Return the clips that a protocol uses."""
        return [clip for clip in self.clips if protocol.uses(clip)]

    def split_hash_for(self, protocol: Protocol) -> str:
        """Return the hash of those clips, their labels and the class names."""
        return split_hash(self.clips_for(protocol), self.class_names)


def load_benchmark(name: str, data: str | None) -> LoadedBenchmark:
    """Read the annotations of a benchmark. Raises UserError if something is missing.

    Benchmarks of one corpus share one lake; each folder of a user's own clips is a corpus of its own.
    """
    benchmark = find_benchmark(name)
    folder = find_data_folder(benchmark, data)
    corpus = f"{benchmark.corpus}-{_short_hash(folder)}" if benchmark.corpus == "folder" else benchmark.corpus
    return LoadedBenchmark(benchmark, folder, benchmark.load(folder), f"{corpus}@{benchmark.revision}")


def find_data_folder(benchmark: Benchmark, data: str | None) -> Path:
    """Return the folder of a benchmark's files: `data`/CORPUS if it exists, else `data`.

    `rendered` needs no `data`: its first run renders the clips into the cache folder or below `data`. Raises
    UserError if there is no such folder.
    """
    if benchmark.corpus == rendered.CORPUS:
        folder = (Path(data).expanduser().absolute() if data else user_cache_path("tonelake")) / benchmark.corpus
        render_clips(folder)
        return folder
    if data is None:
        raise UserError(
            f"where is {benchmark.name}? Give its folder with --data DIR; it comes from {benchmark.source}"
        )
    folder = Path(data).expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    return folder / benchmark.corpus if (folder / benchmark.corpus).is_dir() else folder


def render_clips(folder: Path) -> None:
    """Render the clips of the rendered benchmarks; existing ones are kept."""
    from workers.synthetic_music.demo.catalogue import render_catalogue

    seeds = [seed for split in rendered.SEEDS.values() for seed in split]
    for seed in with_progress(seeds, "rendering clips"):
        render_catalogue(folder / f"seed-{seed}", RENDERED_PIECES, seed, RENDERED_SECONDS)


def embed_clips(
    loaded: LoadedBenchmark,
    clips: list[Clip],
    max_windows: int | None,
    settings: Settings,
    progress: ProgressReporter,
    task: TaskWrapper,
) -> IndexReport:
    """Index the clips that have no vector yet, in the lake of their corpus."""
    from flows.ingest.index import index_catalogue  # decoding libraries, which a list of benchmarks does not need

    lines = (
        {"track_id": clip.clip_id, "uri": str(loaded.data / clip.path), "title": clip.title, "artist": clip.artist}
        for clip in clips
    )
    main = Lake.at(settings.lake, settings.s3)
    lake = corpus_lake(main, loaded.corpus)
    manifest = f"{lake.uri}/manifests/{loaded.benchmark.name}-{split_hash(clips)}.jsonl"
    files = lake.file_system()
    files.makedirs(f"{lake.uri}/manifests", exist_ok=True)
    files.pipe_file(manifest, "".join(json.dumps(line) + "\n" for line in lines).encode())
    # A manifest may only name files below its own folder. This one is ours, and its clips are below the folder that
    # the user named, perhaps through links: every path is allowed.
    settings = settings.model_copy(update={"lake": lake.uri, "allow_outside": ("/",)})
    (report,) = index_catalogue(IndexRequest((manifest,), max_windows), settings, progress, task, main=main)
    return report


def _short_hash(folder: Path) -> str:
    return hashlib.sha256(str(folder).encode()).hexdigest()[:8]
