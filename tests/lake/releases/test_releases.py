"""Tests of releases: publishing, reading old ones, races between publishers. On a local disk and on SeaweedFS."""

import subprocess
import sys
from datetime import timedelta

import pytest

from lake.catalogue.encoders import register_encoder
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.embeddings.search import read_vector, search
from lake.releases.publish import check_coverage, draft, publish, publish_if_due
from lake.releases.releases import (
    TABLE,
    find_release,
    list_releases,
    live_release,
    open_release,
    release_before_live,
    take_snapshot,
)
from lake.releases.retention import drop_old_releases
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.releases import Check, Snapshot
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.lake.rows import SPEC, embedded_row, make_listing, outcome_batch, unit_vector

OTHER = SPEC.with_max_windows(3)


@pytest.fixture(params=["local", "s3"])
def home(request, tmp_path):
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    return Lake.at(uri, S3Settings())


def write(home, names, spec=SPEC, version="1"):
    """Write the registry, the spec and the rows, as a run does."""
    with Lease(home, embeddings_table(spec), "run", print) as lease:
        register_tracks(home, make_listing(names, version))
        register_encoder(home, spec)
        committer = Committer(home, spec, lease, "run", Settings(keep_windows=False))
        committer.add(outcome_batch(*[embedded_row(name, version) for name in names]))
        committer.flush()


def tracks_of(home, number):
    pinned, spec = open_release(home, find_release(home, number))
    return sorted(hit.track_id for hit in search(pinned, spec, unit_vector("a1", 8).astype("f4"), 100))


def test_a_run_publishes_and_an_old_release_does_not_change(home):
    messages = []
    write(home, ["a", "b"])
    first = publish_if_due(home, {"run1": SPEC}, "index", messages.append)
    assert (first.number, first.run_id, first.command, first.forced) == (1, "run1", "index", False)
    assert publish_if_due(home, {"run2": SPEC}, "index", messages.append) is None  # nothing has changed
    write(home, ["c"])
    write(home, ["a"], version="2")  # replaced
    assert publish_if_due(home, {"run2": SPEC}, "index", messages.append).number == 2
    assert live_release(home) == list_releases(home)[-1]
    assert [release.number for release in list_releases(home)] == [1, 2]
    assert live_release(home).gate[0].name == "coverage"
    assert messages[-1] == f"release 2 (made-up {SPEC.embedding_version}) is live: 3 tracks"
    table = home.table(embeddings_table(SPEC))
    table.optimize.compact_files()
    table = home.table(embeddings_table(SPEC))
    table.cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)
    assert (tracks_of(home, 1), tracks_of(home, 2)) == (["a", "b"], ["a", "b", "c"])
    old, spec = open_release(home, find_release(home, 1))
    assert read_vector(old, spec, "a").tolist() == unit_vector("a1", 8).astype("f4").tolist()
    assert read_vector(home, spec, "a").tolist() == unit_vector("a2", 8).astype("f4").tolist()


def test_another_version_is_not_published(home):
    write(home, ["a", "b"])
    publish_if_due(home, {"run1": SPEC}, "index", print)
    write(home, ["a", "b", "c"], OTHER)
    assert publish_if_due(home, {"run2": OTHER}, "index", print) is None
    assert live_release(home).snapshot.embedding_version == SPEC.embedding_version
    assert publish_if_due(home, {"run3": OTHER, "run4": SPEC}, "index", print) is None


def test_the_first_release_of_a_lake_of_several_versions_is_not_automatic(home):
    write(home, ["a"])
    write(home, ["a"], OTHER)
    assert publish_if_due(home, {"run": OTHER}, "index", print) is None
    assert live_release(home) is None
    assert publish_if_due(home, {"run1": OTHER, "run2": SPEC}, "index", print).run_id == "run1"


def test_a_run_that_lost_tracks_is_not_published(home):
    messages = []
    names = [f"t{number}" for number in range(10)]
    write(home, names)
    publish_if_due(home, {"run1": SPEC}, "index", messages.append)
    home.table(embeddings_table(SPEC)).delete("track_id = 't3'")
    assert publish_if_due(home, {"run2": SPEC}, "index", messages.append) is None
    assert "not published: 9 of the 10 tracks of live" in messages[-1]
    assert f"tonelake promote {SPEC.embedding_version}" in messages[-1]
    home.table("tracks").update({"state": "'vanished'"}, "track_id = 't3'")  # gone from its source: nobody misses it
    assert publish_if_due(home, {"run2": SPEC}, "index", messages.append).number == 2
    assert tracks_of(home, 1) == names


def test_coverage_counts_vectors_of_the_current_file_or_of_the_file_in_live(home):
    names = ["a", "b", "c", "d"]
    write(home, names, OTHER)
    write(home, names)
    before = publish(home, draft(None, take_snapshot(home, SPEC), "run", "promote"), print)
    write(home, ["a", "b"], version="2")
    after = take_snapshot(home, OTHER)
    assert check_coverage(home, before.snapshot, after, 1.0).value == 1.0  # no staler than live
    before = publish(home, draft(before, take_snapshot(home, SPEC), "run", "promote"), print)
    check = check_coverage(home, before.snapshot, after, 0.995)
    assert (check.value, check.passed) == (0.5, False)


PUBLISHER = """
import sys
from lake.storage.lake import Lake
from lake.releases.publish import draft, publish
from lake.releases.releases import live_release, take_snapshot
from schemas.errors import UserError
from schemas.settings import S3Settings
from tests.lake.rows import SPEC
home = Lake.at(sys.argv[1], S3Settings())
release = draft(live_release(home), take_snapshot(home, SPEC), sys.argv[2], "promote")
print("ready", flush=True)
sys.stdin.readline()
try:
    print("published", publish(home, release, print).number)
except UserError as error:
    print("refused", error)
"""


def test_of_three_concurrent_publishers_one_succeeds_and_the_others_get_one_line(home):
    write(home, ["a"])
    publish_if_due(home, {"run1": SPEC}, "index", print)
    write(home, ["b"])
    publishers = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, home.uri, f"publisher{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for publisher in publishers:
        assert publisher.stdout.readline() == "ready\n"
    for publisher in publishers:
        publisher.stdin.write("\n")
        publisher.stdin.flush()
    outputs = [publisher.communicate(timeout=120) for publisher in publishers]
    last = [output.strip().splitlines()[-1] for output, _ in outputs]
    assert sorted(line.split()[0] for line in last) == ["published", "refused", "refused"], outputs
    assert all("run the same command again" in line for line in last if line.startswith("refused"))
    assert [release.number for release in list_releases(home)] == [1, 2]


def test_a_publisher_killed_between_tag_and_row_does_not_block_the_next(home):
    write(home, ["a"])
    table = home.table(embeddings_table(SPEC))
    table.tags.create("release-1", table.version)
    write(home, ["b"])
    assert live_release(home) is None
    publish_if_due(home, {"run": SPEC}, "index", print)
    assert tracks_of(home, 1) == ["a", "b"]


def test_a_release_keeps_the_reason_and_the_failed_checks(home):
    write(home, ["a"])
    checks = [Check("coverage", False, "1 of 2", 0.5, limit=0.995), Check("benchmarks", None, "none")]
    publish(home, draft(None, take_snapshot(home, SPEC), "run", "promote", checks, "the label wants it"), print)
    release = find_release(home, 1)
    assert (release.forced, release.reason, release.gate) == (True, "the label wants it", tuple(checks))
    assert home.table(TABLE).count_rows() == 1


def test_old_releases_are_dropped_except_the_newest_of_each_version(home):
    write(home, ["a"], OTHER)
    publish(home, draft(None, take_snapshot(home, OTHER), "run", "promote"), print)
    for name in "bcd":
        write(home, [name])
        publish(home, draft(live_release(home), take_snapshot(home, SPEC), "run", "promote"), print)
    assert drop_old_releases(home, keep=2) == [2]
    assert drop_old_releases(home, keep=2) == []
    table = home.table(embeddings_table(SPEC))
    table.cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)
    assert (tracks_of(home, 1), tracks_of(home, 3), tracks_of(home, 4)) == (["a"], ["b", "c"], ["b", "c", "d"])
    with pytest.raises(UserError, match=r"the files of release 2 .* were removed"):
        open_release(home, find_release(home, 2))


def test_a_table_that_was_removed_is_published_again(home):
    for names in (["a1"], ["a1", "b2", "c3"]):
        write(home, names)
        publish_if_due(home, {"run": SPEC}, "index", print)
    home.file_system().rm(home.table_uri(embeddings_table(SPEC)), recursive=True)
    assert drop_old_releases(home, 1) == []
    write(home, ["a1", "b2", "c3", "d4"])
    assert publish_if_due(home, {"run": SPEC}, "index", print).number == 3
    assert tracks_of(home, 3) == ["a1", "b2", "c3", "d4"]
    with pytest.raises(UserError, match=r"the files of release 2 .* were removed"):
        tracks_of(home, 2)
    home.table(embeddings_table(SPEC)).tags.delete("release-3")
    assert publish_if_due(home, {"run": SPEC}, "index", print).number == 4


def test_an_unknown_release_number(home):
    write(home, ["a"])
    with pytest.raises(UserError, match=r"there is no release 1 .*none yet"):
        find_release(home, 1)
    publish_if_due(home, {"run": SPEC}, "index", print)
    with pytest.raises(UserError, match=r"there is no release 7 .*: 1 to 1"):
        find_release(home, 7)


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
def test_a_rollback_skips_releases_that_were_rolled_back_from(rolled_back_to, before):
    releases = []
    for number, republishes in enumerate(rolled_back_to, start=1):
        snapshot = Snapshot("made-up", "v", "t", republishes or number, 1)
        releases.append(draft(releases[-1] if releases else None, snapshot, "run", "index", republishes=republishes))
    release = release_before_live(releases)
    assert (release and release.number) == before
