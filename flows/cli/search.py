"""`tonelake search`."""
# ruff: noqa: ARG001 - most options are read from the context: there are too many to hand on one by one

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AnyDate, EmbeddingVersion, OnDay, ReleaseNumber, Territory
from flows.cli.output import log, print_json, print_rows, shorten_ids
from flows.cli.search_options import (
    Also,
    Artist,
    Audio,
    Bpm,
    Count,
    Diversity,
    Explain,
    Genre,
    Key,
    Like,
    MinDuration,
    Not,
    PerArtist,
    Segments,
    Tag,
    Unlike,
    Where,
    Year,
    make_filters,
    make_parts,
)
from flows.console.times import minutes_text
from schemas.search import Query, SearchFilters

if TYPE_CHECKING:
    from schemas.search import SearchHit, TagScore

app = typer.Typer()

SHOWN_TAGS = 4
_TITLED = (
    *("text", "also", "not_", "like", "unlike", "audio"),
    *("year", "artist", "min_duration", "where", "bpm", "key", "genre", "tag"),
)


@app.command()
def search(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="Find music that these words describe.")] = None,
    also: Also = None,
    not_: Not = None,
    like: Like = None,
    unlike: Unlike = None,
    audio: Audio = None,
    k: Count = 10,
    per_artist: PerArtist = None,
    diversity: Diversity = 0.0,
    distinct: Annotated[bool, typer.Option("--distinct", help="List a recording once, whatever its encodes.")] = False,
    segments: Segments = False,
    year: Year = None,
    artist: Artist = None,
    genre: Genre = None,
    tag: Tag = None,
    min_duration: MinDuration = None,
    where: Where = None,
    bpm: Bpm = None,
    key: Key = None,
    on: OnDay = None,
    territory: Territory = None,
    any_date: AnyDate = False,
    explain: Explain = False,
    embedding_version: EmbeddingVersion = None,
    release: ReleaseNumber = None,
) -> None:
    """Find tracks by a description, by sound or by a filter.

    Texts, tracks and files can be joined, and each may have a weight: --like TRACK:0.5.
    """
    from flows.search.search import answer_query

    filters = make_filters(context.params)
    choice = {"per_artist": per_artist, "diversity": diversity, "distinct": distinct}
    query = Query(make_parts(context.params), filters, k, segments=segments, explain=explain, **choice)
    answer = answer_query(context.obj.settings, query, embedding_version, release)
    for remark in answer.remarks:
        log(remark)
    if context.obj.json:
        print_json([hit.to_json() for hit in answer.hits])
        return
    copies, reasons = any(hit.copies for hit in answer.hits), any(hit.found_by for hit in answer.hits)
    shown = {"from": segments, "copies": copies, "found by": reasons}
    rows = [_table_row(hit, filters, {name for name in shown if shown[name]}) for hit in answer.hits]
    print_rows(context.obj, _title(context.params), shorten_ids(context.obj, rows))


def _title(options: Mapping[str, Any]) -> str:
    """Return what was asked for, such as "text 'harp', year '1990'"."""
    given = {name.strip("_"): options[name] for name in _TITLED}
    values = {name: [value] if isinstance(value, str) else value or () for name, value in given.items()}
    return ", ".join(f"{name} {value!r}" for name in values for value in values[name])


def _table_row(hit: "SearchHit", filters: SearchFilters, shown: Container[str]) -> dict[str, Any]:
    """Return a hit as people see it.

    Tempo and key are only there if asked for; times, copies and what found it if `shown` has "from", "copies" and
    "found by".
    """
    return {
        "": hit.rank,
        **(
            {"from": minutes_text(hit.best.start_s), "to": minutes_text(hit.best.end_s)}
            if "from" in shown and hit.best
            else {}
        ),
        "score": hit.score,
        "title": hit.title,
        "artist": hit.artist,
        "tags": _tag_names(hit.tags),
        **({"bpm": round(hit.bpm)} if filters.bpm and hit.bpm else {}),
        **({"key": f"{hit.musical_key} {hit.mode}"} if filters.key else {}),
        **({"copies": len(hit.copies)} if "copies" in shown else {}),
        **({"found by": "; ".join(hit.found_by)} if "found by" in shown else {}),
        "file": _file_name(hit),
        "track_id": hit.track_id,
    }


def _file_name(hit: "SearchHit") -> str:
    stale = f" (stale since {hit.stale_since:%Y-%m-%d})" if hit.stale_since else ""
    return (hit.uri or "").rsplit("/", 1)[-1] + stale


def _tag_names(tags: "tuple[TagScore, ...]") -> str:
    return ", ".join(tag.name for tag in tags[:SHOWN_TAGS])
