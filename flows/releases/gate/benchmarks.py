"""Checks of the gate on benchmarks.

Each is a paired difference over the items that both versions were evaluated on.
"""

from flows.releases.gate.limits import Limits, check_margin, no_verdict
from flows.releases.gate.snapshot import SnapshotView
from lake.benchmarks.results import EvaluationRow, latest_rows, read_predictions
from lake.storage.lake import Lake
from schemas.releases import Check
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
    if not common and _options_of_evaluate(live) == _options_of_evaluate(candidate):
        computed = f"this tonelake computes {candidate.spec.embedding_version} only"
        return [no_verdict(NAME, f"no benchmark has figures of both, and {computed}")]
    if not common:
        return [no_verdict(NAME, f"no benchmark has figures of both; run `{_command(live, candidate)}`")]
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


def _command(live: SnapshotView, candidate: SnapshotView) -> str:
    """Return the command that evaluates both: two commands if their maximum numbers of windows differ."""
    by_option: dict[str, list[str]] = {}
    for encoder, option in map(_options_of_evaluate, (live, candidate)):
        by_option.setdefault(option, []).append(f"--encoder {encoder}")
    return " && ".join(
        f"tonelake evaluate rendered {' '.join(encoders)}{option}" for option, encoders in by_option.items()
    )


def _options_of_evaluate(view: SnapshotView) -> tuple[str, str]:
    """Return what `evaluate` needs for a version: its encoder, and the option for its windows."""
    max_windows = view.spec.backbone.windows.limit
    return view.spec.folder_or_name, f" --max-windows {max_windows}" if max_windows else ""
