"""`tonelake status --prometheus`, read back by Prometheus's own parser."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.operations.prometheus import exposition
from lake.catalogue.runs import RunRecord
from schemas.settings import Settings
from schemas.tables import embeddings_table
from tests.cli import refused, run
from tests.flows.released import released
from tests.lake.rows import SPEC, small_lake

VERSION = {"encoder": SPEC.name, "embedding_version": SPEC.embedding_version}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """12 tracks embedded, one in quarantine, one pending; released; a failed refresh."""
    home = small_lake(str(tmp_path_factory.mktemp("metrics") / "lake"))
    released(home)
    with pytest.raises(OSError, match="gone"), RunRecord(home, "20260102T000000-bbbbbb", "refresh", None, {}):
        raise OSError("gone")
    return home


def samples(text):
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[f"tonelake_{name}", frozenset(labels.items())]


def test_the_identity_the_release_and_the_tables_are_told(home):
    found = samples(exposition(Settings(lake=home.uri)))
    counts = {name: value(found, f"{name}_tracks", **VERSION) for name in ("expected", "embedded", "pending")}
    assert counts == {"expected": 14, "embedded": 12, "pending": 1}
    assert value(found, "quarantined_tracks", **VERSION, reason="silent") == 1
    assert value(found, "live_release", **VERSION) == 1
    assert value(found, "table_rows", table=embeddings_table(SPEC)) == 12
    assert value(found, "table_bytes", table="tracks") > 0
    on_disk = sum(size for (name, _), size in found.items() if name == "tonelake_table_bytes")
    assert on_disk == sum(home.files().du(home.uri_of(name)) for name in home.names())


def test_the_end_of_the_last_run_is_told_by_command_and_by_how_it_ended(home):
    found = samples(exposition(Settings(lake=home.uri)))
    rows = {row["command"]: row for row in home.table("runs").to_table().to_pylist()}
    for command, status in (("index", "done"), ("refresh", "failed")):
        when = value(found, "last_run_timestamp_seconds", command=command, status=status)
        assert when == pytest.approx(rows[command]["finished_at"].timestamp())
    assert (
        "tonelake_last_run_timestamp_seconds",
        frozenset({"command": "refresh", "status": "done"}.items()),
    ) not in found


def test_the_command_prints_it_and_nothing_else(home):
    printed = run("--lake", home.uri, "status", "--prometheus").stdout
    assert samples(printed) == samples(exposition(Settings(lake=home.uri)))
    assert "not both" in refused("--lake", home.uri, "--json", "status", "--prometheus")
    assert "no lake" in refused("--lake", home.uri + "-nowhere", "status", "--prometheus")
