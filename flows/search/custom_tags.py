"""Tags of one's own words: zero-shot by cosine, made probabilities where a benchmark has the labels to learn from."""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.console.progress import track
from flows.search.search import embed_file, held, spec_for_files, text_tower
from lake.benchmarks.results import latest, read_items
from lake.embeddings.search import vector_of
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.encoders.base.interface import TextTower
from workers.encoders.registry import entry_of
from workers.evaluation.platt import Calibration, calibrated
from workers.evaluation.predictions import LabelScores, from_table

Row = dict[str, Any]

_BATCH_TRACKS = 8192
_TAGS = pa.list_(pa.struct({"name": pa.string(), "score": pa.float32(), "probability": pa.float32()}))
_SCHEMA = pa.schema({"track_id": pa.string(), "embedding_version": pa.string(), "tags": _TAGS})


def tags_in_words(
    settings: Settings,
    file: str,
    track_or_file: str | None,
    labelled: str | None,
    embedding_version: str | None,
    number: int | None = None,
) -> tuple["Vocabulary", Lake, EncoderSpec, np.ndarray | None]:
    """The words, the lake and version they are read in, and the vector [dim] of the track or file, if one is named."""
    heard = track_or_file is not None and (Path(track_or_file).is_file() or track_or_file.startswith("s3://"))
    if heard:
        lake, spec = Lake.at(settings.lake, settings.s3), spec_for_files(settings)
    else:
        lake, spec = held(settings, embedding_version, number)
    words = Vocabulary.of(file, spec, text_tower(spec, settings), lake, labelled)
    if track_or_file is None:
        return words, lake, spec, None
    if heard:
        return words, lake, spec, np.asarray(embed_file(track_or_file, spec, settings)["vector"], np.float32)
    return words, lake, spec, vector_of(lake, spec, track_or_file)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words, their vectors [C, dim], and for those that a benchmark labels how a cosine becomes a probability.

    `calibrations` is None where no benchmark was asked.
    """

    names: tuple[str, ...]
    vectors: np.ndarray
    calibrations: dict[str, Calibration] | None

    @classmethod
    def of(cls, file: str, spec: EncoderSpec, tower: TextTower, lake: Lake, labelled: str | None) -> "Vocabulary":
        """Reads the file; with a benchmark's name learns from its zero-shot evaluation by this encoder version."""
        names = read_words(Path(file))
        known = _calibrations(lake, spec, labelled, names) if labelled else None
        prompt = entry_of(spec).spec.prompt
        texts = [prompt.replace("{}", name) for name in names]
        return cls(names, tower.embed_text(texts), known)

    def rows(self, vector: np.ndarray) -> list[Row]:
        """Every word of one track [dim], best first; `said` is None where nothing tells from what score on."""
        found = [self._row(name, float(score)) for name, score in zip(self.names, self.vectors @ vector, strict=True)]
        return sorted(found, key=lambda row: (-(row["probability"] or -1), -row["score"]))

    def said(self, vector: np.ndarray) -> list[Row]:
        """The words that are told of a track: those at their threshold or above; without labels all, with scores."""
        kept = [row for row in self.rows(vector) if row["said"] or self.calibrations is None]
        return [{name: row[name] for name in ("name", "score", "probability")} for row in kept]

    def _row(self, name: str, score: float) -> Row:
        one = (self.calibrations or {}).get(name)
        probability = float(one.probability(np.float64(score))) if one else None
        said = probability >= one.threshold if one and probability is not None else None
        return {
            "name": name,
            "score": round(score, 4),
            "probability": None if probability is None else round(probability, 4),
            "threshold": round(one.threshold, 4) if one else None,
            "said": said,
        }


def read_words(file: Path) -> tuple[str, ...]:
    """One word or phrase a line, or the column `tag` of a .csv; UserError where there is none."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the vocabulary {file}: {error}; give a text file with a tag a line") from error
    lines = text.splitlines()
    if file.suffix == ".csv":
        try:
            rows = list(csv.DictReader(lines))
        except csv.Error as error:
            raise UserError(f"cannot read the vocabulary {file}: {error}; give a tag a line instead") from error
        if rows and "tag" not in rows[0]:
            raise UserError(f"{file} has no column tag; give one, or a text file with a tag a line")
        lines = [row["tag"] or "" for row in rows]
    words = tuple(dict.fromkeys(word for line in lines if (word := line.strip())))
    if not words:
        raise UserError(f"{file} holds no tag; write one a line")
    return words


def write_tags(lake: Lake, words: Vocabulary, spec: EncoderSpec, out: Path) -> int:
    """The words told of every track of a version, as Parquet; returns how many tracks."""
    table = lake.table(embeddings_table(spec))
    count = table.count_rows()
    if out.is_dir():
        raise UserError(f"{out} is a folder: name a file for the tags, such as {out}/tags.parquet")
    unfinished = out.with_name(f".{out.name}.part")
    out.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(unfinished, _SCHEMA, compression="zstd") as writer:
        batches = table.to_batches(columns=["track_id", "vector"], batch_size=_BATCH_TRACKS)
        for batch in track(batches, "tagging", -(-count // _BATCH_TRACKS)):
            vectors = batch["vector"].flatten().to_numpy().reshape(len(batch), -1)
            tags = pa.array([words.said(vector) for vector in vectors], _TAGS)
            versions = [spec.embedding_version] * len(batch)
            writer.write_table(pa.table([batch["track_id"], versions, tags], schema=_SCHEMA))
    unfinished.replace(out)
    return count


def _calibrations(lake: Lake, spec: EncoderSpec, benchmark: str, names: tuple[str, ...]) -> dict[str, Calibration]:
    """Of those of the words that have one; the others are named on standard error."""
    known = _labelled(lake, spec, benchmark)
    if silent := [name for name in names if name not in known]:
        told = "is not labelled there, or its labels do not follow its scores"
        print(f"{benchmark} gives no probability for {', '.join(silent)}: each {told}", file=sys.stderr)
    return {name: known[name] for name in names if name in known}


def _labelled(lake: Lake, spec: EncoderSpec, benchmark: str) -> dict[str, Calibration]:
    """From the scores that the newest zero-shot evaluation by the encoder's own prompt kept."""
    asked = ("zero-shot", entry_of(spec).spec.prompt, spec.embedding_version)
    rows = [
        row for row in latest(lake, benchmark) if (row["protocol"], row["prompt"], row["embedding_version"]) == asked
    ]
    if not rows:
        raise UserError(
            f"{spec.name} {spec.embedding_version} was not judged on {benchmark} by zero-shot in this lake; run "
            f"`tonelake --encoder {spec.name} evaluate {benchmark} --protocol zero-shot` first"
        )
    items = from_table(read_items(lake, rows[-1]["evaluation_id"]))
    assert isinstance(items, LabelScores), "zero-shot keeps scores of labels"
    found = {name: calibrated(items.scores[:, at], items.truth[:, at]) for at, name in enumerate(items.names)}
    return {name: one for name, one in found.items() if one}
