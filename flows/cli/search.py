"""`tonelake search`."""

from collections.abc import Mapping, Sequence
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
    Explain,
    Genre,
    Key,
    Like,
    MinDuration,
    Not,
    Tag,
    Unlike,
    Where,
    Year,
    parse_part,
)
from schemas.search import Query, SearchFilters

if TYPE_CHECKING:
    from schemas.search import SearchHit, TagScore

app = typer.Typer()

SHOWN_TAGS = 4


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

    texts = [] if text is None else [text]
    typed = {"text": texts, "also": also, "not": not_, "like": like, "unlike": unlike, "audio": audio}
    parts = tuple(parse_part(option, value) for option, values in typed.items() for value in values or ())
    named = {"year": year, "artist": artist, "min_duration": min_duration, "where": where, "bpm": bpm, "key": key}
    filters = SearchFilters(
        tags=tuple(tag or ()), genres=tuple(genre or ()), **named, on=on, territory=territory, any_date=any_date
    )
    answer = answer_query(context.obj.settings, Query(parts, filters, k, explain), embedding_version, release)
    for remark in answer.remarks:
        log(remark)
    if context.obj.json:
        print_json([hit.to_json() for hit in answer.hits])
        return
    given = typed | {name: [value] for name, value in named.items() if value is not None}
    title = _title(given | {"genre": filters.genres, "tag": filters.tags})
    print_rows(context.obj, title, shorten_ids(context.obj, [_table_row(hit, filters) for hit in answer.hits]))


def _title(given: Mapping[str, Sequence[str] | None]) -> str:
    """Return what was asked for, such as "text 'harp', year '1990'"."""
    return ", ".join(f"{option} {value!r}" for option, values in given.items() for value in values or ())


def _table_row(hit: "SearchHit", filters: SearchFilters) -> dict[str, Any]:
    """Return a hit as people see it; tempo and key only if asked for."""
    return {
        "": hit.rank,
        "score": hit.score,
        "title": hit.title,
        "artist": hit.artist,
        "tags": _tag_names(hit.tags),
        **({"bpm": round(hit.bpm)} if filters.bpm and hit.bpm else {}),
        **({"key": f"{hit.musical_key} {hit.mode}"} if filters.key else {}),
        **({"found by": "; ".join(hit.found_by)} if hit.found_by else {}),
        "file": _file_name(hit),
        "track_id": hit.track_id,
    }


def _file_name(hit: "SearchHit") -> str:
    stale = f" (stale since {hit.stale_since:%Y-%m-%d})" if hit.stale_since else ""
    return (hit.uri or "").rsplit("/", 1)[-1] + stale


def _tag_names(tags: "tuple[TagScore, ...]") -> str:
    return ", ".join(tag.name for tag in tags[:SHOWN_TAGS])
