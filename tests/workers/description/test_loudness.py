"""The meters against the values that the EBU publishes for signals made by formula.

Sources: EBU Tech 3341, table 1 (integrated loudness and true peak); EBU Tech 3342, table 1 (loudness range).
"""

import numpy as np
import pytest

from tests.workers.description.signals import describe, levels, sine
from workers.description.loudness import LoudnessMeter, integrated_loudness, k_weighting, loudness_range
from workers.description.true_peak import TruePeakMeter

RATE = 48_000


def measure(samples, rate=RATE):
    meter, block = LoudnessMeter(), 2 * rate
    for start in range(0, samples.shape[1], block):
        meter.add(samples[:, start : start + block].astype(np.float32), rate)
    return meter.energies()


def true_peak(samples):
    meter = TruePeakMeter()
    for start in range(0, samples.shape[1], 10_000):
        meter.add(samples[:, start : start + 10_000].astype(np.float32))
    return meter.decibels()


def test_the_weighting_at_48_khz_is_that_of_the_standard():
    shelf, high_pass = k_weighting(48_000)
    assert np.allclose(shelf[:3], [1.53512485958697, -2.69169618940638, 1.19839281085285], atol=1e-8)
    assert np.allclose(shelf[4:], [-1.69065929318241, 0.73248077421585], atol=1e-8)
    assert np.allclose(high_pass, [1, -2, 1, 1, -1.99004745483398, 0.99007225036621], atol=1e-8)


@pytest.mark.parametrize(
    ("steps", "loudness"),
    [
        pytest.param([(-23, 20)], -23, id="case 1"),
        pytest.param([(-33, 20)], -33, id="case 2"),
        pytest.param([(-36, 10), (-23, 60), (-36, 10)], -23, id="case 3"),
        pytest.param([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23, id="case 4"),
        pytest.param([(-26, 20), (-20, 20.1), (-26, 20)], -23, id="case 5"),
    ],
)
def test_integrated_loudness_of_tech_3341(steps, loudness):
    assert integrated_loudness(measure(levels(steps))) == pytest.approx(loudness, abs=0.1)


def test_surround_channels_have_their_weights():
    """Case 6 of Tech 3341: 5.0 channels; a sixth, for low frequencies, does not count."""
    tone = sine(1000, 20, RATE)
    left, centre, surround = (tone * 10 ** (level / 20) for level in (-28, -24, -30))
    channels = np.stack([left, left, centre, surround, surround])
    assert integrated_loudness(measure(channels)) == pytest.approx(-23, abs=0.1)
    assert integrated_loudness(measure(np.insert(channels, 3, tone, axis=0))) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(
    ("rate", "tolerance"),
    [(8_000, 0.25), (11_025, 0.15), (16_000, 0.1), (22_050, 0.1), (44_100, 0.1), (96_000, 0.1), (192_000, 0.1)],
)
def test_loudness_is_the_same_at_every_rate(rate, tolerance):
    """BS.1770: a sine of 997 Hz and full scale in one channel has -3.01 LUFS.

    Below 16 kHz the bilinear transform bends the weighting.
    """
    assert integrated_loudness(measure(sine(997, 3, rate)[None], rate)) == pytest.approx(-3.01, abs=tolerance)


@pytest.mark.parametrize(
    ("steps", "width"),
    [
        pytest.param([(-20, 20), (-30, 20)], 10, id="case 1"),
        pytest.param([(-20, 20), (-15, 20)], 5, id="case 2"),
        pytest.param([(-40, 20), (-20, 20)], 20, id="case 3"),
        pytest.param([(-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)], 15, id="case 4"),
    ],
)
def test_loudness_range_of_tech_3342(steps, width):
    assert loudness_range(measure(levels(steps))) == pytest.approx(width, abs=1)


@pytest.mark.parametrize(
    ("divisor", "degrees", "amplitude", "peak"),
    [
        pytest.param(4, 0, 0.5, -6, id="case 15"),
        pytest.param(4, 45, 0.5, -6, id="case 16"),
        pytest.param(6, 60, 0.5, -6, id="case 17"),
        pytest.param(8, 67.5, 0.5, -6, id="case 18"),
        pytest.param(4, 45, 1.41, 3, id="case 19"),
    ],
)
def test_true_peak_of_tech_3341(divisor, degrees, amplitude, peak):
    tone = amplitude * sine(RATE / divisor, 1, RATE, np.radians(degrees))
    tone[:480] *= np.linspace(0, 1, 480)
    assert -0.4 <= true_peak(np.stack([tone, 0.5 * tone])) - peak <= 0.2


@pytest.mark.parametrize("offset", [0, 1, 2, 3], ids=lambda offset: f"case {20 + offset}")
def test_true_peak_of_a_pulse_between_samples(offset):
    """A pulse of peak 1 at four times the rate, of which every fourth sample is kept from an offset on."""
    time = np.arange(-4000, 4000) / 4
    pulse = np.sinc(time / 2) * np.exp(-((time / 40) ** 2))
    assert -0.4 <= true_peak(pulse[offset::4][None]) <= 0.2


def test_skipped_stretches_change_no_peak(monkeypatch):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 50_000)) * np.linspace(0.1, 1, 50_000)
    skipping = true_peak(noise)
    monkeypatch.setattr("workers.description.true_peak._NORM", 1e9)
    assert true_peak(noise) == pytest.approx(skipping, abs=1e-6)


def test_a_describer_gives_all_three():
    description = describe(levels([(-20, 10), (-30, 10)]), RATE)
    assert description.loudness_lufs == pytest.approx(-22.6, abs=0.1)
    assert description.loudness_range == pytest.approx(10, abs=1)
    assert description.true_peak_db == pytest.approx(-20, abs=0.3)
