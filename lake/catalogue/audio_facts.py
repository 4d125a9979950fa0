"""What is known of each content, whoever has it: its codec, and its fingerprint where one was taken."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from lake.storage.filters import rows_among
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.embeddings import AUDIO_FACTS

TABLE = "audio_facts"
FINGERPRINTS = "fingerprints"  # the lease of who takes them


def codecs(lake: Lake, contents: Sequence[str]) -> dict[str, str]:
    """The codec of each content that was decoded."""
    return _column(lake, "codec", contents)


def fingerprints(lake: Lake, contents: Sequence[str]) -> dict[str, bytes]:
    """Those that were kept of these contents."""
    return _column(lake, "fingerprint", contents)


def keep_fingerprints(lake: Lake, lease: Lease, taken: Mapping[str, bytes]) -> None:
    """Writes them to the rows of their contents; only that column changes."""
    if taken:
        lease.check()
        schema = pa.schema([AUDIO_FACTS.field(name) for name in ("content_sha256", "fingerprint")])
        rows = pa.table({"content_sha256": list(taken), "fingerprint": list(taken.values())}, schema=schema)
        lake.table(TABLE).merge_insert("content_sha256").when_matched_update_all().execute(rows)


def _column(lake: Lake, name: str, contents: Sequence[str]) -> dict:
    if TABLE not in lake.names():
        return {}
    columns, told = ["content_sha256", name], f"{name} IS NOT NULL"
    rows = rows_among(lake.table(TABLE), "content_sha256", contents, columns, told)
    return dict(zip(rows["content_sha256"].to_pylist(), rows[name].to_pylist(), strict=True))
