"""Your own clips: a folder of audio with a labels.csv, one row a clip.

Columns: path (below the folder), and any of split, tags (;-separated), caption, title, artist. A clip may have
several rows: it gets the tags and captions of all of them.
"""

from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_table
from lake.benchmarks.readers.splits import draw_split
from schemas.benchmarks import SPLITS, Benchmark, Clip, SourceFile
from schemas.errors import UserError

LABELS = "labels.csv"


def _clips(data: Path) -> list[Clip]:
    rows = _rows(data)
    if rows and not {"tags", "caption"} & rows[0].keys():
        raise UserError(f"{data / LABELS} lacks the column tags or caption; add one: there is nothing to judge by")
    if len({bool(row.get("split")) for row in rows}) > 1:
        raise UserError(f"{data / LABELS} names a split for some rows only; name one for every row, or for none")
    rows_by_path: dict[str, list[dict[str, str]]] = {}
    for number, row in enumerate(rows, start=2):
        path = row["path"]
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise UserError(f"{data / LABELS}: row {number} needs a path below the folder, not {path!r}")
        rows_by_path.setdefault(path, []).append(row)
    return [_clip(data, path, group) for path, group in rows_by_path.items()]


def _rows(data: Path) -> list[dict[str, str]]:
    try:
        return read_table(data, LABELS, ("path",))
    except ValueError as error:
        raise UserError(f"{data / LABELS}: {error}; it needs path, and tags or caption") from error
    except FileNotFoundError as error:
        raise UserError(
            f"no such file: {data / LABELS}; write one with the columns path and tags or caption"
        ) from error


def _clip(data: Path, path: str, rows: list[dict[str, str]]) -> Clip:
    artist = _first_value(rows, "artist")
    split = _first_value(rows, "split") or draw_split(artist or path)
    if split not in SPLITS:
        raise UserError(f"{data / LABELS}: {path} has the split {split!r}; use train, valid or test")
    if len({row["split"] for row in rows if row.get("split")}) > 1:
        raise UserError(f"{data / LABELS}: {path} is in two splits; name one")
    return Clip(
        clip_id=path,
        path=path,
        split=split,
        labels=tuple(dict.fromkeys(tag for row in rows for tag in _tags(row))),
        captions=tuple(dict.fromkeys(row["caption"] for row in rows if row.get("caption"))),
        title=_first_value(rows, "title"),
        artist=artist,
    )


def _tags(row: dict[str, str]) -> list[str]:
    return [tag.strip() for tag in row.get("tags", "").split(";") if tag.strip()]


def _first_value(rows: list[dict[str, str]], column: str) -> str | None:
    return next((row[column] for row in rows if row.get(column)), None)


BENCHMARKS = (
    Benchmark(
        name="folder",
        corpus="folder",
        title="A folder of your own with a labels.csv",
        task="multilabel",
        main_metric="roc_auc",
        revision="1",
        source=f"a folder of your own: {LABELS} with the columns path and tags or caption",
        licence="yours",
        citation="none",
        files=(SourceFile(LABELS),),
        load=make_loader(_clips, "your own folder"),
        faults=(
            "If no row names a split, clips are drawn 70/10/20 by a hash of the artist, else of the path.",
            "A tag that a clip lacks counts as absent.",
        ),
    ),
)
