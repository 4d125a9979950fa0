"""Options of `tonelake search` and `tonelake playlist`, and the query that they make."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from flows.search.parts import OPTIONS, parse_part
from schemas.search import QueryPart, SearchFilters

Also = Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Words that count as well.")]
Not = Annotated[list[str] | None, typer.Option("--not", metavar="TEXT", help="Words that must not describe it.")]
Like = Annotated[
    list[str] | None,
    typer.Option(metavar="TRACK", help="Find tracks that sound like this TRACK_ID, path, title or audio file."),
]
Unlike = Annotated[
    list[str] | None, typer.Option(metavar="TRACK", help="Find tracks that do not sound like this one.")
]
Audio = Annotated[list[str] | None, typer.Option(metavar="FILE", help="Find tracks that sound like this audio file.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say of each track what found it.")]
Count = Annotated[int, typer.Option("-k", min=1, help="Number of tracks to find.")]
Year = Annotated[str | None, typer.Option(help="Find only tracks of these years: 1990 or 1990-1999.")]
Artist = Annotated[str | None, typer.Option(help="Find only tracks of this artist.")]
Genre = Annotated[list[str] | None, typer.Option(help="Find only tracks of this genre, or of all given.")]
Tag = Annotated[
    list[str] | None,
    typer.Option(help="Find only tracks with this tag, or with all given; without TEXT, by score."),
]
MinDuration = Annotated[str | None, typer.Option(help="Find only tracks of at least this length: seconds, or 1:30.")]
Where = Annotated[str | None, typer.Option(help="SQL filter on any column, a manifest's own too: \"label = 'ECM'\".")]
Bpm = Annotated[str | None, typer.Option(help="Find only tracks of this tempo, such as 118-122.")]
Key = Annotated[str | None, typer.Option(help='Find only tracks in this key: "A minor", F#, or 8A.')]
PerArtist = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Find at most N tracks of an artist, and a recording once.")
]
Segments = Annotated[bool, typer.Option("--segments", help="Find moments of tracks instead of whole tracks.")]
Diversity = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="From 0 (the best) to 1 (the most different); a recording counts once."),
]


def make_parts(options: Mapping[str, Any]) -> tuple[QueryPart, ...]:
    """Return the parts of a query from a command's options by name. Raises UserError if a weight is out of range."""
    given = {**options, "text": [] if options["text"] is None else [options["text"]], "not": options["not_"]}
    return tuple(parse_part(option, value) for option in OPTIONS for value in given[option] or ())


def make_filters(options: Mapping[str, Any]) -> SearchFilters:
    """Return the filters of a query from a command's options by name."""
    names = ("where", "artist", "year", "min_duration", "bpm", "key", "on", "territory", "any_date")
    lists = {"tags": options["tag"], "genres": options["genre"]}
    return SearchFilters(
        **{name: options[name] for name in names}, **{name: tuple(values or ()) for name, values in lists.items()}
    )
