"""`tonelake playlist`. `tonelake playlists`, which evaluates, is in recommend.py."""
# ruff: noqa: ARG001 - most options are read from the context: there are too many to hand on one by one

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AnyDate, EmbeddingVersion, OnDay, ReleaseNumber, Territory
from flows.cli.output import log, print_json, print_rows, shorten_ids
from flows.cli.search_options import (
    Also,
    Artist,
    Audio,
    Bpm,
    Diversity,
    Genre,
    Key,
    Like,
    MinDuration,
    Not,
    Tag,
    Unlike,
    Where,
    Year,
    make_filters,
    make_parts,
)
from schemas.playlists import COUNT, PER_ARTIST, PlaylistRequest
from schemas.recommend import DIVERSITY

if TYPE_CHECKING:
    from schemas.playlists import PlaylistTrack

app = typer.Typer()


TextOrList = Annotated[
    str | None,
    typer.Argument(metavar="TEXT|LIST", help="What it sounds like; or a .m3u8, .m3u, .csv or .txt to put in order."),
]
From = Annotated[str | None, typer.Option("--from", metavar="TRACK", help="The first track of a path.")]
To = Annotated[str | None, typer.Option("--to", metavar="TRACK", help="The last track of a path.")]
TrackCount = Annotated[int | None, typer.Option("-n", min=1, help=f"Number of tracks; {COUNT} without --minutes.")]
Minutes = Annotated[float | None, typer.Option(help="Fill so many minutes, in the place of -n.")]
AtMost = Annotated[int, typer.Option("--per-artist", min=1, metavar="N", help="At most N tracks of an artist.")]
Order = Annotated[str, typer.Option(help="flow: neighbours sound alike. rank: the best first, or as in the LIST.")]
Out = Annotated[Path | None, typer.Option(help="File to write: .m3u8, .jspf or .csv.")]


@app.command()
def playlist(
    context: typer.Context,
    text: TextOrList = None,
    also: Also = None,
    not_: Not = None,
    like: Like = None,
    unlike: Unlike = None,
    audio: Audio = None,
    start: From = None,
    end: To = None,
    count: TrackCount = None,
    minutes: Minutes = None,
    per_artist: AtMost = PER_ARTIST,
    diversity: Diversity = DIVERSITY,
    order: Order = "flow",
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
    embedding_version: EmbeddingVersion = None,
    release: ReleaseNumber = None,
    out: Out = None,
) -> None:
    """Make a playlist from words, tracks, a path between two tracks, or a list."""
    from flows.search.playlist import make_playlist
    from flows.search.playlist_files import require_playlist_file, write_playlist

    if out is not None:
        require_playlist_file(out)
    made = make_playlist(context.obj.settings, _make_request(context.params), embedding_version, release)
    for remark in made.remarks:
        log(remark)
    if out is not None:
        write_playlist(made, out)
    if context.obj.json:
        print_json(made.to_json())
        return
    if out is None:
        print_rows(context.obj, made.title, shorten_ids(context.obj, _table_rows(made.tracks)))
    print(f"{len(made.tracks):,} tracks, {_length(made.seconds)}" + (f": {out}" if out else ""))


def _make_request(options: dict[str, Any]) -> PlaylistRequest:
    """Return what the options ask for. Raises UserError if they contradict each other, or the LIST cannot be read."""
    from flows.search.playlist_files import LIST_SUFFIXES, read_list

    text = options["text"]
    is_list = text is not None and Path(text).suffix.lower() in LIST_SUFFIXES
    names = ("start", "end", "count", "minutes", "per_artist", "diversity", "order")
    return PlaylistRequest(
        parts=make_parts(options | {"text": None if is_list else text}),
        filters=make_filters(options),
        tracks=read_list(Path(text)) if is_list else None,
        title=_title(options, is_list),
        **{name: options[name] for name in names},
    )


def _title(options: dict[str, Any], is_list: bool) -> str | None:
    """Return what was asked for; None for a path, whose ends name it."""
    if options["start"] is not None:
        return None
    return (Path(options["text"]).stem if is_list else options["text"]) or "playlist"


def _length(seconds: float) -> str:
    """Return a length such as 1:02:03 or 4:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _table_rows(tracks: "tuple[PlaylistTrack, ...]") -> list[dict[str, Any]]:
    """Return tracks as people see them; tempo, key and score only if one is known."""
    rows = [
        {
            "": track.hit.rank,
            "title": track.hit.title,
            "artist": track.hit.artist,
            "length": _length(track.hit.duration_s or 0),
            "bpm": track.hit.bpm and round(track.hit.bpm),
            "key": f"{track.hit.musical_key} {track.hit.mode}" if track.hit.musical_key else None,
            "step": track.step,
            "score": track.hit.score,
            "file": (track.hit.uri or "").rsplit("/", 1)[-1],
            "track_id": track.hit.track_id,
        }
        for track in tracks
    ]
    unknown = [name for name in ("bpm", "key", "score") if all(row[name] is None for row in rows)]
    return [{name: value for name, value in row.items() if name not in unknown} for row in rows]
