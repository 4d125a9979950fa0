"""A lake of made-up tracks around a few directions, and files of plays; without Ray, audio or models."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv

from lake.catalogue.encoders import register_encoder
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.releases.publish import publish_if_due
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.embeddings import outcome_schema
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.lake.rows import embedded_row, make_listing
from workers.encoders.fake import SPEC
from workers.metrics.neighbours import unit_rows

KINDS, EACH = 12, 25
IDS = [f"t{number:03}" for number in range(KINDS * EACH)]  # t000 to t024 are of the first kind
KIND = np.repeat(np.arange(KINDS), EACH)
_RANDOM = np.random.default_rng(7)
VECTORS = unit_rows(_RANDOM.standard_normal((KINDS, 32))[KIND] + 0.5 * _RANDOM.standard_normal((len(KIND), 32)))


def write(uri, spec=SPEC, ids=IDS, vectors=VECTORS, extra=None, isrc=None, **columns):
    """Make a lake as an index run does.

    `columns` are lists in the order of `ids`; `extra` and `isrc` map a track_id to its value.
    """
    home = Lake.at(str(uri), S3Settings())
    tracks = make_listing(ids).to_pylist()
    for track in tracks:
        track["extra"] = json.dumps(extra[track["track_id"]]) if extra and track["track_id"] in extra else None
        track["isrc"] = (isrc or {}).get(track["track_id"])
    rows = [
        embedded_row(name, tags_version=spec.tags_version, artist=f"Artist {KIND[index % len(KIND)]}", codec=None)
        | {"vector": vector, "features": None, "window_vectors": None}
        | {column: values[index] for column, values in columns.items()}
        for index, (name, vector) in enumerate(zip(ids, vectors, strict=True))
    ]
    with Lease(home, embeddings_table(spec), "run", print) as lease:
        register_tracks(home, pa.Table.from_pylist(tracks, schema=make_listing(ids).schema))
        register_encoder(home, spec)
        committer = Committer(home, spec, lease, "run", Settings(keep_windows=False))
        committer.add(pa.Table.from_pylist(rows, schema=outcome_schema(spec)))
        committer.flush()
    publish_if_due(home, {"run": spec}, "index", print)
    return home


def of_kind(kind, count, first=0):
    """Return `count` track_ids of one kind."""
    return IDS[kind * EACH + first : kind * EACH + first + count]


def write_plays(file, plays):
    """Write pairs of user and track, in order of time, as a .csv file."""
    users, tracks = zip(*plays, strict=True)
    columns = {"user_id": users, "track_id": tracks, "timestamp": range(len(plays))}
    pyarrow.csv.write_csv(pa.table(columns), file)
    return str(file)


def listeners(count, seed=0):
    """Return plays of users who like two kinds each, unequally, and the first tracks of a kind best."""
    random = np.random.default_rng(seed)
    plays = []
    for user in range(count):
        kinds = random.choice(KINDS, 2, replace=False)
        tracks = [
            int(random.choice(kinds, p=[0.7, 0.3]) * EACH + min(random.geometric(0.08), EACH) - 1)
            for _ in range(random.integers(8, 40))
        ]
        plays += [(f"u{user:03}", IDS[track]) for track in tracks]
    return plays
