"""Releases: what is live, what an old one still shows, and who wins when two publish at once. Local and SeaweedFS."""

import subprocess
import sys
from datetime import timedelta

import pytest

from lake.catalogue.encoders import remember
from lake.catalogue.tracks import register
from lake.embeddings.committer import Committer
from lake.embeddings.search import search, vector_of
from lake.releases.releases import (
    TABLE,
    as_released,
    before_live,
    coverage_check,
    draft,
    live,
    publish,
    publish_again,
    release,
    releases,
    retire,
    snapshot,
)
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.releases import Check, Snapshot
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.lake.rows import SPEC, batch, embedded, listing, unit

OTHER = SPEC.limited(3)


@pytest.fixture(params=["local", "s3"])
def home(request, tmp_path):
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    return Lake.at(uri, S3Settings())


def write(home, names, spec=SPEC, version="1"):
    """As a run does: the registry, the spec, the rows."""
    register(home, listing(names, version))
    remember(home, spec)
    with Lease(home, embeddings_table(spec), "run", print) as lease:
        committer = Committer(home, spec, lease, "run", Settings(keep_windows=False))
        committer.add(batch(*[embedded(name, version) for name in names]))
        committer.flush()


def found(home, number):
    pinned, spec = as_released(home, release(home, number))
    return sorted(row["track_id"] for row in search(pinned, spec, unit("a1", 8).astype("f4"), 100))


def test_a_run_publishes_what_it_wrote_and_an_old_release_stays_as_it_was(home):
    said = []
    write(home, ["a", "b"])
    first = publish_again(home, {"run1": SPEC}, "index", said.append)
    assert (first.number, first.run_id, first.command, first.forced) == (1, "run1", "index", False)
    assert publish_again(home, {"run2": SPEC}, "index", said.append) is None  # nothing has changed
    write(home, ["c"])
    write(home, ["a"], version="2")  # replaced
    assert publish_again(home, {"run2": SPEC}, "index", said.append).number == 2
    assert live(home) == releases(home)[-1]
    assert [one.number for one in releases(home)] == [1, 2]
    assert live(home).gate[0].name == "coverage"
    assert said[-1] == f"release 2 (made-up {SPEC.embedding_version}) is live: 3 tracks"
    table = home.table(embeddings_table(SPEC))
    table.optimize.compact_files()
    table = home.table(embeddings_table(SPEC))
    table.cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)
    assert (found(home, 1), found(home, 2)) == (["a", "b"], ["a", "b", "c"])
    old, spec = as_released(home, release(home, 1))
    assert vector_of(old, spec, "a").tolist() == unit("a1", 8).astype("f4").tolist()
    assert vector_of(home, spec, "a").tolist() == unit("a2", 8).astype("f4").tolist()


def test_another_version_is_written_beside_what_is_live(home):
    write(home, ["a", "b"])
    publish_again(home, {"run1": SPEC}, "index", print)
    write(home, ["a", "b", "c"], OTHER)
    assert publish_again(home, {"run2": OTHER}, "index", print) is None
    assert live(home).snapshot.embedding_version == SPEC.embedding_version
    assert publish_again(home, {"run3": OTHER, "run4": SPEC}, "index", print) is None


def test_a_lake_of_several_versions_without_releases_is_left_to_its_owner(home):
    write(home, ["a"])
    write(home, ["a"], OTHER)
    assert publish_again(home, {"run": OTHER}, "index", print) is None
    assert live(home) is None
    assert publish_again(home, {"run1": OTHER, "run2": SPEC}, "index", print).run_id == "run1"


def test_a_run_that_lost_tracks_is_not_published(home):
    said = []
    names = [f"t{number}" for number in range(10)]
    write(home, names)
    publish_again(home, {"run1": SPEC}, "index", said.append)
    home.table(embeddings_table(SPEC)).delete("track_id = 't3'")
    assert publish_again(home, {"run2": SPEC}, "index", said.append) is None
    assert "not published: 9 of the 10 tracks of live" in said[-1]
    assert f"tonelake promote {SPEC.embedding_version}" in said[-1]
    home.table("tracks").update({"state": "'vanished'"}, "track_id = 't3'")  # gone from its source: nobody misses it
    assert publish_again(home, {"run2": SPEC}, "index", said.append).number == 2
    assert found(home, 1) == names


def test_coverage_counts_vectors_of_the_file_as_it_is_or_as_live_heard_it(home):
    names = ["a", "b", "c", "d"]
    write(home, names, OTHER)
    write(home, names)
    before = publish(home, draft(None, snapshot(home, SPEC), "run", "promote"), print)
    write(home, ["a", "b"], version="2")
    after = snapshot(home, OTHER)
    assert coverage_check(home, before.snapshot, after, 1.0).value == 1.0  # no staler than live
    before = publish(home, draft(before, snapshot(home, SPEC), "run", "promote"), print)
    check = coverage_check(home, before.snapshot, after, 0.995)
    assert (check.value, check.passed) == (0.5, False)


COMER = """
import sys
from lake.storage.lake import Lake
from lake.releases.releases import draft, live, publish, snapshot
from schemas.errors import UserError
from schemas.settings import S3Settings
from tests.lake.rows import SPEC
home = Lake.at(sys.argv[1], S3Settings())
drafted = draft(live(home), snapshot(home, SPEC), sys.argv[2], "promote")
print("ready", flush=True)
sys.stdin.readline()
try:
    print("published", publish(home, drafted, print).number)
except UserError as error:
    print("refused", error)
"""


def test_of_three_who_publish_at_once_one_does_and_the_others_are_told_in_a_line(home):
    write(home, ["a"])
    publish_again(home, {"run1": SPEC}, "index", print)
    write(home, ["b"])
    comers = [
        subprocess.Popen(
            [sys.executable, "-c", COMER, home.uri, f"comer{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for comer in comers:
        assert comer.stdout.readline() == "ready\n"
    for comer in comers:
        comer.stdin.write("\n")
        comer.stdin.flush()
    outputs = [comer.communicate(timeout=120) for comer in comers]
    last = [output.strip().splitlines()[-1] for output, _ in outputs]
    assert sorted(line.split()[0] for line in last) == ["published", "refused", "refused"], outputs
    assert all("run the same command again" in line for line in last if line.startswith("refused"))
    assert [one.number for one in releases(home)] == [1, 2]


def test_a_publisher_killed_between_tag_and_row_leaves_nothing_in_the_way(home):
    write(home, ["a"])
    table = home.table(embeddings_table(SPEC))
    table.tags.create("release-1", table.version)
    write(home, ["b"])
    assert live(home) is None
    publish_again(home, {"run": SPEC}, "index", print)
    assert found(home, 1) == ["a", "b"]


def test_a_release_says_why_it_was_forced_and_which_checks_it_did_not_pass(home):
    write(home, ["a"])
    checks = [Check("coverage", False, "1 of 2", 0.5, limit=0.995), Check("benchmarks", None, "none")]
    publish(home, draft(None, snapshot(home, SPEC), "run", "promote", checks, "the label wants it"), print)
    kept = release(home, 1)
    assert (kept.forced, kept.reason, kept.gate) == (True, "the label wants it", tuple(checks))
    assert home.table(TABLE).count_rows() == 1


def test_retired_releases_give_up_their_files_but_for_the_newest_of_each_version(home):
    write(home, ["a"], OTHER)
    publish(home, draft(None, snapshot(home, OTHER), "run", "promote"), print)
    for name in "bcd":
        write(home, [name])
        publish(home, draft(live(home), snapshot(home, SPEC), "run", "promote"), print)
    assert retire(home, keep=2) == [2]
    assert retire(home, keep=2) == []
    table = home.table(embeddings_table(SPEC))
    table.cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)
    assert (found(home, 1), found(home, 3), found(home, 4)) == (["a"], ["b", "c"], ["b", "c", "d"])
    with pytest.raises(UserError, match=r"the files of release 2 .* were given up"):
        as_released(home, release(home, 2))


def test_a_table_that_was_removed_is_published_anew(home):
    for names in (["a1"], ["a1", "b2", "c3"]):
        write(home, names)
        publish_again(home, {"run": SPEC}, "index", print)
    home.files().rm(home.uri_of(embeddings_table(SPEC)), recursive=True)
    assert retire(home, 1) == []
    write(home, ["a1", "b2", "c3", "d4"])
    assert publish_again(home, {"run": SPEC}, "index", print).number == 3
    assert found(home, 3) == ["a1", "b2", "c3", "d4"]
    with pytest.raises(UserError, match=r"the files of release 2 .* were given up"):
        found(home, 2)
    home.table(embeddings_table(SPEC)).tags.delete("release-3")
    assert publish_again(home, {"run": SPEC}, "index", print).number == 4


def test_a_number_that_was_never_published(home):
    write(home, ["a"])
    with pytest.raises(UserError, match=r"there is no release 1 .*none yet"):
        release(home, 1)
    publish_again(home, {"run": SPEC}, "index", print)
    with pytest.raises(UserError, match=r"there is no release 7 .*: 1 to 1"):
        release(home, 7)


@pytest.mark.parametrize(
    ("rolled_back_to", "before"),
    [
        ([], None),
        ([None], None),
        ([None, None], 1),
        ([None, None, 1], None),  # back at the first
        ([None, None, 1, None], 1),  # not 2, which was rolled back from
        ([None, None, None, 2], 1),
        ([None, None, 1, 2], 1),  # forwards again
    ],
)
def test_going_back_passes_over_what_was_rolled_back_from(rolled_back_to, before):
    there = []
    for place, again in enumerate(rolled_back_to, start=1):
        taken = Snapshot("made-up", "v", "t", again or place, 1)
        there.append(draft(there[-1] if there else None, taken, "run", "index", again=again))
    found = before_live(there)
    assert (found and found.number) == before
