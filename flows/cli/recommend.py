"""`tonelake recommend` and `tonelake playlists`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.output import print_json, say, show_list
from schemas.recommend import DIVERSITY, PlaylistsRequest, RecommendRequest

app = typer.Typer()

Interests = Annotated[int | None, typer.Option(min=1, help="So many interests; else as many as the listening shows.")]
Diversity = Annotated[
    float, typer.Option(min=0.0, max=0.9, help="From 0, the nearest, to 0.9, as different as can be.")
]
Version = Annotated[str | None, typer.Option(help="Read this version.")]
Release = Annotated[int | None, typer.Option(min=1, help="Read this release; else what is live.")]


@app.command()
def recommend(
    context: typer.Context,
    history: Annotated[str, typer.Option(help="What was played: .csv or .parquet with track_id, user_id; or .txt.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many tracks, to each user.")] = 20,
    where: Annotated[str | None, typer.Option(help="SQL filter, such as 'year >= 1990'.")] = None,
    interests: Interests = None,
    diversity: Diversity = DIVERSITY,
    embedding_version: Version = None,
    release: Release = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file for all users of the history.")] = None,
) -> None:
    """Tracks for a listener, from each of their interests its share, and why."""
    from flows.recommend.recommend import recommend as recommend_to_one
    from flows.recommend.recommend import recommend_to_all

    request = RecommendRequest(history, k, where, interests, diversity, embedding_version, release)
    if out is not None:
        show_list(context.obj, str(out), [recommend_to_all(request, context.obj.settings, out)])
        return
    found = recommend_to_one(request, context.obj.settings)
    if context.obj.json:
        print_json(found)
        return
    _show(found)


def _show(found: dict[str, Any]) -> None:
    from flows.console.tables import show

    history = found["history"]
    named = history["for_example"] + ["..."] * (history["not_held"] > len(history["for_example"]))
    told = f" ({', '.join(named)})" if named else ""
    print(f"{history['tracks']:,} tracks in the history, {history['not_held']:,} of them not in the lake{told}")
    show(
        "interests",
        ["", "share", "tracks", "around"],
        [[row["interest"], f"{row['weight']:.0%}", row["tracks"], _name(row["around"])] for row in found["interests"]],
    )
    columns = ("rank", "score", "title", "artist", "interest")
    show(
        "recommended",
        [*columns, "because of", "track_id"],
        [[*(row[name] for name in columns), _name(row["because"]), row["track_id"]] for row in found["recommended"]],
    )


def _name(track: dict[str, Any]) -> str:
    return " by ".join(filter(None, (track["title"], track["artist"]))) or track["track_id"]


@app.command()
def playlists(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(help="Folder of the Million Playlist Dataset, mpd.slice.*.json.")] = None,
    interactions: Annotated[
        str | None, typer.Option(help="Each user a playlist: .csv or .parquet with user_id, track_id, timestamp.")
    ] = None,
    judged: Annotated[int, typer.Option(min=1, help="Judge at most so many; never more than a fifth.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Draws the judged playlists.")] = 0,
    interests: Interests = None,
    diversity: Diversity = DIVERSITY,
    embedding_version: Version = None,
    release: Release = None,
) -> None:
    """Judge how well the lake continues playlists, beside popularity and the mean vector."""
    from flows.recommend.playlist_continuation import judge_playlists

    request = PlaylistsRequest(data, interactions, judged, seed, interests, diversity, embedding_version, release)
    found = judge_playlists(request, context.obj.settings, say)
    if context.obj.json:
        print_json(found)
        return
    from flows.console.tables import show

    told = found["coverage"]
    print(
        f"{told['tracks_matched']:,} of {told['tracks']:,} tracks matched; "
        f"{told['judged']:,} of {told['playlists']:,} playlists judged, "
        f"{told['counted_for_popularity']:,} counted for popularity; {told['candidates']:,} tracks to choose from"
    )
    show(f"{found['encoder']} {found['embedding_version']} on {found['source']}", *_table(found["figures"], "value"))
    show("paired differences; of clicks less is better", *_table(found["gains"], "gain"))


def _table(rows: list[dict[str, Any]], value: str) -> tuple[list[str], list[list[Any]]]:
    """A line for each category and method, a column for each metric, with its 95 % interval."""
    names = [name for name in ("seeds", "method", "over", "playlists") if rows and name in rows[0]]
    lines: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        sign = "+" if value == "gain" else ""
        lines.setdefault(key, [*key]).append(
            f"{row[value]:{sign}.3f} ({row['low']:{sign}.3f} to {row['high']:{sign}.3f})"
        )
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    return [*names, *metrics], list(lines.values())
