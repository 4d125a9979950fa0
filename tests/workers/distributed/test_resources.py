"""The number of GPUs that a run reserves."""

from types import SimpleNamespace

import pytest

from schemas.errors import UserError
from schemas.settings import Settings
from workers.distributed import cluster
from workers.distributed.cluster import reserved_resources
from workers.encoders.fake import SPEC


@pytest.mark.parametrize(
    ("available", "wanted", "address", "gpus"),
    [(2, None, None, 2), (2, 1, None, 1), (2, 0, None, 0), (0, 4, "ray://head:10001", 4)],
)
def test_the_setting_or_the_available_gpus(available, wanted, address, gpus, monkeypatch):
    assert reserved_resources((SPEC,), machine_with_gpus(monkeypatch, available, wanted, address))[1] == gpus


def test_more_gpus_than_a_lone_machine_has(monkeypatch):
    with pytest.raises(UserError, match="TONELAKE_GPUS is 4 and this machine has 0"):
        reserved_resources((SPEC,), machine_with_gpus(monkeypatch, 0, 4, None))


def machine_with_gpus(monkeypatch, available, wanted, address):
    monkeypatch.setattr(cluster.ray, "cluster_resources", lambda: {"GPU": float(available)})
    monkeypatch.setattr(cluster, "find_by_spec", lambda _: SimpleNamespace(on_gpu=True))
    return Settings(gpus=wanted).model_copy(update={"ray_address": address})
