"""The gate's table, for the terminal and for Prefect's page."""

from collections.abc import Sequence

from schemas.releases import Check


def check_row(check: Check) -> dict[str, str]:
    """Return a check as a row of texts by column."""
    interval = "" if check.low is None else f" ({check.low:+.3f} to {check.high:+.3f})"
    sign = "+" if interval else ""
    value = "" if check.value is None else f"{check.value:{sign}.3f}{interval}"
    limit = "" if check.limit is None else f"{check.limit:.3f}"
    return {"check": check.name, "": check.verdict, "value": value, "limit": limit, "reason": check.reason}


def gate_markdown(title: str, checks: Sequence[Check]) -> str:
    """Return all checks as Markdown."""
    rows = [check_row(check) for check in checks]
    lines = [f"## {title}", "", "| check | | value | limit | reason |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row.values())} |" for row in rows)])
