"""The table `encoders`: the encoder versions of a lake, and how to choose one."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from lake.storage.lake import Lake
from schemas import clock
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


def register_encoder(lake: Lake, spec: EncoderSpec) -> None:
    """Write the spec to the table. A stored one is replaced if it differs, for example in its tagger."""
    stored = {version.embedding_version: version for version in list_encoder_versions(lake)}.get(
        spec.embedding_version
    )
    if stored and stored.spec == spec:
        return
    row = {
        "embedding_version": spec.embedding_version,
        "name": spec.name,
        "feature_version": spec.feature_version,
        "tags_version": spec.tags_version,
        "dim": spec.head.dim,
        "spec": spec.to_json(),
        "created_at": stored.created_at if stored else clock.now(),
    }
    lake.upsert("encoders", ENCODERS, pa.Table.from_pylist([row], schema=ENCODERS))


def list_encoder_versions(lake: Lake) -> list[EncoderVersion]:
    """Return every encoder version of the lake, oldest first."""
    table = lake.find_table("encoders")
    if table is None:
        return []
    rows = table.to_table().sort_by("created_at").to_pylist()
    return [
        EncoderVersion(row["name"], row["embedding_version"], EncoderSpec.from_json(row["spec"]), row["created_at"])
        for row in rows
    ]


def choose_encoder_version(lake: Lake, encoder: str, embedding_version: str | None) -> EncoderVersion:
    """Return the named version or, without one, the only version of the encoder.

    Raises UserError, which lists all versions, if none or several match.
    """
    lake.require_table_names()
    versions = list_encoder_versions(lake)
    if embedding_version:
        matching = [version for version in versions if version.embedding_version == embedding_version]
    else:
        matching = [version for version in versions if version.name == encoder]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(f"{version.name} {version.embedding_version}" for version in versions) or "none yet"
    if not matching:
        wanted = embedding_version or encoder
        raise UserError(f"{lake.uri} holds no vectors of {wanted}; it holds: {listed}. Choose one with --encoder")
    raise UserError(f"{lake.uri} holds several versions of {encoder}: {listed}. Choose with --embedding-version")
