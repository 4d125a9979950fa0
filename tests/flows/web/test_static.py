"""The files of the pages: vendored libraries are what npm has, our own are short and have no inline code."""

import hashlib
import json
import re
from pathlib import Path

import pytest

import flows.web.vendor.renew

WEB = Path(flows.web.vendor.renew.__file__).parents[1]
LISTS = [WEB / "vendor" / "vendor.json", Path(__file__).parent / "vendor" / "vendor.json"]
LICENCES = {"MIT", "Apache-2.0", "MPL-2.0", "ISC", "BSD-3-Clause", "BSD-2-Clause"}
MAX_LINES = 1500


@pytest.mark.parametrize("listing", LISTS, ids=["of the pages", "of the tests"])
def test_vendored_files_are_those_of_the_list(listing):
    libraries = json.loads(listing.read_text())
    files = {file: entry for library in libraries.values() for file, entry in library["files"].items()}
    for name, entry in files.items():
        assert hashlib.sha256((listing.parent / name).read_bytes()).hexdigest() == entry["sha256"], name
    for name, library in libraries.items():
        assert library["licence"] in LICENCES
        assert any("LICENSE" in file for file in library["files"]), f"{name} has no licence beside it"
    others = {"vendor.json", "renew.py", "__init__.py"}
    assert {path.name for path in listing.parent.iterdir() if path.is_file()} - others == set(files)


def test_own_scripts_are_short_enough_to_read():
    lines = {path.name: len(path.read_text().splitlines()) for path in (WEB / "static").glob("*.js")}
    assert lines["search.js"] > 0
    assert sum(lines.values()) < MAX_LINES


@pytest.mark.parametrize("template", sorted((WEB / "templates").glob("*.html")), ids=lambda path: path.name)
def test_templates_have_no_inline_code_and_escape_everything(template):
    text = template.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text), "inline script"
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text), "inline style or handler"
    assert "|safe" not in text.replace(" ", "")


@pytest.mark.parametrize("script", sorted((WEB / "static").glob("*.js")), ids=lambda path: path.name)
def test_scripts_make_no_markup_of_texts(script):
    assert not re.search(
        r"innerHTML\s*\+?=[^=]|outerHTML\s*=[^=]|insertAdjacentHTML|document\.write|\beval\(", script.read_text()
    )
    assert "https://" not in script.read_text()
    assert not re.search(r"dangerouslySetInnerHTML|new Function", script.read_text())


@pytest.mark.parametrize("script", sorted((WEB / "static").glob("*.js")), ids=lambda path: path.name)
def test_addresses_of_tracks_are_encoded(script):
    parts = re.findall(r"/(?:track|tracks|audio|peaks)/\$\{([^}]*)", script.read_text())
    assert [part for part in parts if not part.startswith("encodeURIComponent(") and part != "id"] == []
    assert "id" not in parts or "const id = encodeURIComponent(" in script.read_text()
