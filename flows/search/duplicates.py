"""Which tracks are the same: equal bytes, or one recording in several encodes. Nothing is changed but fingerprints."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import write_csv
from pyarrow.parquet import write_table

from flows.console.atomic_file import writing
from flows.console.progress import Watch, track
from flows.search.search import held
from lake.catalogue.audio_facts import FINGERPRINTS, codecs, fingerprints, keep_fingerprints
from lake.catalogue.runs import new_run_id
from lake.catalogue.tracks import active_tracks
from lake.storage.arrow import alike, is_among, place_in
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from lake.storage.vectors import matrix
from schemas.audio import MOST_BIT_ERRORS
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table

FEW = 8  # files that this process hears itself; more go to Ray
PAIRS_AT_ONCE = 256  # whose fingerprints are in memory: at most 100 kB each

WRITERS = {".csv": write_csv, ".parquet": write_table}
SIDES = ("left", "right")
SCHEMA = pa.schema(
    [
        *(("group", pa.int64()), ("kind", pa.string()), ("track_id", pa.string()), ("title", pa.string())),
        *(("uri", pa.string()), ("codec", pa.string()), ("duration_s", pa.float64()), ("bytes", pa.int64())),
        *(("cosine", pa.float64()), ("bit_error_rate", pa.float64()), ("content_sha256", pa.string())),
    ]
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DuplicatesRequest:
    """With `near` also other encodes: pairs of at least `cosine`, whose lengths differ by at most `seconds`."""

    near: bool = False
    cosine: float = 0.8
    seconds: float = 5.0
    number: int | None = None

    def __post_init__(self) -> None:
        if not -1 <= self.cosine <= 1:
            raise UserError(f"--cosine is between -1 and 1, not {self.cosine}")
        if not 0 <= self.seconds <= 60:
            raise UserError(f"--seconds is between 0 and 60, not {self.seconds}")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two contents that lie near each other; `reason` says why their sound was not compared."""

    left: str
    right: str
    cosine: float
    bit_error_rate: float = 1.0
    reason: str = ""


@dataclass(slots=True)
class Duplicates:
    """`rows` are tracks, those of a group together; `changed` tracks are left out until they are embedded again."""

    encoder: str
    embedding_version: str
    tracks: int
    changed: int
    groups: dict[str, int] = field(default_factory=dict)
    candidates: int = 0
    confirmed: int = 0
    refuted: int = 0
    unconfirmed: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def line(self) -> str:
        """What was found, for people."""
        groups = ", ".join(f"{number:,} {kind}" for kind, number in self.groups.items())
        told = f"groups: {groups}; {len(self.rows):,} of {self.tracks:,} tracks are in one"
        if self.candidates:
            told += f"; {self.candidates:,} near pairs: {self.confirmed:,} confirmed, {self.refuted:,} refuted"
            told += f", {len(self.unconfirmed):,} not confirmed"
        return told + (f"; {self.changed:,} left out: their files have changed since" if self.changed else "")


def duplicates(request: DuplicatesRequest, settings: Settings) -> Duplicates:
    """Groups among the active tracks of what is live, or of a release, that were embedded from their current file."""
    lake, spec = held(settings, number=request.number)
    columns = ["track_id", "source_version", "content_sha256", "duration_s", "title"]
    rows = lake.table(embeddings_table(spec)).to_table(columns=columns + ["vector"] * request.near)
    registered = active_tracks(lake).select(["track_id", "uri", "size", "source_version"])
    rows = rows.filter(is_among(rows["track_id"], registered["track_id"])).sort_by("track_id")
    tracks = rows.filter(alike(rows, registered))
    place = place_in(tracks["track_id"], registered["track_id"])
    for name, column in (("uri", "uri"), ("bytes", "size")):
        tracks = tracks.append_column(name, registered[column].take(place))
    found = Duplicates(spec.name, spec.embedding_version, len(tracks), len(rows) - len(tracks))
    pairs: list[Pair] = []
    if request.near:
        pairs = _near(request, lake, tracks, settings)
        tracks = tracks.drop_columns("vector")
    same = [pair for pair in pairs if not pair.reason and pair.bit_error_rate <= MOST_BIT_ERRORS]
    found.unconfirmed = [_told(pair, tracks) for pair in pairs if pair.reason]
    found.candidates, found.confirmed = len(pairs), len(same)
    found.refuted = len(pairs) - len(same) - len(found.unconfirmed)
    found.rows = _grouped(lake, tracks, same)
    kinds = {row["group"]: row["kind"] for row in found.rows}
    found.groups = {"identical": 0, "near": 0} | Counter(kinds.values())
    return found


def _told(pair: Pair, tracks: pa.Table) -> Row:
    """A pair that was not compared, by the first track of each content."""
    contents = tracks["content_sha256"].combine_chunks()
    ids = tracks["track_id"].take(pc.index_in(pa.array([pair.left, pair.right]), contents)).to_pylist()
    return {"track_id": ids[0], "other": ids[1], "cosine": pair.cosine, "why": f"not confirmed: {pair.reason}"}


def _near(request: DuplicatesRequest, lake: Lake, tracks: pa.Table, settings: Settings) -> list[Pair]:
    """Candidates among contents, one vector each, and what their fingerprints say of them."""
    from workers.metrics.neighbours import unit_rows
    from workers.metrics.pairs import ByLength, mutual

    contents = pc.unique(tracks["content_sha256"])
    first = tracks.take(pc.index_in(contents, tracks["content_sha256"].combine_chunks()))
    sorted_rows = ByLength.of(unit_rows(matrix(first["vector"])), first["duration_s"].to_numpy(), request.seconds)
    blocks = track(sorted_rows.blocks, f"comparing the vectors of {len(first):,} files")
    pairs = mutual([sorted_rows.nearest(block, request.cosine) for block in blocks], len(first))
    names = contents.to_pylist()
    candidates = [
        Pair(names[left], names[right], round(float(cosine), 4))
        for left, right, cosine in zip(pairs.left, pairs.right, pairs.cosines, strict=True)
    ]
    wanted = pa.array(sorted({name for pair in candidates for name in (pair.left, pair.right)}), pa.string())
    some = tracks.filter(pc.is_in(tracks["content_sha256"], wanted))
    uris: dict[str, list[str]] = defaultdict(list)
    for name, uri in zip(some["content_sha256"].to_pylist(), some["uri"].to_pylist(), strict=True):
        uris[name].append(uri)
    return list(_compared(candidates, request.seconds, lake, uris, settings))


def _compared(
    pairs: list[Pair], seconds: float, lake: Lake, uris: dict[str, list[str]], settings: Settings
) -> Iterator[Pair]:
    """Each pair with its bit error rate, or with the reason why there is none."""
    from workers.audio.fingerprint import bit_error_rate

    refused: dict[str, str] = {}
    parts = [pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE)]
    for part in parts:
        wanted = {name for pair in part for name in (pair.left, pair.right)} - refused.keys()
        known = _fingerprints(lake, {name: uris[name] for name in sorted(wanted)}, refused, settings)
        for pair in track(part, f"comparing the sound of {len(part):,} of {len(pairs):,} pairs"):
            if reason := refused.get(pair.left) or refused.get(pair.right):
                yield replace(pair, reason=reason)
            else:
                rate = bit_error_rate(known[pair.left], known[pair.right], seconds + 1)
                yield replace(pair, bit_error_rate=round(rate, 4))


def _fingerprints(
    lake: Lake, uris: dict[str, list[str]], refused: dict[str, str], settings: Settings
) -> dict[str, bytes]:
    """Those of contents: kept ones, else taken now and kept. Of the others `refused` learns why there is none."""
    from workers.audio.fingerprint import is_current

    known = {name: kept for name, kept in fingerprints(lake, list(uris)).items() if is_current(kept)}
    missing = [(name, places) for name, places in uris.items() if name not in known]
    if not missing:
        return known
    taken = {}
    with Lease(lake, FINGERPRINTS, new_run_id(), Watch().say) as lease:
        try:
            for one in track(_taken(missing, settings), f"hearing {len(missing):,} files", len(missing)):
                if one.fingerprint is None:
                    refused[one.content_sha256] = one.reason
                else:
                    taken[one.content_sha256] = one.fingerprint
        finally:  # an interrupt keeps what was heard
            keep_fingerprints(lake, lease, taken)
    return known | taken


def _taken(missing: list[tuple[str, list[str]]], settings: Settings) -> Iterator[Any]:
    from workers.audio.fingerprint import take

    if len(missing) <= FEW:
        return (take(settings.s3, content) for content in missing)
    from workers.distributed.cluster import each

    return each(take, settings.s3, missing, settings)


def _grouped(lake: Lake, tracks: pa.Table, same: list[Pair]) -> list[Row]:
    """Tracks of one content, and contents that pairs join: a row a track, by group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    encoded = pc.dictionary_encode(tracks["content_sha256"].combine_chunks())
    contents, names = encoded.indices.to_numpy(), encoded.dictionary
    ends = [pc.index_in(pa.array([getattr(pair, side) for pair in same], pa.string()), names) for side in SIDES]
    joined = coo_array((np.ones(len(same)), tuple(end.to_numpy() for end in ends)), (len(names), len(names)))
    _, groups = connected_components(joined, directed=False)
    group = groups[contents]
    several = np.bincount(group, minlength=1)[group] > 1
    chosen = tracks.filter(pa.array(several)).to_pylist()
    codec = codecs(lake, sorted({row["content_sha256"] for row in chosen}))
    best: dict[str, Pair] = {}
    for pair in sorted(same, key=lambda pair: -pair.bit_error_rate):
        best[pair.left] = best[pair.right] = pair
    numbers: dict[int, int] = {}
    rows = []
    for row, own in zip(chosen, group[several].tolist(), strict=True):
        content = row["content_sha256"]
        pair = best.get(content)
        rows.append(
            {"group": numbers.setdefault(own, len(numbers) + 1), "kind": "near" if pair else "identical"}
            | {name: row[name] for name in ("track_id", "title", "uri")}
            | {"codec": codec.get(content), "duration_s": round(row["duration_s"], 2), "bytes": row["bytes"]}
            | {"cosine": pair and pair.cosine, "bit_error_rate": pair and pair.bit_error_rate}
            | {"content_sha256": content}
        )
    return sorted(rows, key=lambda row: row["group"])


def check_out(out: Path) -> None:
    """UserError where no groups can be written there: said before the work."""
    if out.suffix not in WRITERS or out.is_dir():
        raise UserError(f"cannot write {out}: name a file that ends in .csv or .parquet")


def write(rows: list[Row], out: Path) -> None:
    """A row a track, whole or not at all; `out` was checked."""
    with writing(out) as unfinished:
        WRITERS[out.suffix](pa.Table.from_pylist(rows, schema=SCHEMA), str(unfinished))
