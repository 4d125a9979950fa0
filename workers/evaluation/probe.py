"""Probes: a linear or one-hidden-layer network trained on frozen vectors, scored through the same network.

Grid and training after the released code of "Toward Universal Text-to-Music Retrieval" (Doh et al., 2023), which
scored its layer-normalised probes without the layer they were trained with; here there is one network.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from schemas.errors import UserError
from schemas.evaluations import ProbeSpec
from workers.evaluation.predictions import LabelScores
from workers.metrics.classification import accuracy
from workers.metrics.regression import r2
from workers.metrics.tagging import macro, roc_auc

_PLATEAU_EPOCHS = 3
_MIN_RATE = 1e-9


@dataclass(frozen=True, slots=True)
class ProbeData:
    """Inputs [N, dim] and truth [N, C] of each split; `truth` of the test split is never seen by `train_probe`."""

    task: str
    inputs: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]

    def standardised(self) -> "ProbeData":
        """Every input number with mean 0 and deviation 1 over the training split: features of mixed units."""
        mean, deviation = self.inputs["train"].mean(axis=0), self.inputs["train"].std(axis=0)
        scale = np.where(deviation > 0, deviation, 1)
        return replace(self, inputs={name: (rows - mean) / scale for name, rows in self.inputs.items()})


@dataclass(frozen=True, slots=True)
class Probed:
    """A trained probe: its figure on the validation split (higher is better) and its scores of the test split.

    One that diverged at once has `valid` -inf and nothing to score.
    """

    spec: ProbeSpec
    valid: float
    epochs: int
    scores: np.ndarray


def train_probe(data: ProbeData, spec: ProbeSpec, seed: int) -> Probed:
    """Trains until `patience` epochs bring nothing new; scores with the weights of the best epoch."""
    torch.set_num_threads(1)  # the same numbers on any machine, and one core a probe
    torch.manual_seed(seed)
    inputs = {name: torch.from_numpy(np.ascontiguousarray(rows, np.float32)) for name, rows in data.inputs.items()}
    mean, scale = _units(data)
    known = {name: data.truth[name] for name in ("train", "valid")}
    if data.task == "regression":
        known = {name: ((rows - mean) / scale).astype(np.float32) for name, rows in known.items()}
    truth = {name: torch.from_numpy(rows) for name, rows in known.items()}  # of labels the bits: a thousand take room
    network = _network(inputs["train"].shape[1], truth["train"].shape[1], spec)
    optimiser = torch.optim.Adam(network.parameters(), lr=spec.learning_rate, fused=True)
    schedule = _schedule(optimiser, spec)
    best, best_epoch, state = -np.inf, 0, {}
    for epoch in range(1, spec.epochs + 1):
        _train_epoch(network, optimiser, inputs["train"], truth["train"], data.task, spec.batch)
        now = _judged(network, inputs["valid"], truth["valid"], data.task, spec.judged_by)
        schedule.step(now) if spec.schedule == "plateau" else schedule.step()
        if not np.isfinite(now):
            break
        if now > best:
            best, best_epoch = now, epoch
            state = {name: value.clone() for name, value in network.state_dict().items()}
        elif epoch - best_epoch >= spec.patience:
            break
    if not state:
        return Probed(spec, -np.inf, 0, np.zeros(data.truth["test"].shape, np.float32))
    network.load_state_dict(state)
    valid = _judged(network, inputs["valid"], truth["valid"], data.task, "main")
    return Probed(spec, valid, best_epoch, _scores(network, inputs["test"], data.task) * scale + mean)


def best_probe(probes: list[Probed]) -> Probed:
    """The best on the validation split; of equal ones the first of the grid. UserError where none can be judged."""
    judged = [probe for probe in probes if np.isfinite(probe.valid)]
    if not judged:
        raise UserError(
            "no probe can be chosen: the validation clips that have vectors share all their labels, or the vectors "
            "hold numbers beyond all bounds"
        )
    return max(judged, key=lambda probe: probe.valid)


def probe_items(names: tuple[str, ...], ids: tuple[str, ...], data: ProbeData, probe: Probed) -> LabelScores:
    """The test split's scores; probabilities, but for a regression."""
    return LabelScores(data.task, names, ids, data.truth["test"], probe.scores, data.task != "regression")


def _units(data: ProbeData) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the numbers of a regression over the training split: it is trained in those units."""
    if data.task != "regression":
        return np.zeros(1, np.float32), np.ones(1, np.float32)
    deviation = data.truth["train"].std(axis=0, dtype=np.float32)
    return data.truth["train"].mean(axis=0, dtype=np.float32), np.where(deviation > 0, deviation, 1)


def _network(dim: int, outputs: int, spec: ProbeSpec) -> nn.Module:
    if spec.hidden is None:
        return nn.Linear(dim, outputs)
    hidden = nn.Linear(dim, spec.hidden)
    return nn.Sequential(hidden, nn.ReLU(), nn.Dropout(spec.dropout), nn.Linear(spec.hidden, outputs))


def _schedule(optimiser: torch.optim.Optimizer, spec: ProbeSpec) -> torch.optim.lr_scheduler.LRScheduler:
    schedules = torch.optim.lr_scheduler
    if spec.schedule == "plateau":
        return schedules.ReduceLROnPlateau(optimiser, mode="max", factor=0.1, patience=_PLATEAU_EPOCHS)
    return schedules.CosineAnnealingLR(optimiser, spec.epochs, eta_min=_MIN_RATE)


def _train_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    inputs: torch.Tensor,
    truth: torch.Tensor,
    task: str,
    batch: int,
) -> None:
    network.train()
    for rows in torch.randperm(len(inputs)).split(batch):
        optimiser.zero_grad()
        _loss(network(inputs[rows]), truth[rows], task).backward()
        optimiser.step()


def _loss(outputs: torch.Tensor, truth: torch.Tensor, task: str) -> torch.Tensor:
    if task == "multilabel":
        return nn.functional.binary_cross_entropy_with_logits(outputs, truth.float())
    if task == "multiclass":
        return nn.functional.cross_entropy(outputs, truth.float().argmax(dim=1))
    return nn.functional.mse_loss(outputs, truth)


@torch.inference_mode()
def _judged(network: nn.Module, inputs: torch.Tensor, truth: torch.Tensor, task: str, judged_by: str) -> float:
    """Higher is better: minus the loss, or the task's main figure."""
    network.eval()
    if judged_by == "loss":
        return -float(_loss(network(inputs), truth, task))
    wanted, scores = truth.numpy(), _scores(network, inputs, task)
    if task == "multilabel":
        return float(macro(roc_auc(wanted > 0, scores)))
    if task == "multiclass":
        return float(accuracy(wanted.argmax(axis=1), scores.argmax(axis=1)))
    return float(macro(r2(wanted, scores)))


@torch.inference_mode()
def _scores(network: nn.Module, inputs: torch.Tensor, task: str) -> np.ndarray:
    network.eval()
    outputs = network(inputs)
    if task == "multilabel":
        return outputs.sigmoid().numpy()
    return (outputs.softmax(dim=1) if task == "multiclass" else outputs).numpy()
