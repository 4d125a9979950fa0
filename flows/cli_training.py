"""Commands that train: train."""

from pathlib import Path
from typing import Annotated

import typer

from flows.context import print_json, show_list
from schemas.training import Cell

app = typer.Typer()

_USUAL = Cell()


@app.command()
def train(
    context: typer.Context,
    data: Annotated[str, typer.Option(help="Manifest with the columns uri, tags, and perhaps sentences and split.")],
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
        bool, typer.Option("--own-sentences", help="A clip's sentences in place of its tags in a row.")
    ] = False,
    finetune_text: Annotated[bool, typer.Option("--finetune-text", help="Train BERT too.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Cores or GPUs to train on at once.")] = 1,
) -> None:
    """Train a joint space of music and text; a killed training goes on when it is started again."""
    from flows.train import TrainRequest
    from flows.train import train as run

    cell = Cell(
        framework=framework,
        text=text,
        representation=representation,
        tower=tower,
        encoder=encoder or context.obj.settings.encoder,
        seed=seed,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        text_projection=text_projection,
        own_sentences=own_sentences,
        finetune_text=finetune_text,
    )
    trained = run(TrainRequest(data, cell, out, workers), context.obj.settings)
    rows = [
        {"protocol": protocol, "metric": metric}
        | {name: round(number, 4) for name, number in zip(("value", "low", "high"), numbers, strict=True)}
        for protocol, found in trained.figures.items()
        for metric, numbers in found.items()
    ]
    if context.obj.json:
        print_json({"name": trained.name, "folder": str(out), "best_epoch": trained.best_epoch, "figures": rows})
        return
    show_list(context.obj, f"{trained.name}: {trained.data['clips']['test']:,} test clips", rows)
    print(f"use it: tonelake --encoder {out} index SOURCE")
