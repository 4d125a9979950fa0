"""A benchmark made ready to be judged: its clips read, its folder found, its vectors in a lake of their own."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from flows.console.progress import Watch, track
from flows.ingest.index import Step, index_catalogue
from flows.ingest.report import IndexReport, IndexRequest
from lake.benchmarks import rendered
from lake.benchmarks.readers.splits import split_hash
from lake.benchmarks.registry import benchmark
from lake.benchmarks.results import corpus_lake
from lake.storage.lake import Lake
from schemas.benchmarks import Benchmark, Clip
from schemas.errors import UserError
from schemas.evaluations import Protocol
from schemas.settings import Settings

RENDERED_PIECES, RENDERED_SECONDS = 60, 10


@dataclass(frozen=True, slots=True)
class Subject:
    """`clips` of every split; `corpus` names the lake of its own that its vectors are in."""

    benchmark: Benchmark
    data: Path
    clips: list[Clip]
    corpus: str

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, or the numbers of a regression, in one order everywhere."""
        labels = sorted({label for clip in self.clips for label in clip.labels})
        return self.benchmark.targets or tuple(labels)

    def asked(self, protocol: Protocol) -> list[Clip]:
        """The clips that a protocol uses."""
        return [clip for clip in self.clips if protocol.uses(clip)]

    def hash_of(self, protocol: Protocol) -> str:
        """Names those clips, what is said of them, and the classes to choose from."""
        return split_hash(self.asked(protocol), self.names)


def subject(name: str, data: str | None) -> Subject:
    """Reads the annotations; UserError where something is missing. Clips of one corpus share one lake."""
    found = benchmark(name)
    folder = data_folder(found, data)
    corpus = f"{found.corpus}-{_short(folder)}" if found.corpus == "folder" else found.corpus
    return Subject(found, folder, found.load(folder), f"{corpus}@{found.revision}")


def data_folder(found: Benchmark, data: str | None) -> Path:
    """Where a benchmark's files are: below `data`/CORPUS where that is there, else in `data`.

    `rendered` needs none: it is made on its first run, in the cache folder or below `data`.
    """
    if found.corpus == rendered.CORPUS:
        folder = (Path(data).expanduser().absolute() if data else user_cache_path("tonelake")) / found.corpus
        render_clips(folder)
        return folder
    if data is None:
        raise UserError(f"where is {found.name}? Give its folder with --data DIR; it comes from {found.source}")
    folder = Path(data).expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    return folder / found.corpus if (folder / found.corpus).is_dir() else folder


def render_clips(folder: Path) -> None:
    """Renders the clips of the rendered benchmarks; those that are there are kept."""
    from workers.synthetic_music.demo.catalogue import render_catalogue

    seeds = [seed for split in rendered.SEEDS.values() for seed in split]
    for seed in track(seeds, "rendering clips"):
        render_catalogue(folder / f"seed-{seed}", RENDERED_PIECES, seed, RENDERED_SECONDS)


def embed_clips(
    chosen: Subject, clips: list[Clip], chunks: int | None, settings: Settings, watch: Watch, step: Step
) -> IndexReport:
    """Indexes those of the clips that have no vector yet, in the corpus's own lake."""
    lines = (
        {"track_id": clip.clip_id, "uri": str(chosen.data / clip.path), "title": clip.title, "artist": clip.artist}
        for clip in clips
    )
    main = Lake.at(settings.lake, settings.s3)
    lake = corpus_lake(main, chosen.corpus)
    manifest = f"{lake.uri}/manifests/{chosen.benchmark.name}-{split_hash(clips)}.jsonl"
    files = lake.files()
    files.makedirs(f"{lake.uri}/manifests", exist_ok=True)
    files.pipe_file(manifest, "".join(json.dumps(line) + "\n" for line in lines).encode())
    # The manifest is ours and its clips are not beside it: below the folder that was named, links followed.
    own = settings.model_copy(update={"lake": lake.uri, "allow_outside": ("/",)})
    (report,) = index_catalogue(IndexRequest((manifest,), chunks), own, watch, step, main=main)
    return report


def _short(folder: Path) -> str:
    return hashlib.sha256(str(folder).encode()).hexdigest()[:8]
