"""Probes: a linear or one-hidden-layer network trained on frozen vectors.

Grid and training follow the released code of "Toward Universal Text-to-Music Retrieval" (Doh et al., 2023). That code
scores its layer-normalised probes without the layer that they were trained with; here one network does both.
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
    """Inputs [N, dim] and truth [N, C] of each split.

    `train_probe` never reads the truth of the test split.
    """

    task: str
    inputs: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]

    def standardise(self) -> "ProbeData":
        """Scale every feature to mean 0 and deviation 1 over the training split.

        For backbone features, whose units differ.
        """
        mean, deviation = self.inputs["train"].mean(axis=0), self.inputs["train"].std(axis=0)
        scale = np.where(deviation > 0, deviation, 1)
        return replace(self, inputs={name: (rows - mean) / scale for name, rows in self.inputs.items()})


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """A trained probe and its scores.

    `valid` is its score on the validation split, higher for a better probe. `scores` [N, C] are of the test split. A
    probe that diverged in its first epoch has `valid` -inf and zeros as scores.
    """

    spec: ProbeSpec
    valid: float
    epochs: int
    scores: np.ndarray


def train_probe(data: ProbeData, spec: ProbeSpec, seed: int) -> ProbeResult:
    """Train a probe until `patience` epochs bring no improvement.

    The test split is scored with the weights of the best epoch.
    """
    torch.set_num_threads(1)  # the same numbers on any machine, and one core for each probe
    torch.manual_seed(seed)
    inputs = {name: torch.from_numpy(np.ascontiguousarray(rows, np.float32)) for name, rows in data.inputs.items()}
    mean, scale = _target_units(data)
    known_truth = {name: data.truth[name] for name in ("train", "valid")}
    if data.task == "regression":
        known_truth = {name: ((rows - mean) / scale).astype(np.float32) for name, rows in known_truth.items()}
    truth = {name: torch.from_numpy(rows) for name, rows in known_truth.items()}  # labels stay bool to save memory
    network = _build_network(inputs["train"].shape[1], truth["train"].shape[1], spec)
    optimiser = torch.optim.Adam(network.parameters(), lr=spec.learning_rate, fused=True)
    schedule = _build_schedule(optimiser, spec)
    best, best_epoch, state = -np.inf, 0, {}
    for epoch in range(1, spec.epochs + 1):
        _train_epoch(network, optimiser, inputs["train"], truth["train"], data.task, spec.batch)
        score = _validation_score(network, inputs["valid"], truth["valid"], data.task, spec.judged_by)
        if spec.schedule == "plateau":
            schedule.step(score)
        else:
            schedule.step()
        if not np.isfinite(score):
            break
        if score > best:
            best, best_epoch = score, epoch
            state = {name: value.clone() for name, value in network.state_dict().items()}
        elif epoch - best_epoch >= spec.patience:
            break
    if not state:
        return ProbeResult(spec, -np.inf, 0, np.zeros(data.truth["test"].shape, np.float32))
    network.load_state_dict(state)
    valid = _validation_score(network, inputs["valid"], truth["valid"], data.task, "main")
    return ProbeResult(spec, valid, best_epoch, _predict(network, inputs["test"], data.task) * scale + mean)


def select_best_probe(probes: list[ProbeResult]) -> ProbeResult:
    """Return the probe with the best validation score; the first of equal ones.

    Raises UserError if no probe has a finite score.
    """
    finite = [probe for probe in probes if np.isfinite(probe.valid)]
    if not finite:
        raise UserError(
            "no probe can be chosen: the validation clips that have vectors share all their labels, or the vectors "
            "hold numbers that are too large"
        )
    return max(finite, key=lambda probe: probe.valid)


def probe_predictions(
    names: tuple[str, ...], ids: tuple[str, ...], data: ProbeData, probe: ProbeResult
) -> LabelScores:
    """Return the scores of the test split: probabilities, or numbers for a regression."""
    return LabelScores(data.task, names, ids, data.truth["test"], probe.scores, data.task != "regression")


def _target_units(data: ProbeData) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and deviation [C] of a regression's targets over the training split.

    A regression is trained in these units. Other tasks get mean 0 and deviation 1.
    """
    if data.task != "regression":
        return np.zeros(1, np.float32), np.ones(1, np.float32)
    deviation = data.truth["train"].std(axis=0, dtype=np.float32)
    return data.truth["train"].mean(axis=0, dtype=np.float32), np.where(deviation > 0, deviation, 1)


def _build_network(dim: int, outputs: int, spec: ProbeSpec) -> nn.Module:
    if spec.hidden is None:
        return nn.Linear(dim, outputs)
    hidden = nn.Linear(dim, spec.hidden)
    return nn.Sequential(hidden, nn.ReLU(), nn.Dropout(spec.dropout), nn.Linear(spec.hidden, outputs))


def _build_schedule(optimiser: torch.optim.Optimizer, spec: ProbeSpec) -> torch.optim.lr_scheduler.LRScheduler:
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
def _validation_score(
    network: nn.Module, inputs: torch.Tensor, truth: torch.Tensor, task: str, selection_metric: str
) -> float:
    """Return a score that is higher for a better probe.

    It is minus the loss for the selection metric "loss", otherwise the task's main metric.
    """
    network.eval()
    if selection_metric == "loss":
        return -float(_loss(network(inputs), truth, task))
    labels, scores = truth.numpy(), _predict(network, inputs, task)
    if task == "multilabel":
        return float(macro(roc_auc(labels > 0, scores)))
    if task == "multiclass":
        return float(accuracy(labels.argmax(axis=1), scores.argmax(axis=1)))
    return float(macro(r2(labels, scores)))


@torch.inference_mode()
def _predict(network: nn.Module, inputs: torch.Tensor, task: str) -> np.ndarray:
    """Return the probabilities of inputs [N, dim], or the numbers of a regression, [N, C]."""
    network.eval()
    outputs = network(inputs)
    if task == "multilabel":
        return outputs.sigmoid().numpy()
    return (outputs.softmax(dim=1) if task == "multiclass" else outputs).numpy()
