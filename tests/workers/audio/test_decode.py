"""Every kind of broken file gets its verdict; sound files get none."""

import io

import av
import numpy as np
import pytest
import soundfile

from schemas.audio import VERDICTS, WindowSpec
from tests.audio_files import BROKEN, DAMAGED, SECONDS, SOUND, ffmpeg, garbled, sndfile
from workers.audio.decode import decode
from workers.audio.verdicts import AudioInspector, Rejected
from workers.audio.windows import read_windows

SPEC = WindowSpec(16_000, 16_000, 16_000)


def decode_windows(data, accept=(), **options):
    windows = read_windows(io.BytesIO(data), SPEC, frozenset(accept), **options)
    return np.concatenate(list(windows)), windows.facts


@pytest.mark.parametrize("name", BROKEN)
def test_fatal(name):
    make, reason = BROKEN[name]
    with pytest.raises(Rejected) as caught:
        decode_windows(make())
    assert caught.value.reason == reason
    assert VERDICTS[reason]


@pytest.mark.parametrize("name", DAMAGED)
def test_warning(name):
    make, verdicts, seconds = DAMAGED[name]
    _, facts = decode_windows(make())
    assert set(verdicts) <= set(facts.verdicts)
    assert facts.duration_s >= seconds


@pytest.mark.parametrize("name", SOUND)
def test_sound(name):
    audio, facts = decode_windows(SOUND[name]())
    assert facts.verdicts == ()
    assert facts.duration_s == pytest.approx(10, abs=0.05)
    assert len(audio) == 160_000
    assert 0.01 < np.abs(audio).max() < 1


@pytest.mark.parametrize(
    "name", ["cut.mp3", "cut.ogg", "nan.wav", "silent.wav", "short.wav", "cut.flac", "garbled.flac"]
)
def test_accepted_verdicts_become_warnings(name):
    make, reason = BROKEN[name]
    accept = [reason] if name == "cut.flac" else [reason, "truncated"]
    audio, facts = decode_windows(make(), accept)
    assert reason in facts.verdicts
    assert np.isfinite(audio).all()
    assert len(audio) >= SPEC.window


def test_too_long_is_known_before_decoding():
    data = bytearray(sndfile(SECONDS[:1], rate=8_000))
    seven_hours = (7 * 3600 * 16_000).to_bytes(4, "little")
    size_at = data.find(b"data") + 4
    data[size_at : size_at + 4] = seven_hours
    with pytest.raises(Rejected) as caught:
        decode_windows(bytes(data))
    assert caught.value.reason == "too_long"


def test_too_long_is_known_while_decoding():
    inspector = AudioInspector(frozenset())
    second = np.full((1, 8_000), 0.1, np.float32)
    for _ in range(6 * 3600):
        inspector.measure(second, 8_000)
    with pytest.raises(Rejected) as caught:
        inspector.measure(second, 8_000)
    assert caught.value.reason == "too_long"


def test_mono_is_the_mean_not_ffmpegs_mix():
    data = sndfile(SECONDS, "WAV", "FLOAT")
    inspector = AudioInspector(frozenset())
    mean = np.concatenate(
        [inspector.measure(chunk.samples, chunk.rate)[0] for chunk in decode(io.BytesIO(data), inspector)]
    )
    np.testing.assert_allclose(mean, SECONDS.mean(axis=0), atol=1e-7)
    with av.open(io.BytesIO(data)) as container:
        mixer = av.AudioResampler(format="fltp", layout="mono")
        mixed = np.concatenate(
            [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in mixer.resample(frame)]
        )
    assert np.std(mixed) / np.std(mean[: len(mixed)]) == pytest.approx(2**0.5, rel=0.02)


@pytest.mark.parametrize(("kind", "tolerance"), [("FLAC", 0), ("WAV", 0), ("OGG", 2e-6)])
def test_ffmpeg_and_libsndfile_agree(kind, tolerance):
    data = sndfile(SECONDS, kind)
    from_ffmpeg = np.concatenate(
        [chunk.samples for chunk in decode(io.BytesIO(data), AudioInspector(frozenset()))], axis=1
    )
    from_sndfile, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    np.testing.assert_allclose(from_ffmpeg, from_sndfile.T, atol=tolerance)


def test_the_first_channel_stands_in_for_cancelling_channels():
    data = DAMAGED["cancelled.wav"][0]()
    mean, facts = decode_windows(data)
    first, first_facts = decode_windows(data, first_channel=True)
    assert "phase_cancelled" in facts.verdicts
    assert facts == first_facts
    assert np.abs(mean).max() < 1e-3
    assert np.abs(first).max() > 0.3


def test_ffmpeg_alone_decodes_a_garbled_flac_to_noise():
    """This is why libsndfile decodes first: FFmpeg reports no error."""
    data = garbled(sndfile(SECONDS, "FLAC"))
    with av.open(io.BytesIO(data)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 0.9 * SECONDS.shape[1]


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "opus"])
def test_the_same_bytes_are_the_same_windows(suffix):
    data = ffmpeg(SECONDS, suffix)
    np.testing.assert_array_equal(decode_windows(data)[0], decode_windows(data)[0])


@pytest.mark.parametrize(
    "script",
    [
        "ffconcat version 1.0\nfile 'private.wav'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\nprivate.wav\n#EXT-X-ENDLIST\n",
    ],
    ids=["concat script", "network session", "playlist"],
)
def test_a_file_that_refers_to_others_is_refused(script, tmp_path, monkeypatch):
    """FFmpeg plays such scripts under any name: one from a stranger would read files of this machine."""
    soundfile.write(tmp_path / "private.wav", np.random.default_rng(0).normal(0, 0.1, 32_000), 16_000)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Rejected) as caught:
        decode_windows(script.encode())
    assert caught.value.reason == "unrecognised"
