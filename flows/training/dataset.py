"""What a training reads, made ready: clips of a manifest, features from a lake of their own, texts as vectors."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.console.progress import Watch, track
from flows.ingest.index import index_catalogue
from flows.ingest.report import IndexRequest
from lake.benchmarks.labelled_manifest import labelled_clips, with_every_split
from lake.sources.listing import list_sources, source_name
from lake.storage.lake import Lake
from lake.storage.vectors import track_vectors
from schemas.benchmarks import SPLITS, Clip
from schemas.settings import Settings
from schemas.training import Cell
from workers.encoders.registry import runnable
from workers.joint.data import Split, TrainingData
from workers.joint.texts import pools

_TEXTS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Material:
    """The splits by name, and what names their clips, labels and audio."""

    splits: dict[str, Split]
    digest: str

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The tags of the training split."""
        return tuple(sorted({tag for clip in self.splits["train"].clips for tag in clip.labels}))


def training_lake(manifest: str, settings: Settings) -> Lake:
    """A lake of its own beside the catalogue's tables, as benchmarks have: a manifest is indexed once."""
    short = hashlib.sha256(source_name(manifest).encode()).hexdigest()[:8]
    lake = Lake.at(settings.lake, settings.s3)
    return Lake(f"{lake.uri}/training/{Path(manifest).parent.name or 'data'}-{short}", lake.s3)


def clips_of(manifest: str, settings: Settings) -> list[Clip]:
    """What a training can use of a manifest; UserError where that is not enough."""
    return labelled_clips(list_sources([manifest], settings.s3, settings.allow_outside).tracks)


def features_of(manifest: str, encoder: str, settings: Settings) -> Material:
    """Indexes what of the manifest is not embedded yet, and reads the encoder's features of its clips."""
    clips = {clip.clip_id: clip for clip in clips_of(manifest, settings)}
    lake, spec = training_lake(manifest, settings), runnable(encoder, settings).spec
    own = settings.model_copy(update={"lake": lake.uri, "encoder": encoder})
    index_catalogue(IndexRequest((manifest,)), own, Watch(), main=Lake.at(settings.lake, settings.s3))
    held = track_vectors(lake, spec, set(clips), "features")
    found = [clips[name] for name in held.track_ids]
    splits = {name: Split(tuple(found[row] for row in rows), held.rows[rows]) for name, rows in _rows(found).items()}
    return Material(splits, _digest(found, held.digest))


def audio_of(manifest: str, folder: Path, settings: Settings) -> Material:
    """Decodes every clip of the manifest once, into the folder; what a verdict refuses is left out."""
    from workers.distributed.cluster import each
    from workers.joint.audio import decoded

    tracks = list_sources([manifest], settings.s3, settings.allow_outside).tracks
    clips = labelled_clips(tracks)
    folder.mkdir(parents=True, exist_ok=True)
    versions = dict(zip(tracks["track_id"].to_pylist(), tracks["source_version"].to_pylist(), strict=True))
    told = [f"{clip.clip_id} {versions[clip.clip_id]}" for clip in clips]  # a file that changed is decoded again
    files = [folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npy" for name in told]
    jobs = [(clip.path, file) for clip, file in zip(clips, files, strict=True)]
    heard = list(track(each(decoded, settings, jobs, settings), "decoding audio", len(jobs)))
    found = [(clip, file) for clip, file, ok in zip(clips, files, heard, strict=True) if ok]
    rows = _rows([clip for clip, _ in found])
    splits = {
        name: Split(tuple(found[row][0] for row in mine), audio=tuple(found[row][1] for row in mine))
        for name, mine in rows.items()
    }
    return Material(splits, _digest([clip for clip, _ in found], " ".join(file.stem for _, file in found)))


def _rows(clips: list[Clip]) -> dict[str, list[int]]:
    """Of each split; UserError where too few of its clips could be heard."""
    with_every_split(clips, "that could be heard")
    return {name: [row for row, clip in enumerate(clips) if clip.split == name] for name in SPLITS}


def training_data(material: Material, cell: Cell, known: "TextVectors") -> TrainingData:
    """What training may see: the train and valid splits, their texts, and the text tower's vectors of these."""
    train, valid = material.splits["train"], material.splits["valid"]
    if cell.framework == "classification" or cell.finetune_text:
        return TrainingData(train, valid, material.vocabulary, [], [], {}, np.zeros((0, 0), np.float32))
    both = pools(train.clips, cell), pools(valid.clips, cell)
    texts = list(dict.fromkeys(text for split in both for pool in split for text in pool))
    places = {text: row for row, text in enumerate(texts)}
    return TrainingData(train, valid, material.vocabulary, *both, places, known.embed_text(texts))


class TextVectors:
    """A frozen text tower's vectors: each text is embedded once, and kept in a file where one is named."""

    def __init__(self, text: str, models: Path, file: Path | None = None) -> None:
        self._text, self._models, self._file = text, models, file
        self._known: dict[str, np.ndarray] = {}
        if file and file.is_file():
            with np.load(file, allow_pickle=False) as held:
                self._known = dict(zip(held["texts"].tolist(), held["vectors"], strict=True))

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Vectors [N, text] float32."""
        new = sorted((text for text in texts if text not in self._known), key=len)  # alike lengths: little padding
        if new:
            from workers.encoders.joint.text_tower import frozen_tower  # and torch: not before it is needed

            tower = frozen_tower(self._text, self._models)
            starts = range(0, len(new), _TEXTS_AT_ONCE)
            for start in track(starts, f"reading {len(new):,} texts"):
                some = new[start : start + _TEXTS_AT_ONCE]
                self._known.update(zip(some, tower.embed_text(some), strict=True))
            self._keep()
        return np.stack([self._known[text] for text in texts])

    def _keep(self) -> None:
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self._file.with_suffix(".part.npz")
            np.savez(unfinished, texts=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))
            unfinished.replace(self._file)


def _digest(clips: list[Clip], audio: str) -> str:
    """Names the clips, what is said of them, and their audio."""
    told = [
        (clip.clip_id, clip.split, clip.labels, clip.captions, *([clip.other_names] if clip.other_names else []))
        for clip in clips
    ]
    return hashlib.sha256(repr((told, audio)).encode()).hexdigest()[:16]
