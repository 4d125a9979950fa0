"""Manifests with every odd thing in them, and what a check has to say of each."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# Lines of a .csv, and what a check says of them: (number of the line in an editor, column, kind).
# A line is bytes if it is not UTF-8. The quoted cell of line 3 ends on line 4.
ODD_CSV: tuple[tuple[str | bytes, tuple[tuple[int, str | None, str], ...]], ...] = (
    ("uri,track_id,Title,genres, Year ,available_from,available_to,",
     ((1, "Title", "column_name"), (1, " Year ", "column_name"), (1, "column 8", "unnamed_column"))),
    ("a.wav,1,Plain,rock;pop,1990,2020-02-01,2021-02-01,", ()),
    ('b.wav,2,"Two\nlines",rock,1991,,,', ()),
    ("c.wav,3,Roman,rock,MCMXC,,,kept", ((5, "year", "year"),)),
    ("d.wav,4,Decade,rock,1990s,,,", ((6, "year", "year"),)),
    ("e.wav,5,Day,rock,1990-05-01,,,", ()),
    ("f.wav,6,Dots,rock,1990,01.02.2020,,", ((8, "available_from", "date"),)),
    ("g.wav,7,No day,rock,1990,2020-02-30,,", ((9, "available_from", "date"),)),
    ("h.wav,8,Backwards,rock,1990,2021-01-01,2020-01-01,", ((10, "available_to", "end_before_start"),)),
    ('i.wav,9,Commas,"rock, pop",1990,,,', ((11, "genres", "genres"),)),
    ("a.wav,10,Same file,rock,1990,,,", ((12, "uri", "repeated_uri"),)),
    ("gone.wav,11,Gone,rock,1990,,,", ((13, "uri", "missing_file"),)),
    ("", ()),
    (",,,,,,,", ()),
    ("j.wav,1,Same id,rock,1990,,,", ((16, "track_id", "repeated_track"),)),
    ("../private.wav,12,Outside,rock,1990,,,", ((17, "uri", "not_allowed"),)),
    ("http://host/a.wav,13,Web,rock,1990,,,", ((18, "uri", "not_allowed"),)),
    ("k.wav,14,Cut", ((19, None, "missing_cells"),)),
    ("l.wav,15,Comma, and more,rock,1990,,,,x", ((20, None, "surplus_cells"),)),
    ("m.wav,16,Empty surplus,rock,1990,,,,,", ()),
    (",17,No file,rock,1990,,,", ((22, "uri", "no_uri"),)),
    (b"n.wav,18,Caf\xe9,rock,1990,,,", ((23, "title", "not_utf8"),)),
    ('o.wav,19,"never closed,rock,1990,,,', ((24, None, "unreadable"),)),
)  # fmt: skip
CSV_FINDINGS = [finding for _, findings in ODD_CSV for finding in findings]

ODD_JSON: tuple[tuple[str, tuple[tuple[int, str | None, str], ...]], ...] = (
    ('{"uri": "a.wav", "track_id": 1, "genres": ["rock", null], "year": 1990.0, "title": NaN}', ()),
    ('{"URI": "b.wav", "track_id": 2, "artist": ["A", "B"]}',
     ((2, "URI", "column_name"), (2, "artist", "list_as_text"))),
    ('{"uri": "c.wav", "track_id": 3, "year": "MCMXC", "title": 0, "territories": "de;UK;"}',
     ((3, "territories", "territory"), (3, "year", "year"))),
    ("", ()),
    ('{"uri": "d.wav", "genres": 5}', ((5, "genres", "wrong_kind"),)),
    ('{"uri": 6}', ((6, "uri", "wrong_kind"),)),
    ('{"uri": "e.wav", "track_id": [7]}', ((7, "track_id", "wrong_kind"),)),
    ('{"uri": "f.wav", "title": "x", "title": "y"}', ((8, "title", "repeated_column"),)),
    ('["g.wav"]', ((9, None, "unreadable"),)),
    ('{"uri": "h.wav", "title": "\\udce9"}', ((10, "title", "not_utf8"),)),
    ('{"title": "no file"}', ((11, "uri", "no_uri"),)),
    ('{"uri": "a.wav"}', ((12, "uri", "repeated_uri"),)),
    ('{"uri": "a.wav"}', ((13, "uri", "repeated_track"),)),
    ('{"uri": "i.wav", "ti', ((14, None, "unreadable"),)),
)  # fmt: skip
JSON_FINDINGS = [finding for _, findings in ODD_JSON for finding in findings]

ODD_ROWS: tuple[tuple[dict[str, object], tuple[tuple[int, str, str], ...]], ...] = (
    ({"uri": "a.wav", "Year": "1990", "genres": ["rock"]}, ()),
    ({"uri": "b.wav", "Year": "MCMXC", "genres": ["rock", "pop"]}, ((2, "year", "year"),)),
    ({"uri": "gone.wav", "Year": None, "genres": None}, ((3, "uri", "missing_file"),)),
    ({"uri": None, "Year": "1990", "genres": None}, ((4, "uri", "no_uri"),)),
    ({"uri": "/etc/passwd", "Year": "1990", "genres": None}, ((5, "uri", "not_allowed"),)),
)
PARQUET_FINDINGS = [(None, "Year", "column_name"), *(finding for _, findings in ODD_ROWS for finding in findings)]


def write_odd_csv(folder: Path) -> Path:
    """Write the manifest of ODD_CSV, with the line ends of Windows, and the files that it names."""
    _write_files(folder)
    lines = [line if isinstance(line, bytes) else line.encode() for line, _ in ODD_CSV]
    (folder / "odd.csv").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    return folder / "odd.csv"


def write_odd_jsonl(folder: Path) -> Path:
    """Write the manifest of ODD_JSON and the files that it names."""
    _write_files(folder)
    (folder / "odd.jsonl").write_text("\n".join(line for line, _ in ODD_JSON))
    return folder / "odd.jsonl"


def write_odd_parquet(folder: Path) -> Path:
    """Write the manifest of ODD_ROWS and the files that it names."""
    _write_files(folder)
    pq.write_table(pa.Table.from_pylist([row for row, _ in ODD_ROWS]), folder / "odd.parquet")
    return folder / "odd.parquet"


def _write_files(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for letter in "abcdefghijklmno":
        (folder / f"{letter}.wav").write_bytes(b"x")


def positions(findings: list[dict[str, object]]) -> list[tuple[object, object, object]]:
    """Return where findings are, from the JSON of `tonelake check`: line, column and kind."""
    return [(finding["line"], finding["column"], finding["kind"]) for finding in findings]


def json_line(**values: object) -> str:
    """Return one line of a .jsonl manifest."""
    return json.dumps(values) + "\n"
