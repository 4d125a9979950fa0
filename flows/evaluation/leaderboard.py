"""`tonelake leaderboard`: encoders x metrics, by benchmark and protocol, with published figures beside our own."""

from collections.abc import Sequence

from flows.evaluation.figures import EvaluatedFigure, LeaderboardRow, coverage_text, dropped_text, figure_text
from lake.benchmarks.published import read_published
from lake.benchmarks.registry import find_benchmark
from lake.benchmarks.results import EvaluationRow, latest_rows
from lake.storage.lake import Lake
from schemas.benchmarks import Published
from schemas.errors import UserError
from schemas.evaluations import LOWER_IS_BETTER, Figure
from schemas.redaction import replace_controls
from schemas.settings import Settings
from workers.evaluation.protocols import PROTOCOLS

MAX_LISTED_NAMES = 8


def build_leaderboard(settings: Settings, benchmark: str | None = None) -> list[LeaderboardRow]:
    """Return a row per system, benchmark and protocol, the best by the main metric first.

    Published rows are included for each benchmark and protocol that this lake has evaluated; with `benchmark`, all
    published rows of that benchmark. Raises UserError if the lake has no evaluation and `benchmark` is not given.
    """
    if benchmark:
        find_benchmark(benchmark)
    own_rows = group_by_evaluation(latest_rows(Lake.at(settings.lake, settings.s3), benchmark))
    if not own_rows and not benchmark:
        raise UserError(f"nothing was judged in {settings.lake}: run `tonelake evaluate rendered` first")
    evaluated = {(row.benchmark, row.protocol) for row in own_rows}
    published_rows = [
        row
        for row in _published_rows()
        if row.benchmark == benchmark or (not benchmark and (row.benchmark, row.protocol) in evaluated)
    ]
    return sorted(own_rows + published_rows, key=_order)


def group_by_evaluation(rows: Sequence[EvaluationRow]) -> list[LeaderboardRow]:
    """Convert rows of `evaluations`, one a metric, to one row an evaluation."""
    groups: dict[str, list[EvaluationRow]] = {}
    for row in rows:
        groups.setdefault(row.evaluation_id, []).append(row)
    return [_leaderboard_row(group) for group in groups.values()]


def _leaderboard_row(rows: list[EvaluationRow]) -> LeaderboardRow:
    first = rows[0]
    return LeaderboardRow(
        benchmark=first.benchmark,
        protocol=first.protocol,
        system=first.encoder,
        main_metric=next(row.metric for row in rows if row.is_main),
        figures={row.metric: Figure(row.metric, row.value, row.low, row.high) for row in rows},
        published=False,
        source=first.run_id,
        embedding_version=first.embedding_version,
        how=_how(first),
        evaluation_id=first.evaluation_id,
        corpus=first.corpus,
        split_hash=first.split_hash,
        parameters=first.parameters,
        prompt=first.prompt,
        coverage=first.coverage,
        expected=first.expected,
        embedded=first.embedded,
        partial=first.partial,
        dropped=first.dropped,
        at=first.at,
    )


def _how(row: EvaluationRow) -> str:
    """Return what differs from the usual evaluation: fewer windows, a user's folder, a prompt, features."""
    parts = []
    if row.max_windows:
        parts.append(f"at most {row.max_windows} windows")
    if row.benchmark == "folder":
        parts.append(row.corpus.split("@")[0])
    if row.prompt not in (None, "{}"):
        parts.append(repr(row.prompt))
    if row.inputs == "features":
        parts.append("features")
    return ", ".join(parts)


def _published_rows() -> list[LeaderboardRow]:
    groups: dict[tuple[str, str, str], list[Published]] = {}
    for figure in read_published():
        groups.setdefault((figure.benchmark, figure.protocol, figure.system), []).append(figure)
    return [
        LeaderboardRow(
            benchmark=benchmark,
            protocol=protocol,
            system=system,
            main_metric=group[0].metric,
            figures={figure.metric: Figure(figure.metric, figure.value) for figure in group},
            published=True,
            source=group[0].source,
        )
        for (benchmark, protocol, system), group in groups.items()
    ]


def _order(row: LeaderboardRow) -> tuple[str, int, float]:
    protocols = list(PROTOCOLS)
    index = protocols.index(row.protocol) if row.protocol in protocols else len(protocols)
    value = row.main_figure.value
    return row.benchmark, index, value if row.main_metric in LOWER_IS_BETTER else -value


def show_leaderboard(rows: Sequence[LeaderboardRow]) -> None:
    """Print a table for each benchmark and protocol."""
    groups: dict[tuple[str, str], list[LeaderboardRow]] = {}
    for row in rows:
        groups.setdefault((row.benchmark, row.protocol), []).append(row)
    for (benchmark, protocol), group in groups.items():
        _show_group(f"{benchmark}, {protocol}", group)
    print("Intervals: 95 %, bootstrap over clips or queries. Ranks count from 1. Published: not computed here.")


def _show_group(title: str, rows: list[LeaderboardRow]) -> None:
    """Print the table of one benchmark and protocol, without the columns that are empty."""
    from flows.console.tables import print_table

    metrics = list(dict.fromkeys(metric for row in rows for metric in row.figures))
    columns = ["system", "version", "how", *metrics, "coverage", ""]
    lines = [
        [
            row.system,
            row.embedding_version,
            row.how,
            *(figure_text(row.figures.get(metric), metric == row.main_metric) for metric in metrics),
            coverage_text(row),
            "published" if row.published else "ours",
        ]
        for row in rows
    ]
    shown = [index for index in range(len(columns)) if any(line[index] for line in lines)]
    print_table(title, [columns[index] for index in shown], [[line[index] for index in shown] for line in lines])


def show_figures(figures: Sequence[EvaluatedFigure]) -> None:
    """Print the figures of an evaluation run like the leaderboard, and what they leave out."""
    rows = group_by_evaluation([figure.row for figure in figures])
    show_leaderboard(rows)
    for row in rows:
        if row.dropped:
            line = f"{row.benchmark}, {row.protocol}: no figure counts {dropped_text(row, MAX_LISTED_NAMES)}"
            print(replace_controls(line))


def figures_markdown(figures: Sequence[EvaluatedFigure]) -> str:
    """Return the figures of an evaluation run as Markdown, for Prefect's page."""
    lines = ["| benchmark | protocol | system | figures | coverage |", "|---|---|---|---|---|"]
    for row in group_by_evaluation([figure.row for figure in figures]):
        text = ", ".join(f"{metric} {figure_text(figure)}" for metric, figure in row.figures.items())
        system = f"{row.system} {row.embedding_version}"
        lines.append(f"| {row.benchmark} | {row.protocol} | {system} | {text} | {coverage_text(row)} |")
    return "\n".join(lines)
