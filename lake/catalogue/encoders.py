"""Which encoder versions a lake holds, and which one a reader means."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.runs import ENCODERS


@dataclass(frozen=True, slots=True)
class EncoderVersion:
    """A row of the lake's `encoders` table."""

    name: str
    embedding_version: str
    spec: EncoderSpec
    created_at: datetime


def remember(lake: Lake, spec: EncoderSpec) -> None:
    """Writes a spec down; again where its tagger is another than the one written."""
    known = {version.embedding_version: version for version in versions(lake)}.get(spec.embedding_version)
    if known and known.spec == spec:
        return
    row = {
        "embedding_version": spec.embedding_version,
        "name": spec.name,
        "feature_version": spec.feature_version,
        "tags_version": spec.tags_version,
        "dim": spec.head.dim,
        "spec": spec.to_json(),
        "created_at": known.created_at if known else datetime.now(UTC),
    }
    lake.upsert("encoders", ENCODERS, pa.Table.from_pylist([row], schema=ENCODERS))


def versions(lake: Lake) -> list[EncoderVersion]:
    """Every version the lake holds, oldest first."""
    if "encoders" not in lake.names():
        return []
    rows = lake.table("encoders").to_table().sort_by("created_at").to_pylist()
    return [
        EncoderVersion(row["name"], row["embedding_version"], EncoderSpec.from_json(row["spec"]), row["created_at"])
        for row in rows
    ]


def choose(lake: Lake, encoder: str, embedding_version: str | None) -> EncoderVersion:
    """The version named, else the encoder's only one; UserError lists them where that is not one."""
    lake.required_names()
    held = versions(lake)
    if embedding_version:
        matching = [version for version in held if version.embedding_version == embedding_version]
    else:
        matching = [version for version in held if version.name == encoder]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(f"{version.name} {version.embedding_version}" for version in held) or "none yet"
    if not matching:
        wanted = embedding_version or encoder
        raise UserError(f"{lake.uri} holds no vectors of {wanted}; it holds: {listed}. Choose one with --encoder")
    raise UserError(f"{lake.uri} holds several versions of {encoder}: {listed}. Choose with --embedding-version")
