"""Trains a cell: here in this process, or by Ray Train on one core up to many GPUs.

state = train_here(cell, data, settings.models)
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from schemas.errors import UserError
from schemas.training import Cell
from workers.encoders.joint.net import Centred, FeatureTower, Joint, Shapes
from workers.joint.data import TrainingData
from workers.joint.process_group import World
from workers.joint.texts import Texts
from workers.joint.trainer import State, Trainer
from workers.text import glove, minilm
from workers.text.minilm import MiniLMNet

_STATE_FILE = "state.pt"
_MOST_FAILURES = 3  # of a worker or a machine, from each of which training goes on at its last checkpoint
_DONE = None


def train_here(
    cell: Cell,
    data: TrainingData,
    models: Path,
    world: World | None = None,
    state: State | None = None,
    on_epoch: Callable[[State], None] = lambda _: None,
) -> State:
    """Trains as one worker, from the beginning or from a state. The same cell and data give the same weights."""
    world = world or World()
    if world.device.type == "cpu":
        torch.set_num_threads(1)  # the same sums on any machine; small products gain nothing from more
    joint = built(cell, data, models).to(world.device)
    trainer = Trainer(cell, data, joint, Texts(cell, data, world.device), world)
    return trainer.run(state or State(), on_epoch)


def built(cell: Cell, data: TrainingData, models: Path) -> Joint:
    """The net before training, drawn from the cell's seed; what it knows of the data is the training split's."""
    torch.manual_seed(cell.seed)
    reader = MiniLMNet(models) if cell.finetune_text else None
    features = 0 if data.train.features is None else data.train.features.shape[1]
    joint = Joint(cell, Shapes(features, text_dim(cell), len(data.vocabulary)), reader)
    if isinstance(joint.audio, FeatureTower):
        joint.audio.standardise_by(torch.from_numpy(data.train.features))
    if isinstance(joint.text, Centred):
        rows = [data.places[text] for pool in data.train_pools for text in pool]
        joint.text.mean.copy_(torch.from_numpy(data.vectors[rows]).mean(0))
    return joint


def text_dim(cell: Cell) -> int:
    """Numbers of a text's vector before it is projected."""
    return glove.DIM if cell.text == "glove" else minilm.DIM


class RayTraining:
    """A training by Ray Train: iterate it for each epoch's row of the history; `state` is whole at the end.

    Every epoch is a checkpoint in `folder`, which all machines must see. What was killed goes on from the last one
    when it is started again on the same cell, data and folder.
    """

    state: State

    def __init__(self, cell: Cell, data: TrainingData, models: Path, folder: Path, workers: int) -> None:
        self._cell, self._data, self._models, self._folder, self._workers = cell, data, models, folder, workers

    def __iter__(self) -> Iterator[dict[str, float]]:
        import ray
        from ray.util.queue import Queue

        epochs = Queue()
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(self._run, epochs)
            running.add_done_callback(lambda _: ray.is_initialized() and epochs.put(_DONE))
            try:
                while (row := epochs.get()) is not _DONE:
                    yield row
            except (KeyboardInterrupt, GeneratorExit):
                ray.shutdown()  # nothing else ends a `fit` before its last epoch, and the thread waits for it
                raise
            self.state = running.result()

    def _run(self, epochs: Any) -> State:
        # A report waits for the controller's next look at its workers: every 2 s by default, longer than our epochs.
        os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.1")
        import ray
        from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        held = ray.cluster_resources()
        kind = "GPU" if held.get("GPU") else "CPU"
        if self._workers > held[kind]:
            raise UserError(
                f"--workers {self._workers}, but Ray has {held[kind]:.0f} {kind}s: take fewer, or start more"
            )
        config = {"cell": self._cell, "data": ray.put(self._data), "models": self._models, "epochs": epochs}
        done = TorchTrainer(
            _work,
            train_loop_config=config,
            scaling_config=ScalingConfig(num_workers=self._workers, use_gpu=kind == "GPU"),
            run_config=RunConfig(
                name="run",
                storage_path=str(self._folder),
                checkpoint_config=CheckpointConfig(num_to_keep=2),
                failure_config=FailureConfig(max_failures=_MOST_FAILURES),
            ),
        ).fit()
        if done.checkpoint is None:
            raise UserError(f"training ended without a checkpoint in {self._folder}: remove it and train again")
        with done.checkpoint.as_directory() as folder:
            state = read_state(Path(folder))
        if not state.best:
            raise UserError("training diverged: its loss is no number; take a smaller --learning-rate")
        return state


def _work(config: dict[str, Any]) -> None:
    """What each of Ray Train's workers runs."""
    import ray
    import ray.train.torch

    context = ray.train.get_context()
    world = World(context.get_world_rank(), context.get_world_size(), ray.train.torch.get_device())
    state, held = None, ray.train.get_checkpoint()
    if held:
        with held.as_directory() as folder:
            state = read_state(Path(folder))

    def report(state: State) -> None:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            if world.rank == 0:
                write_state(state, Path(folder))
                checkpoint = ray.train.Checkpoint.from_directory(folder)
            ray.train.report(state.history[-1], checkpoint=checkpoint)
        if world.rank == 0:
            config["epochs"].put(state.history[-1])

    train_here(config["cell"], ray.get(config["data"]), config["models"], world, state, report)


def write_state(state: State, folder: Path) -> None:
    """Into a file of its own, whole or not at all."""
    unfinished = folder / f".{_STATE_FILE}"
    torch.save({name: getattr(state, name) for name in State.__slots__}, unfinished)
    os.replace(unfinished, folder / _STATE_FILE)


def read_state(folder: Path) -> State:
    """The state that `write_state` wrote; nothing in it is executed."""
    return State(**torch.load(folder / _STATE_FILE, map_location="cpu", weights_only=True))
