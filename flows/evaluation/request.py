"""The request of `tonelake evaluate`: what to judge, and by which protocols."""

from dataclasses import dataclass

from flows.evaluation.benchmark_data import LoadedBenchmark
from schemas.errors import UserError
from schemas.evaluations import Protocol
from workers.encoders.base.registration import EncoderRegistration
from workers.evaluation.protocols import DEFAULT_PROTOCOLS, find_protocol, incompatibility_reason


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """What to evaluate: benchmarks, encoders and protocols by name.

    No `encoders`: those of the settings. No `protocols`: all that fit. `max_windows` is per clip; None: all.
    """

    benchmarks: tuple[str, ...]
    data: str | None = None
    encoders: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    max_windows: int | None = None
    prompt: str | None = None
    inputs: str = "vectors"

    def choose_protocols(
        self, loaded: LoadedBenchmark, registration: EncoderRegistration
    ) -> tuple[list[Protocol], dict[str, str]]:
        """Return the protocols that fit, and by name why the others do not.

        Raises UserError if a named one does not fit, or none does.
        """
        prompt = registration.spec.prompt if self.prompt is None else self.prompt
        names = dict.fromkeys(self.protocols or DEFAULT_PROTOCOLS)
        protocols = [find_protocol(name, prompt, self.inputs) for name in names]
        has_text = registration.load_text is not None
        reasons = {
            protocol.name: reason
            for protocol in protocols
            if (reason := incompatibility_reason(protocol, loaded.benchmark.task, loaded.clips, has_text))
        }
        fitting = [protocol for protocol in protocols if protocol.name not in reasons]
        if (self.protocols and reasons) or not fitting:
            name, reason = next(iter(reasons.items()))
            raise UserError(f"cannot judge {registration.spec.name} on {loaded.benchmark.name} by {name}: {reason}")
        return fitting, reasons
