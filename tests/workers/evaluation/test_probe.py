"""Probes on data whose labels follow from the inputs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from schemas.errors import UserError
from schemas.evaluations import ProbeSpec
from workers.evaluation.probe import ProbeData, probe_predictions, select_best_probe, train_probe
from workers.evaluation.protocols import PROTOCOLS
from workers.evaluation.scoring import compute_metrics

LINEAR = ProbeSpec(None, 16, 1e-2, 0.0, epochs=60)
MLP = ProbeSpec(32, 16, 1e-2, 0.25, epochs=60)
MARBLE = PROTOCOLS["marble"].probes[0]
TASKS = [("multilabel", "roc_auc"), ("multiclass", "accuracy"), ("regression", "r2")]


def make_data(task, seed=0, noise=0.0):
    """Make data whose labels are the signs of the first inputs and whose numbers are a linear map of them."""
    rng = np.random.default_rng(seed)
    inputs = {split: rng.standard_normal((count, 8)) for split, count in (("train", 240), ("valid", 80), ("test", 80))}
    truth = {}
    for split, rows in inputs.items():
        clean = rows + noise * rng.standard_normal(rows.shape)
        if task == "multilabel":
            truth[split] = clean[:, :3] > 0
        elif task == "multiclass":
            truth[split] = np.eye(3, dtype=bool)[clean[:, :3].argmax(axis=1)]
        else:
            truth[split] = clean[:, :2] * [2, -1] + 5
    return ProbeData(task, inputs, truth)


def metrics_of(data, probe, names):
    return compute_metrics(probe_predictions(names, tuple(map(str, range(80))), data, probe))


@pytest.mark.parametrize("spec", [LINEAR, MLP, MARBLE], ids=["linear", "mlp", "marble"])
@pytest.mark.parametrize(("task", "metric"), TASKS)
def test_a_probe_learns(task, metric, spec):
    data = make_data(task)
    probe = train_probe(data, spec, seed=0)
    names = ("x", "y", "z")[: data.truth["test"].shape[1]]
    assert metrics_of(data, probe, names)[metric] > 0.9


def test_a_probe_of_random_labels_is_at_chance():
    data, rng = make_data("multilabel"), np.random.default_rng(1)
    data = replace(data, truth={split: rng.random(rows.shape) > 0.5 for split, rows in data.truth.items()})
    metrics = metrics_of(data, train_probe(data, LINEAR, seed=0), ("x", "y", "z"))
    assert metrics["roc_auc"] == pytest.approx(0.5, abs=0.1)


def test_the_same_seed_gives_the_same_scores_and_another_seed_others():
    data = make_data("multilabel", noise=1)
    first, same, other = (train_probe(data, MLP, seed).scores for seed in (3, 3, 4))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_the_test_split_does_not_reach_the_training():
    data = make_data("multiclass", noise=1)
    blind = replace(data, truth=data.truth | {"test": np.roll(data.truth["test"], 1, axis=1)})
    assert np.array_equal(train_probe(data, MLP, 0).scores, train_probe(blind, MLP, 0).scores)


def test_scores_are_those_of_the_trained_network_with_dropout_off():
    """Valid and test are the same rows: a probe scored through another network would differ between them."""
    data = make_data("multilabel", noise=0.5)
    data = replace(
        data,
        inputs=data.inputs | {"test": data.inputs["valid"]},
        truth=data.truth | {"test": data.truth["valid"]},
    )
    probe = train_probe(data, MLP, seed=0)
    assert metrics_of(data, probe, ("x", "y", "z"))["roc_auc"] == pytest.approx(probe.valid, abs=1e-12)


def test_training_stops_when_nothing_improves():
    data = make_data("multilabel", noise=3)
    patient = train_probe(data, replace(LINEAR, epochs=200, patience=5), seed=0)
    assert patient.epochs < 195


def test_the_best_on_the_validation_split_is_chosen():
    data = make_data("multilabel", noise=1)
    probes = [train_probe(data, spec, 0) for spec in (replace(LINEAR, epochs=1, learning_rate=1e-5), LINEAR)]
    assert select_best_probe(probes) is max(probes, key=lambda probe: probe.valid)
    assert select_best_probe(probes).spec is LINEAR


def test_standardised_inputs_have_the_training_splits_units():
    data = make_data("multilabel")
    scaled = replace(data, inputs={split: rows * 1000 + 7 for split, rows in data.inputs.items()}).standardise()
    np.testing.assert_allclose(scaled.inputs["train"].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(scaled.inputs["train"].std(axis=0), 1)
    constant = replace(data, inputs={split: rows * 0 + 3 for split, rows in data.inputs.items()}).standardise()
    assert (constant.inputs["test"] == 0).all()


def test_training_uses_one_thread():
    train_probe(make_data("multiclass"), replace(LINEAR, epochs=1), 0)
    assert torch.get_num_threads() == 1


def test_without_a_usable_probe_an_error_is_raised():
    data = make_data("multilabel")
    uniform = replace(data, truth=data.truth | {"valid": np.ones_like(data.truth["valid"])})
    with pytest.raises(UserError, match="no probe can be chosen"):
        select_best_probe([train_probe(uniform, replace(LINEAR, epochs=2), 0)])
