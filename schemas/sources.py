"""What a refresh goes by: the sources that are remembered, and the ids that tracks kept when their files moved."""

import pyarrow as pa

from schemas.tables import key

_UTC = pa.timestamp("us", tz="UTC")

SOURCES = pa.schema(
    [
        key("source"),  # the absolute folder or file, the s3 prefix or the manifest
        pa.field("added_at", _UTC),
        pa.field("last_listed_at", _UTC),  # by a refresh, or by the index that brought it
        pa.field("tracks", pa.int64()),  # that this listing found
    ]
)

# A file's place gives a track its id; a file that moved keeps the id of its first place.
MOVES = pa.schema([key("path_id"), pa.field("track_id", pa.string())])
