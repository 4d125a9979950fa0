"""Filters on tempo and key, as people write them."""

import pytest

from flows.search.descriptions import bpm_condition, key_condition
from schemas.descriptions import KEYS, MODES, from_camelot, to_camelot
from schemas.errors import UserError


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("118-122", "bpm BETWEEN 118 AND 122"),
        ("118 - 122.5", "bpm BETWEEN 118 AND 122.5"),
        ("120", "bpm BETWEEN 119.5 AND 120.5"),
    ],
)
def test_tempos(text, condition):
    assert bpm_condition(text) == condition


@pytest.mark.parametrize("text", ["fast", "-120", "120-", "1e3", "118-122-130", "", "NaN"])
def test_what_is_no_tempo(text):
    with pytest.raises(UserError, match="is no tempo"):
        bpm_condition(text)


def test_a_reversed_range_says_which_way():
    with pytest.raises(UserError, match="such as 118-122"):
        bpm_condition("122-118")


@pytest.mark.parametrize(
    ("text", "key", "mode"),
    [
        ("A minor", "A", "minor"),
        ("a Minor", "A", "minor"),
        ("Am", "A", "minor"),
        ("A", "A", None),
        ("b", "B", None),
        ("Bb major", "Bb", "major"),
        ("A#maj", "Bb", "major"),
        ("Cb", "B", None),
        ("8A", "A", "minor"),
        ("8b", "C", "major"),
        ("e♭-min", "Eb", "minor"),
    ],
)
def test_keys(text, key, mode):
    assert key_condition(text) == f"musical_key = '{key}'" + (f" AND mode = '{mode}'" if mode else "")


@pytest.mark.parametrize("text", ["H", "A dorian", "13A", "0B", "", "A' OR '1'='1"])
def test_what_is_no_key(text):
    with pytest.raises(UserError, match="is no key"):
        key_condition(text)


def test_the_wheel_of_camelot():
    """Relative keys share a number; a fifth up is one further."""
    assert (to_camelot("C", "major"), to_camelot("A", "minor"), to_camelot("G", "major")) == ("8B", "8A", "9B")
    codes = {to_camelot(key, mode): (key, mode) for key in KEYS for mode in MODES}
    assert len(codes) == 24
    assert {from_camelot(code) for code in codes} == set(codes.values())
    for pitch, key in enumerate(KEYS):
        fifth = to_camelot(KEYS[(pitch + 7) % 12], "major")
        assert int(fifth[:-1]) == int(to_camelot(key, "major")[:-1]) % 12 + 1
