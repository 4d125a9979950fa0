"""`tonelake train` and `tonelake corpus build`: train an encoder of your own."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.jobs import run_job
from flows.cli.options import Context
from flows.cli.output import print_json, print_rows
from schemas.training import TrainingConfig, TrainRequest

app = typer.Typer()
corpus = typer.Typer(help="Make a labelled corpus of composed and rendered music.", no_args_is_help=True)
app.add_typer(corpus, name="corpus")

_DEFAULTS = TrainingConfig()


@app.command()
def train(
    context: typer.Context,
    data: Annotated[str, typer.Option(help="Manifest with uri and tags; optionally sentences, split, other_names.")],
    out: Annotated[Path, typer.Option(help="Folder for the model; `tonelake --encoder FOLDER` uses it.")],
    framework: Annotated[str, typer.Option(help="classification, triplet or contrastive.")] = _DEFAULTS.framework,
    text: Annotated[str, typer.Option(help="glove or bert.")] = _DEFAULTS.text,
    representation: Annotated[str, typer.Option(help="tag, sentence or stochastic.")] = _DEFAULTS.representation,
    tower: Annotated[str, typer.Option(help="features of --encoder, or audio.")] = _DEFAULTS.tower,
    encoder: Annotated[str | None, typer.Option(help="Encoder whose features to use (env: TONELAKE_ENCODER)")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training.")] = _DEFAULTS.seed,
    epochs: Annotated[int, typer.Option(min=1, help="Greatest number of epochs.")] = _DEFAULTS.epochs,
    batch: Annotated[int, typer.Option(min=2, help="Clips per step, over all workers.")] = _DEFAULTS.batch,
    learning_rate: Annotated[float, typer.Option(min=0, help="0: the default of the tower and the framework.")] = 0.0,
    text_projection: Annotated[
        str, typer.Option(help="linear, or none to train in the text tower's space.")
    ] = _DEFAULTS.text_projection,
    own_sentences: Annotated[
        bool,
        typer.Option(
            "--own-sentences", help="Use a clip's sentences for all sentence texts and half of the stochastic ones."
        ),
    ] = False,
    synonyms: Annotated[
        bool, typer.Option("--synonyms", help="Replace tags of a stochastic text by their other_names at random.")
    ] = False,
    share: Annotated[
        float,
        typer.Option("--conse-weight", help="Weight of musicnn-conse's vectors, for words outside the training set."),
    ] = _DEFAULTS.share,
    finetune_text: Annotated[bool, typer.Option("--finetune-text", help="Train BERT too.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Cores or GPUs to train on at once.")] = 1,
) -> None:
    """Train a joint space of music and text; run it again to resume."""
    options = {name: value for name, value in locals().items() if name in TrainingConfig.__slots__}
    config = TrainingConfig(**options | {"encoder": encoder or context.obj.settings.encoder})
    _run_train(TrainRequest(data, config, out.expanduser(), workers), context.obj)


def _run_train(request: TrainRequest, context: Context) -> None:
    from flows.training.train import train as train_encoder

    settings = context.settings
    trained = run_job("train", lambda: train_encoder(request, settings), asdict(request), settings)
    rows = [
        {"protocol": protocol, "metric": metric}
        | {name: round(number, 4) for name, number in zip(("value", "low", "high"), numbers, strict=True)}
        for protocol, figures in trained.figures.items()
        for metric, numbers in figures.items()
    ]
    if context.json:
        document = {"name": trained.name, "folder": str(request.out), "best_epoch": trained.best_epoch}
        print_json(document | {"figures": rows})
        return
    print_rows(context, f"{trained.name}: {trained.data['clips']['test']:,} test clips", rows)
    print(f"use it: tonelake --encoder {request.out} index SOURCE")


@corpus.callback()
def about() -> None:
    """Make a labelled corpus of composed and rendered music."""


@corpus.command()
def build(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the audio and manifest.jsonl.")],
    clips: Annotated[int, typer.Option(min=20, max=1_000_000, help="Clips of all splits together.")] = 4000,
    seconds: Annotated[int, typer.Option(min=2, max=600, help="Length of a clip.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Each seed makes another corpus.")] = 0,
) -> None:
    """Compose and render labelled clips; run it again to resume."""
    from flows.training.corpus import build_corpus

    splits = build_corpus(out.expanduser(), clips, seconds, seed, context.obj.settings)
    print_rows(context.obj, "corpus", [split.to_json() for split in splits])
    if not context.obj.json:
        print(f"the manifest is {out / 'manifest.jsonl'}")
