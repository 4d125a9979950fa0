"""The gate's table, for people and for Prefect's page."""

from collections.abc import Sequence

from schemas.releases import Check


def check_line(check: Check) -> dict[str, str]:
    """A check as a row of text."""
    between = "" if check.low is None else f" ({check.low:+.3f} to {check.high:+.3f})"
    sign = "+" if between else ""
    value = "" if check.value is None else f"{check.value:{sign}.3f}{between}"
    limit = "" if check.limit is None else f"{check.limit:.3f}"
    return {"check": check.name, "": check.verdict, "value": value, "limit": limit, "reason": check.reason}


def gate_markdown(title: str, checks: Sequence[Check]) -> str:
    """All of them."""
    rows = [check_line(check) for check in checks]
    lines = [f"## {title}", "", "| check | | value | limit | reason |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row.values())} |" for row in rows)])
