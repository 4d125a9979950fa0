"""The commands of a history, run on the real code of flows; only Ray is left out."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.console.progress import ProgressReporter
from flows.evaluation.evaluate import evaluate
from flows.evaluation.request import EvaluateRequest
from flows.export.export import ExportRequest, write_export
from flows.ingest import sources as source_commands
from flows.ingest.describe import describe
from flows.ingest.index import index_catalogue
from flows.ingest.refresh import RefreshRequest, refresh
from flows.ingest.report import IndexRequest
from flows.map.make_map import MapRequest, make_map
from flows.operations.maintain import MaintainRequest, maintain
from flows.operations.status import quarantined_versions
from flows.operations.takedown import TakedownRequest, take_down
from flows.releases.promote import PromoteRequest, promote, rollback
from lake.embeddings import indexes
from schemas.settings import S3Settings, Settings
from tests.flows.catalogue import run_in_process
from tests.flows.labelled import render_sound, write_labels
from tests.simulation.history import Step
from tests.simulation.reader import PlainReader
from tests.simulation.sounds import RememberedDescriber, embed_remembered
from tests.simulation.sources import FOLDERS, MANIFEST, Sources
from workers.description import describer
from workers.embedding import track as track_module

_ENCODERS = ("fake", "fake", "fake", "fake", "fake", "head-8", "head-12", "fake,head-8")
_ONE_WINDOW = 4  # the position in _ENCODERS whose version takes one window of each track
_FORMATS = ("parquet", "npy", "lance")
_FEWER_INDEXES = {"track_id": "BTREE", "tag_names": "LABEL_LIST"}  # one of each kind: an index takes 20 ms
_REASON = "the simulator wants it"
Command = Callable[[], Any]


class Commands:
    """The commands of a user of the lake at `uri`. Each method returns what a process is to run."""

    def __init__(self, uri: str, sources: Sources, reader: PlainReader, s3: S3Settings) -> None:
        self.uri, self._sources, self._reader, self._s3 = uri, sources, reader, s3
        self._benchmark = str(sources.root / "benchmark")
        self._settings = Settings(lake=uri, s3=s3, shard_tracks=4, commit_rows=3)

    def prepare(self, step: Step) -> Command:
        """Return the command of a step, with what its choices pick now."""
        return getattr(self, step.name)(*step.choices)

    def settings(self, **options: Any) -> Settings:
        return self._settings.model_copy(update=options)

    def index(self, source: int, encoder: int, limit: int) -> Command:
        names = [name for name in (*FOLDERS, MANIFEST) if (self._sources.root / name).exists()]
        chosen = [names[source % len(names)]] if names and source % 3 else names
        encoder %= len(_ENCODERS)
        request = IndexRequest(
            tuple(map(self._sources.address, chosen)) or (self._sources.address(FOLDERS[0]),),
            max_windows=1 if encoder == _ONE_WINDOW else None,
            limit=limit % 4 if limit % 10 == 1 else None,
        )
        settings = self.settings(encoder=_ENCODERS[encoder], describe=limit % 5 > 0)
        return lambda: index_catalogue(request, settings, ProgressReporter())

    def describe_tracks(self, *_: int) -> Command:
        return lambda: describe(self.settings(), ProgressReporter())

    def map_tracks(self, landmarks: int, renew: int, _: int) -> Command:
        request = MapRequest(landmarks=2 + landmarks % 3, renew=renew % 3 == 0, method="pca")
        return lambda: make_map(request, self.settings(), _ignore)

    def retry(self, *_: int) -> Command:
        """Try the tracks in quarantine again."""

        def run() -> list[Any]:
            settings = self.settings(encoder="fake")
            requests = [IndexRequest(max_windows=limit, retry=True) for _, limit in quarantined_versions(settings)]
            return [index_catalogue(request, settings, ProgressReporter())[0] for request in requests]

        return run

    def refresh(self, accepts: int, *_: int) -> Command:
        sources = self._reader.column("sources", "source")
        request = RefreshRequest(tuple(sources) if accepts % 2 else ())
        return lambda: refresh(request, self.settings(), ProgressReporter())

    def promote(self, version: int, force: int, *_: int) -> Command:
        versions = self._reader.column("encoders", "embedding_version")
        chosen = versions[version % len(versions)] if versions else "fake"
        reason = _REASON if force % 2 else None
        return lambda: promote(PromoteRequest(chosen, reason=reason), self.settings(), _ignore)

    def rollback(self, number: int, *_: int) -> Command:
        releases = self._reader.column("releases", "number")
        chosen = releases[number % len(releases)] if releases and number % 2 else None
        return lambda: rollback(chosen, self.settings(), _ignore)

    def take_down(self, track: int, content: int, retire: int) -> Command:
        tracks = self._reader.column("tracks", "track_id")
        chosen = (tracks[track % len(tracks)],) if tracks and track % 8 else ()
        request = TakedownRequest(chosen, content=bool(content % 2), retire=retire % 5 == 0, reason=_REASON)
        return lambda: take_down(request, self.settings(), _ignore)

    def maintain(self, days: int, repair: int, releases: int) -> Command:
        request = MaintainRequest(retention_days=14.0 if days % 3 == 0 else 0.0, repair=repair % 3 == 0)
        kept = 1 if releases % 5 == 0 else 10
        return lambda: maintain(request, self.settings(kept_releases=kept), _ignore)

    def export(self, folder: int, kind: int, since: int) -> Command:
        releases = self._reader.column("releases", "number")
        earlier = releases[since % len(releases)] if releases and since % 3 == 0 else None
        path = str(self._sources.root / "exports" / str(folder % 2))
        request = ExportRequest(path, since=earlier, format=_FORMATS[kind % len(_FORMATS)])
        return lambda: write_export(request, self.settings(), _ignore, replaces=bool(folder % 3))

    def evaluate(self, encoder: int, *_: int) -> Command:
        _write_benchmark(Path(self._benchmark))
        request = EvaluateRequest(("folder",), self._benchmark, protocols=("tag-retrieval",))
        return lambda: evaluate(request, self.settings(encoder=("fake", "head-8")[encoder % 2]))

    def remove_source(self, number: int, *_: int) -> Command:
        sources = self._reader.column("sources", "source")
        chosen = sources[number % len(sources)] if sources else self._sources.address(FOLDERS[0])
        return lambda: source_commands.remove(chosen, self.settings())


def _write_benchmark(folder: Path) -> None:
    """Write eight labelled clips."""
    if folder.exists():
        return
    folder.mkdir()
    rows = []
    for number, split in enumerate(("train", "train", "valid", "test")):
        for sound in ("bright", "dark"):
            (folder / f"{sound}-{number}.wav").write_bytes(_clip(sound, number))
            rows.append({"path": f"{sound}-{number}.wav", "split": split, "tags": sound, "caption": ""})
    write_labels(folder, rows)


@functools.cache
def _clip(sound: str, number: int) -> bytes:
    return render_sound(sound, number)


@contextmanager
def without_ray(*, with_vector_index: bool) -> Iterator[None]:
    """Embed in the process that commits inside the `with` block; build the indexes of large tables
    over small ones."""
    with pytest.MonkeyPatch.context() as patches:
        run_in_process([], patches, block_tracks=2)
        patches.setattr(describer, "Describer", RememberedDescriber)
        patches.setattr(track_module, "_embed", embed_remembered)
        if with_vector_index:
            patches.setattr(indexes, "VECTOR_INDEX_ROWS", 3)
            patches.setattr(indexes, "NAME_INDEX_ROWS", 3)
        patches.setattr(indexes, "_SCALAR_INDEXES", _FEWER_INDEXES)
        yield


def _ignore(_: str) -> None:
    """Log nothing."""
