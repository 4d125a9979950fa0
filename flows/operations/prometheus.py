"""The state of a lake in Prometheus's text format: `tonelake status --prometheus`.

Made for node_exporter's textfile collector. There is no metric for tracks a second:
deriv(tonelake_embedded_tracks[10m]) computes it.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from flows.operations.status import EncoderStatus, StatusReport, read_status
from lake.catalogue.runs import last_finish_times
from lake.storage.lake import Lake
from schemas.settings import Settings

COVERAGE = {
    "expected": "Tracks that the lake was asked to hold",
    "embedded": "Tracks whose vector is in the lake, at the current version of their file",
    "pending": "Tracks that are still to be embedded",
}
SEARCHABLE = {
    "searchable": "Tracks that search finds: embedded + stale",
    "stale": "Tracks that search finds by an earlier content of their file, or whose file cannot be read now",
}
VERSION = ["encoder", "embedding_version"]


def prometheus_text(settings: Settings) -> str:
    """Return the metrics of a lake in Prometheus's text format. Raises UserError if there is no lake."""
    registry = CollectorRegistry()
    registry.register(_LakeCollector(settings))
    return generate_latest(registry).decode()


class _LakeCollector:
    """The current state of a lake in the form that prometheus_client collects."""

    def __init__(self, settings: Settings) -> None:
        self._status = read_status(settings)
        self._finished = last_finish_times(Lake.at(settings.lake, settings.s3))

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the lake."""
        yield from _coverage_metrics(self._status.encoders)
        yield from _size_metrics(self._status)
        meaning = "Active tracks that may not be played today"
        yield GaugeMetricFamily("tonelake_not_available_tracks", meaning, value=self._status.not_available)
        if live := self._status.live:
            meaning = "Number of the release that readers see"
            gauge = GaugeMetricFamily("tonelake_live_release", meaning, labels=VERSION)
            gauge.add_metric([live.snapshot.encoder, live.snapshot.embedding_version], live.number)
            yield gauge
        gauge = GaugeMetricFamily(
            "tonelake_last_run_timestamp_seconds",
            "Time at which the last run of a command ended with this status, in Unix time",
            labels=["command", "status"],
        )
        for (command, status), finished_at in sorted(self._finished.items()):
            gauge.add_metric([command, status], finished_at.timestamp())
        yield gauge


def _coverage_metrics(encoders: tuple[EncoderStatus, ...]) -> Iterator[Metric]:
    for name, meaning in COVERAGE.items():
        gauge = GaugeMetricFamily(f"tonelake_{name}_tracks", meaning, labels=VERSION)
        for encoder in encoders:
            gauge.add_metric([encoder.encoder, encoder.embedding_version], getattr(encoder.coverage, name))
        yield gauge
    for name, meaning in SEARCHABLE.items():
        gauge = GaugeMetricFamily(f"tonelake_{name}_tracks", meaning, labels=VERSION)
        for encoder in encoders:
            gauge.add_metric([encoder.encoder, encoder.embedding_version], encoder.searchable.to_json()[name])
        yield gauge
    meaning = "Tracks that could not be embedded, by reason"
    gauge = GaugeMetricFamily("tonelake_quarantined_tracks", meaning, labels=[*VERSION, "reason"])
    for encoder in encoders:
        for reason, count in sorted(encoder.coverage.reasons.items()):
            gauge.add_metric([encoder.encoder, encoder.embedding_version, reason], count)
    yield gauge


def _size_metrics(status: StatusReport) -> Iterator[Metric]:
    sizes = sorted(status.all_tables.items())
    rows = GaugeMetricFamily("tonelake_table_rows", "Rows of a table", labels=["table"])
    for name, size in sizes:
        rows.add_metric([name], size.rows)
    yield rows
    meaning = "Bytes of a table's files, old versions included"
    total_bytes = GaugeMetricFamily("tonelake_table_bytes", meaning, labels=["table"])
    for name, size in sizes:
        total_bytes.add_metric([name], size.bytes)
    yield total_bytes
