"""Commands around training: train, corpus build."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.output import Context, print_json, show_list
from schemas.training import Cell, TrainRequest

app = typer.Typer()
corpus = typer.Typer(help="A labelled corpus of our own, composed and rendered here.", no_args_is_help=True)
app.add_typer(corpus, name="corpus")

_USUAL = Cell()


@app.command()
def train(
    context: typer.Context,
    data: Annotated[str, typer.Option(help="Manifest: uri and tags, perhaps sentences, split and other_names.")],
    out: Annotated[Path, typer.Option(help="Folder for the model; `tonelake --encoder FOLDER` uses it.")],
    framework: Annotated[str, typer.Option(help="classification, triplet or contrastive.")] = _USUAL.framework,
    text: Annotated[str, typer.Option(help="glove or bert.")] = _USUAL.text,
    representation: Annotated[str, typer.Option(help="tag, sentence or stochastic.")] = _USUAL.representation,
    tower: Annotated[str, typer.Option(help="features of --encoder, or audio.")] = _USUAL.tower,
    encoder: Annotated[str | None, typer.Option(help="Whose features; else that of TONELAKE_ENCODER.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = _USUAL.seed,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many.")] = _USUAL.epochs,
    batch: Annotated[int, typer.Option(min=2, help="Clips at once, of all workers together.")] = _USUAL.batch,
    learning_rate: Annotated[float, typer.Option(min=0, help="0: the tower's and framework's own.")] = 0.0,
    text_projection: Annotated[
        str, typer.Option(help="linear, or none to stay in the text tower's space.")
    ] = _USUAL.text_projection,
    own_sentences: Annotated[
        bool, typer.Option("--own-sentences", help="A clip's sentences too, in place of its tags in a row.")
    ] = False,
    synonyms: Annotated[
        bool, typer.Option("--synonyms", help="Tags of a stochastic text may stand under their other_names.")
    ] = False,
    share: Annotated[float, typer.Option(help="Of musicnn-conse's own vectors, for words never met.")] = _USUAL.share,
    finetune_text: Annotated[bool, typer.Option("--finetune-text", help="Train BERT too.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Cores or GPUs to train on at once.")] = 1,
) -> None:
    """Train a joint space of music and text; a killed training goes on when it is started again."""
    asked = {name: value for name, value in locals().items() if name in Cell.__slots__}
    cell = Cell(**asked | {"encoder": encoder or context.obj.settings.encoder})
    _trained(TrainRequest(data, cell, out.expanduser(), workers), context.obj)


def _trained(request: TrainRequest, context: Context) -> None:
    from flows.training.train import train as run

    trained = run(request, context.settings)
    rows = [
        {"protocol": protocol, "metric": metric}
        | {name: round(number, 4) for name, number in zip(("value", "low", "high"), numbers, strict=True)}
        for protocol, found in trained.figures.items()
        for metric, numbers in found.items()
    ]
    if context.json:
        told = {"name": trained.name, "folder": str(request.out), "best_epoch": trained.best_epoch}
        print_json(told | {"figures": rows})
        return
    show_list(context, f"{trained.name}: {trained.data['clips']['test']:,} test clips", rows)
    print(f"use it: tonelake --encoder {request.out} index SOURCE")


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
    from flows.training.corpus import build as build_corpus

    counts = build_corpus(out.expanduser(), clips, seconds, seed, context.obj.settings)
    show_list(context.obj, "corpus", counts)
    if not context.obj.json:
        print(f"the manifest is {out / 'manifest.jsonl'}")
