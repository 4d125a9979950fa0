"""`tonelake tags`."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import EmbeddingVersion, ReleaseNumber
from flows.cli.output import print_rows
from schemas.errors import UserError

app = typer.Typer()


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
