"""The bill before and after: seconds that were held, money at the settings' prices, the basis that is told."""

from dataclasses import asdict

import pytest

from flows.console.tables import bill_line
from flows.ingest.cost import Bill, money
from flows.ingest.dry_run import START_SECONDS, estimate
from flows.ingest.report import IndexRequest
from lake.catalogue.runs import RunRecord
from lake.storage.lake import Lake
from schemas.settings import S3Settings, Settings
from workers.encoders.fake import SPEC

PRICES = {"price_core_hour": 0.05, "price_gpu_hour": 2.0, "currency": "EUR"}


def settings(uri="", **named):
    return Settings(lake=str(uri), encoder="fake", cpus=4, **named)


def ran(uri, run_id, names=("fake",), wall=100.0, audio=8000.0):
    """The row of a run that held eight cores and a GPU."""
    bill = Bill.of(names, wall, (8, 1), 0, settings(uri))
    with RunRecord(Lake.at(str(uri), S3Settings()), run_id, "index", SPEC, {}) as record:
        record.done(asdict(bill) | {"run_id": run_id, "audio_seconds": audio})


def test_money_is_hours_times_prices_and_untold_where_a_price_is():
    assert money(7200, 1800, settings(**PRICES)) == pytest.approx(0.1 + 1.0)
    assert money(7200, 0, settings(price_core_hour=0.05)) == pytest.approx(0.1)
    assert money(7200, 1800, settings(price_core_hour=0.05)) is None
    assert money(7200, 0, settings()) is None
    assert money(0, 0, settings()) == 0
    assert money(7200, None, settings(**PRICES)) is None


def test_encoders_that_are_heard_together_share_what_was_held():
    bill = Bill.of(("a", "b"), 60.0, (8, 1), 2_500_000, settings(**PRICES))
    assert (bill.wall_seconds, bill.core_seconds, bill.gpu_seconds) == (60, 240, 30)
    assert bill.money == pytest.approx(240 / 3600 * 0.05 + 30 / 3600 * 2, abs=1e-4)
    told = "240 core seconds, 30 gpu seconds, 2.5 MB written, 0.02 EUR (a share of a and b together)"
    assert bill_line(asdict(bill)) == told


def test_before_a_run_the_basis_is_the_encoders_figure(rendered, tmp_path):
    told = estimate(IndexRequest((str(rendered),)), settings(tmp_path, **PRICES))
    seconds = START_SECONDS + told["estimated_audio_seconds"] / (600 * 4)
    assert told["estimated_seconds"] == pytest.approx(seconds, abs=0.1)
    assert (told["core_seconds"], told["gpu_seconds"]) == (pytest.approx(4 * seconds, abs=0.1), 0)
    assert told["money"] == pytest.approx(4 * seconds / 3600 * 0.05, abs=1e-4)
    assert told["basis"].startswith("600 x real time on each of 4 cores, not measured")
    assert not (tmp_path / "runs.lance").exists()


def test_after_a_run_it_is_what_that_run_took_but_never_a_run_of_several_encoders(rendered, tmp_path):
    request = IndexRequest((str(rendered),))
    ran(tmp_path, "1-joint", names=("fake", "musicnn"))
    assert "not measured" in estimate(request, settings(tmp_path))["basis"]
    ran(tmp_path, "2-alone")
    ran(tmp_path, "3-joint", names=("fake", "musicnn"), wall=900.0)
    ran(tmp_path, "4-short", wall=5.0)
    told = estimate(request, settings(tmp_path, **PRICES))
    assert told["basis"].startswith("measured by run 2-alone of this lake")
    seconds = START_SECONDS + told["estimated_audio_seconds"] / 80
    assert told["estimated_seconds"] == pytest.approx(seconds, abs=0.1)
    assert told["core_seconds"] == pytest.approx(8 * seconds, abs=0.2)
    assert told["gpu_seconds"] == pytest.approx(seconds, abs=0.1)
    assert told["money"] == pytest.approx(8 * seconds / 3600 * 0.05 + seconds / 3600 * 2, abs=1e-3)
