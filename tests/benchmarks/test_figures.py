"""README and docs quote the figures that `make bench` measured, and no others."""

import json
import re

import pytest

from tests.benchmarks.figures import (
    FILE,
    PAGES,
    Figure,
    find_quotes,
    find_worse,
    format_like,
    read_figures,
    record_figures,
    write_quotes,
)

FIGURES = read_figures(FILE.read_text())
# A number of seconds or bytes that a sentence states as measured.
CLAIM = re.compile(
    r"\b(takes?|took|needs?|costs?|peaks?|after|within|in|speed|uses?|holds?)\s+"
    r"((only|about|at most|less than|up to|under)\s+)?"
    r"\d[\d.,]*\s(s|ms|seconds|minutes|hours|GB|MB|kB|tracks/s|queries/s|listeners)\b"
)
# Its figures are of faults: how long a store was away, and how long a command then waited.
WITH_OWN_FIGURES = {"map.md", "reliability.md", "search.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quotes_are_the_figures_of_the_file(page):
    for number, name in find_quotes(page.read_text()):
        assert number == format_like(number, FIGURES[name]), name


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in WITH_OWN_FIGURES], ids=lambda page: page.name
)
def test_no_page_states_another_figure(page):
    assert [match[0] for match in CLAIM.finditer(page.read_text())] == []


def test_every_number_in_the_tables_of_the_performance_page_is_a_quote():
    page = next(page for page in PAGES if page.name == "performance.md").read_text()
    measured, _, rest = page.partition("## On a GPU")  # which has goals only
    tables = measured + rest.partition("\n## ")[2]
    cells = [cell for line in tables.splitlines() if line.startswith("|") for cell in line.strip("|").split("|")[1:]]
    numbers = [cell for cell in cells if re.search(r"\d", re.sub(r"<!--.*?-->", "", cell))]
    assert len(numbers) > 20
    assert [cell for cell in numbers if "<!--" not in cell] == []


def test_a_quote_keeps_its_decimals():
    figures = {"a.b": Figure(1234.567, "s"), "a.c": Figure(0.4, "s")}
    page = "It took 9.8<!--a.b--> s, then 1,000<!--a.b--> and 0.40<!--a.c-->, of 5 s."
    assert (
        write_quotes(page, figures) == "It took 1,234.6<!--a.b--> s, then 1,235<!--a.b--> and 0.40<!--a.c-->, of 5 s."
    )
    with pytest.raises(KeyError):
        write_quotes("2.0<!--a.missing-->", figures)


def test_what_got_worse_by_more_than_a_fifth_is_named():
    before = {"a.time": Figure(10, "s"), "a.same": Figure(10, "s"), "a.speed": Figure(10, "tracks/s", True)}
    now = {"a.time": Figure(12.5, "s"), "a.same": Figure(11.9, "s"), "a.speed": Figure(8, "tracks/s", True)}
    assert find_worse(before, now) == ["a.speed: 10 -> 8 tracks/s", "a.time: 10 -> 12.5 s"]
    assert find_worse(now, before) == []


def test_a_benchmark_records_machine_and_commit(tmp_path, monkeypatch):
    record_figures("a", {"time": Figure(1, "s")})  # without FIGURES nothing is written
    monkeypatch.setenv("FIGURES", str(tmp_path / "figures.json"))
    record_figures("a", {"time": Figure(1, "s")})
    record_figures("b", {"time": Figure(2, "s")})
    entries = json.loads((tmp_path / "figures.json").read_text())
    assert read_figures((tmp_path / "figures.json").read_text()) == {
        "a.time": Figure(1, "s"),
        "b.time": Figure(2, "s"),
    }
    assert {"machine", "commit", "date"} <= entries["a"].keys()
