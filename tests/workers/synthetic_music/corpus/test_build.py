"""Built with the soundfont of the pretty_midi wheel, which no real corpus is made of: it is at hand and small."""

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from schemas.errors import UserError
from tests.cli import environment
from workers.synthetic_music.corpus import sound
from workers.synthetic_music.corpus.build import CorpusSpec, counts, missing, render_pieces, write_manifest
from workers.synthetic_music.corpus.patterns import Pattern
from workers.synthetic_music.corpus.pieces import pieces
from workers.synthetic_music.corpus.players import Player
from workers.synthetic_music.corpus.sound import RATE, Sounds, render
from workers.synthetic_music.corpus.soundfonts import FONTS, DebianFont
from workers.synthetic_music.corpus.voices import VOICES
from workers.synthetic_music.demo.synthesis import soundfont as small_font


@pytest.fixture(scope="module")
def font():
    return Sounds(small_font(), small_font().read_bytes())


def small(folder, clips):
    digest = hashlib.sha256(small_font().read_bytes()).hexdigest()
    one = DebianFont("timgm6mb", "-", "", f"./{small_font().name}", digest, "GPL-2")
    return CorpusSpec(folder, clips, 2, 0, dict.fromkeys(FONTS, one))


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return small(tmp_path_factory.mktemp("corpus") / "out", 20)


@pytest.fixture(scope="module")
def built(spec, tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    done = list(render_pieces(spec, missing(spec), models, small_font().parent))
    write_manifest(spec)
    return models, done


def rows(spec):
    return [json.loads(line) for line in (spec.folder / "manifest.jsonl").read_text().splitlines()]


def test_manifest_and_audio_agree(spec, built):
    _, done = built
    assert len(done) == 20
    assert [row["split"] for row in rows(spec)] == ["train"] * 14 + ["valid"] * 2 + ["test"] * 4
    for row in rows(spec):
        info = soundfile.info(spec.folder / row["uri"])
        assert (info.samplerate, info.channels, info.frames) == (RATE, 2, 2 * RATE)
        assert row["tags"]
        assert row["genres"]
        assert len(row["sentences"]) == 3
        assert row["track_id"] in row["uri"]
        assert row["soundfont"] == "timgm6mb"
        assert list(row["other_names"]) == row["instruments"]
    assert [row["clips"] for row in counts(spec)] == [14, 2, 4]


def test_a_whole_file_is_kept_and_a_broken_one_made_again(spec, built):
    models, _ = built
    files = sorted(spec.folder.glob("*.ogg"))
    sounds = {path: soundfile.read(path)[0] for path in files}
    before = {path: path.stat().st_mtime_ns for path in files}
    files[3].write_bytes(files[3].read_bytes()[:500])
    files[7].unlink()
    assert len(missing(spec)) == 2
    list(render_pieces(spec, missing(spec), models, None))
    assert [path for path in files if path.stat().st_mtime_ns != before[path]] == [files[3], files[7]]
    assert all(np.array_equal(soundfile.read(path)[0], sounds[path]) for path in (files[3], files[7]))


def test_the_same_manifest_again(spec, built, tmp_path):
    assert built
    write_manifest(replace(spec, folder=tmp_path))
    assert (tmp_path / "manifest.jsonl").read_bytes() == (spec.folder / "manifest.jsonl").read_bytes()


def test_no_soundfont_of_training_is_tested_with():
    assert FONTS["train"] != FONTS["test"]
    assert not {FONTS[split].name for split in FONTS} & {"timgm6mb", "csound"}


@pytest.mark.parametrize("voice", VOICES.values(), ids=lambda voice: voice.name)
def test_every_voice_sounds(voice, font):
    texture = {"kit": "drums", "taps": "taps"}.get(voice.manner, "comp")
    pattern = {"drums": "X...X... ....X... hx.x.x.x.", "taps": "1.2.1.2.", "comp": "1.3.5.8."}[texture]
    piece = replace(pieces(20, 0)[-1], players=(Player(voice, texture, Pattern("-", pattern), 0.0),), bpm=120)
    heard = render(piece, 2, font)
    assert heard.shape == (2 * RATE, 2)
    assert 10 ** (-9.01 / 20) < np.abs(heard).max() < 10 ** (-0.99 / 20)


def test_players_stand_at_their_levels_whatever_the_soundfont(font):
    """A tuba 20 dB under a flute is heard as that, in a clip of both."""

    def low_share(difference: float) -> float:
        tuba = Player(VOICES["tuba"], "comp", Pattern("-", "1---------------"), -difference)
        flute = Player(VOICES["flute"], "comp", Pattern("-", "1---------------"), 0.0)
        spectrum = np.abs(np.fft.rfft(render(replace(pieces(20, 0)[-1], players=(tuba, flute)), 4, font).mean(axis=1)))
        frequencies = np.fft.rfftfreq(4 * RATE, 1 / RATE)
        return float((spectrum[frequencies < 120] ** 2).sum() / (spectrum**2).sum())

    assert low_share(0) > 10 * low_share(20) > 0


def test_a_part_does_not_ring_into_the_next(font):
    """Parts are rendered one after the other: cymbals are 25 dB under a flute by the time it begins."""
    cymbals = Player(VOICES["cymbals"], "taps", Pattern("-", "1111111111111111"), -200.0)
    flute = Player(VOICES["flute"], "comp", Pattern("-", "...............1"), 0.0)
    heard = np.abs(render(replace(pieces(20, 0)[-1], players=(cymbals, flute), bpm=60), 4, font)).max(axis=1)
    assert heard[3 * RATE :].max() > 10 ** (25 / 20) * heard[: 3 * RATE].max()


def test_without_the_extra_it_says_what_to_install_and_makes_nothing(spec, monkeypatch, tmp_path):
    monkeypatch.setattr(sound, "find_spec", lambda _: None)
    fresh = replace(spec, folder=tmp_path / "out")
    with pytest.raises(UserError, match=r"pip install \"tonelake\[corpus\]\""):
        list(render_pieces(fresh, missing(fresh), tmp_path, None))
    assert not fresh.folder.exists()


@pytest.mark.parametrize("other", [{"seed": 1}, {"seconds": 3}, {"fonts": FONTS}])
def test_the_files_of_another_corpus_are_not_taken_for_this_ones(spec, built, other):
    """Clips are named alike in all: their words would be told of another's sound."""
    assert built
    with pytest.raises(UserError, match="holds a corpus of other"):
        missing(replace(spec, **other))
    assert len(missing(replace(spec, clips=40))) == 20, "more of the same go beside them"


def test_a_build_that_was_stopped_is_known_too(spec, tmp_path):
    begun = replace(spec, folder=tmp_path / "out")
    rendered = render_pieces(begun, missing(begun)[:5], tmp_path, small_font().parent)
    next(rendered)
    rendered.close()
    assert not (begun.folder / "manifest.jsonl").exists()
    with pytest.raises(UserError, match="holds a corpus of other seed"):
        missing(replace(begun, seed=1))
    with pytest.raises(UserError, match="is a file: --out names a folder"):
        missing(replace(begun, folder=begun.folder / "corpus.json"))
    (begun.folder / "corpus.json").write_text("[]")
    with pytest.raises(UserError, match="is not of a corpus"):
        missing(begun)


KILLED = """
import sys
from pathlib import Path
from tests.workers.synthetic_music.corpus.test_build import small
from workers.synthetic_music.corpus.build import missing, render_pieces
from workers.synthetic_music.demo.synthesis import soundfont
if __name__ == "__main__":
    spec = small(Path(sys.argv[1]) / "out", 2000)
    for piece in render_pieces(spec, missing(spec), Path(sys.argv[1]), soundfont().parent):
        print(piece.name, flush=True)
"""


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_killed_build_leaves_no_process(tmp_path):
    """They would wait for work for ever, with a soundfont each."""
    (tmp_path / "build.py").write_text(KILLED)
    command = [sys.executable, tmp_path / "build.py", tmp_path]
    building = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
    assert building.stdout.readline().startswith(b"train-")
    pids = children(building.pid)
    assert len(pids) > 1
    building.kill()
    building.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.1)
