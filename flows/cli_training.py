"""The commands around training: `corpus build`."""

from pathlib import Path
from typing import Annotated

import typer

from flows.context import show_list

app = typer.Typer()
corpus = typer.Typer(help="A labelled corpus of our own, composed and rendered here.", no_args_is_help=True)
app.add_typer(corpus, name="corpus")


@corpus.callback()
def about() -> None:
    """A labelled corpus of our own, composed and rendered here."""


@corpus.command()
def build(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the audio and manifest.jsonl.")],
    clips: Annotated[int, typer.Option(min=20, max=1_000_000, help="Clips of all splits together.")] = 4000,
    seconds: Annotated[int, typer.Option(min=2, max=600, help="Length of a clip.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another corpus.")] = 0,
) -> None:
    """Compose and render labelled clips; run it again to go on where it was stopped."""
    from flows.corpus import build as build_corpus

    counts = build_corpus(out, clips, seconds, seed, context.obj.settings)
    show_list(context.obj, "corpus", counts)
    if not context.obj.json:
        print(f"the manifest is {out / 'manifest.jsonl'}")
