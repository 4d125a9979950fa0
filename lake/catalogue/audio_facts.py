"""The table `audio_facts`: codec, level and fingerprint of each audio content, whichever track has it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from lake.storage.filters import select_in
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.embeddings import AUDIO_FACTS

TABLE = "audio_facts"


def read_codecs(lake: Lake, contents: Sequence[str]) -> dict[str, str]:
    """Return the codec of each decoded content by its content_sha256."""
    return _read_column(lake, "codec", contents)


def read_fingerprints(lake: Lake, contents: Sequence[str]) -> dict[str, bytes]:
    """Return the stored fingerprints of these contents by content_sha256."""
    return _read_column(lake, "fingerprint", contents)


def read_facts(lake: Lake, content: str) -> dict[str, Any]:
    """Return codec, sample rate, channels, peak and level of a content by name.

    There is nothing if it was never decoded.
    """
    table = lake.find_table(TABLE)
    columns = ["codec", "sample_rate", "channels", "peak", "rms_dbfs"]
    rows = select_in(table, "content_sha256", [content], columns).to_pylist() if table is not None else []
    return dict(rows[0]) if rows else {}


def write_fingerprints(lake: Lake, lease: Lease, fingerprints: Mapping[str, bytes]) -> None:
    """Write fingerprints to the existing rows of their contents; no other column changes."""
    if fingerprints:
        schema = pa.schema([AUDIO_FACTS.field(name) for name in ("content_sha256", "fingerprint")])
        columns = {"content_sha256": list(fingerprints), "fingerprint": list(fingerprints.values())}
        merge = lake.table(TABLE).merge_insert("content_sha256").when_matched_update_all()
        lease.check()
        merge.execute(pa.table(columns, schema=schema))


def _read_column(lake: Lake, name: str, contents: Sequence[str]) -> dict[str, Any]:
    table = lake.find_table(TABLE)
    if table is None:
        return {}
    rows = select_in(table, "content_sha256", contents, ["content_sha256", name], f"{name} IS NOT NULL")
    return dict(zip(rows["content_sha256"].to_pylist(), rows[name].to_pylist(), strict=True))
