"""`tonelake recommend` and `tonelake playlists`."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.jobs import run_job
from flows.cli.options import AnyDate, Context, EmbeddingVersion, OnDay, ReleaseNumber, Territory
from flows.cli.output import log, print_json, print_rows, shorten_ids
from schemas.recommend import DIVERSITY, PlaylistsRequest, RecommendRequest

if TYPE_CHECKING:
    from flows.recommend.recommend import Recommendations

app = typer.Typer()

Interests = Annotated[
    int | None, typer.Option(min=1, help="Number of interests; by default, as many as the history shows.")
]
Diversity = Annotated[
    float, typer.Option(min=0.0, max=0.9, help="From 0 (the nearest tracks) to 0.9 (the most different).")
]


@app.command()
def recommend(
    context: typer.Context,
    history: Annotated[str, typer.Option(help="Played tracks: .csv or .parquet with track_id, user_id; or .txt.")],
    k: Annotated[int, typer.Option("-k", min=1, help="Number of tracks per user.")] = 20,
    where: Annotated[str | None, typer.Option(help="SQL filter, such as 'year >= 1990'.")] = None,
    interests: Interests = None,
    diversity: Diversity = DIVERSITY,
    embedding_version: EmbeddingVersion = None,
    release: ReleaseNumber = None,
    on: OnDay = None,
    territory: Territory = None,
    any_date: AnyDate = False,
    out: Annotated[Path | None, typer.Option(help="Parquet file to write the tracks of every user to.")] = None,
) -> None:
    """Recommend tracks to a listener, a share for each interest, and show why."""
    from flows.recommend.recommend import recommend as recommend_to_one
    from flows.recommend.recommend_to_all import recommend_to_all

    request = RecommendRequest(
        history, k, where, interests, diversity, embedding_version, release, on, territory, any_date
    )
    if out is not None:
        settings = context.obj.settings
        job = partial(recommend_to_all, request, settings, out)
        written = run_job("recommend", job, asdict(request) | {"out": str(out)}, settings)
        print_rows(context.obj, str(out), [written.to_json()])
        return
    recommendations = recommend_to_one(request, context.obj.settings)
    if context.obj.json:
        print_json(recommendations.to_json())
        return
    _print_recommendations(recommendations, context.obj)


def _print_recommendations(recommendations: "Recommendations", context: Context) -> None:
    from flows.console.tables import print_table

    history = recommendations.history
    missing = history.tracks - history.matched
    examples = [*history.missing_examples, *["..."] * (missing > len(history.missing_examples))]
    named = f" ({', '.join(examples)})" if examples else ""
    print(f"{history.tracks:,} tracks in the history, {missing:,} of them not in the lake{named}")
    interests = [
        [interest.interest, f"{interest.weight:.0%}", interest.tracks, str(interest.around)]
        for interest in recommendations.interests
    ]
    print_table("interests", ["", "share", "tracks", "around"], interests)
    stale = any(row.stale_since for row in recommendations.recommended)
    rows = [
        {
            "rank": row.rank,
            "score": row.score,
            "title": row.track.title,
            "artist": row.track.artist,
            "interest": row.interest,
            "nearest played": str(row.nearest_played),
            **({"stale since": f"{row.stale_since:%Y-%m-%d}" if row.stale_since else None} if stale else {}),
            "track_id": row.track.track_id,
        }
        for row in recommendations.recommended
    ]
    print_rows(context, "recommended", shorten_ids(context, rows))


@app.command()
def playlists(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(help="Folder of the Million Playlist Dataset, mpd.slice.*.json.")] = None,
    interactions: Annotated[
        str | None, typer.Option(help="Each user is a playlist: .csv or .parquet with user_id, track_id, timestamp.")
    ] = None,
    judged: Annotated[int, typer.Option(min=1, help="Evaluate at most so many; never more than a fifth.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed that draws the evaluated playlists.")] = 0,
    interests: Interests = None,
    diversity: Diversity = DIVERSITY,
    embedding_version: EmbeddingVersion = None,
    release: ReleaseNumber = None,
    on: OnDay = None,
    territory: Territory = None,
    any_date: AnyDate = False,
) -> None:
    """Evaluate how well the lake continues playlists, beside popularity and the mean vector."""
    from flows.recommend.playlist_continuation import evaluate_continuation

    request = PlaylistsRequest(
        data, interactions, judged, seed, interests, diversity, embedding_version, release, on, territory, any_date
    )
    settings = context.obj.settings
    report = run_job("playlists", lambda: evaluate_continuation(request, settings, log), asdict(request), settings)
    if context.obj.json:
        print_json(report.to_json())
        return
    from flows.console.tables import print_table

    coverage = report.coverage
    print(
        f"{coverage.tracks_matched:,} of {coverage.tracks:,} tracks matched; "
        f"{coverage.judged:,} of {coverage.playlists:,} playlists judged, "
        f"{coverage.counted_for_popularity:,} counted for popularity; "
        f"{coverage.candidates:,} tracks to choose from"
    )
    figures = [
        ((row.seeds, row.method, row.playlists), row.metric, f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})")
        for row in report.figures
    ]
    title = f"{report.encoder} {report.embedding_version} on {report.source}"
    print_table(title, *_pivot(["seeds", "method", "playlists"], figures))
    gains = [
        ((row.seeds, row.method, row.over), row.metric, f"{row.gain:+.3f} ({row.low:+.3f} to {row.high:+.3f})")
        for row in report.gains
    ]
    print_table("paired differences; of clicks less is better", *_pivot(["seeds", "method", "over"], gains))


def _pivot(names: list[str], cells: list[tuple[tuple[Any, ...], str, str]]) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of a table with a row for each key.

    `names` are the columns of a key. A cell is its key, its metric, which has a column, and its text.
    """
    rows: dict[tuple[Any, ...], list[Any]] = {}
    for key, _, text in cells:
        rows.setdefault(key, [*key]).append(text)
    metrics = dict.fromkeys(metric for _, metric, _ in cells)
    return [*names, *metrics], list(rows.values())
