"""The lines of a manifest, .csv, .jsonl or .parquet, as values by column."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from lake.sources.findings import ManifestFindings
from schemas.errors import UserError

MANIFEST_SUFFIXES = (".csv", ".jsonl", ".parquet")
TEXT_COLUMNS = ("title", "artist", "album", "isrc", "available_from", "available_to")
KNOWN_COLUMNS = frozenset({"uri", "track_id", "genres", "year", "territories", *TEXT_COLUMNS})

Line = tuple[int, dict[str, Any]]  # its number in an editor, and its values by column

_UNDECODED = re.compile("[\ud800-\udfff]")  # bytes that are not UTF-8 are decoded to these, one character a byte
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_FORMS = 1000  # of JSON objects whose names are remembered


def read_lines(uri: str, files: fsspec.AbstractFileSystem, findings: ManifestFindings) -> Iterator[Line]:
    """Yield every line that has a value; what cannot be read becomes a finding.

    Raises UserError if there is no such file.
    """
    try:
        with files.open(uri, "rb") as file:
            if uri.endswith(".parquet"):
                yield from _read_parquet(file, findings)
                return
            if file.read(2) in _UTF16:
                findings.add("not_utf8", 1, None, None, "the file is UTF-16; save it as UTF-8")
                return
            file.seek(0)
            yield from (_read_json if uri.endswith(".jsonl") else _read_csv)(file, findings)
    except FileNotFoundError as error:
        raise UserError(f"no such manifest: {uri}") from error


def _read_csv(file: Any, findings: ManifestFindings) -> Iterator[Line]:
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    rows = _number_rows(text, findings)
    names = _read_header(next(rows, None), findings)
    if names is None:
        return
    for number, cells in rows:
        if len(cells) != len(names) and not _has_all_cells(cells, names, number, findings):
            continue
        values = dict(zip(names, cells, strict=False))
        if "".join(cells).isascii() or _is_utf8(values, number, findings):
            yield number, values


def _number_rows(text: io.TextIOWrapper, findings: ManifestFindings) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that has a value, with the number of its first line.

    Cells may hold line breaks.
    """
    reader = csv.reader(text, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            _add_unreadable(findings, number, error)
            return
        if any(cells):
            yield number, cells


def _read_header(row: tuple[int, list[str]] | None, findings: ManifestFindings) -> list[str] | None:
    """Return the names of the columns; None if the lines below cannot be read."""
    if row is None:
        if not findings.stopping:
            findings.add("no_uri_column", 1, None, None, "the file is empty: its first line names the columns")
        return None
    number, cells = row
    if not _is_utf8({"": ",".join(cells)}, number, findings):
        return None
    names = ColumnNames(findings).translate(cells, number)
    for separator, word in {";": "semicolons", "\t": "tabs", "|": "|"}.items():
        if "uri" not in names and "uri" in ColumnNames.split(cells, separator):
            advice = f"the columns are separated by {word}: save the file with commas"
            findings.add("separator", number, None, ",".join(cells), advice)
            return None
    return names if _have_uri(names, number, findings) else None


def _have_uri(names: list[str], number: int | None, findings: ManifestFindings) -> bool:
    """Tell whether there is a column uri, and no column twice."""
    if "uri" not in names:
        findings.add("no_uri_column", number, None, ", ".join(names), "no column is called uri: it names the files")
        return False
    if repeated := next((name for name in names if names.count(name) > 1), None):
        findings.add("repeated_column", number, repeated, None, "two columns have this name: rename one")
        return False
    return True


def _has_all_cells(cells: list[str], names: list[str], number: int, findings: ManifestFindings) -> bool:
    """Tell whether a row has no cell too few, and no value too many."""
    if len(cells) < len(names):
        if any(map(str.strip, cells)):
            understood = f"{len(cells)} of {len(names)} columns have a value: was the line cut?"
            findings.add("missing_cells", number, None, ",".join(cells), understood)
        return False
    if surplus := [cell for cell in cells[len(names) :] if cell.strip()]:
        understood = f"more values than the {len(names)} columns: quote a value that holds a comma"
        findings.add("surplus_cells", number, None, ",".join(surplus), understood)
        return False
    return True


def _read_json(file: Any, findings: ManifestFindings) -> Iterator[Line]:
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape")
    names = ColumnNames(findings)
    for number, line in enumerate(text, start=1):
        try:
            values = json.loads(line, object_pairs_hook=_to_object) if line.strip() else None
        except _RepeatedKey as error:
            findings.add("repeated_column", number, str(error), None, "the object has this key twice: rename one")
            continue
        except (ValueError, RecursionError) as error:
            _add_unreadable(findings, number, error)
            continue
        if values is None:
            continue
        if not isinstance(values, dict):
            findings.add("unreadable", number, None, line.strip(), "expected one JSON object a line")
            continue
        values = dict(zip(names.translate(values, number), values.values(), strict=True))
        if (line.isascii() and "\\u" not in line) or _is_utf8(values, number, findings):
            yield number, values


class _RepeatedKey(ValueError):
    """A key that a JSON object has twice."""


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKey(next(key for key in keys if keys.count(key) > 1))
    return values


def _read_parquet(file: Any, findings: ManifestFindings) -> Iterator[Line]:
    number = 0
    try:
        parquet = pq.ParquetFile(file)
        names = ColumnNames(findings).translate(parquet.schema_arrow.names, None)
        if not _have_uri(names, None, findings):
            return
        for batch in parquet.iter_batches():
            for values in batch.rename_columns(names).to_pylist():
                number += 1
                yield number, values
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk or the store, not of the file
            raise
        _add_unreadable(findings, number + 1 if number else None, error)


def _add_unreadable(findings: ManifestFindings, number: int | None, error: Exception) -> None:
    reason = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)
    findings.add("unreadable", number, None, None, f"cannot be read ({reason}): was the file cut?")


def _is_utf8(values: dict[str, Any], number: int, findings: ManifestFindings) -> bool:
    """Tell whether every value can be written as UTF-8."""
    for column, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        if _UNDECODED.search(text):
            guess = _UNDECODED.sub(lambda match: _as_windows_1252(match[0]), text)
            understood = f"not UTF-8; perhaps {guess!r}: save the file as UTF-8"
            findings.add("not_utf8", number, column or None, _UNDECODED.sub("\ufffd", text), understood)
            return False
    return True


def _as_windows_1252(character: str) -> str:
    """Return the character that an undecoded byte is in the encoding of Windows."""
    byte = ord(character) - 0xDC00
    return bytes([byte]).decode("cp1252", "replace") if 0x80 <= byte <= 0xFF else "\ufffd"


class ColumnNames:
    """Translates the names of columns to those that tonelake knows: `Year` is year."""

    def __init__(self, findings: ManifestFindings) -> None:
        self._findings = findings
        self._translated: dict[tuple[str, ...], list[str]] = {}
        self._reported: set[str] = set()

    def translate(self, names: Sequence[str] | dict[str, Any], line: int | None) -> list[str]:
        """Return the name of each column. A name that is read as another is reported once, and so is an empty one."""
        form = tuple(names)
        if form not in self._translated:
            if len(self._translated) >= _MAX_FORMS:
                self._translated.clear()
            self._translated[form] = [self._translate(name, index, form, line) for index, name in enumerate(form)]
        return self._translated[form]

    def _translate(self, name: str, index: int, form: tuple[str, ...], line: int | None) -> str:
        if name in KNOWN_COLUMNS:
            return name
        if not name.strip():
            numbered = f"column {index + 1}"
            self._report(
                "unnamed_column", line, numbered, name, "the column has no name: its values are kept in extra"
            )
            return numbered
        known = self.normalise(name)
        if known not in KNOWN_COLUMNS:
            return name
        if known in form or any(self.normalise(other) == known for other in form[:index]):
            self._report("column_name", line, name, None, f"a column beside {known}: its values are kept in extra")
            return name
        self._report("column_name", line, name, None, f"read as the column {known}")
        return known

    def _report(self, kind: str, line: int | None, name: str, value: str | None, understood: str) -> None:
        if name not in self._reported:
            self._reported.add(name)
            self._findings.add(kind, line, name, value, understood)

    @staticmethod
    def normalise(name: str) -> str:
        """Return the name without case and spaces around it."""
        return name.strip().casefold()

    @classmethod
    def split(cls, cells: list[str], separator: str) -> list[str]:
        """Return the names in a header whose columns have another separator than commas."""
        return [cls.normalise(part) for cell in cells for part in cell.split(separator)]
