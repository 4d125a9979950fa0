"""Tags from a user's own vocabulary, with probabilities if a benchmark labels its words."""

import csv
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.console.progress import with_progress
from flows.search.version import ReadVersion, embed_file, is_audio_file, resolve_version, spec_for_files, text_tower
from lake.benchmarks.results import latest_rows, read_predictions
from lake.embeddings.search import find_track, read_vector
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.encoders.registry import find_by_spec
from workers.evaluation.platt import Calibration, fit_calibration
from workers.evaluation.predictions import LabelScores, from_table

_BATCH_TRACKS = 8192
_TAGS = pa.list_(pa.struct({"name": pa.string(), "score": pa.float32(), "probability": pa.float32()}))
_SCHEMA = pa.schema({"track_id": pa.string(), "embedding_version": pa.string(), "tags": _TAGS})


@dataclass(frozen=True, slots=True)
class VocabularyRequest:
    """The vocabulary `file`, the benchmark `labelled` that calibrates it, and the version to read."""

    file: str
    labelled: str | None = None
    embedding_version: str | None = None
    release: int | None = None


@dataclass(frozen=True, slots=True)
class CustomTag:
    """The score of one word for one track.

    `selected` says whether the probability reaches the threshold. It is None, as are the probability and the
    threshold, where no benchmark calibrates the word.
    """

    name: str
    score: float
    probability: float | None
    threshold: float | None
    selected: bool | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words, their vectors [C, dim], and the calibration of each word that a benchmark labels.

    `calibrations` is None without a benchmark.
    """

    names: tuple[str, ...]
    vectors: np.ndarray
    calibrations: dict[str, Calibration] | None

    @classmethod
    def load(cls, request: VocabularyRequest, reader: ReadVersion, settings: Settings) -> "Vocabulary":
        """Read the file, embed its words and learn the calibrations.

        A calibration is learned from the benchmark's zero-shot evaluation by this encoder version. Raises UserError if
        the file cannot be read, the encoder has no text tower, or the evaluation does not exist.
        """
        names = read_words(Path(request.file))
        calibrations = None
        if request.labelled:
            calibrations = _calibrations(reader.lake, reader.spec, request.labelled, names)
        tower = text_tower(reader.spec, settings)  # last: to load it takes seconds
        prompt = find_by_spec(reader.spec).spec.prompt
        return cls(names, tower.embed_text([prompt.replace("{}", name) for name in names]), calibrations)

    def tags(self, vector: np.ndarray) -> list[CustomTag]:
        """Return every word with its score for one track [dim], best first."""
        scores = self.vectors @ vector
        tags = [self._tag(name, float(score)) for name, score in zip(self.names, scores, strict=True)]
        return sorted(tags, key=lambda tag: (-(tag.probability or -1), -tag.score))

    def tags_above_threshold(self, vector: np.ndarray) -> list[CustomTag]:
        """Return the words whose probability reaches their threshold for one track [dim].

        Without a benchmark there are no thresholds: every word is returned.
        """
        return [tag for tag in self.tags(vector) if tag.selected or self.calibrations is None]

    def _tag(self, name: str, score: float) -> CustomTag:
        calibration = (self.calibrations or {}).get(name)
        if calibration is None:
            return CustomTag(name, round(score, 4), None, None, None)
        probability = float(calibration.probability(np.array(score)))
        selected = probability >= calibration.threshold
        return CustomTag(name, round(score, 4), round(probability, 4), round(calibration.threshold, 4), selected)


def read_custom_tags(request: VocabularyRequest, track_or_file: str, settings: Settings) -> list[CustomTag]:
    """Return the scores of a vocabulary for a track or an audio file, best first.

    Raises UserError if the vocabulary, the version or the track does not exist, or if the file cannot be embedded.
    """
    if is_audio_file(track_or_file):
        reader = ReadVersion(Lake.at(settings.lake, settings.s3), spec_for_files(settings))
        vocabulary = Vocabulary.load(request, reader, settings)
        vector = np.asarray(embed_file(track_or_file, reader.spec, settings).vector, np.float32)
    else:
        reader = resolve_version(settings, request.embedding_version, request.release)
        vocabulary = Vocabulary.load(request, reader, settings)
        vector = read_vector(reader.lake, reader.spec, find_track(reader.lake, reader.spec, track_or_file))
    return vocabulary.tags(vector)


def write_custom_tags(request: VocabularyRequest, out: Path, settings: Settings) -> int:
    """Write the selected words of every track as Parquet; return the number of tracks.

    Raises UserError if the vocabulary or the version does not exist, or if `out` is a folder.
    """
    reader = resolve_version(settings, request.embedding_version, request.release)
    if out.is_dir():
        raise UserError(f"{out} is a folder: name a file for the tags, such as {out}/tags.parquet")
    vocabulary = Vocabulary.load(request, reader, settings)
    table = reader.lake.table(embeddings_table(reader.spec))
    count = table.count_rows()
    unfinished = out.with_name(f".{out.name}.part")
    out.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(unfinished, _SCHEMA, compression="zstd") as writer:
        batches = table.to_batches(columns=["track_id", "vector"], batch_size=_BATCH_TRACKS)
        for batch in with_progress(batches, "tagging", -(-count // _BATCH_TRACKS)):
            writer.write_table(_tag_batch(batch, vocabulary, reader.spec))
    unfinished.replace(out)
    return count


def read_words(file: Path) -> tuple[str, ...]:
    """Read one word or phrase a line, or the column `tag` of a .csv.

    Raises UserError if the file cannot be read or has no words.
    """
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


def _tag_batch(batch: pa.RecordBatch, vocabulary: Vocabulary, spec: EncoderSpec) -> pa.Table:
    vectors = batch["vector"].flatten().to_numpy().reshape(len(batch), -1)
    tags = [
        [{"name": tag.name, "score": tag.score, "probability": tag.probability} for tag in selected]
        for selected in map(vocabulary.tags_above_threshold, vectors)
    ]
    versions = [spec.embedding_version] * len(batch)
    return pa.table([batch["track_id"], versions, pa.array(tags, _TAGS)], schema=_SCHEMA)


def _calibrations(lake: Lake, spec: EncoderSpec, benchmark: str, names: tuple[str, ...]) -> dict[str, Calibration]:
    """Return the calibration of each word that has one; print the others on standard error."""
    calibrations = _benchmark_calibrations(lake, spec, benchmark)
    if missing := [name for name in names if name not in calibrations]:
        reason = "is not labelled there, or its labels do not follow its scores"
        print(f"{benchmark} gives no probability for {', '.join(missing)}: each {reason}", file=sys.stderr)
    return {name: calibrations[name] for name in names if name in calibrations}


def _benchmark_calibrations(lake: Lake, spec: EncoderSpec, benchmark: str) -> dict[str, Calibration]:
    """Fit a calibration for each label of the benchmark.

    The scores are those of the newest zero-shot evaluation with the encoder's own prompt.
    """
    wanted = ("zero-shot", find_by_spec(spec).spec.prompt, spec.embedding_version)
    rows = [row for row in latest_rows(lake, benchmark) if (row.protocol, row.prompt, row.embedding_version) == wanted]
    if not rows:
        raise UserError(
            f"{spec.name} {spec.embedding_version} was not judged on {benchmark} by zero-shot in this lake; run "
            f"`tonelake --encoder {spec.name} evaluate {benchmark} --protocol zero-shot` first"
        )
    predictions = from_table(read_predictions(lake, rows[-1].evaluation_id))
    assert isinstance(predictions, LabelScores), "a zero-shot evaluation stores the scores of labels"
    calibrations = {
        name: fit_calibration(predictions.scores[:, column], predictions.truth[:, column])
        for column, name in enumerate(predictions.names)
    }
    return {name: calibration for name, calibration in calibrations.items() if calibration}
