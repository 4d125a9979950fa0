"""Run a history: its steps, the checks after each, and the clean end."""

import contextlib
import fcntl
import hashlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

from flows.console.error_messages import error_message
from flows.operations.doctor import examine_lakes
from flows.operations.status import read_status
from schemas.errors import UserError
from tests.seaweed import BUCKET
from tests.simulation.changes import Changes
from tests.simulation.clock import SimulatedClock
from tests.simulation.commands import Commands, without_ray
from tests.simulation.faults import Killed
from tests.simulation.history import Step, draw_history
from tests.simulation.interception import Interception
from tests.simulation.map_checks import live_tracks, missing_tracks
from tests.simulation.model import KNOWN_SPECS, Blocked, ShadowModel, Violated, count_coverage, require
from tests.simulation.processes import Scheduler, SimulatedProcess
from tests.simulation.reader import Observation, PlainReader, to_text
from tests.simulation.sounds import known_heads
from tests.simulation.sources import Sources
from tests.simulation.store import SimulatedStore

WORK = Path("/dev/shm/tonelake-simulation")
_LEFT_BY_FAULTS = set("complete orphan lease run table takedown vanished release items description".split())
_DAMAGEABLE = tuple("embeddings__ windows__ features__ map__ tracks runs quarantine audio_facts descriptions".split())
_VOLATILE = {"run_id", "at", "added_at", "last_seen", "last_listed_at", "created_at", "started_at", "finished_at"}
_VOLATILE |= {"counts", "published_at", "begun_at", "done_at", "host", "confirmed_at", "lance_version", "gate"}


@dataclass
class HistoryResult:
    """What a history did: a line for each step, counts, the final state's hash, and what was violated."""

    seed: int
    history: list[Step]
    lines: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    digest: str = ""
    failure: str = ""


def run_seed(seed: int, work: Path = WORK, store: SimulatedStore | None = None) -> HistoryResult:
    """Run the history of a seed."""
    return run_history(seed, draw_history(seed), work, store)


def run_history(
    seed: int, history: list[Step], work: Path = WORK, store: SimulatedStore | None = None
) -> HistoryResult:
    """Run steps in a new lake, in the store if there is one. A violation ends the run and stands in the result."""
    result = HistoryResult(seed, history)
    with _folder(work, seed) as root, contextlib.redirect_stderr(io.StringIO()):
        run = _Run(root, result, store)
        with run.interception.installed(seed), without_ray(with_vector_index=seed % 4 == 1), known_heads():
            try:
                for step in history:
                    run.take(step)
                run.end_storm()
                result.digest = run.digest()
            except Violated as violation:
                result.failure = str(violation)
            except Exception as error:  # a check that fails itself: the other seeds go on
                result.failure = f"a check ended with {type(error).__name__}: {error}"
    return result


@contextlib.contextmanager
def _folder(work: Path, seed: int) -> Iterator[Path]:
    """Give the seed its folder, always of the same name: ids of tracks depend on it."""
    work.mkdir(parents=True, exist_ok=True)
    root = work / str(seed)
    with (work / f"{seed}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        try:
            yield root
        finally:
            shutil.rmtree(root, ignore_errors=True)  # the lock's file stays: a removed one lets two in


class _Run:
    """One lake with its sources, its processes and its shadow model."""

    def __init__(self, root: Path, result: HistoryResult, store: SimulatedStore | None) -> None:
        self.result, self.store = result, store
        self.scheduler = Scheduler(SimulatedClock())
        self.interception = Interception(self.scheduler, str(root))
        self.sources = Sources(root)
        self.changes = Changes(self.sources)
        self.reader = (
            PlainReader(f"s3://{BUCKET}/{token_hex(8)}", store.settings) if store else PlainReader(f"{root}/lake")
        )
        self.commands = Commands(self.reader.uri, self.sources, self.reader, self.reader.s3)
        self.model = ShadowModel(self.sources, self.reader)
        self.had_fault = False

    def take(self, step: Step) -> None:
        """Take one step and check the lake."""
        if step.is_change or step.name == "describe":
            self.changes.apply(step.name, step.choices)
            self.result.lines.append(str(step))
            self.result.counts["changes"] += 1
            return
        if step.name == "damage_table":
            self._damage_table(*step.choices)
            return
        steps = [step] if step.beside is None else [step, step.beside]
        processes = self._run_commands(steps)
        for process in processes:
            self._check_error(process)
        self._check_lake(steps, processes)

    def _damage_table(self, number: int, kind: int, _: int) -> None:
        """Cut or clear the newest manifest of a table, as a disk does that fails; doctor must name this table."""
        names = [name for name in self.reader.names() if name.startswith(_DAMAGEABLE)]
        if "tracks" not in names:
            return  # a kill came before there was a catalogue
        name = names[number % len(names)]
        paths = self.reader.glob(f"{name}.lance/_versions/*.manifest")
        if self.store or len(paths) == 1 or self._has_unfinished_takedown():
            return  # nothing to go back to; and after a kill the tables may be of different states
        path = Path(paths[0])  # the newest: Lance counts the names down
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[: size // 2] if kind % 2 else bytes(size))
        self.result.lines.append(f"damage of {name}")
        self.result.counts["faults"] += 1
        self.result.counts["fault damage"] += 1
        named = {
            finding.table
            for finding in examine_lakes(self.commands.settings())
            if finding.check == "version" and "has no table" not in finding.what  # a kill came before it was made
        }
        require(named == {name}, f"{name} is damaged, doctor names {sorted(named) or 'nothing'}")
        self.had_fault = self.model.may_lose_work = True
        self.model.forget_releases(name)
        self._finish(Step("maintain", (1, 0, 1)))

    def _run_commands(self, steps: list[Step]) -> list[SimulatedProcess]:
        """Run one command, or two at once, an hour after the last one."""
        self.scheduler.clock.seconds += 3600
        processes = [
            SimulatedProcess(
                step.host, timedelta(hours=step.clock_hours), step.fault, self.store is not None, list(step.turns), pid
            )
            for pid, step in enumerate(steps, start=100_000 + self.result.counts["commands"])
        ]
        commands = [self._commands_of(process, number) for number, process in enumerate(processes)]
        prepared = [commands[number].prepare(step) for number, step in enumerate(steps)]
        self.scheduler.run(*zip(processes, prepared, strict=True))
        for step, process in zip(steps, processes, strict=True):
            self._record(step, process)
        return processes

    def _commands_of(self, process: SimulatedProcess, number: int) -> Commands:
        """Return the commands as a process has them: on S3 they pass its proxy."""
        if self.store is None:
            return self.commands
        self.store.proxies[number].process = process
        return Commands(self.reader.uri, self.sources, self.reader, self.store.settings_of(number))

    def _record(self, step: Step, process: SimulatedProcess) -> None:
        counts = self.result.counts
        counts["commands"] += 1
        counts[f"command {step.name}"] += 1
        counts["writes"] += process.requests or process.writes
        outcome = "done" if process.error is None else type(process.error).__name__
        if step.fault and process.fault_met:
            counts["faults"] += 1
            counts[f"fault {step.fault.kind}"] += 1
            self.had_fault = True
        if isinstance(process.error, UserError):
            outcome = f"refused: {process.error}"
            counts["refused"] += 1
        self.result.lines.append(f"{step}: {outcome}")

    def _check_error(self, process: SimulatedProcess) -> None:
        error = process.error
        if error is None or isinstance(error, (UserError, Killed)):
            return
        self.had_fault = True
        is_explained = error_message(error, None) is not None or isinstance(error, (OSError, ValueError, RuntimeError))
        if not (process.fault_met and is_explained):
            raise Violated(f"a command ended with {type(error).__name__}: {error}") from error

    def _check_lake(self, steps: list[Step], processes: list[SimulatedProcess]) -> None:
        if not self.reader.names():
            return
        seen = Observation.of(self.reader)
        if any(step.name == "maintain" and step.choices[1] % 3 == 0 for step in steps):
            self.model.embedded.clear()  # a repair drops rows that a killed run left halfway
        self.model.check(seen, after_two=len(steps) > 1)
        self.model.check_search(seen)
        if not self._has_unfinished_takedown():
            self._check_status(seen)
        if any(process.error for process in processes):
            self.had_fault = True
        # After other commands, the next fault or the end shows what is wrong.
        if len(steps) > 1 or any(process.fault_met for process in processes):
            # The loser of two commits leaves the files of its attempt, which maintenance removes.
            self._check_doctor(_LEFT_BY_FAULTS if self.had_fault else {"orphan"} if len(steps) > 1 else set())
        if [step.name for step in steps] == ["refresh"] and processes[0].error is None:
            self.model.check_complete(seen, accepted=steps[0].choices[0] % 2 == 1)
        if (
            [step.name for step in steps] == ["take_down"]
            and processes[0].error is None
            and not processes[0].fault_met
        ):
            self.model.check_exports(seen)

    def _has_unfinished_takedown(self) -> bool:
        return Blocked.of(self.reader.rows("takedowns")).is_unfinished

    def _check_status(self, seen: Observation) -> None:
        """The counts of `status` are those of a plain reader."""
        if "tracks" not in seen.tables:
            return
        for status in read_status(self.commands.settings()).encoders:
            counted = count_coverage(seen, KNOWN_SPECS[status.embedding_version])
            coverage = status.coverage
            reported = (coverage.expected, coverage.embedded, coverage.quarantined, coverage.pending)
            require(reported == counted, f"status of {status.encoder} says {reported}, the tables say {counted}")
            rows = len(seen.rows(f"embeddings__{status.encoder}__{status.embedding_version}"))
            counted_rows = status.searchable.rows
            require(
                counted_rows == rows, f"status of {status.encoder} counts {counted_rows} searchable rows, not {rows}"
            )

    def _check_doctor(self, allowed: set[str]) -> None:
        if "tracks" not in self.reader.names():
            return
        if self._has_unfinished_takedown():
            allowed = allowed | {"unknown", "complete"}
        findings = [
            finding
            for finding in examine_lakes(self.commands.settings())
            if finding.check not in allowed and not (allowed and "has no table" in finding.what)
        ]
        require(
            not findings,
            f"doctor: {'; '.join(f'{finding.check} {finding.table}: {finding.what}' for finding in findings)}",
        )

    def end_storm(self) -> None:
        """Run the commands that finish everything, twice: the second time they must do nothing."""
        if "tracks" not in self.reader.names():
            return
        has_exports = self.reader.rows("takedowns") and self.reader.rows("exports")
        if self._has_unfinished_takedown() or has_exports:
            self._finish(Step("take_down", (0, 0, 1)))
            self.model.check_exports(Observation.of(self.reader))
        self._finish(Step("maintain", (1, 1, 1)))
        if not self.reader.column("sources", "source"):
            return
        self._finish(Step("refresh", (1, 0, 0)))
        seen = self._finish(Step("describe_tracks"))
        self.model.check_complete(seen, accepted=True)
        self.model.check_described(seen)
        if live_tracks(seen):
            seen = self._finish(Step("map_tracks"))
            require(not (missing := missing_tracks(seen, self.reader)), f"the map lacks {missing}")
        repeated = self._finish(Step("refresh", (1, 0, 0)))
        changed = {name for name in repeated.versions if repeated.versions[name] != seen.versions.get(name)}
        changed -= {"runs", "sources"}
        require(not changed, f"a second refresh wrote {sorted(changed)}")
        if self.result.seed % 4 == 0:
            self._finish(Step("maintain", (0, 1, 1)))
        self._check_doctor(set())

    def _finish(self, step: Step) -> Observation:
        """Take a step that must succeed; return what is there then."""
        (process,) = self._run_commands([step])
        error = process.error
        require(error is None, f"after the storm {step.name} ended with {type(error).__name__}: {error}")
        seen = Observation.of(self.reader)
        self.model.check(seen)
        return seen

    def digest(self) -> str:
        """Return a hash of all rows but for their times."""
        seen = Observation.of(self.reader)
        state: dict[str, Any] = {}
        for name, rows in seen.tables.items():
            kept = [{key: value for key, value in row.items() if key not in _VOLATILE} for row in rows]
            state[name] = sorted(json.dumps(row, sort_keys=True, default=to_text) for row in kept)
        text = json.dumps([state, self.result.lines], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
