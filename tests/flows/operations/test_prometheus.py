"""`tonelake status --prometheus`, read back by Prometheus's own parser."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.operations.prometheus import prometheus_text
from lake.catalogue.runs import RunRecord
from schemas.settings import Settings
from schemas.tables import embeddings_table
from tests.cli import error_line, run
from tests.flows.released import publish_release
from tests.lake.rows import SPEC, make_small_lake

VERSION = {"encoder": SPEC.name, "embedding_version": SPEC.embedding_version}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A released lake with 12 tracks embedded, one in quarantine, one pending, and a failed refresh."""
    home = make_small_lake(str(tmp_path_factory.mktemp("metrics") / "lake"))
    publish_release(home)
    with pytest.raises(OSError, match="gone"), RunRecord(home, "20260102T000000-bbbbbb", "refresh", None, {}):
        raise OSError("gone")
    return home


def samples(text):
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(metrics, name, **labels):
    return metrics[f"tonelake_{name}", frozenset(labels.items())]


def test_the_coverage_the_release_and_the_tables_are_metrics(home):
    metrics = samples(prometheus_text(Settings(lake=home.uri)))
    counts = {name: value(metrics, f"{name}_tracks", **VERSION) for name in ("expected", "embedded", "pending")}
    assert counts == {"expected": 14, "embedded": 12, "pending": 1}
    assert value(metrics, "quarantined_tracks", **VERSION, reason="silent") == 1
    assert value(metrics, "live_release", **VERSION) == 1
    assert value(metrics, "table_rows", table=embeddings_table(SPEC)) == 12
    assert value(metrics, "table_bytes", table="tracks") > 0
    on_disk = sum(size for (name, _), size in metrics.items() if name == "tonelake_table_bytes")
    assert on_disk == sum(home.file_system().du(home.table_uri(name)) for name in home.table_names())


def test_the_end_of_the_last_run_has_labels_of_command_and_status(home):
    metrics = samples(prometheus_text(Settings(lake=home.uri)))
    rows = {row["command"]: row for row in home.table("runs").to_table().to_pylist()}
    for command, status in (("index", "done"), ("refresh", "failed")):
        finished_at = value(metrics, "last_run_timestamp_seconds", command=command, status=status)
        assert finished_at == pytest.approx(rows[command]["finished_at"].timestamp())
    assert (
        "tonelake_last_run_timestamp_seconds",
        frozenset({"command": "refresh", "status": "done"}.items()),
    ) not in metrics


def test_the_command_prints_the_metrics_and_nothing_else(home):
    printed = run("--lake", home.uri, "status", "--prometheus").stdout
    assert samples(printed) == samples(prometheus_text(Settings(lake=home.uri)))
    assert "not both" in error_line("--lake", home.uri, "--json", "status", "--prometheus")
    assert "no lake" in error_line("--lake", home.uri + "-nowhere", "status", "--prometheus")
