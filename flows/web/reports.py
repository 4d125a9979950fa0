"""Reports that take long, each made at most once in some seconds, whoever asks."""

from flows.operations.prometheus import prometheus_text
from flows.operations.status import QuarantinedTrack, StatusReport, read_quarantine, read_status
from flows.web.limits import Recent
from lake.storage.lake import Lake
from lake.takedowns.takedowns import TABLE as TAKEDOWNS
from schemas.settings import Settings

_SECONDS, _METRICS_SECONDS = 2.0, 15.0


class Reports:
    """The status, the quarantine and the metrics of a lake."""

    def __init__(self, settings: Settings) -> None:
        lake = Lake.at(settings.lake, settings.s3)

        def takedowns() -> int | None:  # a look into a store costs as much as a report
            return None if "://" in lake.uri else lake.newest_version(TAKEDOWNS)

        self.status: Recent[StatusReport] = Recent(lambda: read_status(settings), _SECONDS, takedowns)
        self.quarantine: Recent[list[QuarantinedTrack]] = Recent(
            lambda: read_quarantine(settings), _SECONDS, takedowns
        )
        self.metrics: Recent[str] = Recent(lambda: prometheus_text(settings), _METRICS_SECONDS)
