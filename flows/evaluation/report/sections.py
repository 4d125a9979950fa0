"""Sections of the report, one a benchmark: tables, plots, examples, and what changed between versions."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from flows.evaluation.figures import LeaderboardRow
from flows.evaluation.report import plots
from flows.evaluation.report.examples import Example, ExampleSelector, Gallery, QuerySet
from flows.evaluation.report.plane import project_to_plane
from lake.benchmarks.results import corpus_lake, read_predictions
from lake.catalogue.encoders import list_encoder_versions
from lake.storage.lake import Lake
from lake.storage.vectors import load_track_vectors
from schemas.encoders import EncoderSpec
from schemas.settings import Settings
from workers.encoders.registry import find_by_spec
from workers.evaluation.predictions import LabelScores, Predictions, RetrievalResults, from_table
from workers.evaluation.scoring import (
    Change,
    compare,
    incomparability_reason,
    per_class_areas,
    reliability_curve,
    restrict_to_shared,
)

_QUERY_KINDS = {"tag-retrieval": "tag", "sentence-retrieval": "sentence"}  # by protocol


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG in the report's folder.

    `address` is the same bytes as a data: address, for the page.
    """

    title: str
    file: str
    address: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions on the `common` clips or queries that both were evaluated on.

    `incomparability_reason` says why there are no `changes`; else it is empty.
    """

    title: str
    common: int = 0
    changes: dict[str, Change] = field(default_factory=dict)
    incomparability_reason: str = ""


@dataclass(slots=True)
class Section:
    """The part of the page about one benchmark; `notes` say what could not be shown."""

    name: str
    boards: dict[str, list[LeaderboardRow]]  # by protocol
    maps: list[Picture] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """A row of the leaderboard with the predictions that its figures were computed from."""

    row: LeaderboardRow
    predictions: Predictions


class SectionBuilder:
    """Builder of one section.

    It reads the predictions of a benchmark's evaluations and writes its plots into `folder`.
    """

    def __init__(self, lake: Lake, settings: Settings, folder: Path, name: str, rows: list[LeaderboardRow]) -> None:
        self._lake, self._settings, self._folder, self._name = lake, settings, folder, name
        boards: dict[str, list[LeaderboardRow]] = {}
        for row in rows:
            boards.setdefault(row.protocol, []).append(row)
        self.section = Section(name, boards)
        self._evaluations = sorted(self._read(rows), key=lambda evaluation: evaluation.row.at)

    def build(self) -> Section:
        """Build the whole section."""
        retrieval_rows = [
            evaluation.row for evaluation in self._evaluations if evaluation.row.protocol in _QUERY_KINDS
        ]
        for row in {(row.system, row.corpus): row for row in retrieval_rows}.values():
            self._show_space(row)
        self._plot_changes()
        self._plot_reliability()
        self._plot_tags()
        return self.section

    def _read(self, rows: list[LeaderboardRow]) -> Iterator[_Evaluation]:
        for row in rows:
            if row.evaluation_id is not None:
                try:
                    predictions = from_table(read_predictions(self._lake, row.evaluation_id))
                except FileNotFoundError:
                    self.section.notes.append(f"The predictions behind {_title(row)} are missing from the lake.")
                else:
                    yield _Evaluation(row, predictions)

    def _plot_tags(self) -> None:
        for evaluation in self._evaluations:
            scores = evaluation.predictions
            if isinstance(scores, LabelScores) and scores.task == "multilabel":
                title, file = f"{self._name}: {_title(evaluation.row)}", self._file("tags", _title(evaluation.row))
                areas = per_class_areas(scores)["roc_auc"]
                plots.plot_tags(file, title, scores.names, areas, scores.truth.sum(axis=0))
                self.section.pictures.append(_picture(title, file))

    def _plot_reliability(self) -> None:
        curves = {}
        for evaluation in self._evaluations:
            scores = evaluation.predictions
            if isinstance(scores, LabelScores) and scores.calibrated:
                curves[_title(evaluation.row)] = reliability_curve(scores)
        if curves:
            title, file = f"{self._name}: reliability of the probes' probabilities", self._file("reliability")
            plots.plot_reliability(file, title, curves)
            self.section.pictures.append(_picture(title, file))

    def _show_space(self, row: LeaderboardRow) -> None:
        """Add the map and the examples of an encoder version with a text tower."""
        assert row.corpus is not None, "only published rows have no corpus"
        corpus = corpus_lake(self._lake, row.corpus)
        specs = {version.spec.embedding_version: version.spec for version in list_encoder_versions(corpus)}
        spec = specs.get(row.embedding_version)
        if spec is None:
            message = f"The vectors of {_version_title(row)} are missing from {corpus.uri}: no map, no examples."
            self.section.notes.append(message)
            return
        load_text = find_by_spec(spec).load_text
        if load_text is None:
            return
        evaluations = [
            evaluation
            for evaluation in self._evaluations
            if evaluation.row.corpus == row.corpus and evaluation.row.embedding_version == row.embedding_version
        ]
        tower = load_text(spec, self._settings.models)
        gallery, query_sets = _gallery(corpus, spec, evaluations), _query_sets(evaluations)
        title = f"{self._name}: tracks, tags and sentences of {_version_title(row)}"
        file = self._file("map", _version_title(row))
        plots.plot_space(file, title, project_to_plane(gallery, tower, query_sets))
        self.section.maps.append(_picture(title, file))
        selector = ExampleSelector(gallery, tower, self._settings.s3)
        self.section.examples[_version_title(row)] = selector.examples(query_sets)

    def _plot_changes(self) -> None:
        """Compare successive evaluations of one question, by one encoder or by two."""
        by_question: dict[tuple[str | None, str | None], list[_Evaluation]] = {}
        for evaluation in self._evaluations:
            by_question.setdefault((evaluation.row.corpus, evaluation.row.parameters), []).append(evaluation)
        for evaluations in by_question.values():
            for before, after in pairwise(evaluations):
                self._plot_change(before, after)

    def _plot_change(self, before: _Evaluation, after: _Evaluation) -> None:
        old, new = before.predictions, after.predictions
        old_title, new_title, protocol = _version_title(before.row), _version_title(after.row), after.row.protocol
        title = f"{self._name}, {protocol}: {new_title} against {old_title}"
        if reason := incomparability_reason(old, new):
            self.section.comparisons.append(Comparison(title, incomparability_reason=reason))
            return
        changes = compare(old, new)
        file = self._file("change", protocol, old_title, new_title)
        plots.plot_differences(file, title, changes)
        self.section.pictures.append(_picture(title, file))
        self.section.comparisons.append(Comparison(title, len(restrict_to_shared(old, new)[0].ids), changes))

    def _file(self, *parts: str) -> Path:
        """Return a file name of letters and digits, numbered if the name is taken."""
        stem = re.sub(r"[^a-z0-9]+", "-", "-".join((self._name, *parts)).lower()).strip("-")
        taken = sum(picture.file.startswith(stem) for picture in self.section.maps + self.section.pictures)
        return self._folder / (f"{stem}-{taken + 1}.png" if taken else f"{stem}.png")


def _gallery(corpus: Lake, spec: EncoderSpec, evaluations: list[_Evaluation]) -> Gallery:
    """Return the clips of the test split, with their labels."""
    ids: set[str] = set()
    labels: dict[str, tuple[str, ...]] = {}
    for evaluation in evaluations:
        predictions = evaluation.predictions
        if isinstance(predictions, RetrievalResults):
            ids.update(name for names in predictions.relevant for name in names)
        else:
            ids.update(predictions.ids)
            if predictions.task != "regression":
                labels |= {name: predictions.labels(row) for row, name in enumerate(predictions.ids)}
    vectors = load_track_vectors(corpus, spec, ids)
    tracks = corpus.table("tracks").to_table(columns=["track_id", "title", "uri"]).to_pylist()
    titles = {track["track_id"]: track["title"] for track in tracks if track["title"]}
    uris = {track["track_id"]: track["uri"] for track in tracks}
    return Gallery(vectors.track_ids, vectors.rows, titles, labels, uris)


def _query_sets(evaluations: list[_Evaluation]) -> list[QuerySet]:
    """Return the newest retrieval of each kind."""
    query_sets = {}
    for evaluation in evaluations:
        if isinstance(evaluation.predictions, RetrievalResults):
            row = evaluation.row
            query_sets[row.protocol] = QuerySet(_QUERY_KINDS[row.protocol], row.prompt or "{}", evaluation.predictions)
    return list(query_sets.values())


def _picture(title: str, file: Path) -> Picture:
    return Picture(title, file.name, f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}")


def _title(row: LeaderboardRow) -> str:
    return f"{row.protocol}, {_version_title(row)}"


def _version_title(row: LeaderboardRow) -> str:
    return " ".join(part for part in (row.system, row.embedding_version, row.how) if part)
