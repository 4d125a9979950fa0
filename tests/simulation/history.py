"""Histories: what happens to a catalogue, drawn from a seed before anything runs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.simulation.faults import Fault, FaultKind

# Names of methods of `Commands` and `Changes`, with their weights.
COMMANDS = {
    "index": 8,
    "refresh": 9,
    "promote": 3,
    "rollback": 3,
    "take_down": 4,
    "maintain": 4,
    "export": 3,
    "evaluate": 1,
    "remove_source": 1,
    "retry": 1,
}
CHANGES = {
    "add": 5,
    "change": 4,
    "move": 4,
    "move_onto": 2,
    "swap": 2,
    "vanish": 4,
    "return_file": 3,
    "damage": 2,
    "touch": 2,
    "copy": 2,
    "list_twice": 1,
    "retitle": 1,
}
FAULTS = {
    FaultKind.KILL: 6,
    FaultKind.KILL_INSIDE: 3,
    FaultKind.ANSWER_LOST: 2,
    FaultKind.AWAY: 1,
    FaultKind.DISK_FULL: 1,
}
MAX_PLACE = 60  # no command makes many more writes; a fault beyond the last one does not happen
HOSTS = ("host-1", "host-2")


@dataclass(frozen=True, slots=True)
class Step:
    """A command or a change. `choices` are numbers that pick what it is about among what there is then.

    `beside` runs at the same time, on another host perhaps; `turns` are the reads and writes of each turn.
    """

    name: str
    choices: tuple[int, ...] = (0, 0, 0)
    fault: Fault | None = None
    host: str = HOSTS[0]
    clock_hours: int = 0
    beside: "Step | None" = None
    turns: tuple[int, ...] = ()

    @property
    def is_change(self) -> bool:
        return self.name in CHANGES

    def __str__(self) -> str:
        text = f"{self.name}{self.choices}"
        if self.fault:
            text += f", {self.fault}"
        if self.host != HOSTS[0]:
            text += f", on {self.host}"
        if self.clock_hours:
            text += f", clock {self.clock_hours:+} h"
        return f"{text}; beside it, turns of {self.turns}: {self.beside}" if self.beside else text


def draw_history(seed: int) -> list[Step]:
    """Return the steps of a seed: sources, a first index, then changes, commands and faults."""
    rng = random.Random(seed)
    steps = [replace(_draw_change(rng), name="add") for _ in range(rng.randint(2, 5))]
    steps += [replace(_draw_change(rng), name="describe") for _ in range(rng.randint(0, 3))]
    steps.append(_draw_command(rng, "index", may_fail=rng.random() < 0.2))
    for _ in range(rng.randint(2, 5)):
        steps += [_draw_change(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
        steps.append(_draw_command(rng))
        if rng.random() < 0.05:
            steps.append(Step("damage_table", _choices(rng)))
    steps = _with_command(steps, "describe_tracks", random.Random(f"descriptions of {seed}"))
    return _with_command(steps, "map_tracks", random.Random(f"map of {seed}"))


def _with_command(steps: list[Step], name: str, rng: random.Random) -> list[Step]:
    """Return the steps with a later command among them, in half of the histories.

    Its generator is its own: the other steps of a seed are what they were before this command came.
    """
    if rng.random() < 0.5:
        return steps
    first = next(number for number, step in enumerate(steps) if step.name == "index")
    position = rng.randint(first + 1, len(steps))
    return [*steps[:position], _draw_command(rng, name), *steps[position:]]


def _draw_change(rng: random.Random) -> Step:
    return Step(_pick(rng, CHANGES), _choices(rng))


def _draw_command(rng: random.Random, name: str = "", *, may_fail: bool = True) -> Step:
    step = Step(name or _pick(rng, COMMANDS), _choices(rng), host=rng.choice(HOSTS))
    if rng.random() < 0.1:
        step = replace(step, clock_hours=rng.choice((-72, 72, -2, 2)))
    if not may_fail:
        return step
    if rng.random() < 0.2:
        return _with_another_beside(rng, step)
    if rng.random() < 0.5:
        step = replace(step, fault=Fault(FaultKind(_pick(rng, FAULTS)), _draw_place(rng)))
    return step


def _with_another_beside(rng: random.Random, step: Step) -> Step:
    """Return two commands at once: they take turns, or the first one stands still while the second runs."""
    other = Step(_pick(rng, COMMANDS), _choices(rng), host=rng.choice(HOSTS))
    if rng.random() < 0.4:
        return replace(step, beside=other, fault=Fault(FaultKind.STALL, _draw_place(rng)))
    turns = tuple(rng.randint(1, 2 * MAX_PLACE) for _ in range(rng.randint(1, 6)))
    return replace(step, beside=other, turns=turns)


def _draw_place(rng: random.Random) -> int:
    """Return the place of a fault: early ones are more frequent, as every command has them."""
    return rng.randrange(rng.choice((4, 12, 25, MAX_PLACE)))


def _choices(rng: random.Random) -> tuple[int, ...]:
    return tuple(rng.randrange(1000) for _ in range(3))


def _pick(rng: random.Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def shorter(history: list[Step]) -> Iterator[list[Step]]:
    """Yield histories with less in them: without some steps, then without a fault or a second command."""
    size = len(history) // 2
    while size:
        for start in range(0, len(history), size):
            yield history[:start] + history[start + size :]
        size //= 2
    for number, step in enumerate(history):
        for name in ("fault", "beside", "clock_hours"):
            if getattr(step, name):
                simpler = replace(step, **{name: 0 if name == "clock_hours" else None})
                yield [*history[:number], simpler, *history[number + 1 :]]
