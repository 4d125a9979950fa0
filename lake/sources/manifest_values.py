"""The values of a manifest's line as columns of the registry.

No value is lost: what its column cannot hold is kept in `extra`, or stops the run.
"""

import json
import re
from datetime import date
from functools import lru_cache
from typing import Any

from lake.sources.findings import ManifestFindings
from lake.sources.manifest_lines import KNOWN_COLUMNS, TEXT_COLUMNS
from schemas.rights import RIGHTS_COLUMNS, TERRITORIES

_YEAR = re.compile(r"\s*([12]\d{3})(?:\.0)?\s*")  # pandas writes 1959.0 where other lines have no year
_SOME_YEAR = re.compile(r"(?<!\d)[12]\d{3}(?!\d)")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ].*)?)?)?")


class WrongKindError(ValueError):
    """A value of a kind that its column cannot hold. The arguments: the column, the value, what is needed."""


def parse_values(line: int, values: dict[str, Any], findings: ManifestFindings) -> dict[str, Any]:
    """Return the metadata columns of a line's registry row. Raises WrongKindError."""
    others = {name: value for name, value in values.items() if name not in KNOWN_COLUMNS and not is_empty(value)}
    row: dict[str, Any] = {column: _text(line, column, values.get(column), findings) for column in TEXT_COLUMNS}
    row["genres"] = _genres(line, values.get("genres"), findings)
    row["territories"] = _territories(line, values.get("territories"), findings)
    row["year"] = _year(line, values.get("year"), others, findings)
    row["extra"] = json.dumps(others, ensure_ascii=False, default=str) if others else None
    if row["available_from"] or row["available_to"]:
        _check_dates(line, row, findings)
    for column in RIGHTS_COLUMNS:
        if column in values and row[column] is None:  # an empty cell lifts a limit; without a column it stays
            row[column] = [] if column == "territories" else ""
    return row


def is_empty(value: object) -> bool:
    """Tell whether there is no value; pandas writes NaN where there is none."""
    return value is None or value == "" or (isinstance(value, float) and value != value)


def _text(line: int, column: str, value: object, findings: ManifestFindings) -> str | None:
    if is_empty(value):
        return None
    if isinstance(value, list | dict):
        findings.add("list_as_text", line, column, value, "not one text; kept as it is written here")
    return str(value)


def _genres(line: int, value: object, findings: ManifestFindings) -> list[str] | None:
    names = _texts("genres", value)
    if isinstance(value, str) and len(names) == 1 and ("," in value or " / " in value):
        findings.add("genres", line, "genres", value, "one genre: separate genres with ; or |")
    return names or None


def _territories(line: int, value: object, findings: ManifestFindings) -> list[str] | None:
    """Return codes in capital letters. What is no code is kept: the track is in no territory by it."""
    codes = [name.upper() if name.upper() in TERRITORIES else name for name in _texts("territories", value)]
    for code in codes:
        if code not in TERRITORIES:
            advice = "the United Kingdom is GB" if code.upper() == "UK" else "write DE;FR"
            findings.add(
                "territory", line, "territories", code, f"no code of two letters; it allows nothing: {advice}"
            )
    return codes or None


def _texts(column: str, value: object) -> list[str]:
    """Return the texts of a list, or of a text that ; or | separate. Raises WrongKindError."""
    if is_empty(value):
        return []
    if isinstance(value, str):
        names = re.split(r"[;|]", value)
    elif isinstance(value, list) and all(isinstance(name, str) for name in value if name is not None):
        names = [name for name in value if name is not None]
    else:
        raise WrongKindError(column, value, "a text or a list of texts")
    return [name.strip() for name in names if name.strip()]


def _year(line: int, value: object, others: dict[str, Any], findings: ManifestFindings) -> int | None:
    """Return the year. A value that says more than the year, or no year, is kept in `others` too."""
    if is_empty(value):
        return None
    text = str(value)
    if match := _YEAR.fullmatch(text):
        return int(match[1])
    if not text.strip():
        return None
    others["year"] = value
    match = _SOME_YEAR.search(text)
    if not is_date(text.strip()) or match is None:
        understood = f"the year {match[0]}" if match else "no year"
        findings.add("year", line, "year", text, f"{understood}; the value is kept in extra")
    return int(match[0]) if match else None


def _check_dates(line: int, row: dict[str, Any], findings: ManifestFindings) -> None:
    """Warn of dates that do not sort, and of an end before its start.

    Dates are kept as text.
    """
    start, end = row["available_from"], row["available_to"]
    for column, text in (("available_from", start), ("available_to", end)):
        if text and not is_date(text):
            findings.add("date", line, column, text, "no date such as 2020-02-01; kept as text, and gives no right")
    if start and end and is_date(start) and is_date(end):
        length = min(len(start), len(end), len("2020-02-01"))  # 2020 ends after 2020-02
        if start[:length] > end[:length]:
            findings.add("end_before_start", line, "available_to", end, f"before its start, {start}; kept as it is")


@lru_cache(65_536)  # a catalogue has few different dates
def is_date(text: str) -> bool:
    """Tell whether a text is a date such as 2020-02-01.

    A time may follow, and a year or month alone is a date.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day = (int(part or 1) for part in match.groups())
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
