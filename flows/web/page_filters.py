"""Numbers, times and sizes as text, for the templates."""

from datetime import datetime
from typing import Any

from schemas import clock

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def number(value: float | None) -> str:
    """Return a count with separators."""
    return "" if value is None else f"{value:,.0f}"


def size(value: float | None) -> str:
    """Return a number of bytes in the largest unit that leaves one digit or more."""
    if value is None:
        return ""
    index = 0
    while value >= 1000 and index < len(_SIZES) - 1:
        value, index = value / 1000, index + 1
    return f"{value:,.{int(index > 0 and value < 100)}f} {_SIZES[index]}"


def span(seconds: float | None) -> str:
    """Return a length of time: "3:07", from an hour on "1:02:45"."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(value: datetime | str | None) -> str:
    """Return a time to the minute, UTC."""
    if not value:
        return ""
    return f"{datetime.fromisoformat(value) if isinstance(value, str) else value:%Y-%m-%d %H:%M}"


def ago(value: datetime | None) -> str:
    """Return how long ago a time was, in the largest unit that fits."""
    if value is None:
        return ""
    seconds = max(0.0, (clock.now() - value).total_seconds())
    for length, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def share(part: float, whole: float) -> str:
    """Return a part of a whole in percent, for the width of a bar."""
    return f"{100 * part / whole if whole else 0:.3f}%"


def count_of(value: int, noun: str) -> str:
    """Return "1 track" or "1,200 tracks"."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def capital(text: str) -> str:
    """Return a sentence with its first letter as a capital."""
    return text[:1].upper() + text[1:]


FILTERS: dict[str, Any] = {
    "number": number,
    "size": size,
    "span": span,
    "moment": moment,
    "ago": ago,
    "share": share,
    "count_of": count_of,
    "capital": capital,
}
