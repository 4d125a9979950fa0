"""`tonelake search` and `tonelake tags`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AnyDate, EmbeddingVersion, OnDay, ReleaseNumber, Territory
from flows.cli.output import log, print_json, print_rows, shorten_ids
from schemas.errors import UserError
from schemas.search import SearchFilters

if TYPE_CHECKING:
    from schemas.search import SearchHit, TagScore

app = typer.Typer()

SHOWN_TAGS = 4


@app.command()
def search(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="Find music that these words describe.")] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="TRACK", help="Find tracks that sound like this one: TRACK_ID, path or title."),
    ] = None,
    audio: Annotated[str | None, typer.Option(help="Find tracks that sound like this audio file.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of tracks to find.")] = 10,
    year: Annotated[str | None, typer.Option(help="Find only tracks of these years: 1990 or 1990-1999.")] = None,
    artist: Annotated[str | None, typer.Option(help="Find only tracks of this artist.")] = None,
    genre: Annotated[list[str] | None, typer.Option(help="Find only tracks of this genre, or of all given.")] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="Find only tracks with this tag, or with all given; without TEXT, by score."),
    ] = None,
    min_duration: Annotated[
        str | None, typer.Option(help="Find only tracks of at least this length: seconds, or 1:30.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="SQL filter on any column, a manifest's own too: \"label = 'ECM'\".")
    ] = None,
    bpm: Annotated[str | None, typer.Option(help="Find only tracks of this tempo, such as 118-122.")] = None,
    key: Annotated[str | None, typer.Option(help='Find only tracks in this key: "A minor", F#, or 8A.')] = None,
    on: OnDay = None,
    territory: Territory = None,
    any_date: AnyDate = False,
    embedding_version: EmbeddingVersion = None,
    release: ReleaseNumber = None,
) -> None:
    """Find tracks by a description, by sound or by a filter."""
    from flows.search.remarks import remark_on
    from flows.search.search import search as search_lake

    query = {"text": text, "like": like, "audio": audio}
    named = {"year": year, "artist": artist, "min_duration": min_duration, "where": where, "bpm": bpm, "key": key}
    filters = SearchFilters(
        tags=tuple(tag or ()), genres=tuple(genre or ()), **named, on=on, territory=territory, any_date=any_date
    )
    versions = {"embedding_version": embedding_version, "release": release}
    hits = search_lake(context.obj.settings, **query, filters=filters, **versions, k=k)
    if text and (remark := remark_on(text, context.obj.settings)):
        log(remark)
    if context.obj.json:
        print_json([hit.to_json() for hit in hits])
        return
    lists = [("genre", name) for name in filters.genres] + [("tag", name) for name in filters.tags]
    title = ", ".join(f"{name} {value!r}" for name, value in [*(query | named).items(), *lists] if value is not None)
    print_rows(context.obj, title, shorten_ids(context.obj, [_table_row(hit, filters) for hit in hits]))


@app.command()
def tags(
    context: typer.Context,
    track: Annotated[
        str | None, typer.Argument(metavar="TRACK_or_FILE", help="TRACK_ID, path or title; or an audio file.")
    ] = None,
    embedding_version: EmbeddingVersion = None,
    release: ReleaseNumber = None,
    vocabulary: Annotated[str | None, typer.Option(help="File with your own tags, one per line.")] = None,
    labelled: Annotated[
        str | None, typer.Option(help="Benchmark whose labels turn the scores into probabilities.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file to write the tags of every track to.")] = None,
) -> None:
    """Print the tags of a track or an audio file; with --vocabulary, your own tags."""
    settings = context.obj.settings
    if vocabulary is None:
        if track is None or labelled or out:
            raise UserError("tags of what? Give TRACK_ID or FILE; --labelled and --out go with --vocabulary FILE")
        from flows.search.search import tags as read_tags

        scores = read_tags(settings, track, embedding_version, release)
        print_rows(context.obj, f"tags of {track}", [score.to_json() for score in scores])
        return
    if (track is None) == (out is None):
        raise UserError("--vocabulary needs TRACK_ID or FILE, or --out FILE.parquet for every track")
    from flows.search.custom_tags import VocabularyRequest, read_custom_tags, write_custom_tags

    request = VocabularyRequest(vocabulary, labelled, embedding_version, release)
    if track is not None:
        custom_tags = read_custom_tags(request, track, settings)
        print_rows(context.obj, f"tags of {track}", [tag.to_json() for tag in custom_tags])
    elif out is not None:
        count = write_custom_tags(request, out, settings)
        print_rows(context.obj, str(out), [{"tracks": count, "file": str(out)}])


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
        "file": _file_name(hit),
        "track_id": hit.track_id,
    }


def _file_name(hit: "SearchHit") -> str:
    stale = f" (stale since {hit.stale_since:%Y-%m-%d})" if hit.stale_since else ""
    return (hit.uri or "").rsplit("/", 1)[-1] + stale


def _tag_names(tags: "tuple[TagScore, ...]") -> str:
    return ", ".join(tag.name for tag in tags[:SHOWN_TAGS])
