"""The cost before and after a run: reserved seconds, price by the settings, basis of the estimate."""

from dataclasses import asdict

import pytest

from flows.ingest.cost import Cost, price_of
from flows.ingest.dry_run import START_SECONDS, estimates
from flows.ingest.report import IndexRequest, cost_line
from lake.catalogue.runs import RunRecord
from lake.storage.lake import Lake
from schemas.settings import S3Settings, Settings
from tests.cli import run_here
from workers.encoders.fake import SPEC

PRICES = {"price_core_hour": 0.05, "price_gpu_hour": 2.0, "currency": "EUR"}


def settings(uri="", **named):
    return Settings(lake=str(uri), encoder="fake", cpus=4, **named)


def record_run(uri, run_id, names=("fake",), wall=100.0, audio=8000.0):
    """Write the row of a run that reserved eight cores and a GPU."""
    cost = Cost.of(names, wall, (8, 1), 0, settings(uri))
    with RunRecord(Lake.at(str(uri), S3Settings()), run_id, "index", SPEC, {}) as record:
        record.finish(asdict(cost) | {"run_id": run_id, "audio_seconds": audio})


def test_the_price_is_hours_times_prices_and_unknown_without_a_price():
    assert price_of(7200, 1800, settings(**PRICES)) == pytest.approx(0.1 + 1.0)
    assert price_of(7200, 0, settings(price_core_hour=0.05)) == pytest.approx(0.1)
    assert price_of(7200, 1800, settings(price_core_hour=0.05)) is None
    assert price_of(7200, 0, settings()) is None
    assert price_of(0, 0, settings()) is None
    assert price_of(0, 0, settings(**PRICES)) == 0
    assert price_of(7200, None, settings(**PRICES)) is None


def test_encoders_of_one_run_share_its_cost():
    cost = Cost.of(("a", "b"), 60.0, (8, 1), 2_500_000, settings(**PRICES))
    assert (cost.wall_seconds, cost.core_seconds, cost.gpu_seconds) == (60, 240, 30)
    assert cost.cost == pytest.approx(240 / 3600 * 0.05 + 30 / 3600 * 2, abs=1e-4)
    line = "240 core seconds, 30 gpu seconds, 2.5 MB written, 0.02 EUR (its share of one run of a and b)"
    assert cost_line(cost) == line


def test_without_prices_no_sum_is_printed(rendered, tmp_path):
    for expected in (6, 0):
        output = run_here("--lake", tmp_path, "--encoder", "fake", "index", rendered / "manifest.csv").stdout
        assert f"embedded now {expected}" in output
        assert "no price set: TONELAKE_PRICE_CORE_HOUR" in output
    output = run_here("--lake", tmp_path, "--encoder", "fake", "refresh", "--dry-run").stdout
    assert "0 core seconds" in output
    assert "no price set" in output


def test_before_a_run_the_basis_is_the_registered_pace(rendered, tmp_path):
    predicted = estimates(IndexRequest((str(rendered),)), settings(tmp_path, **PRICES), print)[0].cost
    seconds = START_SECONDS + predicted.estimated_audio_seconds / (600 * 4)
    assert predicted.estimated_seconds == pytest.approx(seconds, abs=0.1)
    assert (predicted.core_seconds, predicted.gpu_seconds) == (pytest.approx(4 * seconds, abs=0.1), 0)
    assert predicted.cost == pytest.approx(4 * seconds / 3600 * 0.05, abs=1e-4)
    assert predicted.basis.startswith("600 x real time on each of 4 cores, not measured")
    assert not (tmp_path / "runs.lance").exists()


def test_after_a_run_the_basis_is_that_run_but_never_a_run_of_several_encoders(rendered, tmp_path):
    request = IndexRequest((str(rendered),))
    record_run(tmp_path, "1-joint", names=("fake", "musicnn"))
    assert "not measured" in estimates(request, settings(tmp_path), print)[0].cost.basis
    record_run(tmp_path, "2-alone")
    record_run(tmp_path, "3-joint", names=("fake", "musicnn"), wall=900.0)
    record_run(tmp_path, "4-short", wall=5.0)
    predicted = estimates(request, settings(tmp_path, **PRICES), print)[0].cost
    assert predicted.basis.startswith("measured by run 2-alone of this lake")
    seconds = START_SECONDS + predicted.estimated_audio_seconds / 80
    assert predicted.estimated_seconds == pytest.approx(seconds, abs=0.1)
    assert predicted.core_seconds == pytest.approx(8 * seconds, abs=0.2)
    assert predicted.gpu_seconds == pytest.approx(seconds, abs=0.1)
    assert predicted.cost == pytest.approx(8 * seconds / 3600 * 0.05 + seconds / 3600 * 2, abs=1e-3)
