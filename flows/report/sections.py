"""What the report says of one benchmark: its table, its pictures, its examples, what changed between versions."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from flows.leaderboard import Row
from flows.report import pictures
from flows.report.examples import Example, Shelf, examples
from flows.report.flat import flat_map
from lake.connect import Lake
from lake.evaluations import corpus_lake, read_items
from lake.vectors import track_vectors
from lake.versions import versions
from schemas.encoders import EncoderSpec
from schemas.settings import Settings
from workers.encoders.protocol import TextTower
from workers.encoders.registry import encoder_entry
from workers.protocols.items import Items, LabelScores, Retrieved, from_table
from workers.protocols.measure import Change, compare, curve, per_class, shared


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG in the report's folder, and the same bytes for the page itself."""

    title: str
    file: str
    address: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions of an encoder on what both have judged; `common` is how many clips or queries that is."""

    title: str
    common: int
    changes: dict[str, Change]


@dataclass(slots=True)
class Section:
    """One benchmark's part of the page."""

    name: str
    boards: dict[str, list[Row]]
    maps: list[Picture] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)


class SectionBuilder:
    """Reads what was kept of a benchmark's evaluations and draws it into `folder`."""

    def __init__(self, lake: Lake, settings: Settings, folder: Path, name: str, rows: list[Row]) -> None:
        self._lake, self._settings, self._folder, self._name = lake, settings, folder, name
        self._ours = sorted((row for row in rows if not row["published"]), key=lambda row: row["at"])
        self._items = {row["evaluation_id"]: from_table(read_items(lake, row["evaluation_id"])) for row in self._ours}
        boards: dict[str, list[Row]] = {}
        for row in rows:
            boards.setdefault(row["protocol"], []).append(row)
        self.section = Section(name, boards)

    def build(self) -> Section:
        """All of it."""
        for row in self._newest("zero-shot", "tag-retrieval", "sentence-retrieval"):
            self._look_into(row)
        self._draw_changes()
        self._draw_reliability()
        self._draw_tags()
        return self.section

    def _draw_tags(self) -> None:
        for row in self._ours:
            items = self._items[row["evaluation_id"]]
            if isinstance(items, LabelScores) and items.task == "multilabel":
                title = f"{self._name}: {_called(row)}"
                file = self._file("tags", _called(row))
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
        spec = next(one.spec for one in versions(corpus) if one.embedding_version == row["embedding_version"])
        tower = _tower(spec, self._settings)
        if tower is None:
            return
        shelf, asked = self._shelf(corpus, spec, row), self._asked(row)
        called = f"{row['system']} {row['embedding_version']}"
        title, file = f"{self._name}: tracks, tags and sentences of {called}", self._file("map", called)
        pictures.space_map(file, title, flat_map(shelf, tower, asked))
        self.section.maps.append(_picture(title, file))
        self.section.examples[called] = examples(shelf, tower, asked)

    def _shelf(self, corpus: Lake, spec: EncoderSpec, row: Row) -> Shelf:
        ids = {name for items in self._items_of(row) for name in _clips(items)}
        held = track_vectors(corpus, spec, ids)
        tracks = corpus.table("tracks").to_table(columns=["track_id", "title", "uri"]).to_pylist()
        labels = {
            name: tuple(label for label, has in zip(items.names, truth, strict=True) if has)
            for items in self._items_of(row)
            if isinstance(items, LabelScores) and items.task != "regression"
            for name, truth in zip(items.ids, items.truth, strict=True)
        }
        titles = {track["track_id"]: track["title"] for track in tracks if track["title"]}
        return Shelf(held.track_ids, held.rows, titles, labels, {row["track_id"]: row["uri"] for row in tracks})

    def _asked(self, row: Row) -> dict[str, Retrieved]:
        kinds = {"tag-retrieval": "tag", "sentence-retrieval": "sentence"}
        same = [one for one in self._ours if one["embedding_version"] == row["embedding_version"]]
        found = {kinds[one["protocol"]]: self._items[one["evaluation_id"]] for one in same if one["protocol"] in kinds}
        return {kind: items for kind, items in found.items() if isinstance(items, Retrieved)}

    def _items_of(self, row: Row) -> Iterator[Items]:
        for one in self._ours:
            if one["embedding_version"] == row["embedding_version"]:
                yield self._items[one["evaluation_id"]]

    def _newest(self, *protocols: str) -> list[Row]:
        """The newest version of each encoder that was judged by one of the protocols."""
        return list({row["system"]: row for row in self._ours if row["protocol"] in protocols}.values())

    def _draw_changes(self) -> None:
        """Every pair of successive evaluations of one question by different versions, or by different encoders."""
        asked: dict[tuple[str, str, tuple[str, ...]], list[Row]] = {}
        for row in self._ours:
            asked.setdefault((row["protocol"], row["parameters"]), []).append(row)
        for rows in asked.values():
            for before, after in pairwise(rows):
                self._draw_change(before, after)

    def _draw_change(self, before: Row, after: Row) -> None:
        old, new = (self._items[row["evaluation_id"]] for row in (before, after))
        names = [getattr(items, "names", ()) for items in (old, new)]
        common = len(shared(old, new)[0].ids)
        if not common or names[0] != names[1]:
            return
        found = compare(old, new)
        title = f"{self._name}, {after['protocol']}: {_version(after)} against {_version(before)}"
        file = self._file("change", after["protocol"], _version(before), _version(after))
        pictures.difference_plot(file, title, found)
        self.section.pictures.append(_picture(title, file))
        self.section.comparisons.append(Comparison(title, common, found))

    def _file(self, *parts: str) -> Path:
        stem = re.sub(r"[^a-z0-9]+", "-", "-".join((self._name, *parts)).lower()).strip("-")
        return self._folder / f"{stem}.png"


def _picture(title: str, file: Path) -> Picture:
    return Picture(title, file.name, f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}")


def _clips(items: Items) -> Any:
    return items.ids if isinstance(items, LabelScores) else {name for names in items.relevant for name in names}


def _tower(spec: EncoderSpec, settings: Settings) -> TextTower | None:
    load = encoder_entry(spec.name).load_text
    return load(spec, settings.models) if load else None


def _called(row: Row) -> str:
    return ", ".join(part for part in (row["protocol"], _version(row)) if part)


def _version(row: Row) -> str:
    return " ".join(part for part in (row["system"], row["embedding_version"], row["how"]) if part)
