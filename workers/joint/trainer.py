"""The training loop, on one worker or in step with others; it knows nothing of Ray.

state = Trainer(cell, data, joint, texts, world).run(State(), on_epoch)
Everything random in an epoch is drawn from its number and the seed, so that a training that goes on from a
checkpoint computes what an unbroken one would have.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from schemas.training import Cell
from workers.encoders.joint.net import Joint
from workers.joint import losses
from workers.joint.data import Split, TrainingData
from workers.joint.process_group import World
from workers.joint.texts import Texts

_LEAST_RATE = 1e-9
_TRAIN, _VALID = 0, 1  # what a random number is for


@dataclass(slots=True)
class State:
    """A training after `epoch` epochs: what a checkpoint holds. `best` are the weights of the best epoch."""

    epoch: int = 0
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    best_loss: float = math.inf
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """One worker's part of a training."""

    def __init__(self, cell: Cell, data: TrainingData, joint: Joint, texts: Texts, world: World) -> None:
        self._cell, self._data, self._texts, self._world = cell, data, texts, world
        self._joint, self._net = joint, world.wrapped(joint)
        self._optimiser = torch.optim.Adam(self._net.parameters(), lr=cell.rate, fused=True)
        self._tags = {"train": data.train.tags(data.vocabulary), "valid": data.valid.tags(data.vocabulary)}

    def run(self, state: State, on_epoch: Callable[[State], None]) -> State:
        """Trains until the last epoch, or until `patience` epochs brought nothing new; tells of each."""
        if state.epoch:
            self._joint.load_state_dict(state.weights)
            self._optimiser.load_state_dict(state.optimiser)
        while state.epoch < self._cell.epochs and state.epoch - state.best_epoch < self._cell.patience:
            state = self._after_epoch(state)
            on_epoch(state)
        return state

    def _after_epoch(self, state: State) -> State:
        epoch = state.epoch + 1
        for group in self._optimiser.param_groups:
            group["lr"] = rate_at(self._cell, epoch)
        train = self._trained(epoch)
        judged = self._judged()
        valid, row = judged["valid_loss"], {"epoch": epoch, "train_loss": train, **judged}
        weights = {name: value.detach().cpu().clone() for name, value in self._joint.state_dict().items()}
        new = replace(state, epoch=epoch, weights=weights, optimiser=self._optimiser.state_dict())
        new.history = [*state.history, row]
        if valid < state.best_loss:
            new.best, new.best_loss, new.best_epoch = weights, valid, epoch
        return new

    def _trained(self, epoch: int) -> float:
        """One epoch; the mean loss of its batches."""
        cell, world = self._cell, self._world
        shared = np.random.default_rng((cell.seed, epoch, _TRAIN))  # the same draws on every worker
        own = np.random.default_rng((cell.seed, epoch, _TRAIN, world.rank))
        torch.manual_seed(int(own.integers(2**31)))
        generator = torch.Generator().manual_seed(int(shared.integers(2**31)))
        texts = self._texts.of_epoch("train", shared)
        self._net.train()
        told = []
        for rows in batches(shared.permutation(len(self._data.train)), cell.batch, world):
            audio, text = self._embedded(self._data.train, rows, texts, own)
            loss = self._loss_of(audio, text, "train", rows, generator)
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self._optimiser.step()
            told.append(loss.item())
        return float(np.mean(told))

    @torch.no_grad()
    def _judged(self) -> dict[str, float]:
        """The validation split's loss in batches of training's size, the same every epoch; of texts its recall@10."""
        self._net.eval()
        shared = np.random.default_rng((self._cell.seed, 0, _VALID))
        generator = torch.Generator().manual_seed(int(shared.integers(2**31)))
        texts = self._texts.of_epoch("valid", shared)
        told, counts, recalls = [], [], []
        for rows in batches(shared.permutation(len(self._data.valid)), self._cell.batch, self._world):
            audio, text = self._embedded(self._data.valid, rows, texts, None)
            told.append(self._loss_of(audio, text, "valid", rows, generator).item())
            counts.append(len(rows))
            if text is not None:
                cosines = text @ audio.T
                ranks = (cosines >= cosines.diagonal()[:, None]).sum(1)
                recalls.append((ranks <= 10).float().mean().item())
        means = {"valid_loss": told, "valid_recall@10": recalls}
        return {name: float(np.average(values, weights=counts)) for name, values in means.items() if values}

    def _embedded(
        self, split: Split, rows: np.ndarray, texts: Any, rng: np.random.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The whole batch's vectors on every worker, each of which computed its share."""
        mine = self._world.share(rows)
        inputs = torch.from_numpy(split.inputs(mine, rng)).to(self._world.device)
        audio, text = self._net(inputs, self._texts.of_batch(texts, mine))
        return self._world.gathered(audio), None if text is None else self._world.gathered(text)

    def _loss_of(
        self, audio: torch.Tensor, text: torch.Tensor | None, name: str, rows: np.ndarray, generator: torch.Generator
    ) -> torch.Tensor:
        tags = torch.from_numpy(self._tags[name][rows]).to(audio.device)
        if text is None:
            return losses.classification(audio, self._joint.centroids, tags)
        if self._cell.framework == "contrastive":
            return losses.contrastive(audio, text, self._joint.log_scale)
        return losses.triplet(audio, text, tags, self._cell.margin, generator)


def rate_at(cell: Cell, epoch: int) -> float:
    """The learning rate of an epoch, from 1: up in a line, then down by a cosine (as TTMR's released code has it)."""
    if epoch <= cell.warmup:
        return cell.rate * epoch / cell.warmup
    done = (epoch - cell.warmup) / max(1, cell.epochs - cell.warmup)
    return _LEAST_RATE + (cell.rate - _LEAST_RATE) * (1 + math.cos(math.pi * done)) / 2


def batches(order: np.ndarray, size: int, world: World) -> Iterator[np.ndarray]:
    """Rows of one batch after another; a clip left alone at the end, which has no negative, is left out."""
    for start in range(0, len(order), size):
        rows = world.whole(order[start : start + size])
        if len(rows) > 1:
            yield rows
