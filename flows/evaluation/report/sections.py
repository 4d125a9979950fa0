"""What the report says of one benchmark: its tables, its pictures, its examples, what changed between versions."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from flows.evaluation.leaderboard import Row
from flows.evaluation.report import plots as pictures
from flows.evaluation.report.examples import Asked, Example, ExampleBook, Shelf
from flows.evaluation.report.umap_plot import flat_map
from lake.benchmarks.results import corpus_lake, read_items
from lake.catalogue.encoders import versions
from lake.storage.lake import Lake
from lake.storage.vectors import track_vectors
from schemas.encoders import EncoderSpec
from schemas.settings import Settings
from workers.encoders.registry import entry_of
from workers.evaluation.predictions import Items, LabelScores, Retrieved, from_table
from workers.evaluation.scoring import Change, compare, curve, incomparable, per_class, shared

_KINDS = {"tag-retrieval": "tag", "sentence-retrieval": "sentence"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG in the report's folder, and the same bytes for the page itself."""

    title: str
    file: str
    address: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions on the `common` clips or queries that both have judged; `obstacle` says why there is none."""

    title: str
    common: int = 0
    changes: dict[str, Change] = field(default_factory=dict)
    obstacle: str = ""


@dataclass(slots=True)
class Section:
    """One benchmark's part of the page; `notes` say what could not be shown."""

    name: str
    boards: dict[str, list[Row]]
    maps: list[Picture] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class SectionBuilder:
    """Reads what was kept of a benchmark's evaluations and draws it into `folder`."""

    def __init__(self, lake: Lake, settings: Settings, folder: Path, name: str, rows: list[Row]) -> None:
        self._lake, self._settings, self._folder, self._name = lake, settings, folder, name
        boards: dict[str, list[Row]] = {}
        for row in rows:
            boards.setdefault(row["protocol"], []).append(row)
        self.section = Section(name, boards)
        self._items = dict(self._read(rows))
        ours = [row for row in rows if row["evaluation_id"] in self._items]
        self._ours = sorted(ours, key=lambda row: row["at"])

    def build(self) -> Section:
        """All of it."""
        for row in {(row["system"], row["corpus"]): row for row in self._ours if row["protocol"] in _KINDS}.values():
            self._look_into(row)
        self._draw_changes()
        self._draw_reliability()
        self._draw_tags()
        return self.section

    def _read(self, rows: list[Row]) -> Iterator[tuple[str, Items]]:
        for row in rows:
            if not row["published"]:
                try:
                    yield row["evaluation_id"], from_table(read_items(self._lake, row["evaluation_id"]))
                except FileNotFoundError:
                    self.section.notes.append(f"The scores behind {_called(row)} are gone from the lake.")

    def _draw_tags(self) -> None:
        for row in self._ours:
            items = self._items[row["evaluation_id"]]
            if isinstance(items, LabelScores) and items.task == "multilabel":
                title, file = f"{self._name}: {_called(row)}", self._file("tags", _called(row))
                pictures.tag_bars(file, title, items.names, per_class(items)["roc_auc"], items.truth.sum(axis=0))
                self.section.pictures.append(_picture(title, file))

    def _draw_reliability(self) -> None:
        curves = {}
        for row in self._ours:
            items = self._items[row["evaluation_id"]]
            if isinstance(items, LabelScores) and items.calibrated:
                curves[_called(row)] = curve(items)
        if curves:
            title, file = f"{self._name}: reliability of the probes' probabilities", self._file("reliability")
            pictures.reliability_curves(file, title, curves)
            self.section.pictures.append(_picture(title, file))

    def _look_into(self, row: Row) -> None:
        """Map and examples of an encoder version that can be asked in words."""
        corpus = corpus_lake(self._lake, row["corpus"])
        held = (one.spec for one in versions(corpus) if one.embedding_version == row["embedding_version"])
        spec = next(held, None)
        if spec is None:
            self.section.notes.append(
                f"The vectors of {_version(row)} are gone from {corpus.uri}: no map, no examples."
            )
            return
        load = entry_of(spec).load_text
        if load is None:
            return
        alike = [one for one in self._ours if all(one[name] == row[name] for name in ("corpus", "embedding_version"))]
        tower, shelf, asked = load(spec, self._settings.models), self._shelf(corpus, spec, alike), self._asked(alike)
        title, file = f"{self._name}: tracks, tags and sentences of {_version(row)}", self._file("map", _version(row))
        pictures.space_map(file, title, flat_map(shelf, tower, asked))
        self.section.maps.append(_picture(title, file))
        self.section.examples[_version(row)] = ExampleBook(shelf, tower, self._settings.s3).examples(asked)

    def _shelf(self, corpus: Lake, spec: EncoderSpec, rows: list[Row]) -> Shelf:
        """The clips of the test split, with what is known of them."""
        ids: set[str] = set()
        labels: dict[str, tuple[str, ...]] = {}
        for items in (self._items[row["evaluation_id"]] for row in rows):
            if isinstance(items, Retrieved):
                ids.update(name for names in items.relevant for name in names)
            else:
                ids.update(items.ids)
                if items.task != "regression":
                    labels |= dict(zip(items.ids, map(items.labels, range(len(items.ids))), strict=True))
        held = track_vectors(corpus, spec, ids)
        tracks = corpus.table("tracks").to_table(columns=["track_id", "title", "uri"]).to_pylist()
        titles = {track["track_id"]: track["title"] for track in tracks if track["title"]}
        return Shelf(held.track_ids, held.rows, titles, labels, {row["track_id"]: row["uri"] for row in tracks})

    def _asked(self, rows: list[Row]) -> list[Asked]:
        """The newest retrieval of each kind."""
        found = {}
        for row in rows:
            items = self._items[row["evaluation_id"]]
            if isinstance(items, Retrieved):
                found[row["protocol"]] = Asked(_KINDS[row["protocol"]], row["prompt"], items)
        return list(found.values())

    def _draw_changes(self) -> None:
        """Each pair of successive answers to one question: of an encoder's versions, or of two encoders."""
        asked: dict[tuple[str, ...], list[Row]] = {}
        for row in self._ours:
            asked.setdefault((row["corpus"], row["parameters"]), []).append(row)
        for rows in asked.values():
            for before, after in pairwise(rows):
                self._draw_change(before, after)

    def _draw_change(self, before: Row, after: Row) -> None:
        old, new = (self._items[row["evaluation_id"]] for row in (before, after))
        title = f"{self._name}, {after['protocol']}: {_version(after)} against {_version(before)}"
        if obstacle := incomparable(old, new):
            self.section.comparisons.append(Comparison(title, obstacle=obstacle))
            return
        found = compare(old, new)
        file = self._file("change", after["protocol"], _version(before), _version(after))
        pictures.difference_plot(file, title, found)
        self.section.pictures.append(_picture(title, file))
        self.section.comparisons.append(Comparison(title, len(shared(old, new)[0].ids), found))

    def _file(self, *parts: str) -> Path:
        """A name of letters and digits; what they leave alike is numbered."""
        stem = re.sub(r"[^a-z0-9]+", "-", "-".join((self._name, *parts)).lower()).strip("-")
        taken = sum(picture.file.startswith(stem) for picture in self.section.maps + self.section.pictures)
        return self._folder / (f"{stem}-{taken + 1}.png" if taken else f"{stem}.png")


def _picture(title: str, file: Path) -> Picture:
    return Picture(title, file.name, f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}")


def _called(row: Row) -> str:
    return f"{row['protocol']}, {_version(row)}"


def _version(row: Row) -> str:
    return " ".join(part for part in (row["system"], row["embedding_version"], row["how"]) if part)
