"""A small lake without audio whose rows change from release to release."""

import subprocess
import sys

from lake.catalogue.encoders import remember
from lake.catalogue.tracks import register
from lake.embeddings.committer import Committer
from lake.export import formats, rows
from lake.releases.releases import draft, live, publish, release, snapshot, succeed
from lake.storage.filters import among
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.cli import environment
from tests.lake.rows import SPEC, batch, embedded, listing

TABLE = embeddings_table(SPEC)
IDS = [f"t{number:03}" for number in range(40)]


def write(home, ids, version="1", spec=SPEC, **columns):
    """As a run does."""
    register(home, listing(ids, version))
    remember(home, spec)
    with Lease(home, embeddings_table(spec), "run", print) as lease:
        committer = Committer(home, spec, lease, "run", Settings(keep_windows=False))
        committer.add(batch(*(embedded(name, version, **columns) for name in ids)))
        committer.flush()


def released(home, spec=SPEC):
    """Publishes the table as it is now, whatever it holds; the number."""
    return publish(home, draft(live(home), snapshot(home, spec), "run", "index"), print).number


def lake_at(uri, ids=IDS):
    """A lake with one release."""
    home = Lake.at(str(uri), S3Settings())
    write(home, ids)
    released(home)
    return home


def python(code, *arguments):
    """A process of its own that may be killed."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, **pipes, text=True, env=environment())


def small(monkeypatch):
    """Exports in parts of eight rows, each in two row groups."""
    monkeypatch.setattr(formats, "group_rows", lambda _: 4)
    for module, name, value in ((formats, "PART_GROUPS", 2), (formats, "BATCH_ROWS", 3), (rows, "BATCH_ROWS", 3)):
        monkeypatch.setattr(module, name, value)


def rebuilt(home, *ids):
    """Release 1 without these tracks, as a takedown leaves it: the same number of another snapshot."""
    before = release(home, 1).snapshot.lance_version
    table = home.table(TABLE)
    table.delete(among("track_id", ids))
    succeed(home, TABLE, before, table)
