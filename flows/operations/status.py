"""The content of a lake: coverage of every encoder version, table sizes, and the quarantine."""

from dataclasses import asdict, dataclass
from typing import Any

from lake.catalogue.descriptions import DescribedRows, count_described
from lake.catalogue.encoders import list_encoder_versions
from lake.catalogue.plan import coverage, make_plan, quarantined_tracks
from lake.catalogue.rights import count_unavailable
from lake.catalogue.tracks import active_tracks
from lake.embeddings.segments import count_without_moments
from lake.embeddings.stale import count_searchable
from lake.releases.releases import live_release
from lake.storage.filters import in_clause
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.releases import Release
from schemas.rights import RightsFilter, today
from schemas.runs import Coverage, Searchable
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, map_table, windows_table


@dataclass(frozen=True, slots=True)
class TableSize:
    """Rows of a table, and the bytes of all its files, old versions included."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class EncoderStatus:
    """Coverage and descriptions of one encoder version, and the sizes of its tables by name.

    `without_moments` counts the tracks whose windows are not kept, so that a search names no moment of them.
    """

    encoder: str
    embedding_version: str
    coverage: Coverage
    searchable: Searchable
    described: DescribedRows
    tables: dict[str, TableSize]
    without_moments: int

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; the counts of the coverage stand beside the names."""
        names = {"encoder": self.encoder, "embedding_version": self.embedding_version}
        counts = self.coverage.to_json() | self.searchable.to_json() | self.described.to_json()
        counts |= {"without_moments": self.without_moments}
        return names | counts | {"tables": _sizes_to_json(self.tables)}


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The live release of a lake, its encoder versions, and the tables that they share.

    `not_available` counts the active tracks that may not be played today.
    """

    lake: str
    live: Release | None
    encoders: tuple[EncoderStatus, ...]
    tables: dict[str, TableSize]
    not_available: int

    @property
    def all_tables(self) -> dict[str, TableSize]:
        """The sizes of all tables. A features table that several versions share counts once."""
        sizes = dict(self.tables)
        for encoder in self.encoders:
            sizes |= encoder.tables
        return sizes

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; `live` is null in a lake without releases."""
        live = {"release": self.live.number, **asdict(self.live.snapshot)} if self.live else None
        encoders = [encoder.to_json() for encoder in self.encoders]
        counts = {"not_available": self.not_available}
        return {"lake": self.lake, "live": live, **counts, "encoders": encoders, "tables": _sizes_to_json(self.tables)}


@dataclass(frozen=True, slots=True)
class QuarantinedTrack:
    """An active track that could not be embedded; `attempts` counts the tries."""

    track_id: str
    uri: str
    reason: str
    message: str
    attempts: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


def read_status(settings: Settings) -> StatusReport:
    """Read the coverage of every encoder version, and the sizes of all tables.

    Raises UserError if there is no lake.
    """
    lake = Lake.at(settings.lake, settings.s3)
    names = lake.require_table_names()
    tracks = active_tracks(lake)
    encoders = []
    for version in list_encoder_versions(lake):
        spec = version.spec
        version_tables = [
            table_name(spec) for table_name in (embeddings_table, features_table, windows_table, map_table)
        ]
        sizes = {name: _size(lake, name) for name in version_tables if name in names}
        counts = coverage(make_plan(lake, spec, tracks))
        searchable = count_searchable(lake, spec)
        described = count_described(lake, spec)
        moments = count_without_moments(lake, spec)
        encoders.append(
            EncoderStatus(version.name, version.embedding_version, counts, searchable, described, sizes, moments)
        )
    shared = {name: _size(lake, name) for name in sorted(names) if "__" not in name}
    not_available = count_unavailable(lake, RightsFilter(today()))
    return StatusReport(lake.uri, live_release(lake), tuple(encoders), shared, not_available)


def read_quarantine(settings: Settings) -> list[QuarantinedTrack]:
    """Return the active tracks in quarantine, sorted by uri.

    They are those of the encoders that the user named, else of all. A track that several versions quarantined for one
    reason is one row. A row about an earlier version of the file is left out. Raises UserError if there is no lake.
    """
    lake = Lake.at(settings.lake, settings.s3)
    if "quarantine" not in lake.require_table_names():
        return []
    feature_versions = {spec.feature_version for spec in _matching_specs(lake, settings)}
    if not feature_versions:
        return []
    rows = lake.table("quarantine").to_table(filter=in_clause("feature_version", feature_versions)).to_pylist()
    registered = active_tracks(lake).select(["track_id", "uri", "source_version"]).to_pylist()
    tracks = {track["track_id"]: track for track in registered}
    quarantined = {
        (row["track_id"], row["reason"]): QuarantinedTrack(
            track["track_id"], track["uri"], row["reason"], row["message"], row["attempts"]
        )
        for row in sorted(rows, key=lambda row: int(row["attempts"]))
        if (track := tracks.get(row["track_id"])) and track["source_version"] == row["source_version"]
    }
    return sorted(quarantined.values(), key=lambda track: track.uri)


def quarantined_versions(settings: Settings) -> list[tuple[str, int | None]]:
    """Return the encoder and the window limit of every version that has tracks in quarantine.

    They are of the encoders that the user named, else of all. The encoder is a name, or the folder of a trained one; a
    limit of None stands for all windows. Raises UserError if there is no lake.
    """
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    specs = _matching_specs(lake, settings)
    quarantined = [spec for spec in specs if len(quarantined_tracks(lake, spec))]
    return list(dict.fromkeys((spec.folder_or_name, spec.backbone.windows.limit) for spec in quarantined))


def _matching_specs(lake: Lake, settings: Settings) -> list[EncoderSpec]:
    """Return the versions of the encoders that the user named; all if none is named."""
    specs = [version.spec for version in list_encoder_versions(lake)]
    wanted = set(settings.encoders)
    return [spec for spec in specs if not settings.has_explicit_encoder or wanted & {spec.name, spec.folder}]


def _size(lake: Lake, name: str) -> TableSize:
    return TableSize(lake.table(name).count_rows(), int(lake.file_system().du(lake.table_uri(name))))


def _sizes_to_json(tables: dict[str, TableSize]) -> dict[str, dict[str, int]]:
    return {name: asdict(size) for name, size in tables.items()}
