"""Recommendations from tables that the committer wrote: shares, explanations, and tracks never recommended."""

import dataclasses
import os
import signal
import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.recommend import recommend_to_all as batch_module
from flows.recommend.recommend import recommend
from flows.recommend.recommend_to_all import SCHEMA, recommend_to_all
from schemas.errors import UserError
from schemas.recommend import RecommendRequest
from schemas.settings import Settings
from tests.cli import kill_group, run, run_json, start
from tests.flows.plays import EACH, IDS, KIND, VECTORS, listeners, of_kind, write, write_plays
from workers.encoders.fake import SPEC

HISTORY = of_kind(0, 6) + of_kind(3, 3) + of_kind(5, 3)
SOUNDS = VECTORS.copy()
SOUNDS[[10, 11]] = SOUNDS[[0, 12]]
KIND_OF = dict(zip(IDS, KIND.tolist(), strict=True))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A lake where t010 has the bytes of t000, which is played, and t011 those of t012."""
    contents = [f"sha-{name}" for name in IDS]
    contents[10], contents[11] = "sha-t000", "sha-t012"
    years = [1980 + index % 40 for index in range(len(IDS))]
    return write(tmp_path_factory.mktemp("home") / "lake", vectors=SOUNDS, content_sha256=contents, year=years)


@pytest.fixture
def settings(home):
    return Settings(lake=home.uri)


def history(tmp_path, tracks=HISTORY):
    file = tmp_path / "history.txt"
    file.write_text("\n".join(tracks))
    return str(file)


def recommended_ids(recommendations):
    return [row.track.track_id for row in recommendations.recommended]


def test_each_interest_gets_its_share_and_an_explanation(settings, tmp_path):
    recommendations = recommend(RecommendRequest(history(tmp_path), k=12), settings)
    interests, recommended = recommendations.interests, recommendations.recommended
    assert [(interest.weight, interest.tracks) for interest in interests] == [(0.5, 6), (0.25, 3), (0.25, 3)]
    assert KIND_OF[interests[0].around.track_id] == 0
    assert Counter(KIND_OF[row.track.track_id] for row in recommended) == {0: 6, 3: 3, 5: 3}
    assert [row.rank for row in recommended] == list(range(1, 13))
    for row in recommended:
        cosines = SOUNDS[[IDS.index(name) for name in HISTORY]] @ SOUNDS[IDS.index(row.track.track_id)]
        assert row.nearest_played.track_id == HISTORY[cosines.argmax()]
        around = interests[row.interest - 1].around.track_id
        assert KIND_OF[around] == KIND_OF[row.track.track_id]


def test_no_track_of_the_history_no_copy_of_it_and_no_content_twice(settings, tmp_path):
    recommendations = recommend(RecommendRequest(history(tmp_path, of_kind(0, 6)), k=EACH), settings)
    track_ids = recommended_ids(recommendations)
    assert len(set(track_ids)) == EACH
    assert not set(track_ids) & {*of_kind(0, 6), "t010", "t012"}
    assert "t011" in track_ids


def test_tracks_that_the_lake_does_not_hold_are_counted(settings, tmp_path):
    recommendations = recommend(RecommendRequest(history(tmp_path, [*HISTORY, "x1", "x2", "x1"]), k=3), settings)
    counts = recommendations.to_json()["history"]
    assert counts == {"tracks": 14, "held": 12, "not_held": 2, "for_example": ["x1", "x2"]}
    with pytest.raises(UserError, match="holds no track of"):
        recommend(RecommendRequest(history(tmp_path, ["x1"])), settings)
    with pytest.raises(UserError, match="names no track"):
        recommend(RecommendRequest(history(tmp_path, [])), settings)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"diversity": 0.0},
        {"diversity": 0.4},
        {"interests": 1},
        {"interests": 7, "k": 40},
        {"where": "year > 2000"},
        {"k": 1000},
    ],
    ids=str,
)
def test_one_by_one_and_all_at_once_are_the_same(settings, tmp_path, options):
    request = RecommendRequest(history(tmp_path), **options)
    recommended = recommend(request, settings).recommended
    written = recommend_to_all(request, settings, tmp_path / "all.parquet")
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert written.recommended_to == 1
    assert [row["track_id"] for row in rows] == [row.track.track_id for row in recommended]
    assert [row["nearest_played"] for row in rows] == [row.nearest_played.track_id for row in recommended]
    assert [row["interest"] for row in rows] == [row.interest for row in recommended]
    np.testing.assert_allclose([row["score"] for row in rows], [row.score for row in recommended], atol=1e-5)
    if "where" in options:
        assert all((1980 + IDS.index(row["track_id"]) % 40) > 2000 for row in rows)
    if options.get("k") == 1000:
        assert len(rows) == len(IDS) - len(HISTORY) - 2


def test_copies_leave_room_for_others(tmp_path):
    """The search looks further when all the nearest tracks are copies of a track of the history."""
    copies = [f"c{number:03}" for number in range(200)]
    vectors = np.concatenate([VECTORS, np.repeat(VECTORS[:1], len(copies), axis=0)])
    contents = [f"sha-{name}" for name in IDS] + ["sha-t000"] * len(copies)
    home = write(tmp_path / "lake", ids=[*IDS, *copies], vectors=vectors, content_sha256=contents)
    recommendations = recommend(RecommendRequest(history(tmp_path, ["t000"]), k=5), Settings(lake=home.uri))
    assert [KIND_OF[track_id] for track_id in recommended_ids(recommendations)] == [0] * 5


def test_many_users_in_a_file_whatever_the_blocks(settings, tmp_path, monkeypatch):
    plays = [*listeners(30), ("nobody", "x1"), ("nobody", "x2")]
    request = RecommendRequest(write_plays(tmp_path / "plays.csv", plays), k=7)
    counts = recommend_to_all(request, settings, tmp_path / "new" / "all.parquet").to_json()
    assert {name: counts[name] for name in ("users", "recommended_to", "without_a_held_track", "not_held")} == {
        "users": 31,
        "recommended_to": 30,
        "without_a_held_track": 1,
        "not_held": 2,
    }
    table = pq.read_table(tmp_path / "new" / "all.parquet")
    assert table.schema.equals(SCHEMA)
    played = {}
    for user, track_id in plays:
        played.setdefault(user, set()).add(track_id)
    rows = table.to_pylist()
    assert Counter(row["user_id"] for row in rows) == dict.fromkeys((f"u{user:03}" for user in range(30)), 7)
    for row in rows:
        assert row["track_id"] not in played[row["user_id"]]
        assert row["nearest_played"] in played[row["user_id"]]
    monkeypatch.setattr(batch_module, "_MAX_COSINES", 1)
    recommend_to_all(request, settings, tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet").drop(["score"]).equals(table.drop(["score"]))


def test_vectors_of_two_versions_are_never_mixed(tmp_path):
    other = dataclasses.replace(SPEC, head=dataclasses.replace(SPEC.head, revision=2))
    home = write(tmp_path / "lake")
    permuted = VECTORS[np.random.default_rng(1).permutation(len(IDS))]
    write(home.uri, spec=other, vectors=permuted)
    request = RecommendRequest(history(tmp_path, of_kind(0, 6)), k=5)
    live = recommend(request, Settings(lake=home.uri)).to_json()
    assert live["embedding_version"] == SPEC.embedding_version
    assert {KIND_OF[row["track_id"]] for row in live["recommended"]} == {0}
    of_other = dataclasses.replace(request, embedding_version=other.embedding_version)
    assert {KIND_OF[name] for name in recommended_ids(recommend(of_other, Settings(lake=home.uri)))} != {0}
    of_release = dataclasses.replace(request, release=1)
    assert recommend(of_release, Settings(lake=home.uri)).to_json() == live


def test_a_lake_in_object_storage(s3_bucket, tmp_path):
    home = write(f"{s3_bucket}/lake")
    request = RecommendRequest(history(tmp_path), k=8)
    recommendations = recommend(request, Settings(lake=home.uri))
    recommend_to_all(request, Settings(lake=home.uri), tmp_path / "all.parquet")
    track_ids = pq.read_table(tmp_path / "all.parquet")["track_id"].to_pylist()
    assert Counter(KIND_OF[track_id] for track_id in track_ids) == {0: 4, 3: 2, 5: 2}
    assert track_ids == recommended_ids(recommendations)


def test_the_command(home, tmp_path):
    file = history(tmp_path)
    document = run_json(home.uri, "recommend", "--history", file, "-k", 4)
    assert len(document["recommended"]) == 4
    assert document["recommended"][0]["nearest_played"]["track_id"] in HISTORY
    printed = run("--lake", home.uri, "recommend", "--history", history(tmp_path, [*HISTORY, "x1"]), "-k", 4).stdout
    assert "13 tracks in the history, 1 of them not in the lake (x1)" in printed
    assert "nearest played" in printed


def test_bad_input_is_refused_in_a_line(settings, tmp_path):
    file = history(tmp_path)
    with pytest.raises(UserError, match="of several users"):
        recommend(RecommendRequest(write_plays(tmp_path / "plays.csv", listeners(3))), settings)
    with pytest.raises(UserError, match="cannot search with --where 'nonsense ='"):
        recommend(RecommendRequest(file, where="nonsense ="), settings)
    with pytest.raises(UserError, match="cannot search with --where 'nonsense ='"):
        recommend_to_all(RecommendRequest(file, where="nonsense ="), settings, tmp_path / "all.parquet")
    for out in (tmp_path, tmp_path / "all.csv"):
        with pytest.raises(UserError, match="cannot write"):
            recommend_to_all(RecommendRequest(file), settings, out)
    for name, text in (("none.csv", None), ("wrong.csv", "song\nt001\n"), ("wrong.parquet", "no parquet")):
        if text:
            (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=r"cannot read|has no column track_id"):
            recommend(RecommendRequest(str(tmp_path / name)), settings)
    assert not (tmp_path / "all.parquet").exists()


def test_the_history_is_not_overwritten(settings, tmp_path):
    file = tmp_path / "plays.parquet"
    pq.write_table(pa.table({"track_id": IDS[:3]}), file)
    with pytest.raises(UserError, match="a file of its own"):
        recommend_to_all(RecommendRequest(str(file)), settings, file)
    assert pq.read_table(file).column_names == ["track_id"]


def test_a_killed_command_leaves_no_partial_file(home, tmp_path):
    plays, out = write_plays(tmp_path / "plays.csv", listeners(3000)), tmp_path / "all.parquet"
    killed = start("--lake", home.uri, "recommend", "--history", plays, "--out", out)
    unfinished = tmp_path / ".all.parquet.part"
    while not unfinished.exists():
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.01)
    kill_group(killed)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    write_plays(tmp_path / "plays.csv", listeners(5))
    recommend_to_all(RecommendRequest(plays), Settings(lake=home.uri), out)
    assert len(pq.read_table(out)) == 100
    assert sorted(os.listdir(tmp_path)) == ["all.parquet", "plays.csv"]
