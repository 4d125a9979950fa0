"""The gate's limits: limits.toml, and what a file of one's own changes in it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from schemas.errors import UserError
from schemas.releases import Check
from workers.evaluation.scoring import Change

SHIPPED = Path(__file__).with_name("limits.toml")
_COUNTS = {("sample", "queries"), ("sample", "tracks"), ("recommendations", "users")}


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers by section and name, as in limits.toml, which says what each means."""

    numbers: dict[tuple[str, str], float]

    @classmethod
    def read(cls, file: str | None = None) -> Self:
        """The shipped limits, but for what `file` names; UserError for what is no limit."""
        shipped = _numbers(SHIPPED)
        own = _numbers(Path(file)) if file else {}
        if unknown := [".".join(name) for name in own if name not in shipped]:
            there = ", ".join(".".join(name) for name in shipped)
            raise UserError(f"{file}: there is no limit named {', '.join(unknown)}; there are {there}")
        wrong = [
            f"{'.'.join(name)} = {own[name]:g}" for name in _COUNTS & own.keys() if own[name] < 1 or own[name] % 1
        ]
        if (seed := own.get(("sample", "seed"), 0)) % 1:
            wrong.append(f"sample.seed = {seed:g}")
        if wrong:
            raise UserError(f"{file}: {', '.join(sorted(wrong))} must be a whole number, from 1 but for the seed")
        return cls(shipped | own)

    def __call__(self, section: str, name: str) -> float:
        return self.numbers[section, name]

    def count(self, section: str, name: str) -> int:
        """A limit that counts something."""
        return int(self.numbers[section, name])


def judged(name: str, change: Change, margin: float, told: str, *, surely: bool = False) -> Check:
    """A paired difference held against a margin: it passes where its interval's lower end is above -margin.

    With `surely` it fails only where the whole interval is below: for slices, which are many and small.
    """
    if change.low != change.low:  # NaN: no resample could be measured
        return not_judged(name, f"{told}; what they share cannot be measured")
    passed = (change.high if surely else change.low) >= -margin
    allowed = f"up to {margin:g} worse is allowed"
    if passed:
        reason = f"{told}; {allowed}"
    else:
        how = f"is at least {-change.high:.3f} worse" if surely else f"may be {-change.low:.3f} worse"
        reason = f"{told}; it {how}, {allowed}"
    return Check(name, passed, reason, change.gain, change.low, change.high, -margin)


def not_judged(name: str, reason: str) -> Check:
    """A line that tells why there is no verdict."""
    return Check(name, None, reason)


def _numbers(file: Path) -> dict[tuple[str, str], float]:
    try:
        sections: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the gate {file}: {error}; write it as docs/releases.md shows") from error
    found: dict[tuple[str, str], float] = {}
    for section, limits in sections.items():
        if not isinstance(limits, dict):
            raise UserError(f"{file}: {section} stands outside of a section, such as [coverage]; see docs/releases.md")
        for name, value in limits.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise UserError(f"{file}: {section}.{name} must be a number from 0, not {value!r}")
            found[section, name] = value
    return found
