"""`tonelake evaluate`: encoders x benchmarks -> figures in the table `evaluations`.

The vectors of a benchmark's clips are in a lake of their corpus. Benchmarks of tempo and key judge descriptions
instead of encoders.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

from flows.console.progress import ProgressReporter, TaskWrapper, run_directly
from flows.evaluation.benchmark_data import LoadedBenchmark, embed_clips, load_benchmark
from flows.evaluation.describe_files import DescribeFiles, describe_files
from flows.evaluation.description_run import DescriptionRun
from flows.evaluation.evaluator import Evaluator
from flows.evaluation.figures import EvaluatedFigure
from flows.evaluation.request import EvaluateRequest
from flows.evaluation.stored_evaluations import evaluate_if_new
from lake.benchmarks.registry import find_benchmark
from lake.catalogue.runs import RunRecord, new_run_id
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseName
from schemas.evaluations import Protocol
from schemas.settings import Settings
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.registry import require_runnable
from workers.evaluation.protocols import find_protocol


def evaluate(
    request: EvaluateRequest,
    settings: Settings,
    new_progress: Callable[[], ProgressReporter] = ProgressReporter,
    task: TaskWrapper = run_directly,
    describe: DescribeFiles = describe_files,
) -> list[EvaluatedFigure]:
    """Evaluate encoders or descriptions on benchmarks; return all figures, with those that earlier runs computed.

    Raises UserError before anything is computed if any part of the request cannot be done.
    """
    declared = [find_benchmark(name) for name in request.benchmarks]
    names = dict.fromkeys(request.encoders or settings.encoders)
    if all(benchmark.judges_descriptions for benchmark in declared):
        names = {}  # no encoder need be runnable
    registrations = [require_runnable(name, settings) for name in names]
    for protocol in request.protocols:
        find_protocol(protocol)  # before a benchmark is fetched or rendered
    benchmarks = [task(load_benchmark)(name, request.data) for name in dict.fromkeys(request.benchmarks)]
    runs: list[_EvaluationRun | DescriptionRun] = []
    for loaded in benchmarks:
        if loaded.benchmark.judges_descriptions:
            runs.append(DescriptionRun(loaded, request, settings, describe))
        else:
            runs += [
                _EvaluationRun(loaded, encoder, *request.choose_protocols(loaded, encoder), request, settings)
                for encoder in registrations
            ]
    return [figure for run in runs for figure in run.evaluate(new_progress(), task)]


@dataclass(frozen=True, slots=True)
class _EvaluationRun:
    """One benchmark for one encoder: a run of the table `runs`.

    `left_out` maps the protocols that do not fit to the reason.
    """

    loaded: LoadedBenchmark
    registration: EncoderRegistration
    protocols: list[Protocol]
    left_out: dict[str, str]
    request: EvaluateRequest
    settings: Settings

    def evaluate(self, progress: ProgressReporter, task: TaskWrapper) -> list[EvaluatedFigure]:
        """Embed the clips that have no vector, then evaluate each protocol."""
        spec = self.registration.spec.with_max_windows(self.request.max_windows)
        settings = self.settings.model_copy(update={"encoder": spec.folder_or_name})
        clips = [clip for clip in self.loaded.clips if any(protocol.uses(clip) for protocol in self.protocols)]
        lake, run_id = Lake.at(settings.lake, settings.s3), new_run_id()
        arguments = asdict(self.request) | {"sources": [self.loaded.benchmark.name]}
        with (
            Lease(lake, LeaseName.EVALUATIONS, run_id, progress.log) as lease,
            RunRecord(lake, run_id, "evaluate", spec, arguments) as record,
        ):
            for name, reason in self.left_out.items():
                progress.log(f"{self.loaded.benchmark.name}, {name}: left out, {reason}")
            report = embed_clips(self.loaded, clips, self.request.max_windows, settings, progress, task)
            figures: list[EvaluatedFigure] = []
            for protocol in self.protocols:
                evaluator = Evaluator(self.loaded, spec, protocol, settings)
                title = f"{self.loaded.benchmark.name}, {protocol.name}"
                compute = partial(task(evaluator.evaluate), run_id)
                figures += evaluate_if_new(
                    *(lake, lease, evaluator.key, title, len(evaluator.clips), compute),
                    pending=report.coverage.pending,
                    log=progress.log,
                )
            record.finish(report.to_json())
        return figures
