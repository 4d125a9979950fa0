"""Training: every cell learns, a seed decides all, a broken run ends as an unbroken one, many workers as one."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize as unit

from schemas.errors import UserError
from schemas.training import Cell, Trained, TrainRequest, encoder_name
from tests.workers.joint.small_training_set import SMALL, cells, made, vectors_of
from workers.encoders.joint.net import joint_of
from workers.joint.train import built, read_state, text_dim, train_here, write_state
from workers.joint.trainer import rate_at
from workers.metrics.tagging import roc_auc

NOWHERE = Path("no-models")


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@torch.inference_mode()
def areas(cell, weights, data):
    """ROC-AUC of each tag asked for by itself, over the validation clips."""
    joint = joint_of(cell, weights)
    audio, _ = joint(torch.from_numpy(data.valid.features), None)
    texts = vectors_of(data.vocabulary, text_dim(cell))
    asked = unit(joint.centroids) if joint.text is None else joint.embed(torch.from_numpy(texts))
    return roc_auc(data.valid.tags(data.vocabulary), (audio @ asked.T).numpy())


@pytest.mark.parametrize("cell", list(cells()), ids=lambda cell: cell.name)
def test_every_cell_learns(cell):
    data = made(cell)
    untrained = areas(cell, built(cell, data, NOWHERE).state_dict(), data)
    state = train_here(cell, data, NOWHERE)
    assert len(state.history) == cell.epochs
    assert areas(cell, state.best, data).mean() > max(0.93, untrained.mean() + 0.2)


def test_a_seed_decides_all():
    data = made()
    first, again = (train_here(SMALL, data, NOWHERE) for _ in range(2))
    other = train_here(replace(SMALL, seed=1), data, NOWHERE)
    assert same(first.best, again.best)
    assert first.history == again.history
    assert first.history != other.history


@pytest.mark.parametrize("framework", ["contrastive", "triplet"])
def test_a_broken_run_ends_as_an_unbroken_one(tmp_path, framework):
    cell = replace(SMALL, framework=framework, dropout=0.2)
    data = made(cell)
    unbroken = train_here(cell, data, NOWHERE)

    def stop(state):
        write_state(state, tmp_path)
        if state.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_here(cell, data, NOWHERE, on_epoch=stop)
    resumed = train_here(cell, data, NOWHERE, state=read_state(tmp_path))
    assert resumed.history == unbroken.history
    assert same(resumed.best, unbroken.best)


def test_it_stops_when_nothing_new_comes():
    cell = replace(SMALL, epochs=60, patience=3, learning_rate=0.05, warmup=1)
    state = train_here(cell, made(cell), NOWHERE)
    assert state.epoch == state.best_epoch + 3 < 60
    best = min(state.history, key=lambda row: row["valid_loss"])
    assert (best["epoch"], best["valid_loss"]) == (state.best_epoch, state.best_loss)


def test_a_classifier_has_no_recall_to_tell():
    cell = replace(SMALL, framework="classification", epochs=1)
    (row,) = train_here(cell, made(cell), NOWHERE).history
    assert set(row) == {"epoch", "train_loss", "valid_loss"}
    (row,) = train_here(replace(SMALL, epochs=1), made(SMALL), NOWHERE).history
    assert 0 < row["valid_recall@10"] <= 1


def test_the_learning_rate_rises_and_falls():
    cell = Cell(epochs=100, warmup=10, learning_rate=1e-3)
    rates = [rate_at(cell, epoch) for epoch in range(1, 101)]
    assert np.argmax(rates) == 9
    assert rates[9] == 1e-3
    assert rates[0] == pytest.approx(1e-4)
    assert rates[54] == pytest.approx(5e-4, rel=0.01)
    assert rates[-1] == pytest.approx(1e-9)


WORKER = """
import sys, torch
from pathlib import Path
from tests.workers.joint.small_training_set import SMALL, made
from dataclasses import replace
from workers.joint.train import train_here, write_state
from workers.joint.process_group import World
rank, folder, framework = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
cell = replace(SMALL, framework=framework)
state = train_here(cell, made(cell), Path("no-models"), World(rank, 2))
if rank == 0:
    write_state(state, Path(folder))
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


@pytest.mark.parametrize("framework", ["contrastive", "triplet", "classification"])
def test_two_workers_train_as_one_does(tmp_path, framework):
    command = [sys.executable, "-c", WORKER]
    workers = [subprocess.Popen([*command, str(rank), str(tmp_path), framework]) for rank in range(2)]
    cell = replace(SMALL, framework=framework)
    alone = train_here(cell, made(cell), NOWHERE)
    assert [worker.wait(60) for worker in workers] == [0, 0]
    both = read_state(tmp_path)
    for row, other in zip(both.history, alone.history, strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], rel=1e-3)
        assert row["valid_loss"] == pytest.approx(other["valid_loss"], rel=1e-3)


def test_a_cell_says_what_is_wrong():
    with pytest.raises(UserError, match="--framework takes classification, triplet, contrastive"):
        Cell(framework="cosine")
    with pytest.raises(UserError, match="finetune-text trains BERT"):
        Cell(text="glove", finetune_text=True)
    with pytest.raises(UserError, match="needs a text tower"):
        Cell(framework="classification", text_projection="none")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"learning_rate": math.nan}, "--learning-rate is a number from 0, not nan"),
        ({"learning_rate": math.inf}, "--learning-rate is a number from 0, not inf"),
        ({"share": math.nan}, "--share lies between 0 and 1"),
        ({"seed": 2**64}, "--seed lies between 0 and"),
        ({"seed": -1}, "--seed lies between 0 and"),
    ],
)
def test_a_number_that_cannot_be_is_one_line(asked, said):
    with pytest.raises(UserError, match=said):
        Cell(**asked)


@pytest.mark.parametrize(("batch", "workers"), [(2, 40), (64, 3)])
def test_a_batch_that_cannot_be_shared_out_is_refused(batch, workers):
    """Each batch would leave clips out of the epoch, or all of them."""
    with pytest.raises(
        UserError, match=f"--batch {batch} is shared out evenly: take a multiple of --workers {workers}"
    ):
        TrainRequest("manifest.jsonl", Cell(batch=batch), Path("out"), workers)


def test_what_is_told_can_be_read():
    told = Trained("joint-a", SMALL, 128, "ab", "musicnn", "cd", ("x",), {}, 1, [{"epoch": 1}], {})
    assert Trained.from_json(told.to_json()) == told


def test_names_suit_tables():
    assert encoder_name("My Head (v2)") == "joint-my-head-v2"
    assert encoder_name("joint-a") == "joint-a"
    assert encoder_name("...") == "joint-model"
