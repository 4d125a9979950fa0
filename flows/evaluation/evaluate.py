"""Judges encoder versions on benchmarks: clips -> vectors in a lake of their own -> figures in `evaluations`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from flows.console.progress import Watch
from flows.evaluation.benchmark_data import Subject, embed_clips, subject
from flows.evaluation.evaluator import Judge
from flows.ingest.index import Step
from lake.benchmarks.results import confirm, evaluation_rows, is_known, write
from lake.catalogue.runs import RunRecord, new_run_id
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.evaluations import Protocol
from schemas.settings import Settings
from workers.encoders.base.registration import Entry
from workers.encoders.registry import runnable
from workers.evaluation.protocols import DEFAULT, obstacle, protocol

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """Benchmarks by name; `protocols` empty means all that fit. `chunks` is the most windows a clip is heard by."""

    benchmarks: tuple[str, ...]
    data: str | None = None
    encoders: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    chunks: int | None = None
    prompt: str | None = None
    inputs: str = "vectors"

    def chosen(self, found: Subject, entry: Entry) -> list[Protocol]:
        """The protocols that fit; UserError where one that was named does not, or none does."""
        prompt = entry.spec.prompt if self.prompt is None else self.prompt
        asked = [protocol(name, prompt, self.inputs) for name in dict.fromkeys(self.protocols or DEFAULT)]
        reasons = {
            one.name: obstacle(one, found.benchmark.task, found.clips, entry.load_text is not None) for one in asked
        }
        fitting = [one for one in asked if not reasons[one.name]]
        if (self.protocols and len(fitting) < len(asked)) or not fitting:
            name, reason = next((name, reason) for name, reason in reasons.items() if reason)
            raise UserError(f"cannot judge {entry.spec.name} on {found.benchmark.name} by {name}: {reason}")
        return fitting


def evaluate(
    request: EvaluateRequest, settings: Settings, watch: Callable[[], Watch] = Watch, step: Step = lambda do: do
) -> list[Row]:
    """Rows of `evaluations`, those that were known already included: `unchanged` says which, `pending` how many clips
    are still to be embedded by another run.

    Everything that can be refused is refused before anything is computed.
    """
    entries = [runnable(name, settings) for name in dict.fromkeys(request.encoders or settings.encoders)]
    found = [step(subject)(name, request.data) for name in dict.fromkeys(request.benchmarks)]
    work = [(one, entry, request.chosen(one, entry)) for one in found for entry in entries]
    rows: list[Row] = []
    for one, entry, protocols in work:
        rows += _judged(one, entry, protocols, request, settings, watch, step)
    return rows


def _judged(
    one: Subject,
    entry: Entry,
    protocols: list[Protocol],
    request: EvaluateRequest,
    settings: Settings,
    watch: Callable[[], Watch],
    step: Step,
) -> list[Row]:
    """One benchmark for one encoder: a run."""
    spec = entry.spec.limited(request.chunks)
    lake, run_id, seen = Lake.at(settings.lake, settings.s3), new_run_id(), watch()
    own = settings.model_copy(update={"encoder": spec.address})
    clips = [clip for clip in one.clips if any(chosen.uses(clip) for chosen in protocols)]
    with (
        Lease(lake, "evaluations", run_id, seen.say) as lease,
        RunRecord(lake, run_id, "evaluate", spec, asdict(request) | {"sources": [one.benchmark.name]}) as record,
    ):
        report = embed_clips(one, clips, request.chunks, own, seen, step)
        rows: list[Row] = []
        for chosen in protocols:
            judge = Judge(one, spec, chosen, own)
            if unchanged := is_known(lake, judge.key.evaluation_id):
                seen.say(f"{one.benchmark.name}, {chosen.name}: nothing has changed")
                confirm(lake, judge.key.evaluation_id, lease)
            else:
                seen.say(f"{one.benchmark.name}, {chosen.name}: {len(judge.clips):,} clips ...")
                evaluation, items = step(judge.judged)(run_id)
                write(lake, evaluation, items, lease)
            about = {"unchanged": unchanged, "pending": report.pending}
            rows += [row | about for row in evaluation_rows(lake, judge.key.evaluation_id)]
        record.done(asdict(report))
    return rows
