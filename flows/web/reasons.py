"""Why tracks are in quarantine: what each reason means, and what to do next."""

from dataclasses import dataclass, replace

from schemas.audio import ACCEPTABLE

MEANINGS = {
    "empty": "The file has no bytes, or no sound in it",
    "unrecognised": "Neither FFmpeg nor libsndfile knows its format",
    "no_audio_stream": "A video or another container without sound",
    "unreadable": "The file is not there, or may not be read",
    "truncated": "The end of the file is missing",
    "flac_strict": "The FLAC file is damaged within",
    "nonfinite": "Some samples are no numbers",
    "too_short": "Under 1 s of sound",
    "too_long": "Over 6 h of sound",
    "silent": "Nothing is louder than -80 dB",
    "decoder_crashed": "A decoder crashed on this file, twice",
    "taken_down": "These bytes were taken down for good",
}
_REFRESH = "tonelake refresh"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do: `text` in words, then a command. `accept` is a command that takes such files as they are."""

    text: str
    command: str = _REFRESH
    accept: str | None = None


_STEPS = {
    "unreadable": Step("Put the file back, or permit reading it."),
    "decoder_crashed": Step("Convert the file."),
    "taken_down": Step("A takedown is for good: remove the file from its source."),
}
_MEND = Step("Replace the file.")


def next_step(reason: str) -> Step:
    """Return what a person can do about tracks of one reason."""
    step = _STEPS.get(reason, _MEND)
    if reason not in ACCEPTABLE:
        return step
    return replace(step, accept=f"TONELAKE_ACCEPT={reason} tonelake quarantine --retry")
