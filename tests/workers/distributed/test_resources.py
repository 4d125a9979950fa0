"""How many GPUs a run asks Ray for."""

from types import SimpleNamespace

import pytest

from schemas.errors import UserError
from schemas.settings import Settings
from workers.distributed import cluster as stages
from workers.distributed.cluster import held
from workers.encoders.fake import SPEC


@pytest.mark.parametrize(
    ("there", "asked", "address", "gpus"),
    [(2, None, None, 2), (2, 1, None, 1), (2, 0, None, 0), (0, 4, "ray://head:10001", 4)],
)
def test_those_there_are_or_those_that_a_cluster_grows_to(there, asked, address, gpus, monkeypatch):
    assert held((SPEC,), on_a_machine(monkeypatch, there, asked, address))[1] == gpus


def test_those_that_will_never_be_there_are_not_waited_for(monkeypatch):
    with pytest.raises(UserError, match="TONELAKE_GPUS is 4 and this machine has 0"):
        held((SPEC,), on_a_machine(monkeypatch, 0, 4, None))


def on_a_machine(monkeypatch, there, asked, address):
    monkeypatch.setattr(stages.ray, "cluster_resources", lambda: {"GPU": float(there)})
    monkeypatch.setattr(stages, "entry_of", lambda _: SimpleNamespace(on_gpu=True))
    return Settings(gpus=asked).model_copy(update={"ray_address": address})
