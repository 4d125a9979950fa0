"""Find tracks that are the same: equal bytes, or one recording in several encodes.

Run it with `tonelake duplicates`. The only thing it writes to the lake is fingerprints.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import write_csv
from pyarrow.parquet import write_table

from flows.console.atomic_file import write_atomically
from flows.search.near_pairs import Pair, compare_near_contents
from flows.search.version import resolve_version
from lake.catalogue.audio_facts import read_codecs
from lake.catalogue.tracks import active_tracks
from lake.storage.arrow import index_in, is_in, same_version
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table

WRITERS = {".csv": write_csv, ".parquet": write_table}
SCHEMA = pa.schema(
    [
        *(("group", pa.int64()), ("kind", pa.string()), ("track_id", pa.string()), ("title", pa.string())),
        *(("uri", pa.string()), ("codec", pa.string()), ("duration_s", pa.float64()), ("bytes", pa.int64())),
        *(("cosine", pa.float64()), ("bit_error_rate", pa.float64()), ("content_sha256", pa.string())),
    ]
)


@dataclass(frozen=True, slots=True)
class DuplicatesRequest:
    """What to compare, and in which release; without one in the live release.

    With `near` also other encodes: pairs of a cosine of at least `cosine` whose lengths differ by at most `seconds`.
    """

    near: bool = False
    cosine: float = 0.8
    seconds: float = 5.0
    release: int | None = None

    def __post_init__(self) -> None:
        if not -1 <= self.cosine <= 1:
            raise UserError(f"--cosine is between -1 and 1, not {self.cosine}")
        if not 0 <= self.seconds <= 60:
            raise UserError(f"--seconds is between 0 and 60, not {self.seconds}")


@dataclass(frozen=True, slots=True)
class DuplicateTrack:
    """A track of a group; the fields are the columns of SCHEMA.

    `kind` is "identical" or "near". Only a near track has `cosine` and `bit_error_rate`: those of its best pair.
    """

    group: int
    kind: str
    track_id: str
    title: str | None
    uri: str
    codec: str | None
    duration_s: float
    bytes: int
    cosine: float | None
    bit_error_rate: float | None
    content_sha256: str


@dataclass(frozen=True, slots=True)
class UnconfirmedPair:
    """Two near tracks, `track_id` and `other`, whose audio was not compared; `why` gives the reason."""

    track_id: str
    other: str
    cosine: float
    why: str


@dataclass(frozen=True, slots=True)
class DuplicatesReport:
    """The groups, a row a track, and how the near pairs were judged.

    `tracks` were compared. `changed` counts the tracks that are left out because their file has changed since it was
    embedded. `groups` counts the groups by kind.
    """

    encoder: str
    embedding_version: str
    tracks: int
    changed: int
    groups: dict[str, int]
    candidates: int
    confirmed: int
    refuted: int
    unconfirmed: list[UnconfirmedPair]
    rows: list[DuplicateTrack]

    @property
    def summary(self) -> str:
        """One line for people."""
        groups = ", ".join(f"{count:,} {kind}" for kind, count in self.groups.items())
        parts = [f"groups: {groups}", f"{len(self.rows):,} of {self.tracks:,} tracks are in one"]
        if self.candidates:
            judged = f"{self.confirmed:,} confirmed, {self.refuted:,} refuted, {len(self.unconfirmed):,} not confirmed"
            parts.append(f"{self.candidates:,} near pairs: {judged}")
        if self.changed:
            parts.append(f"{self.changed:,} left out: their files have changed since")
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


def find_duplicates(request: DuplicatesRequest, settings: Settings) -> DuplicatesReport:
    """Group the duplicates among the active tracks of a release.

    Only tracks that were embedded from their current file are compared. Raises UserError if there is no such release.
    """
    reader = resolve_version(settings, release=request.release)
    lake, spec = reader.lake, reader.spec
    columns = ["track_id", "source_version", "content_sha256", "duration_s", "title"]
    if request.near:
        columns.append("vector")
    rows = lake.table(embeddings_table(spec)).to_table(columns=columns)
    registered = active_tracks(lake).select(["track_id", "uri", "size", "source_version"])
    rows = rows.filter(is_in(rows["track_id"], registered["track_id"])).sort_by("track_id")
    tracks = rows.filter(same_version(rows, registered))
    indices = index_in(tracks["track_id"], registered["track_id"])
    tracks = tracks.append_column("uri", registered["uri"].take(indices))
    tracks = tracks.append_column("bytes", registered["size"].take(indices))
    pairs: list[Pair] = []
    if request.near:
        pairs = compare_near_contents(lake, tracks, request.cosine, request.seconds, settings)
        tracks = tracks.drop_columns("vector")
    confirmed = [pair for pair in pairs if pair.is_confirmed]
    unconfirmed = [_describe_unconfirmed(pair, tracks) for pair in pairs if pair.reason]
    grouped = _group_tracks(lake, tracks, confirmed)
    kinds = {track.group: track.kind for track in grouped}
    return DuplicatesReport(
        encoder=spec.name,
        embedding_version=spec.embedding_version,
        tracks=len(tracks),
        changed=len(rows) - len(tracks),
        groups={"identical": 0, "near": 0} | Counter(kinds.values()),
        candidates=len(pairs),
        confirmed=len(confirmed),
        refuted=len(pairs) - len(confirmed) - len(unconfirmed),
        unconfirmed=unconfirmed,
        rows=grouped,
    )


def require_writable(out: Path) -> None:
    """Raise UserError if no groups can be written to this path. Called before the work starts."""
    if out.suffix not in WRITERS or out.is_dir():
        raise UserError(f"cannot write {out}: name a file that ends in .csv or .parquet")


def write_groups(rows: list[DuplicateTrack], out: Path) -> None:
    """Write one row a track to a .csv or .parquet file.

    The file appears whole or not at all.
    """
    columns = {name: [getattr(row, name) for row in rows] for name in SCHEMA.names}
    with write_atomically(out) as unfinished:
        WRITERS[out.suffix](pa.table(columns, schema=SCHEMA), str(unfinished))


def _describe_unconfirmed(pair: Pair, tracks: pa.Table) -> UnconfirmedPair:
    """Describe a pair that was not compared by the first track of each content."""
    contents = tracks["content_sha256"].combine_chunks()
    ids = tracks["track_id"].take(pc.index_in(pa.array([pair.left, pair.right]), contents)).to_pylist()
    return UnconfirmedPair(ids[0], ids[1], pair.cosine, f"not confirmed: {pair.reason}")


def _group_tracks(lake: Lake, tracks: pa.Table, pairs: list[Pair]) -> list[DuplicateTrack]:
    """Return the tracks of all groups, in the order of the groups.

    A group has tracks of equal content, and contents joined by `pairs`.
    """
    contents = pc.dictionary_encode(tracks["content_sha256"].combine_chunks())
    group = _content_groups(contents.dictionary, pairs)[contents.indices.to_numpy()]
    is_duplicate = np.bincount(group, minlength=1)[group] > 1
    duplicates = tracks.filter(pa.array(is_duplicate)).to_pylist()
    codecs = read_codecs(lake, sorted({row["content_sha256"] for row in duplicates}))
    best_pair: dict[str, Pair] = {}
    for pair in sorted(pairs, key=lambda pair: -pair.bit_error_rate):
        best_pair[pair.left] = best_pair[pair.right] = pair
    numbers: dict[int, int] = {}
    rows = []
    for row, label in zip(duplicates, group[is_duplicate].tolist(), strict=True):
        content = row["content_sha256"]
        best = best_pair.get(content)
        rows.append(
            DuplicateTrack(
                group=numbers.setdefault(label, len(numbers) + 1),
                kind="near" if best else "identical",
                track_id=row["track_id"],
                title=row["title"],
                uri=row["uri"],
                codec=codecs.get(content),
                duration_s=round(row["duration_s"], 2),
                bytes=row["bytes"],
                cosine=best.cosine if best else None,
                bit_error_rate=best.bit_error_rate if best else None,
                content_sha256=content,
            )
        )
    return sorted(rows, key=lambda row: row.group)


def _content_groups(contents: pa.Array, pairs: list[Pair]) -> np.ndarray:
    """Return the connected component of each content [C] in the graph of the pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left = pc.index_in(pa.array([pair.left for pair in pairs], pa.string()), contents).to_numpy()
    right = pc.index_in(pa.array([pair.right for pair in pairs], pa.string()), contents).to_numpy()
    graph = coo_array((np.ones(len(pairs)), (left, right)), (len(contents), len(contents)))
    return connected_components(graph, directed=False)[1]
