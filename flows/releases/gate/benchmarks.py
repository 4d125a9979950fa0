"""Checks of the gate on benchmarks.

Each is a paired difference over the items that both versions were evaluated on.
"""

from flows.releases.gate.limits import Limits, check_margin, no_verdict
from flows.releases.gate.snapshot import SnapshotView
from lake.benchmarks.results import EvaluationRow, latest_rows, read_predictions
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.releases import Check
from workers.encoders.registry import find_by_spec, matches_version
from workers.evaluation.predictions import from_table
from workers.evaluation.scoring import compare, incomparability_reason, restrict_to_shared

NAME = "benchmarks"

Question = tuple[str, ...]  # benchmark, protocol, inputs, corpus, split_hash


def benchmark_checks(lake: Lake, live: SnapshotView | None, candidate: SnapshotView, limits: Limits) -> list[Check]:
    """Return a check for each benchmark, protocol and kind of input.

    It compares the newest evaluations of both versions.
    """
    if live is None:
        return [no_verdict(NAME, "no live release to compare with")]
    if live.spec.embedding_version == candidate.spec.embedding_version:
        return [no_verdict(NAME, "live is of the same version: its figures are the same")]
    rows = [row for row in latest_rows(lake) if row.is_main]
    old_rows = _by_question(rows, live.spec.embedding_version)
    new_rows = _by_question(rows, candidate.spec.embedding_version)
    common = sorted(old_rows.keys() & new_rows.keys())
    if not common:
        return [no_verdict(NAME, f"no benchmark has figures of both; {advise([live.spec, candidate.spec])}")]
    return [_check(lake, *_newest_pair(old_rows[question], new_rows[question]), limits) for question in common]


def _by_question(rows: list[EvaluationRow], embedding_version: str) -> dict[Question, list[EvaluationRow]]:
    groups: dict[Question, list[EvaluationRow]] = {}
    for row in rows:
        if row.embedding_version == embedding_version:
            question = (row.benchmark, row.protocol, row.inputs, row.corpus, row.split_hash)
            groups.setdefault(question, []).append(row)
    return groups


def _newest_pair(old_rows: list[EvaluationRow], new_rows: list[EvaluationRow]) -> tuple[EvaluationRow, EvaluationRow]:
    """Return the newest two with the same prompt, else the newest of each.

    Two encoders may each have a prompt of their own, which is part of the encoder.
    """
    same_prompt = [(old, new) for new in new_rows for old in old_rows if old.parameters == new.parameters]
    return same_prompt[-1] if same_prompt else (old_rows[-1], new_rows[-1])


def _check(lake: Lake, old: EvaluationRow, new: EvaluationRow, limits: Limits) -> Check:
    inputs = " on features" if new.inputs == "features" else ""
    name = f"{new.benchmark}, {new.protocol}{inputs}: {new.metric}"
    try:
        before = from_table(read_predictions(lake, old.evaluation_id))
        after = from_table(read_predictions(lake, new.evaluation_id))
    except FileNotFoundError:
        message = f"the predictions are missing from the lake; run `tonelake evaluate {new.benchmark}` again"
        return no_verdict(name, message)
    if reason := incomparability_reason(before, after):
        return no_verdict(name, reason)
    items = len(restrict_to_shared(before, after)[0].ids)
    figures = f"{new.value:.3f}, live {old.value:.3f}, {items:,} items"
    return check_margin(name, compare(before, after)[new.metric], limits.number("benchmarks", "margin"), figures)


def advise(specs: list[EncoderSpec]) -> str:
    """Return how to evaluate the versions.

    That is a command for those that this tonelake computes, and the names of the others.
    """
    here = [spec for spec in specs if _is_computed_here(spec)]
    elsewhere = [spec.embedding_version for spec in specs if spec not in here]
    advice = [f"run `{_command(here)}`"] if here else []
    if elsewhere:
        advice.append(f"only the tonelake that computed {' and '.join(elsewhere)} can evaluate it")
    return "; ".join(advice)


def _is_computed_here(spec: EncoderSpec) -> bool:
    try:
        return matches_version(find_by_spec(spec), spec)
    except UserError:  # a folder that is not here
        return False


def _command(specs: list[EncoderSpec]) -> str:
    """Return the command that evaluates these: several if their maximum numbers of windows differ."""
    by_max_windows: dict[int | None, list[str]] = {}
    for spec in specs:
        by_max_windows.setdefault(spec.backbone.windows.limit, []).append(f"--encoder {spec.folder_or_name}")
    commands = []
    for max_windows, encoders in by_max_windows.items():
        option = f" --max-windows {max_windows}" if max_windows else ""
        commands.append(f"tonelake evaluate rendered {' '.join(encoders)}{option}")
    return " && ".join(commands)
