import csv
import re
from collections import Counter

import numpy as np
import pytest
import soundfile

from schemas.errors import UserError
from tests.benchmarks import recordings
from tests.benchmarks.recordings import fetch_recordings, read_clips, read_packages
from workers.synthetic_music.score.voices import VOICES
from workers.synthetic_music.sources.packages import fetch_package

PLAIN_WORDS = {
    "beatboxing",
    "didgeridoo",
    "djembe",
    "electric guitar",
    "gong",
    "guitar",
    "harmonium",
    "organ",
    "saxophone",
    "singing",
    "tambura",
}
SHA256 = re.compile("[0-9a-f]{64}")
SMALL = "tonejs-xylophone"


def test_enough_clips_of_single_instruments():
    clips = read_clips("gcompris", "larger")
    assert len(clips) >= 120
    assert len(read_clips("gcompris")) == 26
    assert {clip.set for clip in read_clips()} == {"gcompris", "larger", "genres"}


def test_labels_are_words_of_the_corpus_or_plain_words():
    clips = read_clips("gcompris", "larger")
    assert all(len(clip.labels) == 1 for clip in clips)
    labels = {clip.labels[0] for clip in clips}
    assert labels - {*VOICES} <= PLAIN_WORDS
    assert not PLAIN_WORDS - labels, "a word that no clip has"


def test_few_clips_share_a_label_and_a_package():
    counts = Counter((clip.package, clip.labels) for clip in read_clips("gcompris", "larger"))
    assert max(counts.values()) <= 4


def test_no_clip_is_in_the_table_twice():
    clips = read_clips()
    assert all(SHA256.fullmatch(clip.sha256) for clip in clips)
    for values in ([clip.sha256 for clip in clips], [clip.clip_id for clip in clips], [clip.file for clip in clips]):
        assert len(values) == len(set(values))


def test_every_package_is_pinned_and_used():
    packages = read_packages()
    assert {clip.package for clip in read_clips()} == set(packages)
    assert all(SHA256.fullmatch(package.sha256()) for package in packages.values())
    with recordings.PACKAGES.open(newline="") as file:
        assert all(row["licence"] and row["origin"] for row in csv.DictReader(file))


@pytest.fixture
def one_package(tmp_path, monkeypatch):
    """The folder of a small package, with tables that name no other."""
    package = read_packages()[SMALL]
    try:
        folder = fetch_package(package, tmp_path / "recordings" / "packages", None)
    except UserError as error:
        pytest.skip(f"{SMALL} cannot be fetched: {error}")
    for name in ("PACKAGES", "CLIPS"):
        lines = getattr(recordings, name).read_text().splitlines()
        table = tmp_path / f"{name}.csv"
        table.write_text("\n".join([lines[0], *(line for line in lines if line.startswith(f"{SMALL},"))]) + "\n")
        monkeypatch.setattr(recordings, name, table)
    return folder


@pytest.mark.usefixtures("one_package")
def test_a_package_is_fetched_and_has_sound(tmp_path):
    folder = tmp_path / "recordings"
    manifest = fetch_recordings(folder)
    assert manifest.read_text().count('"tags": ["xylophone"], "set": "larger"') == 4
    for clip in read_clips():
        sound, rate = soundfile.read(folder / clip.file)
        assert 0.4 <= len(sound) / rate <= 60
        assert np.sqrt(np.mean(sound**2)) > 0.01


def test_a_clip_with_other_bytes_is_refused(one_package, tmp_path):
    clip = read_clips()[0]
    (one_package / clip.path).write_bytes(b"other")
    with pytest.raises(UserError, match="is not the file that was pinned"):
        recordings.write_clips([clip], one_package, tmp_path)
    assert not (tmp_path / clip.file).exists()
