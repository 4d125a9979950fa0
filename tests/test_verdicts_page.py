"""docs/verdicts.md names every verdict, and says the truth about which are fatal and which can be accepted."""

import re
from pathlib import Path

from schemas.audio import ACCEPTABLE, VERDICTS

PAGE = (Path(__file__).parents[1] / "docs/verdicts.md").read_text()


def rows(section):
    """Return the cells of each row of the section's table, by the verdict."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if re.match(r"\| `", line)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_the_page_names_every_verdict():
    fatal = {name for name, is_fatal in VERDICTS.items() if is_fatal}
    assert rows("Fatal").keys() == fatal
    assert rows("Kept").keys() == VERDICTS.keys() - fatal
    assert all(all(cells) for section in ("Fatal", "Kept") for cells in rows(section).values())


def test_the_page_says_which_verdicts_can_be_accepted():
    assert {name for name, cells in rows("Fatal").items() if cells[-1] == "yes"} == ACCEPTABLE
