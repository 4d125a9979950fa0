"""Synthesis of a piece: every part alone, by one of two synthesizers, then a mix.

Either synthesizer records training clips (recording.py); the one with envelopes records valid and test clips.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
import soxr

from schemas.errors import UserError
from workers.synthetic_music.corpus.pieces import Piece
from workers.synthetic_music.corpus.players import Player
from workers.synthetic_music.corpus.recording import Recording
from workers.synthetic_music.demo.synthesis import RATE as SAMPLED_RATE
from workers.synthetic_music.demo.synthesis import mix_part
from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.score.songs import Part

RATE = 48_000  # of the synthesizer
GAP = 2.0  # seconds after each part, for the decay of its last notes
TICKS = 480  # for each beat; at MIDI's 120 beats a minute, 960 a second
DRUM_CHANNEL = 9
VOLUME = 70  # leaves headroom, because the synthesizer clips
LOUDNESS_FRAME = RATE // 10
PEAKS = (-9.0, -1.0)  # dB: the range of a clip's loudest moment
ROOMS = (0, 40, 90)  # MIDI's reverb send: dry, usual, large

Parts = list[tuple[Player, tuple[Note, ...]]]


@dataclass(frozen=True, slots=True)
class Soundfont:
    """A soundfont: its file, and its content for the synthesizer with envelopes."""

    path: Path
    content: bytes


def require_synthesizer() -> None:
    """Raise UserError if a synthesizer of the corpus extra is not installed."""
    if any(find_spec(name) is None for name in ("midirenderer", "mido", "symusic")):
        raise UserError('building a corpus needs its synthesizers: pip install "tonelake[corpus]"')


def render_piece(piece: Piece, seconds: float, font: Soundfont) -> np.ndarray:
    """Return stereo sound of exactly `seconds`, float32 [frames, 2].

    Each player has its own level, not the soundfont's.
    """
    rng = np.random.default_rng((piece.seed, 2000))
    room = ROOMS[int(rng.integers(len(ROOMS)))]
    target_peak = 10 ** (float(rng.uniform(*PEAKS)) / 20)
    parts = piece.play(seconds)
    recording = Recording.draw(piece) if piece.split == "train" else Recording.plain(piece)
    if recording.sampled:
        sounds = _render_samples(parts, seconds, font, recording.half_lives)
    else:
        sounds = _render_with_envelopes(parts, seconds, font, room)
    sound = np.zeros((round(seconds * RATE), 2), np.float32)
    for (player, _), part in zip(parts, sounds, strict=True):
        sound += _set_level(part, player.level)
    peak = float(np.abs(sound).max())
    return sound * np.float32(target_peak / peak) if peak else sound


def _render_samples(
    parts: Parts, seconds: float, font: Soundfont, half_lives: Sequence[float | None]
) -> Iterator[np.ndarray]:
    """Yield each part [frames, 2], made of the soundfont's samples with our own decay."""
    for (player, notes), half_life in zip(parts, half_lives, strict=True):
        sound = np.zeros((round(seconds * SAMPLED_RATE), 2), np.float32)
        if notes:
            mix_part(Part(player.voice.instrument, notes), sound, font.path, half_life)
        yield soxr.resample(sound, SAMPLED_RATE, RATE)


def _render_with_envelopes(parts: Parts, seconds: float, font: Soundfont, room: int) -> Iterable[np.ndarray]:
    """Return each part [frames, 2], with the soundfont's envelopes and filters, and reverb."""
    import midirenderer  # an extra: importing this module must not need it

    content = midirenderer.render_wave_from(font.content, _to_midi(parts, seconds, room))
    recording, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    if rate != RATE:
        raise RuntimeError(f"the synthesizer returned {rate} Hz instead of {RATE}")
    frames, step = round(seconds * RATE), round((seconds + GAP) * RATE)
    return [recording[index * step : index * step + frames] for index in range(len(parts))]


def _set_level(part: np.ndarray, level: float) -> np.ndarray:
    """Return the part [frames, 2] with its loudest tenth of a second at `level` dB."""
    frames = part[: len(part) // LOUDNESS_FRAME * LOUDNESS_FRAME].reshape(-1, LOUDNESS_FRAME * 2)
    loudest = float(np.sqrt(np.mean(frames**2, axis=1).max()))
    return part * np.float32(10 ** (level / 20) / loudest) if loudest else part


def _to_midi(parts: Parts, seconds: float, room: int) -> bytes:
    """Return a MIDI file of the parts, one after the other.

    One pass of the synthesizer then renders each of them separately.
    """
    import mido

    events: list[tuple[int, int, mido.Message | mido.MetaMessage]] = []
    for index, (player, notes) in enumerate(parts):
        start = round(index * (seconds + GAP) * 2 * TICKS)
        channel = DRUM_CHANNEL if player.voice.is_percussion else 0
        for control, value in ((120, 0), (7, VOLUME), (91, room)):
            events.append((start, 0, mido.Message("control_change", channel=channel, control=control, value=value)))
        events.append((start, 0, mido.Message("program_change", channel=channel, program=player.voice.program)))
        for note in notes:
            on = start + round(note.start * 2 * TICKS)
            off = max(on + 1, start + round((note.start + note.length) * 2 * TICKS) - 1)
            events.append((on, 2, mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)))
            events.append((off, 1, mido.Message("note_off", channel=channel, note=note.pitch, velocity=0)))
    end = round(len(parts) * (seconds + GAP) * 2 * TICKS)
    ordered = [*sorted(events, key=lambda event: event[:2]), (end, 3, mido.MetaMessage("end_of_track"))]
    track = mido.MidiTrack()
    for (before, *_), (tick, _, message) in pairwise([(0, 0, None), *ordered]):
        track.append(message.copy(time=tick - before))
    written = io.BytesIO()
    mido.MidiFile(ticks_per_beat=TICKS, tracks=[track]).save(file=written)
    return written.getvalue()
