"""A cut manifest of a source: refused as a whole, or stopped by the limit on vanished tracks."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.sources.listing import list_sources
from schemas.settings import S3Settings
from tests.cli import error_line, run
from tests.distributed.interrupted_runs import embedded_ids, finish_run


@pytest.mark.parametrize(("suffix", "cut"), [(".csv", 8), (".csv", 24), (".jsonl", 8), (".parquet", 8)])
def test_a_manifest_cut_in_the_middle_of_a_line(rendered, tmp_path, suffix, cut):
    manifest = write_manifest(rendered, tmp_path / f"m{suffix}")
    whole = manifest.read_bytes()
    lake = str(tmp_path / "lake")
    manifest.write_bytes(whole[: len(whole) - cut])
    line = error_line("--lake", lake, "--encoder", "fake", "index", manifest)
    assert str(manifest) in line
    number = {".csv": "line 7", ".jsonl": "line 6", ".parquet": ""}[suffix]  # a .csv has a line of names
    assert number in line, line
    assert not Path(lake).exists(), "half of it was read"
    manifest.write_bytes(whole)
    assert len(list_sources([str(manifest)], S3Settings()).tracks) == 6


def write_manifest(rendered: Path, manifest: Path) -> Path:
    """Write a manifest of the six rendered files in the format of its suffix."""
    files = sorted(str(path) for path in rendered.iterdir() if path.suffix != ".csv")
    lines = []
    for file in files:
        link = manifest.parent / Path(file).name
        link.hardlink_to(file)
        lines.append({"uri": str(link), "title": f'a "quoted" title {file[-5:]}'})
    if manifest.suffix == ".csv":
        quoted = [f'{line["uri"]},"a title, and more"' for line in lines]
        manifest.write_text("uri,title\n" + "\n".join(quoted) + "\n")
    elif manifest.suffix == ".jsonl":
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        pq.write_table(pa.Table.from_pylist(lines), manifest)
    return manifest


def test_a_manifest_that_lost_most_of_its_lines(rendered, tmp_path):
    manifest = write_manifest(rendered, tmp_path / "m.jsonl")
    lake = str(tmp_path / "lake")
    finish_run(lake, manifest, 6)
    whole = manifest.read_text()
    manifest.write_text("".join(whole.splitlines(keepends=True)[:2]))
    line = error_line("--lake", lake, "refresh")
    assert "4 of" in line
    assert len(embedded_ids(lake)) == 6
    manifest.write_text(whole)
    run("--lake", lake, "refresh")
    assert len(embedded_ids(lake)) == 6
