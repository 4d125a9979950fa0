"""The shadow model: what must hold of a lake after every step, from what the simulator itself did to the files."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from lake.embeddings.stretches import stretch_vectors
from schemas.embeddings import windows_schema
from schemas.encoders import EncoderSpec
from tests.simulation.map_checks import unplaced_rows
from tests.simulation.reader import Observation, PlainReader, read_exports
from tests.simulation.sounds import HEADS, content_sha256, expected_description, expected_vectors
from tests.simulation.sources import MANIFEST, Sources
from workers.encoders.fake import SPEC

KNOWN_SPECS = {spec.embedding_version: spec for spec in (SPEC, SPEC.with_max_windows(1), *HEADS)}
_SPEC_OF = KNOWN_SPECS | {spec.feature_version: spec for spec in KNOWN_SPECS.values()}
_TOLERANCE = 2e-3  # of a float16
_TRACK, _CONTENT = "track_id:", "content_sha256:"


class Violated(AssertionError):
    """Something that must hold does not."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise Violated(message)


@dataclass(frozen=True, slots=True)
class Blocked:
    """What finished takedowns refuse, and whether one is unfinished."""

    tracks: frozenset[str]
    contents: frozenset[str]
    is_unfinished: bool

    @classmethod
    def of(cls, rows: list[dict[str, Any]]) -> "Blocked":
        """Read the rows of the table `takedowns`."""
        keys = [row["key"] for row in rows if row["done_at"] is not None]
        return cls(
            frozenset(key.removeprefix(_TRACK) for key in keys if key.startswith(_TRACK)),
            frozenset(key.removeprefix(_CONTENT) for key in keys if key.startswith(_CONTENT)),
            any(row["done_at"] is None for row in rows),
        )


Work = tuple[str, str, str]  # encoder and version, track_id, content_sha256
ReleaseRow = tuple[str, str, bytes]  # track_id, content_sha256, vector


@dataclass
class ShadowModel:
    """Remembers what was published and embedded, and compares it with what a plain reader sees."""

    sources: Sources
    reader: PlainReader
    released: dict[int, set[ReleaseRow]] = field(default_factory=dict)
    embedded: set[Work] = field(default_factory=set)
    may_lose_work: bool = False  # a table was damaged: its newest rows may be gone

    def forget_releases(self, table: str) -> None:
        """Expect other rows from the releases of a table: its damaged version is replaced by an older one."""
        for row in self.reader.rows("releases"):
            if row["table"] == table:
                self.released.pop(row["number"], None)

    def check(self, seen: Observation, *, after_two: bool = False) -> None:
        """Raise Violated if the tables contradict each other, the files or what was seen before.

        `after_two`: two commands ran at once. One may have removed a source that the other, with another encoder,
        brought back: then the rows wait in the vanished table.
        """
        blocked = Blocked.of(seen.rows("takedowns"))
        repeated = seen.repeated_keys()
        require(not repeated, f"several rows of one key: {repeated}")
        self._check_rows(seen)
        self._check_work(seen, blocked, also_kept=_work_of(seen, "vanished") if after_two else set())
        self._check_releases(seen, blocked)
        if not blocked.is_unfinished:
            self._check_takedowns(seen, blocked)

    def _check_rows(self, seen: Observation) -> None:
        """Every row must be what its encoder makes of the file that it names."""
        for kind in ("embeddings", "vanished", "features", "windows"):
            for name, rows in seen.of_kind(kind).items():
                for row in rows:
                    self._check_row(kind, name, row)
        require(not unplaced_rows(seen), f"no points: {unplaced_rows(seen)}")

    def _check_row(self, kind: str, name: str, row: dict[str, Any]) -> None:
        content = self._content(name, row)
        if kind in ("embeddings", "vanished"):
            expected = content_sha256(content)
            require(row["content_sha256"] == expected, f"{name}: {row['track_id']} has another file's content")
            if row["description_version"]:
                self._check_description(name, row, content)
        version = name.rsplit("__", 1)[1]
        require(version in _SPEC_OF, f"{name} is of no known version")
        column = {"features": "features", "windows": "window_vectors"}.get(kind, "vector")
        same = np.allclose(
            _array(row[column]),
            _array(expected_vectors(content, _SPEC_OF[version])[column]),
            atol=_TOLERANCE,
            rtol=_TOLERANCE,
        )
        require(same, f"{name}: {row['track_id']} has a vector of another content or version")

        if kind == "windows" and row["stretch_vectors"]:
            windows = pa.chunked_array([[row["window_vectors"]]], windows_schema(_SPEC_OF[version]).field(column).type)
            due = stretch_vectors(_SPEC_OF[version], windows)[0].as_py()
            same = np.allclose(_array(row["stretch_vectors"]), _array(due), atol=_TOLERANCE)
            require(same, f"{name}: {row['track_id']} has stretches of other windows")

    def _check_description(self, name: str, row: dict[str, Any], content: int) -> None:
        due = expected_description(content)
        require({column: row[column] for column in due} == due, f"{name}: {row['track_id']} has another description")

    def check_described(self, seen: Observation) -> None:
        """After `describe`, every embedded row whose file is still there has its description, and no content two."""
        readable = {(track, row["source_version"]) for track, row in seen.active.items()}
        for name, rows in seen.of_kind("embeddings").items():
            for row in rows:
                is_due = (row["track_id"], row["source_version"]) in readable
                require(
                    not is_due or row["description_version"] is not None, f"{name}: {row['track_id']} is not described"
                )

    def _content(self, name: str, row: dict[str, Any]) -> int:
        content = self.sources.versions.get(row["source_version"])
        require(content is not None, f"{name}: {row['track_id']} is of no file that ever was: {row['source_version']}")
        assert content is not None
        require(content >= 0, f"{name}: {row['track_id']} was embedded from a damaged file")
        return content

    def _check_work(self, seen: Observation, blocked: Blocked, also_kept: set[Work]) -> None:
        """A track that was embedded stays embedded while its file is the same."""
        active = seen.active
        now = _work_of(seen, "embeddings")
        still_due = {
            work
            for work in self.embedded
            if work[1] in active and self._sha256(active[work[1]]) == work[2] and work[1] not in blocked.tracks
        }
        lost = {work for work in still_due - now - also_kept if work[2] not in blocked.contents}
        require(not lost or self.may_lose_work or blocked.is_unfinished, f"embedded tracks are gone: {sorted(lost)}")
        self.embedded = now

    def _sha256(self, row: dict[str, Any]) -> str | None:
        """Return the hash of the file of a row; None if there is no such file."""
        content = self.sources.versions.get(row["source_version"])
        return None if content is None else content_sha256(content)

    def _check_releases(self, seen: Observation, blocked: Blocked) -> None:
        """Every release reads as it was when it was published, but for what was taken down since."""
        rows = sorted(seen.rows("releases"), key=lambda row: row["number"])
        numbers = [row["number"] for row in rows]
        require(numbers == list(range(1, len(rows) + 1)), f"releases are numbered {numbers}")
        for row in rows:
            known = self.released.get(row["number"])
            content = self._read_release(row)
            if content is None:
                is_live = row is rows[-1]
                require(not is_live or self.may_lose_work, f"release {row['number']} is live and cannot be read")
                continue
            if known is None:
                self.released[row["number"]] = content
                continue
            surplus, missing = content - known, known - content
            missing = {item for item in missing if item[0] not in blocked.tracks and item[1] not in blocked.contents}
            if blocked.is_unfinished:
                missing = set()
            require(
                not surplus and not missing,
                f"release {row['number']} changed: {len(surplus)} rows more, {len(missing)} less",
            )

    def _read_release(self, row: dict[str, Any]) -> set[ReleaseRow] | None:
        """Return the rows of a release; None if its files were removed."""
        try:
            rows = self.reader.rows(row["table"], row["lance_version"])
        except (ValueError, OSError):
            return None
        if len(rows) != row["tracks"]:
            return None
        return {(item["track_id"], item["content_sha256"], _array(item["vector"]).tobytes()) for item in rows}

    def _check_takedowns(self, seen: Observation, blocked: Blocked) -> None:
        """Nothing of what was taken down is in any version of any table."""
        if not blocked.tracks and not blocked.contents:
            return
        for name in seen.tables:
            if name in ("takedowns", "track_aliases", "runs"):
                continue
            for version in self.reader.versions(name):
                for row in self.reader.rows(name, version):
                    track, content = row.get("track_id"), row.get("content_sha256")
                    if name == "quarantine" and row["reason"] == "taken_down":
                        continue
                    require(track not in blocked.tracks, f"{name} version {version} has {track}, which was taken down")
                    require(
                        content not in blocked.contents, f"{name} version {version} has a content that was taken down"
                    )

    def check_search(self, seen: Observation) -> None:
        """Through its vector index too, a table answers with each of its rows once, and with nothing else."""
        for name, rows in seen.of_kind("embeddings").items():
            table = self.reader.open(name)
            if rows and any(index.field_names == ["vector"] for index in table.describe_indices()):
                nearest = {"column": "vector", "q": _array(rows[0]["vector"]), "k": len(rows), "ef": 4 * len(rows)}
                answers = table.to_table(nearest=nearest, columns=["track_id", "_distance"])["track_id"].to_pylist()
                due = sorted(row["track_id"] for row in rows)
                require(sorted(answers) == due, f"{name}: search finds {sorted(answers)}, the rows are {due}")

    def check_exports(self, seen: Observation) -> None:
        """Nothing of what was taken down is in a file of an export."""
        blocked = Blocked.of(seen.rows("takedowns"))
        for path, tracks in read_exports(self.sources.root / "exports"):
            left = {*tracks} & blocked.tracks
            require(not left, f"the export {path} has {sorted(left)}, which were taken down")

    def check_complete(self, seen: Observation, *, accepted: bool) -> None:
        """Raise Violated unless the lake is what a refresh without any fault must make of the sources.

        `accepted`: it accepted every loss.
        """
        blocked = Blocked.of(seen.rows("takedowns"))
        registered = {row["source"] for row in seen.rows("sources")}
        listed: dict[str, tuple[str, int | None]] = {}
        for source in ("music", "more", MANIFEST):
            if self.sources.address(source) in registered:
                for track, (path, content) in self.sources.listed(source).items():
                    listed[f"{source} {track}"] = (self.sources.address(path), content)
        self._check_registry(seen, blocked, listed)
        for version in seen.rows("encoders"):
            spec = KNOWN_SPECS[version["embedding_version"]]
            _, embedded, _, pending = count_coverage(seen, spec)
            require(not pending, f"{spec.name}: {pending} tracks are pending")
            sound = sum(self._is_sound(row, blocked) for row in seen.active.values())
            require(embedded == sound, f"{spec.name}: {embedded} tracks are embedded, {sound} files can be")
            searchable = len(seen.rows(f"embeddings__{spec.name}__{spec.embedding_version}"))
            stale = sum(row["embedding_version"] == spec.embedding_version for row in seen.rows("stale"))
            require(
                searchable == embedded + stale,
                f"{spec.name}: search finds {searchable} rows, {embedded} are embedded, {stale} recorded as stale",
            )
            require(not (stale and accepted), f"{spec.name}: {stale} rows are stale although their loss was accepted")

    def _check_registry(self, seen: Observation, blocked: Blocked, listed: dict[str, tuple[str, int | None]]) -> None:
        """The active tracks are the listed ones, each once."""
        uris = sorted(row["uri"] for row in seen.active.values())
        due = sorted(path for path, _ in listed.values())
        taken_down = len(due) - len(uris)
        require(taken_down >= 0 and set(uris) <= set(due), f"active are {uris}, listed are {due}")
        require(taken_down == 0 or bool(blocked.tracks), f"{taken_down} listed tracks are missing")
        require(taken_down <= len(blocked.tracks), f"{taken_down} listed tracks are missing")

    def _is_sound(self, row: dict[str, Any], blocked: Blocked) -> bool:
        content = self.sources.files.get(row["uri"].removeprefix(f"{self.sources.root}/"))
        return content is not None and content >= 0 and content_sha256(content) not in blocked.contents


def count_coverage(seen: Observation, spec: EncoderSpec) -> tuple[int, int, int, int]:
    """Count expected, embedded, quarantined and pending tracks of a version from the tables alone."""
    rows = seen.rows(f"embeddings__{spec.name}__{spec.embedding_version}")
    embedded = {(row["track_id"], row["source_version"]) for row in rows if row["tags_version"] == spec.tags_version}
    refused = {
        (row["track_id"], row["source_version"])
        for row in seen.rows("quarantine")
        if row["feature_version"] == spec.feature_version
    }
    active = {(track, row["source_version"]) for track, row in seen.active.items()}
    return (
        len(active),
        len(active & embedded),
        len((active & refused) - embedded),
        len(active - embedded - refused),
    )


def _array(value: Any) -> np.ndarray:
    return np.asarray(value, np.float32)


def _work_of(seen: Observation, kind: str) -> set[Work]:
    """Return what the tables of a kind hold."""
    return {
        (name.split("__", 1)[1], row["track_id"], row["content_sha256"])
        for name, rows in seen.of_kind(kind).items()
        for row in rows
    }
