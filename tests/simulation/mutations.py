"""Ten faults put into the code of the lake on purpose: the simulator must find each of them.

`python -m tests.simulation.mutations` prints the first seed that finds each one.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

import pyarrow.compute as pc

from flows.ingest import refresh as refresh_module
from flows.ingest import source_diff as diff_module
from flows.operations import status as status_module
from lake.catalogue import plan as plan_module
from lake.embeddings import committer as committer_module
from lake.releases import publish as publish_module
from lake.releases import retention
from lake.storage import lease as lease_module
from lake.storage.arrow import is_in
from lake.takedowns import erase as erase_module
from tests.simulation.run import WORK, run_seed

MAX_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class Mutation:
    """A fault in the code: in `owner`, `name` is replaced by what `make` returns for the original."""

    title: str
    owner: Any
    name: str
    make: Callable[[Callable[..., Any]], Callable[..., Any]]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the fault inside the `with` block."""
        with patch.object(self.owner, self.name, self.make(getattr(self.owner, self.name))):
            yield


def _do_nothing(_: Callable[..., Any]) -> Callable[..., Any]:
    def nothing(*_arguments: Any, **_options: Any) -> None:
        return None

    return nothing


def _return(value: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(_: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *_arguments, **_options: value

    return make


def _keep_all(_: Callable[..., Any]) -> Callable[..., Any]:
    return lambda tracks, *_arguments: tracks


def _lose_last_row(original: Callable[..., Any]) -> Callable[..., Any]:
    """Write all rows of a flush but one."""

    def write(self: Any, rows: Any) -> Any:
        return original(self, rows.slice(0, max(1, len(rows) - 1)))

    return write


def _count_quarantined_as_embedded(original: Callable[..., Any]) -> Callable[..., Any]:
    def make_plan(*arguments: Any, **options: Any) -> Any:
        plan = original(*arguments, **options)
        return replace(plan, embedded=plan.embedded + sum(plan.reasons.values()), reasons={})

    return make_plan


def _ignore_versions(_: Callable[..., Any]) -> Callable[..., Any]:
    """Take a track's row for current whatever file it was computed from."""

    def same_version(tracks: Any, rows: Any) -> Any:
        return pc.fill_null(is_in(tracks["track_id"], rows["track_id"]), False)

    return same_version


def _untag_live(original: Callable[..., Any]) -> Callable[..., Any]:
    """Drop the tag of the live release too."""

    def drop(lake: Any, keep: int) -> Any:
        dropped = original(lake, keep)
        if releases := retention.list_releases(lake):
            tags = lake.table(releases[-1].snapshot.table).tags
            if releases[-1].tag in tags.list():
                tags.delete(releases[-1].tag)
        return dropped

    return drop


def _tag_one_version_early(original: Callable[..., Any]) -> Callable[..., Any]:
    """Publish the version before the one that was written."""

    def snapshot_of(table: Any, spec: Any) -> Any:
        snapshot = original(table, spec)
        return replace(snapshot, lance_version=max(1, snapshot.lance_version - 1))

    return snapshot_of


_COMMITTER = committer_module.Committer
MUTATIONS = (
    Mutation("a lease is not checked before a commit", lease_module.Lease, "check", _do_nothing),
    Mutation("a flush loses a row", _COMMITTER, "_write_embeddings", _lose_last_row),
    Mutation("a tag is moved to an earlier version", publish_module, "snapshot_of", _tag_one_version_early),
    Mutation("maintenance removes the live release's tag", retention, "drop_old_releases", _untag_live),
    Mutation("status counts quarantined as embedded", status_module, "make_plan", _count_quarantined_as_embedded),
    Mutation("a row counts whatever its file was", plan_module, "same_version", _ignore_versions),
    Mutation("vanished tracks stay in search", refresh_module, "move_inactive", _return(0)),
    Mutation("an accepted loss stays in search", _COMMITTER, "delete_embedded", _do_nothing),
    Mutation("a takedown leaves old versions as they are", erase_module.RowEraser, "_matching_fragments", _return([])),
    Mutation("a refresh takes tracks in that were taken down", diff_module, "drop_blocked", _keep_all),
)


def find(mutation: Mutation, seeds: range) -> tuple[int, str] | None:
    """Return the first seed that finds a mutation, and what was violated; None if none does."""
    with mutation.applied():
        for seed in seeds:
            try:
                failure = run_seed(seed, WORK / f"mutation-{MUTATIONS.index(mutation)}").failure
            except Exception as error:  # the simulator itself meets the fault
                failure = f"{type(error).__name__}: {error}"
            if failure:
                return seed, failure
    return None


def find_number(number: int) -> str:
    mutation = MUTATIONS[number]
    first = find(mutation, range(MAX_SEEDS))
    return f"{mutation.title}: " + (f"seed {first[0]}: {first[1][:150]}" if first else "NOT FOUND")


def main() -> int:
    """Print what finds each mutation; return the number of those that nothing finds."""
    lines = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(find_number, number) for number in range(len(MUTATIONS))]):
            lines.append(future.result())
            print(lines[-1], flush=True)
    return sum("NOT FOUND" in line for line in lines)


if __name__ == "__main__":
    sys.exit(main())
