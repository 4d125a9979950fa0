"""What a condition, `where`, may do: no harm, no path found by it, and no long wait."""

import threading
import time

import pytest

from flows.web.limits import TimedWork, require_modest
from flows.web.problems import Busy
from flows.web.rules import ServeRules
from schemas.errors import UserError
from tests.flows.web.service import API, make_lake, problem_of, serving

HARMS = [  # hidden between two quotes that are no quotes
    "repeat(title, 100000000) = 'x'",
    "year < 0" + "+1" * 900,  # ended the process
    "(" * 30 + "year = 1" + ")" * 30,
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return make_lake(tmp_path_factory.mktemp("conditions"))


@pytest.fixture(scope="module")
def client(lake):
    with serving(lake) as client:
        yield client


@pytest.mark.parametrize(
    "where",
    [
        "+".join(["1"] * 900) + " > 1",  # ended the process
        "cast(" * 100 + "year" + " AS bigint)" * 100 + " = 1",  # took minutes
        "repeat(title, 100000000) = 'x'",
        "\"repeat\"(title, 100000000) = 'x'",
        "rpad(title, 100000000) = 'x'",
        "year = 1" + " " * 2000,
        *(f"title = {mark}'{mark} or {harm} or title = {mark}'{mark}" for mark in ('"', "`", "$$") for harm in HARMS),
        f"title = 'a' /* ' */ or {HARMS[0]} or title = 'b' /* ' */",
        "`repeat`(title, 100000000) = 'x'",
        "`lower` (title) = 'x'",
        "`rePEAT`\n(title, 100000000) = 'x'",
        "title = '`' or Repeat(title, 100000000) = '`'",
        "repeat/**/(title, 100000000) = 'x'",
        "`" + ")" * 30 + "` = 1 or " + "(" * 30 + "year = 1" + ")" * 30,
        "(" * 30 + "year = 1" + ")" * 30,
    ],
)
def test_a_condition_that_would_harm_the_service_is_refused(client, where):
    detail = problem_of(client.get(f"{API}/search", params={"where": where}), 400)
    assert detail.startswith("--where ") or "is not one condition" in detail


@pytest.mark.parametrize(
    "where",
    [
        "year BETWEEN 1990 AND 1999 AND (lower(artist) LIKE '%low%' OR title IN ('a', 'b'))",
        "array_has(tag_names, 'repeat(') AND NOT (duration_s <= 60 OR year IS NULL)",
        "CASE WHEN year > 1 THEN title = 'a' ELSE title = 'b' END",
    ],
)
def test_ordinary_conditions_pass(where):
    require_modest(where, 2000, True)


@pytest.mark.parametrize(
    "pattern", ['starts_with({}, "/home")', "{} LIKE '/home%'", "title = 'a' AND {} = '/home/a.wav'"]
)
@pytest.mark.parametrize("name", ["uri", "URI", "`uri`", "`Uri`", "source", "`source`"])
def test_no_quotes_hide_the_name_of_a_path(pattern, name):
    condition = pattern.format(name)
    for where in (
        condition,
        f'title = "\'" or {condition} or title = "\'"',
        f"title = '\"' or {condition} or title = '\"'",
    ):
        with pytest.raises(UserError, match="uri or source"):
            require_modest(where, 2000, True)
        require_modest(where, 2000, False)


def test_texts_may_contain_any_mark():
    for text in ("it's $1 (repeat(x)) -- no", "/* uri", "`source`", "#1 + " * 200):
        require_modest("title = '" + text.replace("'", "''") + "'", 2000, True)
        require_modest(f'title = "{text}"', 2000, True)


def test_a_condition_that_takes_too_long_is_refused(lake, monkeypatch):
    may_end = threading.Event()
    monkeypatch.setattr("flows.web.api.search.answer", lambda *_: may_end.wait(60))
    with serving(lake, ServeRules(where_seconds=0.5)) as client:
        refused = client.get(f"{API}/search", params={"where": "year IS NULL OR year > 0"})
        may_end.set()
    assert "takes more than 0.5 s" in problem_of(refused, 400)


def test_a_condition_that_only_waited_is_told_to_come_again():
    timed, has_begun, may_end = TimedWork(threads=1), threading.Event(), threading.Event()
    late = threading.Thread(target=timed.run, args=(lambda: has_begun.set() or may_end.wait(60), 60.0))
    late.start()
    assert has_begun.wait(60)
    with pytest.raises(Busy, match="try again"):
        timed.run(time.monotonic, 0.01)
    may_end.set()
    late.join()
    assert timed.run(lambda: "answered", 60.0) == "answered"
