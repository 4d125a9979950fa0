"""A small lake without audio whose rows change from release to release."""

import subprocess
import sys

from lake.connect import Lake
from lake.lease import Lease
from lake.registry import register
from lake.releases import draft, live, publish, snapshot
from lake.versions import remember
from lake.write import Committer
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
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
