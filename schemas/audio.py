"""Audio files: their windows, their verdicts, and the facts that decoding gives."""

from dataclasses import dataclass

UNREADABLE = "unreadable"

# Every verdict a file can get. True: fatal, the track is quarantined. False: a warning kept with the row.
VERDICTS: dict[str, bool] = {
    "empty": True,  # no bytes, or no samples in the stream
    "unrecognised": True,  # neither FFmpeg nor libsndfile knows the format
    "no_audio_stream": True,  # a container without sound
    UNREADABLE: True,  # not found, or permission denied
    "truncated": True,  # under 98 % of the declared length, an Ogg file without its last page, a FLAC cut in a frame
    "flac_strict": True,  # libFLAC's checksums fail within the file, where FFmpeg would return noise
    "nonfinite": True,  # NaN or infinity in the samples
    "too_short": True,  # under 1 s
    "too_long": True,  # over 6 h
    "silent": True,  # peak under -80 dB full scale
    "decoder_crashed": True,  # the worker died twice on this file alone
    "taken_down": True,  # `tonelake takedown --content` refuses these bytes
    "corrupt_packets": False,  # some packets could not be decoded
    "demux_error": False,  # the container broke off; libsndfile read on where it could
    "rate_change": False,  # the sample rate changes within the stream
    "multi_stream": False,  # several audio streams; the first is used
    "phase_cancelled": False,  # the channels cancel each other; the first channel is used
    "clipped": False,  # over 0.1 % of the samples at or beyond full scale
}

# Fatal verdicts that leave audio to embed: TONELAKE_ACCEPT can turn them into warnings.
ACCEPTABLE = frozenset({"truncated", "flac_strict", "nonfinite", "too_short", "too_long", "silent"})

# Suffixes of the files that are listed below a folder or prefix: audio and video formats that FFmpeg reads.
AUDIO_SUFFIXES = tuple(
    ".aac .ac3 .aif .aiff .alac .amr .ape .au .caf .dsf .flac .m4a .m4b .mka .mkv .mov .mp1 .mp2 .mp3 .mp4 .mpc .oga "
    ".ogg .opus .ra .spx .tak .tta .w64 .wav .wave .webm .wma .wv".split()
)

# Typical bytes a second of audio by suffix, for estimates before any file is read.
_BYTES_A_SECOND = {
    **dict.fromkeys((".wav", ".wave", ".aif", ".aiff"), 176_400),
    ".flac": 100_000,
    **dict.fromkeys((".mkv", ".mov", ".mp4"), 500_000),  # mostly video
}
_BYTES_A_SECOND_LOSSY = 24_000

MAX_BIT_ERROR_RATE = 0.35  # of two fingerprints of one recording, by the paper that describes fingerprints

MIN_SECONDS = 1.0
MAX_SECONDS = 6 * 3600.0


def estimate_seconds(uri: str, size: int | None) -> float:
    """Estimate the seconds of audio in a file of `size` bytes."""
    suffix = uri[uri.rfind(".") :].lower()
    return (size or 0) / _BYTES_A_SECOND.get(suffix, _BYTES_A_SECOND_LOSSY)


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Windows of `window` samples every `hop` samples at `sample_rate`, from mono audio.

    Window i starts at sample i * hop. The last window is kept if at least half of it is audio, or if it is the only
    one; its missing samples are filled by repeating its audio. `limit` keeps at most that many windows, spread evenly
    over all of them (None: every window).
    """

    sample_rate: int
    window: int
    hop: int
    limit: int | None = None
    mono: str = "mean"
    resampler: str = "soxr_hq"

    def count_windows(self, samples: int) -> int:
        """Return the number of windows in `samples` samples of audio, before `limit`."""
        if samples <= 0:
            return 0
        full = max(0, (samples - self.window) // self.hop + 1)
        tail = samples - full * self.hop
        return full + 1 if tail >= self.window / 2 or full == 0 else full

    def select_indices(self, samples: int) -> list[int]:
        """Return the indices of the windows to embed, ascending, without repeats."""
        total = self.count_windows(samples)
        if self.limit is None or total <= self.limit:
            return list(range(total))
        import numpy as np  # here, because the settings import this module, and `--help` needs no numpy

        indices: list[int] = np.linspace(0, total - 1, self.limit).round().astype(int).tolist()
        return indices


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """Facts about an audio file, measured while it was decoded.

    `peak` is linear, 1.0 is full scale. `rms_dbfs` is the RMS level of the whole file in dB full scale.
    """

    duration_s: float
    codec: str
    sample_rate: int
    channels: int
    peak: float
    rms_dbfs: float
    verdicts: tuple[str, ...]
