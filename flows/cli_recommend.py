"""`tonelake recommend` and `tonelake playlists`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.context import print_json, show_list
from schemas.errors import UserError

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
    diversity: Diversity = 0.0,
    embedding_version: Version = None,
    release: Release = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file for all users of the history.")] = None,
) -> None:
    """Tracks for a listener, from each of their interests its share, and why."""
    from flows.recommend import RecommendRequest, recommend_to_all
    from flows.recommend import recommend as recommend_to_one

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
    from flows.tables import show

    history = found["history"]
    told = f" ({', '.join(history['for_example'])} ...)" if history["not_held"] else ""
    print(f"{history['tracks']:,} tracks in the history, {history['not_held']:,} of them not in the lake{told}")
    show(
        "interests",
        ["", "share", "tracks", "around"],
        [
            [row["interest"], f"{row['weight']:.0%}", row["tracks"], _name(row["around"])]
            for row in found["interests"]
        ],
    )
    show(
        "recommended",
        ["", "score", "title", "artist", "interest", "because of", "track_id"],
        [
            [*(row[name] for name in ("rank", "score", "title", "artist", "interest"))]
            + [_name(row["because"]), row["track_id"]]
            for row in found["recommended"]
        ],
    )


def _name(track: dict[str, Any]) -> str:
    return " by ".join(filter(None, (track["title"], track["artist"]))) or track["track_id"]
