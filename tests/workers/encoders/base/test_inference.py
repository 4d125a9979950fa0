"""Batches of windows: how they are divided, how large they are, and what happens if memory runs out."""

import numpy as np
import pytest
import torch
from torch import nn

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec
from workers.encoders.base.inference import MAX_BATCH, WindowBatches, _RunningBatch, fitting_batch

SAMPLES, DIM = 40, 3
BACKBONE = BackboneSpec("", WindowSpec(16_000, window=SAMPLES, hop=SAMPLES), "linear", "mean", dim=DIM)


class RecordingNet(nn.Module):
    """A linear layer that notes the size of each batch, on a device with memory for `room` windows."""

    def __init__(self, room: int = 1000) -> None:
        super().__init__()
        self.linear, self.room, self.sizes = nn.Linear(SAMPLES, DIM), room, []

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(audio))
        if len(audio) > self.room:
            raise torch.OutOfMemoryError("no room")
        return self.linear(audio)


@pytest.fixture
def windows():
    return np.random.default_rng(0).standard_normal((48, SAMPLES)).astype(np.float32)


def expected_features(net, windows):
    with torch.inference_mode():
        return net.linear(torch.from_numpy(windows)).numpy()


def test_a_cpu_computes_one_window_at_a_time(windows):
    net = RecordingNet()
    np.testing.assert_allclose(
        WindowBatches(net, BACKBONE)(windows[:5]), expected_features(net, windows[:5]), atol=1e-6
    )
    assert net.sizes == [1] * 5


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(0, 64, []), (48, 64, [48]), (48, 20, [16, 16, 16]), (7, 3, [3, 2, 2])]
)
def test_windows_are_divided_evenly(windows, count, size, sizes):
    net = RecordingNet()
    features = WindowBatches(net, BACKBONE, size)(windows[:count])
    assert net.sizes == sizes
    assert features.shape == (count, DIM)
    np.testing.assert_allclose(features, expected_features(net, windows[:count]), atol=1e-6)


def test_a_batch_without_room_is_halved_and_the_next_ones_stay_small(windows):
    net = RecordingNet(room=10)
    batches = WindowBatches(net, BACKBONE, 48)
    np.testing.assert_allclose(batches(windows), expected_features(net, windows), atol=1e-6)
    assert net.sizes[:3] == [48, 24, 12]
    assert max(net.sizes[3:]) <= batches.size == 6
    net.sizes.clear()
    batches(windows)
    assert net.sizes == [6] * 8


def test_a_single_window_without_room_is_an_error(windows):
    with pytest.raises(torch.OutOfMemoryError):
        WindowBatches(RecordingNet(room=0), BACKBONE, 4)(windows)


def test_the_first_full_batch_on_a_gpu_sets_the_size(windows, monkeypatch):
    net = RecordingNet()
    batches = WindowBatches(net, BACKBONE)
    monkeypatch.setattr(batches, "_on_gpu", True)
    monkeypatch.setattr(batches, "_start", lambda batch: _RunningBatch(net(torch.from_numpy(batch)), None))
    memory = {"memory_allocated": 1e9, "max_memory_allocated": 5e9, "memory_reserved": 6e9}
    for name, number in memory.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, number=number: number)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5e9, 24e9))
    batches(windows[:3])
    assert batches.size is None  # three windows say little of eight
    np.testing.assert_allclose(batches(windows), expected_features(net, windows), atol=1e-6)
    assert batches.size == 10  # half of the 10 GB that are free or unused, at 0.5 GB a window
    assert net.sizes == [3, 8, 10, 10, 10, 10]


def test_the_size_fits_into_the_memory():
    assert fitting_batch(window_bytes=1e9, free_bytes=20e9) == 10  # half of what is free
    assert fitting_batch(window_bytes=1e9, free_bytes=140e9) == 16  # no batch over 16 GB
    assert fitting_batch(window_bytes=1e6, free_bytes=140e9) == MAX_BATCH
    assert fitting_batch(window_bytes=1e9, free_bytes=1e6) == 1
