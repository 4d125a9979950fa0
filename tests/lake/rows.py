"""A made-up encoder, listings and outcome rows for the tests of the lake."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from lake.catalogue.encoders import register_encoder
from lake.catalogue.runs import RunRecord
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.audio import WindowSpec
from schemas.embeddings import outcome_schema
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from schemas.tracks import TRACKS

SPEC = EncoderSpec(
    "made-up",
    "MIT",
    "",
    BackboneSpec("0" * 64, WindowSpec(16_000, 16_000, 16_000), "last", "mean", 12),
    HeadSpec("linear", 8),
    TaggerSpec(("loud", "soft"), 0.5),
)


def make_listing(ids: list[str], version: str = "1") -> pa.Table:
    now = datetime.now(UTC)
    rows = [
        {"track_id": name, "source": "/m", "uri": f"/m/{name}.wav", "source_version": version, "size": 1000}
        | {"state": "active", "last_seen": now, "added_at": now}
        for name in sorted(ids)
    ]
    return pa.Table.from_pylist(rows, schema=TRACKS)


def unit_vector(name: str, dim: int) -> np.ndarray:
    """Return a unit vector that depends only on the name, float16 [dim]."""
    values = np.random.default_rng(abs(stable_hash(name))).standard_normal(dim)
    return (values / np.linalg.norm(values)).astype(np.float16)


def stable_hash(name: str) -> int:
    return int.from_bytes(name.encode()[:6].ljust(6), "big")


def embedded_row(name: str, version: str = "1", **columns) -> dict:
    return {
        "track_id": name,
        "outcome": "embedded",
        "source_version": version,
        "content_sha256": f"{name}-{version}",
        "duration_s": 10.0,
        "title": name.upper(),
        "tags": [{"name": "loud", "score": 0.9}, {"name": "soft", "score": 0.2}],
        "tag_names": ["loud"],
        "tags_version": SPEC.tags_version,
        "verdicts": [],
        "vector": unit_vector(name + version, 8).astype(np.float32),
        "features": unit_vector(name, 12),
        "window_vectors": [unit_vector(name, 8), unit_vector(name, 8)],
        "codec": "flac",
        **columns,
    }


def quarantined_row(name: str, reason: str = "silent", version: str = "1") -> dict:
    return {"track_id": name, "outcome": "quarantined", "reason": reason, "message": "m", "source_version": version}


def pending_row(name: str) -> dict:
    return quarantined_row(name) | {"outcome": "pending", "reason": None}


def outcome_batch(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=outcome_schema(SPEC))


def make_small_lake(uri: str, commits: int = 3, tracks: int = 4, spec: EncoderSpec = SPEC) -> Lake:
    """Write a valid lake as an index run does: `tracks` a commit, one quarantined, one pending."""
    home, run_id = Lake.at(uri, S3Settings()), "20260101T000000-aaaaaa"
    ids = [f"t{number:04d}" for number in range(commits * tracks)]
    with Lease(home, embeddings_table(spec), run_id, print) as lease:
        register_tracks(home, make_listing([*ids, "y-quarantined", "z-pending"]))
        with RunRecord(home, run_id, "index", spec, {"sources": ["/m"]}) as record:
            register_encoder(home, spec)
            committer = Committer(home, spec, lease, run_id, Settings())
            for start in range(0, len(ids), tracks):
                committer.add(outcome_batch(*(embedded_row(name) for name in ids[start : start + tracks])))
                committer.flush()
            committer.add(outcome_batch(quarantined_row("y-quarantined")))
            committer.flush()
            record.finish({})
    return home
