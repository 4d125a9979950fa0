"""What benchmarks that both versions were judged by tell of a candidate: paired differences over the same items."""

from typing import Any

from flows.releases.gate.limits import Limits, judged, not_judged
from flows.releases.gate.snapshot import Version
from lake.benchmarks.results import latest, read_items
from lake.storage.lake import Lake
from schemas.releases import Check
from workers.evaluation.predictions import from_table
from workers.evaluation.scoring import compare, incomparable, shared

Row = dict[str, Any]

NAME = "benchmarks"


def benchmark_checks(lake: Lake, before: Version | None, after: Version, limits: Limits) -> list[Check]:
    """A line for each benchmark, protocol and kind of input that the newest evaluations of both answer."""
    if before is None:
        return [not_judged(NAME, "no live release to compare with")]
    if before.spec.embedding_version == after.spec.embedding_version:
        return [not_judged(NAME, "live is of the same version: its figures are the same")]
    rows = [row for row in latest(lake) if row["is_main"]]
    ours, theirs = (_by_question(rows, one.spec.embedding_version) for one in (after, before))
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return [not_judged(NAME, f"none was judged by both; `{_command(before, after)}` judges")]
    return [_check(lake, *_pair(theirs[question], ours[question]), limits) for question in common]


def _by_question(rows: list[Row], embedding_version: str) -> dict[tuple[str, ...], list[Row]]:
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row["embedding_version"] == embedding_version:
            asked = tuple(row[name] for name in ("benchmark", "protocol", "inputs", "corpus", "split_hash"))
            found.setdefault(asked, []).append(row)
    return found


def _pair(theirs: list[Row], ours: list[Row]) -> tuple[Row, Row]:
    """The newest two with the same prompt, else the newest of each: an encoder's own prompt is part of it."""
    alike = [(old, new) for new in ours for old in theirs if old["parameters"] == new["parameters"]]
    return alike[-1] if alike else (theirs[-1], ours[-1])


def _check(lake: Lake, old: Row, new: Row, limits: Limits) -> Check:
    inputs = " on features" if new["inputs"] == "features" else ""
    name = f"{new['benchmark']}, {new['protocol']}{inputs}: {new['metric']}"
    try:
        before, after = (from_table(read_items(lake, row["evaluation_id"])) for row in (old, new))
    except FileNotFoundError:
        return not_judged(name, f"the scores are gone from the lake; `tonelake evaluate {new['benchmark']}` again")
    if obstacle := incomparable(before, after):
        return not_judged(name, obstacle)
    told = f"{new['value']:.3f}, live {old['value']:.3f}, {len(shared(before, after)[0].ids):,} items"
    return judged(name, compare(before, after)[new["metric"]], limits("benchmarks", "margin"), told)


def _command(before: Version, after: Version) -> str:
    """One for both, unless they hear a clip by different numbers of windows."""
    by_chunks: dict[int | None, list[str]] = {}
    for version in (before, after):
        by_chunks.setdefault(version.spec.backbone.windows.limit, []).append(f"--encoder {version.spec.address}")
    told = (
        f"tonelake evaluate rendered {' '.join(encoders)}" + (f" --chunks {chunks}" if chunks else "")
        for chunks, encoders in by_chunks.items()
    )
    return " && ".join(told)
