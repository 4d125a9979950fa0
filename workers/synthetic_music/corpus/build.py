"""A labelled corpus of our own: clips composed, named and rendered here, with train, valid and test kept apart.

spec = CorpusSpec(Path("corpus"), 4000, 10, 0)
list(render_pieces(spec, missing(spec), settings.models, settings.soundfonts)); write_manifest(spec)
"""

import json
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from schemas.errors import UserError
from workers.synthetic_music.corpus.pieces import HELD_OUT, Piece, pieces
from workers.synthetic_music.corpus.sound import RATE, Sounds, render, require_synthesizer
from workers.synthetic_music.corpus.soundfonts import FONTS, DebianFont, read_soundfont, soundfont
from workers.synthetic_music.corpus.words import is_held_out, moods, sentences, tags, title
from workers.synthetic_music.demo.files import is_whole, write_audio, write_whole

ABOUT = "corpus.json"  # written first: what the files beside it are made of
CHUNK = 4  # clips a process takes at a time
PROCESSES = 8  # at most: the synthesizer needs 1.5 GB in each for the larger soundfont
_font: list[Sounds] = []  # this process's: a soundfont is too big to travel with each clip


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """A corpus to build: two builds of equal numbers hold the same manifest, and on one machine the same audio."""

    folder: Path
    clips: int
    seconds: int
    seed: int
    fonts: dict[str, DebianFont] = field(default_factory=lambda: FONTS)  # of each split


def missing(spec: CorpusSpec) -> list[Piece]:
    """The clips that are missing or broken; a whole file is kept. UserError where the files are another corpus's."""
    _require_same(spec)
    return [piece for piece in pieces(spec.clips, spec.seed) if not is_whole(_path(piece, spec), spec.seconds, RATE)]


def render_pieces(spec: CorpusSpec, todo: list[Piece], models: Path, local: Path | None) -> Iterator[Piece]:
    """Renders the clips of `todo` on all cores, and gives each back when it is there; a process loads one font."""
    if todo:
        require_synthesizer()
    for font in dict.fromkeys(spec.fonts.values()):
        mine = [piece for piece in todo if spec.fonts[piece.split] == font]
        if not mine:
            continue
        path = soundfont(font, models, local)
        spec.folder.mkdir(parents=True, exist_ok=True)
        _describe(spec)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(os.cpu_count() or 1, PROCESSES), context, _load, (font, path)) as pool:
            yield from pool.map(partial(_render, spec=spec), mine, chunksize=CHUNK)


def write_manifest(spec: CorpusSpec) -> Path:
    """manifest.jsonl beside the audio: a line a clip, as `tonelake index` and `tonelake train` take it."""
    manifest = spec.folder / "manifest.jsonl"
    lines = [
        json.dumps(_row(piece, spec.fonts[piece.split]), ensure_ascii=False) for piece in pieces(spec.clips, spec.seed)
    ]
    write_whole(manifest, lambda path: path.write_text("\n".join(lines) + "\n", encoding="utf-8"))
    _describe(spec)
    return manifest


def counts(spec: CorpusSpec) -> list[dict[str, Any]]:
    """A row a split: clips, hours, words and what is held out."""
    rows, composed = [], pieces(spec.clips, spec.seed)
    for split, font in spec.fonts.items():
        mine = [piece for piece in composed if piece.split == split]
        kinds = Counter(
            "ensemble" if piece.music.group not in ("solo", "duet") else piece.music.group for piece in mine
        )
        rows.append(
            {
                "split": split,
                "clips": len(mine),
                **{kind: kinds[kind] for kind in ("solo", "duet", "ensemble")},
                "held out": sum(map(is_held_out, mine)),
                "tags": len({tag for piece in mine for tag in tags(piece)}),
                "sentences": len({text for piece in mine for text in sentences(piece)}),
                "hours": round(len(mine) * spec.seconds / 3600, 2),
                "soundfont": font.name,
            }
        )
    return rows


def _path(piece: Piece, spec: CorpusSpec) -> Path:
    return spec.folder / f"{piece.name}.ogg"


def _load(font: DebianFont, path: Path) -> None:
    """Runs as a process begins."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _font[:] = [Sounds(path, read_soundfont(font, path))]


def _end_with_parent() -> None:
    """A killed parent tells its processes nothing: they would wait for work, with their soundfonts, for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _render(piece: Piece, spec: CorpusSpec) -> Piece:
    sound = render(piece, spec.seconds, _font[0])
    write_audio(_path(piece, spec), sound, {"title": title(piece), "genre": ";".join(piece.music.genres)}, RATE)
    return piece


def _row(piece: Piece, font: DebianFont) -> dict[str, Any]:
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
        "other_names": {voice.name: list(voice.also) for voice in piece.voices},
        "families": sorted({word for voice in piece.voices for word in voice.family}),
        "programs": [voice.instrument.program for voice in piece.voices],
        "bpm": piece.bpm,
        "tempo": piece.tempo,
        "templates": piece.templates,
        "seed": piece.seed,
        "new_timbre": all(not voice.is_percussion and voice.program in font.own for voice in piece.voices),
        "soundfont": font.name,
    }


def _require_same(spec: CorpusSpec) -> None:
    if spec.folder.is_file():
        raise UserError(f"{spec.folder} is a file: --out names a folder")
    about = spec.folder / ABOUT
    try:
        known = json.loads(about.read_text()) if about.exists() else {}
        differ = [
            name for name, value in _described(spec).items() if name != "clips" and known.get(name, value) != value
        ]
    except (ValueError, AttributeError) as error:
        raise UserError(f"{about} is not of a corpus ({error}): choose another --out") from error
    if differ:
        raise UserError(f"{spec.folder} holds a corpus of other {' and '.join(differ)}: choose another --out")


def _describe(spec: CorpusSpec) -> None:
    write_whole(spec.folder / ABOUT, lambda path: path.write_text(json.dumps(_described(spec), indent=1)))


def _described(spec: CorpusSpec) -> dict[str, Any]:
    """What the corpus is made of, for whoever passes it on."""
    fonts = {font.name: {"package": font.package, "licence": font.licence} for font in spec.fonts.values()}
    return {
        "clips": spec.clips,
        "seconds": spec.seconds,
        "seed": spec.seed,
        "soundfonts": fonts,
        "music": "composed by tonelake's note generator",
        "held_out": sorted(HELD_OUT),
    }
