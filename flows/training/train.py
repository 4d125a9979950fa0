"""`tonelake train`: a manifest -> features, texts -> a trained joint space -> its figures and its folder."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.console.progress import Watch, track
from flows.training.dataset import Material, TextVectors, audio_of, clips_of, features_of, training_data
from lake.catalogue.runs import RunRecord, new_run_id
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.training import MODEL_FILE, PLOT_FILE, WEIGHTS_FILE, Cell, Trained, TrainRequest, encoder_name
from workers.encoders.base.registration import Entry
from workers.encoders.joint.encoder import require_share
from workers.encoders.registry import encoder_entry, runnable
from workers.evaluation.predictions import Items
from workers.evaluation.scoring import figures

CHECKPOINTS, UNFINISHED = "checkpoints", "unfinished"
OURS = {CHECKPOINTS, UNFINISHED, WEIGHTS_FILE, PLOT_FILE}  # what a killed training leaves, and may remove


def train(request: TrainRequest, settings: Settings) -> Trained:
    """Trains a cell and writes its folder; what was killed goes on at its last epoch when it is asked for again."""
    request = _checked(request, settings)
    cell, out = request.cell, request.out
    base, lake = encoder_entry(cell.encoder).spec, Lake.at(settings.lake, settings.s3)
    asked = {"sources": [request.manifest], "cell": cell.to_json(), "out": str(out), "workers": request.workers}
    run_id, name = new_run_id(), f"train-{hashlib.sha256(str(out).encode()).hexdigest()[:8]}"
    with (
        _folder(out),
        Lease(lake, name, run_id, Watch().say),
        RunRecord(lake, run_id, "train", base, asked) as record,
    ):
        started = time.monotonic()
        material = _material(request, settings)
        state, resumed_at = _state(request, material, settings)
        trained = write_model(out, state, cell, material, settings)
        shutil.rmtree(out / CHECKPOINTS)
        seconds = round(time.monotonic() - started, 1)
        counts = {"encoder": trained.name, "epochs": len(trained.history), "wall_seconds": seconds}
        record.done(counts | {"resumed_at": resumed_at})
    return trained


def _checked(request: TrainRequest, settings: Settings) -> TrainRequest:
    """The request with whole paths; UserError, before anything is made, where it cannot be done."""
    cell, out = request.cell, request.out.absolute()
    if (out / MODEL_FILE).exists():
        raise UserError(f"{out} holds a trained encoder already: choose another --out, or remove it")
    if others := [path.name for path in out.glob("*") if path.name not in OURS]:
        raise UserError(f"{out} holds other things ({others[0]}): choose a new or an empty folder as --out")
    base = runnable(cell.encoder, settings)
    require_share(cell, base)
    clips = clips_of(request.manifest, settings)
    if cell.synonyms and not any(clip.other_names for clip in clips):
        raise UserError('--synonyms needs lines with other_names, as {"vibraphone": ["vibes"]}')
    fewest = min(sum(clip.split == split for clip in clips) for split in ("train", "valid"))
    if fewest < request.workers:
        raise UserError(f"--workers {request.workers} are more than the clips of a split, {fewest}: take fewer")
    return replace(request, cell=replace(cell, encoder=base.spec.address), out=out)


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """The folder, which is gone again where nothing came into it."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            out.rmdir()


def _state(request: TrainRequest, material: Material, settings: Settings) -> tuple[Any, int]:
    """The training at its end, and the epoch that it went on from."""
    from workers.distributed.cluster import start_ray
    from workers.joint.train import RayTraining

    cell, folder = request.cell, request.out / CHECKPOINTS
    known = TextVectors(cell.text, settings.models, folder / f"texts-{cell.text}.npz")
    data = training_data(material, cell, known)
    start_ray(settings)
    training = RayTraining(cell, data, settings.models, folder / _identity(cell, material), request.workers)
    ran = [row["epoch"] for row in track(training, f"training {cell.name}", cell.epochs)]
    return training.state, ran[0] - 1 if ran else training.state.epoch


def write_model(out: Path, state: Any, cell: Cell, material: Material, settings: Settings) -> Trained:
    """The weights of the best epoch, the plot, the figures as read back from the file; model.json completes it."""
    from flows.training.plot import training_plot
    from workers.encoders.joint.files import write_weights

    fresh = out / UNFINISHED
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    trained = Trained(
        name=encoder_name(out.name),
        cell=cell,
        dim=cell.dim if cell.text_projection == "linear" else len(state.best["text.mean"]),
        weights_sha256=write_weights(fresh, state.best),
        base="" if cell.tower == "audio" else cell.encoder,
        feature_version="" if cell.tower == "audio" else encoder_entry(cell.encoder).spec.feature_version,
        vocabulary=material.vocabulary,
        data={"clips": {name: len(split) for name, split in material.splits.items()}, "digest": material.digest},
        best_epoch=state.best_epoch,
        history=state.history,
        figures={},
    )
    (fresh / MODEL_FILE).write_text(trained.to_json())
    items = items_of(encoder_entry(str(fresh)), material, settings)
    found = {
        name: {one.metric: [one.value, one.low, one.high] for one in figures(each)} for name, each in items.items()
    }
    trained = replace(trained, figures=found)
    training_plot(fresh / PLOT_FILE, f"{cell.name}, seed {cell.seed}", state.history, state.best_epoch)
    (fresh / MODEL_FILE).write_text(trained.to_json())
    for name in (WEIGHTS_FILE, PLOT_FILE, MODEL_FILE):
        (fresh / name).replace(out / name)
    fresh.rmdir()
    return trained


def items_of(entry: Entry, material: Material, settings: Settings) -> dict[str, Items]:
    """What a trained encoder finds for the clips of the test split, by protocol."""
    from workers.joint.audio import vectors_of
    from workers.joint.held_out_evaluation import proven

    assert entry.load_text is not None, "a trained encoder has a text tower"
    entry.prepare(settings.models)
    encoder = entry.load(entry.spec, settings.models)
    split = material.splits["test"]
    held = split.features
    vectors = vectors_of(split.audio, encoder, entry.spec) if held is None else encoder.project(held)
    tower = entry.load_text(entry.spec, settings.models)
    return proven(list(split.clips), vectors, tower, entry.spec.prompt, material.vocabulary)


def _material(request: TrainRequest, settings: Settings) -> Material:
    if request.cell.tower == "audio":
        return audio_of(request.manifest, request.out / CHECKPOINTS / "audio", settings)
    return features_of(request.manifest, request.cell.encoder, settings)


def _identity(cell: Cell, material: Material) -> str:
    """Of a training: one of another cell, or on other data, does not go on from its checkpoints."""
    told = json.dumps([cell.to_json(), material.digest], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]
