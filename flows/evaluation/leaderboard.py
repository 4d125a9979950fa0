"""Encoders x metrics, by benchmark and protocol, with published figures beside ours and marked as such."""

from typing import Any

from lake.benchmarks.published import published
from lake.benchmarks.registry import benchmark as known
from lake.benchmarks.results import latest
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.evaluations import LOWER_IS_BETTER
from schemas.redaction import printable
from schemas.settings import Settings
from workers.evaluation.protocols import PROTOCOLS

Row = dict[str, Any]

_SHOWN = ("metric", "value", "low", "high")


def leaderboard(settings: Settings, benchmark: str | None = None) -> list[Row]:
    """One row a system, benchmark and protocol, the best by its main metric first.

    `figures` maps a metric to value, low and high (None for published ones). `published` rows stand beside ours
    where we judged that benchmark; with `benchmark` named, all of its published rows.
    """
    if benchmark:
        known(benchmark)
    ours = boards(latest(Lake.at(settings.lake, settings.s3), benchmark))
    if not ours and not benchmark:
        raise UserError(f"nothing was judged in {settings.lake}: run `tonelake evaluate rendered` first")
    judged = {(row["benchmark"], row["protocol"]) for row in ours}
    theirs = [
        row
        for row in _published()
        if row["benchmark"] == benchmark or (not benchmark and (row["benchmark"], row["protocol"]) in judged)
    ]
    return sorted(ours + theirs, key=_order)


def boards(rows: list[Row]) -> list[Row]:
    """Rows of `evaluations`, one a metric -> one row an evaluation."""
    found: dict[str, Row] = {}
    for row in rows:
        board = found.setdefault(
            row["evaluation_id"],
            {name: row[name] for name in ("evaluation_id", "benchmark", "protocol", "embedding_version")}
            | {name: row[name] for name in ("parameters", "corpus", "split_hash", "prompt")}
            | {"system": row["encoder"], "how": _how(row), "figures": {}, "published": False, "source": row["run_id"]}
            | {name: row[name] for name in ("coverage", "expected", "embedded", "partial", "dropped", "at")},
        )
        board["figures"][row["metric"]] = {name: row[name] for name in _SHOWN[1:]}
        if row["is_main"]:
            board["main_metric"] = row["metric"]
        if "unchanged" in row:
            board["unchanged"] = row["unchanged"]
    return list(found.values())


def show_leaderboard(rows: list[Row]) -> None:
    """Prints a table a benchmark and protocol."""
    from flows.console.tables import show

    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["benchmark"], row["protocol"]), []).append(row)
    for (name, protocol), members in groups.items():
        metrics = list(dict.fromkeys(metric for row in members for metric in row["figures"]))
        lines = [
            [row["system"], row["embedding_version"], row["how"]]
            + [figure_text(row["figures"].get(metric), metric == row["main_metric"]) for metric in metrics]
            + [coverage_text(row), "published" if row["published"] else "ours"]
            for row in members
        ]
        columns = ["system", "version", "how", *metrics, "coverage", ""]
        said = [place for place in range(len(columns)) if any(line[place] for line in lines)]
        show(f"{name}, {protocol}", [columns[at] for at in said], [[line[at] for at in said] for line in lines])
    print("Intervals: 95 %, bootstrap over clips or queries. Ranks count from 1. Published: not computed here.")


def show_figures(rows: list[Row]) -> None:
    """What `evaluate` found, as the leaderboard shows it."""
    show_leaderboard(boards(rows))
    for row in boards(rows):
        if row["dropped"]:
            told = ", ".join(row["dropped"][:8]) + (" ..." if len(row["dropped"]) > 8 else "")
            what = "queries" if row["protocol"].endswith("retrieval") else "classes"
            line = f"{row['benchmark']}, {row['protocol']}: no figure counts {len(row['dropped'])} {what}: {told}"
            print(printable(line))


def figures_markdown(rows: list[Row]) -> str:
    """The figures of a run, for Prefect's page."""
    lines = ["| benchmark | protocol | system | figures | coverage |", "|---|---|---|---|---|"]
    for row in boards(rows):
        told = ", ".join(f"{name} {figure_text(figure)}" for name, figure in row["figures"].items())
        system = f"{row['system']} {row['embedding_version']}"
        lines.append(f"| {row['benchmark']} | {row['protocol']} | {system} | {told} | {coverage_text(row)} |")
    return "\n".join(lines)


def coverage_text(row: Row) -> str:
    """The share of clips that were judged; partial under 99 %."""
    if row["published"]:
        return ""
    text = f"{row['embedded']:,} of {row['expected']:,}"
    return f"{text}: partial, worst split {row['coverage']:.1%}" if row["partial"] else text


def figure_text(figure: Row | None, with_interval: bool = True) -> str:
    """A value, with its interval if it has one."""
    if figure is None:
        return ""
    text = f"{figure['value']:.3f}" if abs(figure["value"]) < 10 else f"{figure['value']:.1f}"
    if not with_interval or figure["low"] is None:
        return text
    digits = 3 if abs(figure["value"]) < 10 else 1
    return f"{text} ({figure['low']:.{digits}f}-{figure['high']:.{digits}f})"


def _how(row: Row) -> str:
    """What is not the usual way: chunks, a prompt, features; and which folder of one's own it was."""
    parts = [f"{row['chunks']} chunk{'s' if row['chunks'] > 1 else ''}"] if row["chunks"] else []
    parts += [row["corpus"].split("@")[0]] if row["benchmark"] == "folder" else []
    parts += [repr(row["prompt"])] if row["prompt"] not in (None, "{}") else []
    return ", ".join(parts + (["features"] if row["inputs"] == "features" else []))


def _published() -> list[Row]:
    rows: dict[tuple[str, str, str], Row] = {}
    for one in published():
        row = rows.setdefault(
            (one.benchmark, one.protocol, one.system),
            {"evaluation_id": None, "benchmark": one.benchmark, "protocol": one.protocol, "embedding_version": ""}
            | {"system": one.system, "how": "", "figures": {}, "published": True, "source": one.source}
            | {"coverage": None, "expected": None, "embedded": None, "partial": False, "dropped": [], "at": None}
            | {"parameters": None, "corpus": None, "split_hash": None, "prompt": None},
        )
        row["figures"][one.metric] = {"value": one.value, "low": None, "high": None}
        row.setdefault("main_metric", one.metric)
    return list(rows.values())


def _order(row: Row) -> tuple[str, int, float]:
    protocols = list(PROTOCOLS)
    place = protocols.index(row["protocol"]) if row["protocol"] in protocols else len(protocols)
    value = row["figures"][row["main_metric"]]["value"]
    return row["benchmark"], place, value if row["main_metric"] in LOWER_IS_BETTER else -value
