"""A labelled corpus of synthetic music, with separate train, valid and test splits.

spec = CorpusSpec(Path("corpus"), 4000, 10, 0)
list(render_pieces(spec, find_missing(spec), settings.models, settings.soundfonts)); write_manifest(spec)
"""

import json
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from schemas.errors import UserError
from workers.synthetic_music.corpus.pieces import HELD_OUT, Piece, compose_pieces
from workers.synthetic_music.corpus.recording import COMPUTED_SHARE, draw_sources
from workers.synthetic_music.corpus.sound import render_piece, require_synthesizer
from workers.synthetic_music.corpus.words import is_held_out, moods, sentences, tags, title
from workers.synthetic_music.demo.files import is_complete, write_atomically, write_audio
from workers.synthetic_music.sources.base import RATE, Source, SourceRegistration
from workers.synthetic_music.sources.registry import SOURCES, sources_of_splits

ABOUT = "corpus.json"  # written first: the settings of the files beside it
PROCESSES = 8  # at most: the soundfonts need 1.5 GB in each
_folders: dict[str, list[Path]] = {}  # of each source's files
_loaded: dict[str, Source] = {}  # in each process: a soundfont is too large to be sent with each clip


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """A corpus to build.

    Equal specs give equal manifests, and on the same machine equal audio. `sources` are the names of each split's
    sources of sound.
    """

    folder: Path
    clips: int
    seconds: int
    seed: int
    sources: dict[str, tuple[str, ...]] = field(default_factory=sources_of_splits)

    def registrations(self, split: str) -> list[SourceRegistration]:
        """Return the sources of a split."""
        return [SOURCES[name] for name in self.sources[split]]

    def draw_sources(self, piece: Piece) -> tuple[str, ...]:
        """Return the name of each player's source."""
        return draw_sources(piece, self.registrations(piece.split))


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """The contents of a split in numbers.

    `solo`, `duet` and `ensemble` count its clips by group of players. `tags` and `sentences` count distinct ones.
    """

    split: str
    clips: int
    solo: int
    duet: int
    ensemble: int
    held_out: int
    tags: int
    sentences: int
    hours: float
    sources: int

    def to_json(self) -> dict[str, Any]:
        """Return the row that `tonelake corpus build` prints."""
        return {name.replace("_", " "): value for name, value in asdict(self).items()}


def find_missing(spec: CorpusSpec) -> list[Piece]:
    """Return the clips whose files are missing or incomplete.

    Raises UserError if the folder holds another corpus.
    """
    _require_same(spec)
    return [
        piece
        for piece in compose_pieces(spec.clips, spec.seed)
        if not is_complete(_path(piece, spec), spec.seconds, RATE)
    ]


def render_pieces(spec: CorpusSpec, todo: list[Piece], models: Path, local: Path | None) -> Iterator[Piece]:
    """Render the clips of `todo` on all cores, and yield each when its file exists.

    Each process loads the sources that it needs. Raises UserError if the synthesizers are not installed, or if the
    files of a source cannot be fetched.
    """
    if not todo:
        return
    require_synthesizer()
    names = {name for piece in todo for name in spec.draw_sources(piece)}
    folders = {name: SOURCES[name].fetch(models, local) for name in sorted(names)}
    spec.folder.mkdir(parents=True, exist_ok=True)
    _write_description(spec)
    context = multiprocessing.get_context("spawn")
    others = {*multiprocessing.active_children()}
    processes = min(os.cpu_count() or 1, PROCESSES)
    with ProcessPoolExecutor(processes, context, _start_process, (folders,)) as pool:
        try:
            # Few at a time: if an interrupt comes outside of this function, Python ends after all that was submitted.
            size = 8 * processes
            for start in range(0, len(todo), size):
                submitted = [pool.submit(_render, piece, spec) for piece in todo[start : start + size]]
                for future in as_completed(submitted):
                    yield future.result()
        except BaseException:
            # A pool waits for what its processes render; a second interrupt meanwhile would leave them for good.
            for process in {*multiprocessing.active_children()} - others:
                process.terminate()
            raise


def write_manifest(spec: CorpusSpec) -> Path:
    """Write manifest.jsonl beside the audio, a line for each clip, and return its path.

    `tonelake index` and `tonelake train` read it.
    """
    manifest = spec.folder / "manifest.jsonl"
    lines = [
        json.dumps(_row(piece, spec.draw_sources(piece)), ensure_ascii=False)
        for piece in compose_pieces(spec.clips, spec.seed)
    ]
    write_atomically(manifest, lambda path: path.write_text("\n".join(lines) + "\n", encoding="utf-8"))
    _write_description(spec)
    return manifest


def summarise_splits(spec: CorpusSpec) -> list[SplitSummary]:
    """Count the clips, words and hours of each split."""
    summaries, composed = [], compose_pieces(spec.clips, spec.seed)
    for split, names in spec.sources.items():
        split_pieces = [piece for piece in composed if piece.split == split]
        kinds = Counter(
            "ensemble" if piece.music.group not in ("solo", "duet") else piece.music.group for piece in split_pieces
        )
        summaries.append(
            SplitSummary(
                split=split,
                clips=len(split_pieces),
                solo=kinds["solo"],
                duet=kinds["duet"],
                ensemble=kinds["ensemble"],
                held_out=sum(map(is_held_out, split_pieces)),
                tags=len({tag for piece in split_pieces for tag in tags(piece)}),
                sentences=len({text for piece in split_pieces for text in sentences(piece)}),
                hours=round(len(split_pieces) * spec.seconds / 3600, 2),
                sources=len(names),
            )
        )
    return summaries


def _path(piece: Piece, spec: CorpusSpec) -> Path:
    return spec.folder / f"{piece.name}.ogg"


def _start_process(folders: dict[str, list[Path]]) -> None:
    """Remember where the files of the sources are."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _folders.update(folders)


def _load(name: str) -> Source:
    """Return a source, loaded once in this process."""
    if name not in _loaded:
        _loaded[name] = SOURCES[name].load(_folders[name])
    return _loaded[name]


def _end_with_parent() -> None:
    """End this process when its parent ends.

    A killed parent does not stop its processes: they would wait for work forever, each with a soundfont in memory.
    """
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _render(piece: Piece, spec: CorpusSpec) -> Piece:
    sound = render_piece(piece, spec.seconds, spec.draw_sources(piece), _load)
    write_audio(_path(piece, spec), sound, {"title": title(piece), "genre": ";".join(piece.music.genres)}, RATE)
    return piece


def _row(piece: Piece, names: Sequence[str]) -> dict[str, Any]:
    return {
        "uri": f"{piece.name}.ogg",
        "track_id": piece.name,
        "title": title(piece),
        "split": piece.split,
        "genres": list(piece.music.genres),
        "tags": tags(piece),
        "sentences": sentences(piece),
        "held_out": is_held_out(piece),
        "style": piece.kind,
        "group": piece.music.group,
        "moods": list(moods(piece)),
        "instruments": [voice.name for voice in piece.voices],
        "other_names": {voice.name: list(voice.other_names) for voice in piece.voices},
        "families": sorted({word for voice in piece.voices for word in voice.families}),
        "programs": [voice.instrument.program for voice in piece.voices],
        "bpm": piece.bpm,
        "tempo": piece.tempo,
        "templates": piece.templates,
        "seed": piece.seed,
        "sources": list(names),
    }


def _require_same(spec: CorpusSpec) -> None:
    if spec.folder.is_file():
        raise UserError(f"{spec.folder} is a file: --out names a folder")
    about = spec.folder / ABOUT
    try:
        known = json.loads(about.read_text()) if about.exists() else {}
        differ = [
            name for name, value in _description(spec).items() if name != "clips" and known.get(name, value) != value
        ]
    except (ValueError, AttributeError) as error:
        raise UserError(f"{about} is not the description of a corpus ({error}): choose another --out") from error
    if differ:
        raise UserError(f"{spec.folder} holds a corpus with another {' and '.join(differ)}: choose another --out")


def _write_description(spec: CorpusSpec) -> None:
    write_atomically(spec.folder / ABOUT, lambda path: path.write_text(json.dumps(_description(spec), indent=1)))


def _description(spec: CorpusSpec) -> dict[str, Any]:
    """Return the settings and licences of the corpus, as written to corpus.json."""
    sources = {
        split: {
            source.name: {"origin": source.origin, "licence": source.licence} for source in spec.registrations(split)
        }
        for split in spec.sources
    }
    return {
        "clips": spec.clips,
        "seconds": spec.seconds,
        "seed": spec.seed,
        "sources": sources,
        "computed_share": COMPUTED_SHARE,
        "music": "composed by tonelake's note generator",
        "held_out": sorted(HELD_OUT),
    }
