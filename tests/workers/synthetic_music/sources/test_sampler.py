"""The sampler, with tones made here: pitch, loops, velocities, release, speed."""

import time

import numpy as np
import pytest

from tests.workers.synthetic_music.sources.pitch import cents_off
from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.sampler import Patch, Sample, render_notes

SAMPLE_RATE = 30_000


def tone(pitch: float, seconds: float, level: float = 0.5) -> np.ndarray:
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    return np.float32(level) * np.sin(
        2 * np.pi * frequency * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    ).astype(np.float32)


def render(patch: Patch, notes: list[Note], seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    return render_notes(patch, notes, seconds, np.random.default_rng(seed)).mean(axis=1)


@pytest.mark.parametrize("pitch", [55, 60, 66, 72])
def test_a_sample_is_played_at_other_pitches(pitch):
    sound = render(Patch((Sample(tone(60, 2), SAMPLE_RATE, 60),)), [Note(0, 1.0, pitch)])
    assert abs(cents_off(sound[2000 : RATE // 2], RATE, pitch)) < 7
    assert not sound[round(1.13 * RATE) :].any()


def test_notes_far_from_all_samples_are_moved_by_octaves():
    patch = Patch(tuple(Sample(tone(root, 2), SAMPLE_RATE, root) for root in (60, 67)))
    assert (patch.fold(77), patch.fold(76), patch.fold(50)) == (65, 76, 62)


def test_a_loop_sustains_without_a_click():
    period = SAMPLE_RATE / 440
    loop = (round(20 * period), round(60 * period))
    sound = render(Patch((Sample(tone(69, 0.2), SAMPLE_RATE, 69, loop=loop),)), [Note(0, 1.8, 69)])
    late = sound[round(1.5 * RATE) : round(1.7 * RATE)]
    assert np.abs(late).max() > 0.2
    assert np.abs(np.diff(late)).max() < 2 * np.pi * 460 / RATE * np.abs(late).max() * 1.05


def test_velocity_layers_are_chosen():
    soft, loud = (Sample(tone(60, 1), SAMPLE_RATE, 60, velocities=(low, high)) for low, high in ((0, 70), (71, 127)))
    patch = Patch((soft, loud))
    assert patch.choose(Note(0, 1, 60, 40), 0.0) == [soft]
    assert patch.choose(Note(0, 1, 60, 100), 0.0) == [loud]


def test_only_ringing_sounds_outlast_their_note():
    sample = Sample(tone(60, 1), SAMPLE_RATE, 60)
    short, ringing = (render(Patch((sample,), rings=rings), [Note(0, 0.1, 60)]) for rings in (False, True))
    late = slice(round(0.5 * RATE), round(0.6 * RATE))
    assert not short[late].any()
    assert np.abs(ringing[late]).max() > 0.2


def test_sixty_notes_are_fast():
    patch = Patch(tuple(Sample(tone(root, 3), SAMPLE_RATE, root) for root in range(40, 90, 5)))
    notes = [Note(index / 6, 1.0, 40 + index % 48) for index in range(60)]
    start = time.process_time()
    render(patch, notes, 10.0)
    assert time.process_time() - start < 1.0  # 0.1 s on an idle core
