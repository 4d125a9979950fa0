"""Variants of rendered pieces: other encodes of a recording, and similar recordings."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tests.audio_files import RATE, ffmpeg, sndfile
from workers.synthetic_music.demo.synthesis import synthesise
from workers.synthetic_music.score.songs import Song
from workers.synthetic_music.score.style import Line, Style

OTHERS = ("piano", "violin", "trumpet", "synth lead")
QUIETER = 10 ** (-12 / 20)


def sound(song: Song, seconds: int) -> np.ndarray:
    """Render a song, float32 [2, samples] at RATE."""
    return np.ascontiguousarray(synthesise(song.play(seconds), seconds).T)


def encodes(samples: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """Yield real files of one recording, by name."""
    late = np.concatenate([np.zeros((2, RATE), np.float32), QUIETER * samples], axis=1)
    yield "flac.flac", sndfile(samples, "FLAC")
    yield "mp3 64.mp3", ffmpeg(samples, "mp3", bit_rate=64_000)
    yield "mp3 128.mp3", ffmpeg(samples, "mp3")
    yield "mp3 320.mp3", ffmpeg(samples, "mp3", bit_rate=320_000)
    yield "aac 96.m4a", ffmpeg(samples, "m4a", bit_rate=96_000)
    yield "opus 48.opus", ffmpeg(samples, "opus", bit_rate=48_000)
    yield "a second of silence, 12 dB less, mp3 128.mp3", ffmpeg(late, "mp3")


def others(style: Style, song: Song, seconds: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield similar recordings that are not this one, by name."""
    yield "another piece of the style", sound(Song.compose(style, song.seed + 1), seconds)
    pitched = [line for line in style.lines if line.texture != "drums"]
    if len(pitched) > 0 and "rhythm" not in style.tags:
        yield "in another key", sound(replace(song, tonic=(song.tonic + 1) % 12), seconds)
        played = tuple(_by_another(line, index) for index, line in enumerate(style.lines))
        yield "by other instruments", sound(replace(song, style=replace(style, lines=played)), seconds)


def remix(song: Song, seconds: int) -> np.ndarray | None:
    """Render the song with other notes of the first player only; None for a solo."""
    parts = song.play(seconds)
    if len(parts) < 2:
        return None
    changed = replace(song, seed=song.seed + 1).play(seconds)[0]
    return np.ascontiguousarray(synthesise([changed, *parts[1:]], seconds).T)


def _by_another(line: Line, index: int) -> Line:
    names = [name for name in OTHERS if name != line.instrument]
    return line if line.texture == "drums" else replace(line, instrument=names[index % len(names)])
