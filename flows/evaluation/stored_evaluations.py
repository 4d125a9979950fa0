"""An evaluation that is in the lake already is not computed again."""

from collections.abc import Callable

import pyarrow as pa

from flows.evaluation.figures import EvaluatedFigure
from lake.benchmarks.results import confirm_evaluation, is_finished, read_evaluation, write_evaluation
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.evaluations import Evaluation, EvaluationKey
from schemas.log import Log

Compute = Callable[[], tuple[Evaluation, pa.Table]]  # returns the figures and the table of predictions behind them


def evaluate_if_new(
    lake: Lake, lease: Lease, key: EvaluationKey, title: str, clips: int, compute: Compute, pending: int, log: Log
) -> list[EvaluatedFigure]:
    """Return the figures of an evaluation; compute and write them unless they are stored."""
    unchanged = is_finished(lake, key.evaluation_id)
    if unchanged:
        log(f"{title}: nothing has changed")
        confirm_evaluation(lake, key.evaluation_id, lease)
    else:
        log(f"{title}: {clips:,} clips ...")
        evaluation, predictions = compute()
        write_evaluation(lake, evaluation, predictions, lease)
    return [EvaluatedFigure(row, unchanged, pending) for row in read_evaluation(lake, key.evaluation_id)]
