"""Benchmarks of tempo and key: what their odd lines say, and what is told if they are broken."""

import pytest

from lake.benchmarks.readers.music import parse_key, parse_tempo
from lake.benchmarks.registry import BENCHMARKS
from schemas.errors import UserError
from tests.lake.benchmarks.layouts import put


def truth(name, data):
    """Return the label or tempo of every clip; None where there is no single one."""
    clips = BENCHMARKS[name].load(data)
    return {clip.clip_id: next(iter(clip.labels + clip.targets), None) for clip in clips}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C minor", "C minor"),
        ("A# major", "Bb major"),
        ("Db major", "C# major"),
        ("D# minor", "Eb minor"),
        ("Gb major", "F# major"),
        ("G# minor", "Ab minor"),
        ("Cb major", "B major"),
        ("E# minor", "F minor"),
        ("bb minor\n", "Bb minor"),
        ("B major ", "B major"),
        ("-", None),
        ("All", None),
        (" ", None),
        ("C minor / F minor", None),
        ("G minor/major", None),
        ("A-A# minor", None),
        ("X minor", None),
        ("D dorian", None),
    ],
)
def test_keys_are_folded_to_those_of_descriptions(text, key):
    assert parse_key(text) == key


@pytest.mark.parametrize(
    ("text", "tempo"),
    [("127.0", 127.0), ("8.553000000000000114e+01\n", 85.53), ("0.0", None), ("", None), ("\n", None)],
)
def test_a_tempo_of_nothing_is_none(text, tempo):
    assert parse_tempo(text) == tempo


@pytest.mark.parametrize("text", ["-120", "nan", "inf", "120 121", "fast"])
def test_what_is_no_tempo_is_an_error(text):
    with pytest.raises(ValueError, match=text.split()[-1]):
        parse_tempo(text)


def test_giantsteps_tempo_has_two_annotations_of_the_same_audio(layout):
    data = layout("giantsteps-tempo")
    assert truth("giantsteps-tempo", data) == {"1030011": 127, "906760": 171, "3041381": None, "28952": None}
    assert truth("giantsteps-tempo-v1", data) == {"1030011": 125, "906760": 171.419, "3041381": 140, "28952": 90}
    paths = {clip.path for clip in BENCHMARKS["giantsteps-tempo"].load(data)}
    assert "audio/1030011.LOFI.mp3" in paths


def test_giantsteps_keys(layout):
    assert truth("giantsteps-key", layout("giantsteps-key")) == {
        "10089": "D major",
        "1234749": "Bb major",
        "677299": "F# major",
        "774875": "Bb minor",
        "61415": None,
    }
    sure = {"5061": "Eb minor", "5881": "A major", "4970565": "B major"}
    found_keys = truth("giantsteps-mtg-key", layout("giantsteps-mtg-key"))
    assert {name: key for name, key in found_keys.items() if key} == sure
    assert len(found_keys) == 8


def test_gtzan_rhythm_takes_the_median_interval_of_the_beats(layout):
    data = layout("gtzan-rhythm")
    assert truth("gtzan-rhythm", data) == {"blues.00000": 120, "rock.00002": 120, "pop.00001": None}
    assert BENCHMARKS["gtzan-rhythm"].load(data)[0].path == "genres/blues/blues.00000.au"


def test_gtzan_rhythm_as_mirdata_unpacks_it(tmp_path):
    put(tmp_path, "gtzan_tempo_beat-main/tempo/gtzan_country_00000.bpm", "8.553000000000000114e+01\n")
    put(tmp_path, "gtzan_genre/genres/country/country.00000.wav", b"sound")
    (clip,) = BENCHMARKS["gtzan-rhythm"].load(tmp_path)
    assert (clip.clip_id, clip.targets) == ("country.00000", (85.53,))
    assert (tmp_path / clip.path).exists()


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no such file: .*GTZAN-Rhythm/jams; get it from http"):
        BENCHMARKS["gtzan-rhythm"].load(tmp_path)
    put(tmp_path, "annotations/key/readme.txt", "")
    with pytest.raises(UserError, match=r"no such file: .*annotations/key/\*.key; get it from"):
        BENCHMARKS["giantsteps-key"].load(tmp_path)


def test_a_broken_tempo_names_its_file(own_copy):
    data = own_copy(BENCHMARKS["giantsteps-tempo"])
    put(data, "annotations_v2/tempo/28952.LOFI.bpm", "<html>")
    with pytest.raises(UserError, match=r"annotations_v2/tempo/28952.LOFI.bpm: could not convert .*<html>"):
        BENCHMARKS["giantsteps-tempo"].load(data)
    (data / "annotations_v2/tempo/28952.LOFI.bpm").unlink()
    with pytest.raises(UserError, match=r"no such file: .*28952.LOFI.bpm"):
        BENCHMARKS["giantsteps-tempo"].load(data)


def test_files_without_any_key_are_broken(own_copy):
    data = own_copy(BENCHMARKS["giantsteps-key"])
    for path in (data / "annotations/key").iterdir():
        path.write_text("404: Not Found")
    with pytest.raises(UserError, match="no clip has a key"):
        BENCHMARKS["giantsteps-key"].load(data)
