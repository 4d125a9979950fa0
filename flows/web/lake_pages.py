"""The pages of the lake itself: state, quarantine, releases, evaluations. They work without JavaScript."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from flows.evaluation.figures import LeaderboardRow
from flows.evaluation.leaderboard import build_leaderboard
from flows.operations.status import QuarantinedTrack
from flows.web.dependencies import ReportsOf, RulesOf, SettingsOf
from flows.web.limits import AdmitQuery
from flows.web.paths import hide_paths
from flows.web.reasons import MEANINGS, Step, next_step
from flows.web.rendering import render_page
from flows.web.run_rows import RunRow
from lake.catalogue.runs import list_runs
from lake.releases.releases import list_releases
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.settings import Settings

router = APIRouter(include_in_schema=False, dependencies=[AdmitQuery])
_RUNS = 12
_ROWS_PER_REASON = 200


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """A reason for quarantine, and the first of its tracks."""

    name: str
    tracks: int
    rows: tuple["QuarantineRow", ...] = ()

    @property
    def meaning(self) -> str:
        return MEANINGS.get(self.name, "")

    @property
    def step(self) -> Step:
        return next_step(self.name)


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A track in quarantine.

    `name` is its path, or beyond this machine the name of its file.
    """

    track_id: str
    name: str
    message: str
    attempts: int


@router.get("/status")
def show_status(settings: SettingsOf, rules: RulesOf, reports: ReportsOf) -> HTMLResponse:
    """Show the coverage of every encoder version, the quarantine, runs and releases."""
    report = reports.status.get()
    reasons: Counter[str] = Counter()
    for encoder in report.encoders:
        reasons |= Counter(encoder.coverage.reasons)  # a file fails for every encoder: the most, not the sum
    shown = report.live.snapshot.embedding_version if report.live else None
    return render_page(
        "status.html",
        "/status",
        lake="" if rules.is_remote else report.lake,
        live=report.live,
        encoders=sorted(report.encoders, key=lambda encoder: encoder.embedding_version != shown),
        not_available=report.not_available,
        reasons=[ReasonRow(name, count) for name, count in reasons.most_common()],
        runs=list(map(RunRow.of, list_runs(Lake.at(settings.lake, settings.s3))[:_RUNS])),
        groups=_leaderboard(settings),
        tables=dict(sorted(report.all_tables.items())),
    )


@router.get("/quarantine")
def show_quarantine(rules: RulesOf, reports: ReportsOf, reason: str | None = None) -> HTMLResponse:
    """Show the tracks in quarantine by reason, with what to do."""
    rows = reports.quarantine.get()
    counts = Counter(row.reason for row in rows)
    names = [name for name, _ in counts.most_common() if reason in (None, name)]
    groups = [ReasonRow(name, counts[name], _first_rows(rows, name, rules.is_remote)) for name in names]
    return render_page("quarantine.html", "/status", total=len(rows), groups=groups, reason=reason)


def _first_rows(rows: list[QuarantinedTrack], reason: str, is_remote: bool) -> tuple[QuarantineRow, ...]:
    chosen = [row for row in rows if row.reason == reason][:_ROWS_PER_REASON]
    return tuple(
        QuarantineRow(
            row.track_id,
            row.uri.rsplit("/", 1)[-1] if is_remote else row.uri,
            hide_paths(row.message, [row.uri]) if is_remote else row.message,
            row.attempts,
        )
        for row in chosen
    )


@router.get("/releases")
def show_releases(settings: SettingsOf) -> HTMLResponse:
    """Show the releases, the live one first, with the checks of the gate."""
    lake = Lake.at(settings.lake, settings.s3)
    return render_page("releases.html", "/status", releases=list_releases(lake)[::-1])


@router.get("/evaluations")
def show_evaluations(settings: SettingsOf) -> HTMLResponse:
    """Show the leaderboard: every system by benchmark and protocol."""
    return render_page("evaluations.html", "/status", groups=_leaderboard(settings))


def _leaderboard(settings: Settings) -> dict[str, list[LeaderboardRow]]:
    """Return the rows of the leaderboard by benchmark and protocol; none if nothing was evaluated."""
    groups: dict[str, list[LeaderboardRow]] = {}
    with suppress(UserError):
        for row in build_leaderboard(settings):
            groups.setdefault(f"{row.benchmark}, {row.protocol}", []).append(row)
    return groups
