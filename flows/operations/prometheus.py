"""A lake's state for Prometheus, as text: `tonelake status --prometheus`, for node_exporter's textfile collector.

Tracks a second are no metric of their own: deriv(tonelake_embedded_tracks[10m]) tells them.
"""

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from flows.search.search import status
from lake.catalogue.runs import last_finished
from lake.storage.lake import Lake
from schemas.settings import Settings

COVERAGE = {
    "expected": "Tracks that the lake was asked to hold",
    "embedded": "Tracks whose vector is in the lake, at the current version of their file",
    "pending": "Tracks that are still to be embedded",
}
VERSION = ["encoder", "embedding_version"]


def exposition(settings: Settings) -> str:
    """Prometheus's text format; UserError where there is no lake."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(settings))
    return generate_latest(registry).decode()


class _Snapshot:
    """The lake as it is now, in the shape that prometheus_client collects."""

    def __init__(self, settings: Settings) -> None:
        self._status = status(settings)
        self._finished = last_finished(Lake.at(settings.lake, settings.s3))

    def collect(self) -> Iterator[Metric]:
        yield from _coverage(self._status["encoders"])
        yield from _sizes(self._status)
        if live := self._status["live"]:
            told = GaugeMetricFamily("tonelake_live_release", "Number of the release that readers see", labels=VERSION)
            told.add_metric([live[name] for name in VERSION], live["release"])
            yield told
        told = GaugeMetricFamily(
            "tonelake_last_run_timestamp_seconds",
            "When the last run of a command ended so, in Unix time",
            labels=["command", "status"],
        )
        for (command, ended), when in sorted(self._finished.items()):
            told.add_metric([command, ended], when.timestamp())
        yield told


def _coverage(encoders: list[dict[str, Any]]) -> Iterator[Metric]:
    for name, meaning in COVERAGE.items():
        told = GaugeMetricFamily(f"tonelake_{name}_tracks", meaning, labels=VERSION)
        for counts in encoders:
            told.add_metric([counts[label] for label in VERSION], counts[name])
        yield told
    told = GaugeMetricFamily(
        "tonelake_quarantined_tracks", "Tracks that could not be embedded, by reason", labels=[*VERSION, "reason"]
    )
    for counts in encoders:
        for reason, number in sorted(counts["reasons"].items()):
            told.add_metric([*(counts[label] for label in VERSION), reason], number)
    yield told


def _sizes(found: dict[str, Any]) -> Iterator[Metric]:
    tables: dict[str, dict[str, int]] = dict(found["tables"])
    for counts in found["encoders"]:
        tables |= counts["tables"]  # versions of one backbone share its features
    for what, meaning in (("rows", "Rows of a table"), ("bytes", "Bytes of a table's files, old versions included")):
        told = GaugeMetricFamily(f"tonelake_table_{what}", meaning, labels=["table"])
        for name, size in sorted(tables.items()):
            told.add_metric([name], size[what])
        yield told
