"""`tonelake train` and `tonelake corpus build`: train an encoder of your own."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.jobs import run_job
from flows.cli.options import Context
from flows.cli.output import print_json, print_rows
from schemas.training import TrainingConfig, TrainRequest

app = typer.Typer()
corpus = typer.Typer(help="Make a labelled corpus of composed and rendered music.")
app.add_typer(corpus, name="corpus")

_DEFAULTS = TrainingConfig()
_hidden = partial(typer.Option, hidden=True)


@app.command()
def train(
    context: typer.Context,
    data: Annotated[str, typer.Option(help="Manifest with uri and tags; optionally sentences, split, other_names.")],
    out: Annotated[Path, typer.Option(help="Folder for the model; `tonelake --encoder FOLDER` uses it.")],
    config: Annotated[Path | None, typer.Option(help="TOML file with settings (docs/training.md).")] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder whose features to use (env: TONELAKE_ENCODER)")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Greatest number of epochs.")] = _DEFAULTS.epochs,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training.")] = _DEFAULTS.seed,
    workers: Annotated[int, typer.Option(min=1, help="Cores or GPUs to train on at once.")] = 1,
    # Hidden: these are settings of the file now. They go with tonelake 0.3.
    framework: Annotated[str, _hidden()] = _DEFAULTS.framework,
    text: Annotated[str, _hidden()] = _DEFAULTS.text,
    representation: Annotated[str, _hidden()] = _DEFAULTS.representation,
    tower: Annotated[str, _hidden()] = _DEFAULTS.tower,
    batch: Annotated[int, _hidden(min=2)] = _DEFAULTS.batch,
    learning_rate: Annotated[float, _hidden(min=0)] = _DEFAULTS.learning_rate,
    text_projection: Annotated[str, _hidden()] = _DEFAULTS.text_projection,
    own_sentences: Annotated[bool, _hidden("--own-sentences")] = _DEFAULTS.own_sentences,
    synonyms: Annotated[bool, _hidden("--synonyms")] = _DEFAULTS.synonyms,
    conse_weight: Annotated[float, _hidden("--conse-weight")] = _DEFAULTS.conse_weight,
    finetune_text: Annotated[bool, _hidden("--finetune-text")] = _DEFAULTS.finetune_text,
) -> None:
    """Train a joint space of music and text; run it again to resume."""
    from flows.training.config_file import read_config

    options = {name: value for name, value in locals().items() if name in TrainingConfig.__slots__}
    given = {name: value for name, value in options.items() if _is_given(context, name)}
    settings = {"encoder": context.obj.settings.encoder} | (read_config(config) if config else {}) | given
    _run_train(TrainRequest(data, TrainingConfig(**settings), out.expanduser(), workers), context.obj)


def _is_given(context: typer.Context, option: str) -> bool:
    """Tell whether the user typed the option."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


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
    no_gpl: Annotated[bool, typer.Option("--no-gpl", help="Leave out sounds under the GPL.")] = False,
) -> None:
    """Compose and render labelled clips; run it again to resume."""
    from flows.training.corpus import build_corpus

    splits = build_corpus(out.expanduser(), clips, seconds, seed, context.obj.settings, with_gpl=not no_gpl)
    print_rows(context.obj, "corpus", [split.to_json() for split in splits])
    if not context.obj.json:
        print(f"the manifest is {out / 'manifest.jsonl'}")
