"""Limits of a service: on questions at once, on their seconds, on conditions."""

import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Request

from flows.web.problems import Busy
from lake.storage.filters import validate_filter
from schemas.errors import UserError

Result = TypeVar("Result")
_OLD_REPORT_SECONDS = 30.0
# To Lance, '...' and "..." are texts, and `...` is a name. They are told apart in one pass, as Lance does.
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|`([^`]*)`""")
_CALL = re.compile(r"([\w'`]+)\s*\(")
_UNUSUAL_TEXT = re.compile(r"[$#]|\b[a-z]'", re.IGNORECASE)  # such as $$...$$ and E'...', of other ends than '...'
# What a condition may call. Others, such as repeat(), fill the memory with a short text.
_FUNCTIONS = frozenset(
    """
    and or not in is like between case when then else
    lower upper trim ltrim rtrim length char_length strpos starts_with ends_with contains substr substring left right
    abs round floor ceil coalesce nullif cast array_has array_has_any array_has_all array_contains array_length
    array_to_string cardinality date_part date_trunc to_timestamp json_extract regexp_like
    """.split()
)
_OPERATOR = re.compile(r"[-+*/%|<>=!~&^\[:]|\b(?:and|or|not|is|like|ilike|in|between|case)\b", re.IGNORECASE)
# Measured with Lance 14: 900 joined by "+" end the process, because Rust keeps them on its stack; 100 casts in each
# other take longer than minutes.
_MAX_OPERATORS, _MAX_DEPTH = 150, 16


class Slots:
    """So many questions at once; another one is refused."""

    def __init__(self, count: int, what: str) -> None:
        self._free, self._what = threading.Semaphore(count), what

    def __enter__(self) -> None:
        if not self._free.acquire(blocking=False):
            raise Busy(f"{self._what}: try again in a second")

    def __exit__(self, *_: object) -> None:
        self._free.release()


async def _admit_query(request: Request) -> AsyncIterator[None]:
    with request.app.state.queries:
        yield


# The slot is free again before the answer is sent: a slow client holds none.
AdmitQuery = Depends(_admit_query, scope="function")
Admitted = Annotated[None, AdmitQuery]


class TimedWork:
    """Threads for work that may take too long. Late work holds its thread until it ends, and others wait for one."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, "where")

    def run(self, work: Callable[[], Result], seconds: float) -> Result:
        """Return what the work gives. Raises UserError if it takes longer, Busy if it has not even begun."""
        future = self._pool.submit(work)
        try:
            return future.result(seconds)
        except TimeoutError as error:
            if future.cancel():  # it had not begun: late work holds all threads
                raise Busy("the service is busy with other conditions: try again in a second") from error
            raise UserError(f"--where takes more than {seconds:g} s: ask for less") from error


def run_timed(request: Request, work: Callable[[], Result], seconds: float | None) -> Result:
    """Return what the work gives. With `seconds`, raises UserError if it takes longer."""
    if seconds is None:
        return work()
    timed: TimedWork = request.app.state.timed
    return timed.run(work, seconds)


class Recent(Generic[Result]):
    """A report that is made at most once in some seconds. All get the same.

    While a new one is made, others get the earlier one, if it is not old. `state` is what a report depends on at once,
    such as the takedowns: if it changes, the report is made anew.
    """

    def __init__(self, make: Callable[[], Result], seconds: float, state: Callable[[], object] = lambda: None) -> None:
        self._make, self._seconds, self._state = make, seconds, state
        self._making = threading.Lock()
        self._made: tuple[float, object, Result] | None = None  # when, in which state, and what

    def get(self) -> Result:
        """Return the report. Raises what making it raises."""
        state = self._state()
        if self._made is not None:
            at, made_in, report = self._made
            seconds = _OLD_REPORT_SECONDS if self._making.locked() else self._seconds
            if made_in == state and time.monotonic() - at < seconds:
                return report
        before = self._made
        with self._making:
            if self._made is before:  # nobody else has made it meanwhile
                self._made = (time.monotonic(), state, self._make())
            assert self._made is not None
            return self._made[2]


def require_modest(where: str, characters: int, hides_paths: bool) -> None:
    """Raise UserError if a condition could harm the service, or asks for hidden paths.

    Such a condition is too long or too deep, or calls unusual functions.
    """
    if len(where) > characters:
        raise UserError(f"--where has {len(where):,} characters: give at most {characters:,}")
    validate_filter(where)  # no comments and no open quotes: they would hide what follows
    unquoted = _QUOTED.sub(_blank, where)
    if _UNUSUAL_TEXT.search(unquoted):
        raise UserError("--where has an unusual text: write '...', without a letter before it, and no $ or #")
    for name in _CALL.findall(unquoted):
        if name.lower() not in _FUNCTIONS:
            raise UserError(f"--where calls {name}(): this service allows lower(), strpos(), array_has() and the like")
    if len(_OPERATOR.findall(unquoted)) > _MAX_OPERATORS:
        raise UserError(f"--where joins too much: give at most {_MAX_OPERATORS} comparisons and calculations")
    depths = accumulate({"(": 1, ")": -1}.get(character, 0) for character in unquoted)
    if max(depths, default=0) > _MAX_DEPTH:
        raise UserError(f"--where has brackets in brackets: give at most {_MAX_DEPTH}")
    if hides_paths and re.search(r"\b(?:uri|source)\b", unquoted, re.IGNORECASE):
        raise UserError("--where names uri or source: this service shows no paths, and finds none")


def _blank(quoted: re.Match[str]) -> str:
    """Return an empty text for a text, and a quoted name without its marks."""
    name = quoted[1]
    return "''" if name is None else f"`{re.sub(r'[^A-Za-z0-9_]', ' ', name)}`"
