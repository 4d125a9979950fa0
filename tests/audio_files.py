"""Audio files made on the spot, undamaged and broken, for the tests of decoding and of the pipeline."""

import io
import tempfile
from collections.abc import Callable
from functools import partial

import av
import numpy as np
import soundfile

RATE = 44_100

# Suffix -> FFmpeg's format and codec.
ENCODINGS = {
    "mp3": ("mp3", "libmp3lame"),
    "m4a": ("mp4", "aac"),
    "aac": ("adts", "aac"),
    "opus": ("ogg", "libopus"),
    "alac": ("mp4", "alac"),
    "ac3": ("ac3", "ac3"),
    "wma": ("asf", "wmav2"),
    "wv": ("wv", "wavpack"),
}


def tone(seconds: float = 10.0, rate: int = RATE, channels: int = 2) -> np.ndarray:
    """Return a chord with noise, float32 [channels, n].

    It is louder on the left and changes from second to second.
    """
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(0).standard_normal((channels, len(time)))
    chord = sum(np.sin(2 * np.pi * (220 * harmonic + 30 * np.floor(time)) * time) for harmonic in (1, 2, 3)) / 3
    levels = 0.4 / np.arange(1, channels + 1)[:, None]
    return (levels * chord + 0.02 * noise).astype(np.float32)


def sndfile(samples: np.ndarray, kind: str = "WAV", subtype: str | None = None, rate: int = RATE) -> bytes:
    """Encode with libsndfile: WAV, FLAC, OGG, AIFF and others."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, len(samples), format=kind, subtype=subtype) as sound:
        for start in range(0, samples.shape[1], rate):  # libsndfile's Vorbis encoder overflows on one large block
            sound.write(samples[:, start : start + rate].T)
    return file.getvalue()


def ffmpeg(
    samples: np.ndarray, suffix: str, rate: int = RATE, streams: int = 1, bit_rate: int = 128_000, **options: str
) -> bytes:
    """Encode with FFmpeg, in one of ENCODINGS, with `streams` copies of the audio in one container."""
    container_format, codec = ENCODINGS[suffix]
    with tempfile.NamedTemporaryFile(suffix=f".{suffix}") as file:  # faststart reads what it wrote
        with av.open(file.name, "w", format=container_format, options=options) as container:
            rate_out = 48_000 if codec == "libopus" else rate
            tracks = [container.add_stream(codec, rate=rate_out, layout="stereo") for _ in range(streams)]
            for track in tracks:
                track.bit_rate = bit_rate
                for frame in encode_frames(samples, rate, track):
                    container.mux(track.encode(frame))
                container.mux(track.encode(None))
        return file.read()


def encode_frames(samples: np.ndarray, rate: int, track: av.AudioStream) -> list[av.AudioFrame]:
    whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
    whole.sample_rate, whole.pts = rate, 0
    resampler = av.AudioResampler(format=track.format.name, layout="stereo", rate=track.rate)
    queue = av.AudioFifo()
    for frame in resampler.resample(whole) + resampler.resample(None):
        queue.write(frame)
    size = track.codec_context.frame_size
    size = size if size >= 16 else 1024
    frames = []
    while frame := queue.read(size, partial=True):
        frames.append(frame)
    return frames


def video(suffix: str = "mp4", samples: np.ndarray | None = None) -> bytes:
    """Return a video file of 10 s, with AAC sound if there are samples. Suffixes: mp4, mov, mkv."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska" if suffix == "mkv" else suffix) as container:
        track = container.add_stream("mpeg4", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        sound = None if samples is None else container.add_stream("aac", rate=RATE, layout="stereo")
        frames = [] if samples is None else encode_frames(samples, RATE, sound)
        for second in range(10):  # sound and pictures take turns, as in a film
            for _ in range(10):
                picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                container.mux(track.encode(picture))
            for frame in frames[len(frames) * second // 10 : len(frames) * (second + 1) // 10]:
                container.mux(sound.encode(frame))
        for stream in filter(None, (track, sound)):
            container.mux(stream.encode(None))
    return file.getvalue()


def garbled(data: bytes, size: int = 65_536) -> bytes:
    """Replace the middle of a file by noise."""
    middle = len(data) // 2
    size = min(size, len(data) // 4)
    return data[:middle] + np.random.default_rng(1).bytes(size) + data[middle + size :]


def cut_short(data: bytes, share: float = 0.4) -> bytes:
    """Return the beginning of a file."""
    return data[: int(len(data) * share)]


def endless_wav(data: bytes) -> bytes:
    """Return a WAV file as a pipe writes it: its header states no length."""
    size_at = data.find(b"data") + 4
    return data[:4] + b"\xff\xff\xff\xff" + data[8:size_at] + b"\xff\xff\xff\xff" + data[size_at + 4 :]


def short_streaminfo(data: bytes) -> bytes:
    """Return a FLAC file whose header states a tenth of its samples."""
    stated = int.from_bytes(data[21:26], "big")
    samples = stated & 0xF_FFFF_FFFF
    return data[:21] + ((stated ^ samples) | samples // 10).to_bytes(5, "big") + data[26:]


def without_stated_length(data: bytes) -> bytes:
    """Return a FLAC file as a pipe writes it: its header states no length."""
    return data[:21] + ((int.from_bytes(data[21:26], "big") >> 36) << 36).to_bytes(5, "big") + data[26:]


def with_chunk(data: bytes, name: bytes, content: bytes) -> bytes:
    """Return a WAV file with another chunk before its samples."""
    samples_at = data.find(b"data")
    chunk = name + len(content).to_bytes(4, "little") + content
    size = (int.from_bytes(data[4:8], "little") + len(chunk)).to_bytes(4, "little")
    return data[:4] + size + data[8:samples_at] + chunk + data[samples_at:]


def with_art(data: bytes, size: int = 5 << 20) -> bytes:
    """Return an mp3 after an ID3 tag with a huge picture."""
    picture = b"\0image/jpeg\0\x03\0" + bytes(size)
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    length = len(frame)
    sync_safe = bytes((length >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + sync_safe + frame + data


SECONDS = tone()

# Files that are quarantined: how to make each, and its fatal verdict.
BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "html.mp3": (lambda: b"<html>" * 1000, "unrecognised"),
    "random.mp3": (lambda: np.random.default_rng(0).bytes(5_000), "unrecognised"),
    "no_samples.wav": (lambda: sndfile(SECONDS[:, :0]), "empty"),
    **{f"film.{suffix}": (partial(video, suffix), "no_audio_stream") for suffix in ("mp4", "mov", "mkv")},
    "cut_film.mkv": (lambda: cut_short(video("mkv", SECONDS)), "truncated"),
    "cut.mp3": (lambda: cut_short(ffmpeg(SECONDS, "mp3")), "truncated"),
    "cut.ogg": (lambda: cut_short(sndfile(SECONDS, "OGG")), "truncated"),
    "cut.opus": (lambda: cut_short(ffmpeg(SECONDS, "opus")), "truncated"),
    "cut.wav": (lambda: cut_short(sndfile(SECONDS)), "truncated"),
    "cut.flac": (lambda: cut_short(sndfile(SECONDS, "FLAC")), "truncated"),
    "cut_in_the_last_frame.flac": (lambda: cut_short(sndfile(SECONDS, "FLAC"), 0.999), "truncated"),
    "cut_and_garbled.flac": (lambda: cut_short(garbled(sndfile(SECONDS, "FLAC")), 0.8), "flac_strict"),
    "cut_faststart.m4a": (lambda: cut_short(ffmpeg(SECONDS, "m4a", movflags="faststart")), "truncated"),
    "cut_moov_at_end.m4a": (lambda: cut_short(ffmpeg(SECONDS, "m4a")), "unrecognised"),
    "garbled.ogg": (lambda: garbled(sndfile(SECONDS, "OGG")), "truncated"),
    "garbled.flac": (lambda: garbled(sndfile(SECONDS, "FLAC")), "flac_strict"),
    "nan.wav": (
        lambda: sndfile(np.where(np.arange(SECONDS.shape[1]) == 50_000, np.nan, SECONDS), "WAV", "FLOAT"),
        "nonfinite",
    ),
    "silent.wav": (lambda: sndfile(np.zeros_like(SECONDS)), "silent"),
    "short.wav": (lambda: sndfile(tone(0.5)), "too_short"),
    "one_sample.wav": (lambda: sndfile(SECONDS[:, :1]), "too_short"),
}

# Files that are embedded with warnings: how to make each, its warnings, and the seconds that are decoded at least.
DAMAGED: dict[str, tuple[Callable[[], bytes], tuple[str, ...], float]] = {
    "garbled.mp3": (lambda: garbled(ffmpeg(SECONDS, "mp3"), 2048), ("corrupt_packets",), 8.0),
    "garbled.m4a": (lambda: garbled(ffmpeg(SECONDS, "m4a", movflags="faststart"), 2048), ("corrupt_packets",), 8.0),
    "garbled_minutes.ogg": (lambda: garbled(sndfile(tone(90), "OGG")), ("demux_error",), 88.2),
    "rates.mp3": (
        lambda: ffmpeg(tone(5), "mp3", write_xing="0") + ffmpeg(tone(5, 48_000), "mp3", 48_000, write_xing="0"),
        ("rate_change",),
        9.5,
    ),
    "two_streams.m4a": (lambda: ffmpeg(SECONDS, "m4a", streams=2), ("multi_stream",), 9.9),
    "cancelled.wav": (lambda: sndfile(np.stack([SECONDS[0], -SECONDS[0]])), ("phase_cancelled",), 9.9),
    "clipped.wav": (lambda: sndfile((SECONDS * 10).clip(-1, 1)), ("clipped",), 9.9),
}

# Files that are embedded without warnings. They last 10 s.
SOUND: dict[str, Callable[[], bytes]] = {
    **{f"good.{suffix}": lambda suffix=suffix: ffmpeg(SECONDS, suffix) for suffix in ENCODINGS},
    **{f"film.{suffix}": partial(video, suffix, SECONDS) for suffix in ("mp4", "mov", "mkv")},
    "good.wav": lambda: sndfile(SECONDS),
    "good.flac": lambda: sndfile(SECONDS, "FLAC"),
    "good.ogg": lambda: sndfile(SECONDS, "OGG"),
    "good.aiff": lambda: sndfile(SECONDS, "AIFF"),
    "good_24bit.flac": lambda: sndfile(SECONDS, "FLAC", "PCM_24"),
    "u8.wav": lambda: sndfile(SECONDS, "WAV", "PCM_U8"),
    "f64.wav": lambda: sndfile(SECONDS, "WAV", "DOUBLE"),
    "ulaw.wav": lambda: sndfile(SECONDS, "WAV", "ULAW"),
    "eight_channels.wav": lambda: sndfile(tone(channels=8)),
    "mono_8k.wav": lambda: sndfile(tone(rate=8_000, channels=1), rate=8_000),
    "192k.flac": lambda: sndfile(tone(rate=192_000), "FLAC", rate=192_000),
    "metadata.wav": lambda: with_chunk(sndfile(SECONDS), b"LIST", b"INFOISFT\x08\0\0\0metadata"),
    "unstated.flac": lambda: without_stated_length(sndfile(SECONDS, "FLAC")),
    "endless.wav": lambda: endless_wav(sndfile(SECONDS)),
    "short_streaminfo.flac": lambda: short_streaminfo(sndfile(SECONDS, "FLAC")),
    "cover_art.mp3": lambda: with_art(ffmpeg(SECONDS, "mp3")),
    "flac_named.mp3": lambda: sndfile(SECONDS, "FLAC"),
    "no_suffix": lambda: ffmpeg(SECONDS, "mp3"),
    "no_xing.mp3": lambda: ffmpeg(SECONDS, "mp3", write_xing="0"),
}
