"""The limits of the gate: limits.toml, and a user's file that changes some of them."""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from schemas.errors import UserError
from schemas.releases import Check
from workers.evaluation.scoring import Change

SHIPPED = Path(__file__).with_name("limits.toml")
_COUNTS = {("sample", "queries"), ("sample", "tracks"), ("recommendations", "users")}
_SEED = ("sample", "seed")


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers by section and name; limits.toml says what each means."""

    numbers: dict[tuple[str, str], float]

    @classmethod
    def read(cls, file: str | None = None) -> Self:
        """Read the shipped limits, changed by those of `file`. Raises UserError if `file` is malformed."""
        shipped = _read_numbers(SHIPPED)
        changed = _read_numbers(Path(file)) if file else {}
        if unknown := [".".join(limit) for limit in changed if limit not in shipped]:
            known = ", ".join(".".join(limit) for limit in shipped)
            raise UserError(f"{file}: there is no limit named {', '.join(unknown)}; there are {known}")
        wrong = [
            f"{'.'.join(limit)} = {changed[limit]:g}"
            for limit in _COUNTS & changed.keys()
            if changed[limit] < 1 or changed[limit] % 1
        ]
        if changed.get(_SEED, 0) % 1:
            wrong.append(f"sample.seed = {changed[_SEED]:g}")
        if wrong:
            raise UserError(f"{file}: {', '.join(sorted(wrong))} must be a whole number, from 1 but for the seed")
        return cls(shipped | changed)

    def number(self, section: str, name: str) -> float:
        """Return a limit."""
        return self.numbers[section, name]

    def whole_number(self, section: str, name: str) -> int:
        """Return a limit that counts something."""
        return int(self.numbers[section, name])


def check_margin(
    name: str, change: Change, margin: float, figures: str, *, fail_only_if_certain: bool = False
) -> Check:
    """Check that a paired difference is not below -margin.

    The lower end of its interval must be above -margin. With `fail_only_if_certain` the check fails only if the whole
    interval is below: for slices, which are many and small. `figures` begins the reason.
    """
    if math.isnan(change.low):  # no resample could be measured
        return no_verdict(name, f"{figures}; what they share cannot be measured")
    passed = (change.high if fail_only_if_certain else change.low) >= -margin
    allowed = f"up to {margin:g} worse is allowed"
    if passed:
        reason = f"{figures}; {allowed}"
    elif fail_only_if_certain:
        reason = f"{figures}; it is at least {-change.high:.3f} worse, {allowed}"
    else:
        reason = f"{figures}; it may be {-change.low:.3f} worse, {allowed}"
    return Check(name, passed, reason, change.gain, change.low, change.high, -margin)


def no_verdict(name: str, reason: str) -> Check:
    """Return a check without a verdict, and why there is none."""
    return Check(name, None, reason)


def _read_numbers(file: Path) -> dict[tuple[str, str], float]:
    try:
        sections: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the gate {file}: {error}; write it as docs/releases.md shows") from error
    numbers: dict[tuple[str, str], float] = {}
    for section, limits in sections.items():
        if not isinstance(limits, dict):
            raise UserError(f"{file}: {section} stands outside of a section, such as [coverage]; see docs/releases.md")
        for name, value in limits.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise UserError(f"{file}: {section}.{name} must be a number from 0, not {value!r}")
            numbers[section, name] = value
    return numbers
