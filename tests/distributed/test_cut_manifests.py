"""A source's manifest that was cut: refused whole, or stopped by the share of tracks that may be lost at once."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.sources.listing import list_sources
from schemas.settings import S3Settings
from tests.cli import refused, run
from tests.distributed.interrupted_runs import exact, rows


@pytest.mark.parametrize(("suffix", "cut"), [(".csv", 8), (".csv", 24), (".jsonl", 8), (".parquet", 8)])
def test_a_manifest_cut_in_the_middle_of_a_line(rendered, tmp_path, suffix, cut):
    manifest = written(rendered, tmp_path / f"m{suffix}")
    whole = manifest.read_bytes()
    lake = str(tmp_path / "lake")
    manifest.write_bytes(whole[: len(whole) - cut])
    line = refused("--lake", lake, "--encoder", "fake", "index", manifest)
    assert str(manifest) in line
    assert suffix == ".parquet" or "line 6" in line, line
    assert not Path(lake).exists(), "half of it was taken"
    manifest.write_bytes(whole)
    assert len(list_sources([str(manifest)], S3Settings()).tracks) == 6


def written(rendered: Path, manifest: Path) -> Path:
    """A manifest of the six rendered files, of any kind."""
    files = sorted(str(path) for path in rendered.iterdir() if path.suffix != ".csv")
    lines = [{"uri": str(manifest.parent / Path(one).name), "title": f'a "quoted" title {one[-5:]}'} for one in files]
    for one in files:
        (manifest.parent / Path(one).name).hardlink_to(one)
    if manifest.suffix == ".csv":
        quoted = [f'{line["uri"]},"a title, and more"' for line in lines]
        manifest.write_text("uri,title\n" + "\n".join(quoted) + "\n")
    elif manifest.suffix == ".jsonl":
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        pq.write_table(pa.Table.from_pylist(lines), manifest)
    return manifest


def test_a_manifest_that_lost_most_of_its_lines(rendered, tmp_path):
    manifest = written(rendered, tmp_path / "m.jsonl")
    lake = str(tmp_path / "lake")
    exact(lake, manifest, 6)
    whole = manifest.read_text()
    manifest.write_text("".join(whole.splitlines(keepends=True)[:2]))
    line = refused("--lake", lake, "refresh")
    assert "4 of" in line
    assert len(rows(lake)) == 6
    manifest.write_text(whole)
    run("--lake", lake, "refresh")
    assert len(rows(lake)) == 6
