"""Probes on data whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from schemas.errors import UserError
from schemas.evaluations import ProbeSpec
from workers.evaluation.probe import ProbeData, best_probe, probe_items, train_probe
from workers.evaluation.protocols import PROTOCOLS
from workers.evaluation.scoring import measure

LINEAR = ProbeSpec(None, 16, 1e-2, 0.0, epochs=60)
MLP = ProbeSpec(32, 16, 1e-2, 0.25, epochs=60)
MARBLE = PROTOCOLS["marble"].probes[0]
TASKS = [("multilabel", "roc_auc"), ("multiclass", "accuracy"), ("regression", "r2")]


def data_of(task, seed=0, noise=0.0):
    """Classes are the signs of the first inputs; numbers are a linear map of them."""
    rng = np.random.default_rng(seed)
    inputs = {split: rng.standard_normal((count, 8)) for split, count in (("train", 240), ("valid", 80), ("test", 80))}
    truth = {}
    for split, rows in inputs.items():
        clear = rows + noise * rng.standard_normal(rows.shape)
        if task == "multilabel":
            truth[split] = clear[:, :3] > 0
        elif task == "multiclass":
            truth[split] = np.eye(3, dtype=bool)[clear[:, :3].argmax(axis=1)]
        else:
            truth[split] = clear[:, :2] * [2, -1] + 5
    return ProbeData(task, inputs, truth)


def scored(data, probe, names):
    return measure(probe_items(names, tuple(map(str, range(80))), data, probe))


@pytest.mark.parametrize("spec", [LINEAR, MLP, MARBLE], ids=["linear", "mlp", "marble"])
@pytest.mark.parametrize(("task", "metric"), TASKS)
def test_a_probe_learns_what_is_there(task, metric, spec):
    data = data_of(task)
    probe = train_probe(data, spec, seed=0)
    names = ("x", "y", "z")[: data.truth["test"].shape[1]]
    assert scored(data, probe, names)[metric] > 0.9


def test_a_probe_finds_nothing_where_nothing_is():
    data, rng = data_of("multilabel"), np.random.default_rng(1)
    data = replace(data, truth={split: rng.random(rows.shape) > 0.5 for split, rows in data.truth.items()})
    assert scored(data, train_probe(data, LINEAR, seed=0), ("x", "y", "z"))["roc_auc"] == pytest.approx(0.5, abs=0.1)


def test_the_same_seed_gives_the_same_scores_and_another_seed_others():
    data = data_of("multilabel", noise=1)
    first, again, other = (train_probe(data, MLP, seed).scores for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_test_split_does_not_reach_the_training():
    data = data_of("multiclass", noise=1)
    blind = replace(data, truth=data.truth | {"test": np.roll(data.truth["test"], 1, axis=1)})
    assert np.array_equal(train_probe(data, MLP, 0).scores, train_probe(blind, MLP, 0).scores)


def test_scores_are_those_of_the_trained_network_with_dropout_off():
    """Valid and test are the same rows: a probe scored through another network would differ between them."""
    data = data_of("multilabel", noise=0.5)
    data = replace(
        data,
        inputs=data.inputs | {"test": data.inputs["valid"]},
        truth=data.truth | {"test": data.truth["valid"]},
    )
    probe = train_probe(data, MLP, seed=0)
    assert scored(data, probe, ("x", "y", "z"))["roc_auc"] == pytest.approx(probe.valid, abs=1e-12)


def test_training_stops_when_nothing_improves():
    data = data_of("multilabel", noise=3)
    patient = train_probe(data, replace(LINEAR, epochs=200, patience=5), seed=0)
    assert patient.epochs < 195


def test_the_best_on_the_validation_split_is_chosen():
    data = data_of("multilabel", noise=1)
    probes = [train_probe(data, spec, 0) for spec in (replace(LINEAR, epochs=1, learning_rate=1e-5), LINEAR)]
    assert best_probe(probes) is max(probes, key=lambda probe: probe.valid)
    assert best_probe(probes).spec is LINEAR


def test_standardised_inputs_have_the_training_splits_units():
    data = data_of("multilabel")
    scaled = replace(data, inputs={split: rows * 1000 + 7 for split, rows in data.inputs.items()}).standardised()
    np.testing.assert_allclose(scaled.inputs["train"].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(scaled.inputs["train"].std(axis=0), 1)
    constant = replace(data, inputs={split: rows * 0 + 3 for split, rows in data.inputs.items()}).standardised()
    assert (constant.inputs["test"] == 0).all()


def test_one_thread_whatever_the_machine():
    train_probe(data_of("multiclass"), replace(LINEAR, epochs=1), 0)
    assert torch.get_num_threads() == 1


def test_where_nothing_can_be_chosen_it_is_said():
    data = data_of("multilabel")
    alike = replace(data, truth=data.truth | {"valid": np.ones_like(data.truth["valid"])})
    with pytest.raises(UserError, match="no probe can be chosen"):
        best_probe([train_probe(alike, replace(LINEAR, epochs=2), 0)])
