"""A small lake without audio whose rows change from release to release."""

import subprocess
import sys

from lake.catalogue.encoders import register_encoder
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.export import formats, rows
from lake.releases.publish import draft, publish
from lake.releases.releases import find_release, live_release, take_snapshot
from lake.releases.retention import repoint_releases
from lake.storage.filters import in_clause
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.cli import environment
from tests.lake.rows import SPEC, embedded_row, make_listing, outcome_batch

TABLE = embeddings_table(SPEC)
IDS = [f"t{number:03}" for number in range(40)]


def write_rows(lake, ids, version="1", spec=SPEC, **columns):
    """Write embedded rows as a run does: registry, encoder, embeddings."""
    with Lease(lake, embeddings_table(spec), "run", print) as lease:
        register_tracks(lake, make_listing(ids, version))
        register_encoder(lake, spec)
        committer = Committer(lake, spec, lease, "run", Settings(keep_windows=False))
        committer.add(outcome_batch(*(embedded_row(name, version, **columns) for name in ids)))
        committer.flush()


def publish_release(lake, spec=SPEC):
    """Publish the table as it is now, without checks; return the release number."""
    return publish(lake, draft(live_release(lake), take_snapshot(lake, spec), "run", "index"), print).number


def create_lake(uri, ids=IDS):
    """Create a lake with one release."""
    lake = Lake.at(str(uri), S3Settings())
    write_rows(lake, ids)
    publish_release(lake)
    return lake


def start_python(code, *arguments):
    """Start a Python process that a test can kill."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, **pipes, text=True, env=environment())


def use_small_parts(monkeypatch):
    """Export in parts of eight rows, each with two row groups."""
    monkeypatch.setattr(formats, "group_rows", lambda _: 4)
    for module, name, value in ((formats, "PART_GROUPS", 2), (formats, "BATCH_ROWS", 3), (rows, "BATCH_ROWS", 3)):
        monkeypatch.setattr(module, name, value)


def rebuild_first_release_without(lake, *ids):
    """Point release 1 to a snapshot without these tracks, as a takedown does."""
    before = find_release(lake, 1).snapshot.lance_version
    table = lake.table(TABLE)
    table.delete(in_clause("track_id", ids))
    repoint_releases(lake, TABLE, before, table)
