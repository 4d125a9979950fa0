"""A lake with every odd thing in it: names, damage, copies, and tracks that left it in every way.

It is built by typed commands in this process, with the encoder `fake`, in a few seconds.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.audio_files import BROKEN, SOUND
from tests.cli import run_here
from tests.flows.catalogue import run_in_process, write_sound

# File names that break programs; all of them are sound.
ODD_NAMES = {
    "accents": "Björk – Jóga.wav",
    "spaces": "  two  spaces .wav",
    "line break": "first\nsecond.wav",
    "right to left": "שלום \u202egnp.wav",
    "200 characters": "x" * 196 + ".wav",
    "emoji": "🎷🎺.wav",
    "not UTF-8": os.fsdecode(b"caf\xe9.wav"),
    "colours": "\x1b[31mred\x1b[0m.wav",
    "markup": "[bold]loud[/bold].wav",
    "quotes": "it's; \"DROP\" 'TABLE'.wav",
    "percent": "100%41#?.wav",
    "deep": "a/b/c/d.wav",
}
REASONS = {
    "html.mp3": "unrecognised",
    "no_samples.wav": "empty",
    "silent.wav": "silent",
    "short.wav": "too_short",
    "cut.flac": "truncated",
    "film.mkv": "no_audio_stream",
}
SKIPPED = {"notes.txt": "it is skipped: .txt is not audio", ".hidden.wav": "it is skipped: its name begins with a dot"}
# The lines of the manifest: everything but the file and the id is odd.
LINES = {
    "g-gone": 'gone.wav,g-gone,"Gone\nfor good",,,',
    "g-never": "never.wav,g-never,Never There,,,",
    "g-soon": "soon.wav,g-soon,Not Yet,,2999-01-01,",
    "g-twice": "twice.wav,g-twice,Same,MCMXC,,",
    "g-again": "twice.wav,g-again,Same,1990,,",
    "🎷-1": "emoji.wav,🎷-1,\N{RIGHT-TO-LEFT OVERRIDE}🎷 שלום \x1b[31m[bold]x[/bold],1990,,",
    "g-long": f"long.wav,g-long,{'long title ' * 20},1990,,",
}


@dataclass(frozen=True, slots=True)
class OddLake:
    """The lake, and the folder `home` with its sources `music`, `catalogue`, `later` and `removed`, and an export."""

    home: Path
    lake: Path

    @property
    def music(self) -> Path:
        return self.home / "music"

    @property
    def manifest(self) -> Path:
        return self.home / "catalogue" / "list.csv"


def build_odd_lake(home: Path) -> OddLake:
    """Build the lake below `home`. Its last release is of the version that reads all windows."""
    odd = OddLake(home, home / "lake")
    _write_files(odd)
    typed = ("--lake", odd.lake)
    index = (*typed, "--encoder", "fake", "index")
    with pytest.MonkeyPatch.context() as patch:
        run_in_process([], patch)
        sources = (odd.music, odd.manifest, home / "removed")
        run_here(*index, *sources)
        run_here(*index, *sources, "--max-windows", "1")
        run_here(*typed, "export", home / "export")
        taken = ("takedown", odd.music / "taken.wav", "--yes", "--receipt", home / "receipt.json")
        run_here(*typed, *taken)
        run_here(*typed, "sources", "remove", home / "removed")
        (odd.music / "vanished.wav").unlink()
        (odd.manifest.parent / "gone.wav").unlink()
        (odd.music / "damaged.wav").write_bytes(BROKEN["html.mp3"][0]())
        run_here(*typed, "refresh", TONELAKE_LOST_SHARE="0.9")
        run_here(*index, home / "later", "--limit", "1")
    return odd


def _write_files(odd: OddLake) -> None:
    plain = ["plain.wav", "vanished.wav", "taken.wav", "damaged.wav"]
    for seed, name in enumerate([*plain, *ODD_NAMES.values()]):
        write_sound(odd.music / name, seed)
    shutil.copy(odd.music / "plain.wav", odd.music / "copy of plain.wav")
    (odd.music / "film.mp4").write_bytes(SOUND["film.mp4"]())
    for name in REASONS:
        (odd.music / name).write_bytes(BROKEN[name][0]())
    (odd.music / "notes.txt").write_text("no music")
    shutil.copy(odd.music / "plain.wav", odd.music / ".hidden.wav")
    (odd.music / "broken link.wav").symlink_to(odd.home / "nowhere.wav")
    for seed, name in enumerate(("gone", "soon", "twice", "emoji", "long"), start=50):
        write_sound(odd.manifest.parent / f"{name}.wav", seed)
    header = "uri,track_id,title,Year,available_from,available_to"
    odd.manifest.write_text("\n".join([header, *LINES.values()]) + "\n")
    for seed, name in enumerate(("removed/a.wav", "later/a.wav", "later/b.wav"), start=60):
        write_sound(odd.home / name, seed)
