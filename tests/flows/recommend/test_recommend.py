"""Recommendations over tables as the committer writes them: shares, reasons, and what must never be named."""

import dataclasses
import os
import signal
import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.recommend import recommend as module
from flows.recommend.recommend import SCHEMA, recommend, recommend_to_all
from schemas.errors import UserError
from schemas.recommend import RecommendRequest
from schemas.settings import Settings
from tests.cli import answer, kill_group, run, start
from tests.flows.plays import EACH, IDS, KIND, VECTORS, listeners, of_kind, write, write_plays
from workers.encoders.fake import SPEC

HISTORY = of_kind(0, 6) + of_kind(3, 3) + of_kind(5, 3)
SOUNDS = VECTORS.copy()
SOUNDS[[10, 11]] = SOUNDS[[0, 12]]
KIND_OF = dict(zip(IDS, KIND.tolist(), strict=True))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """t010 is the bytes of t000, which is played; t011 and t012 are one another's."""
    contents = [f"sha-{name}" for name in IDS]
    contents[10], contents[11] = "sha-t000", "sha-t012"
    years = [1980 + place % 40 for place in range(len(IDS))]
    return write(tmp_path_factory.mktemp("home") / "lake", vectors=SOUNDS, content_sha256=contents, year=years)


@pytest.fixture
def settings(home):
    return Settings(lake=home.uri)


def history(tmp_path, tracks=HISTORY):
    file = tmp_path / "history.txt"
    file.write_text("\n".join(tracks))
    return str(file)


def test_each_interest_gets_its_share_and_says_why(settings, tmp_path):
    found = recommend(RecommendRequest(history(tmp_path), k=12), settings)
    assert [(row["weight"], row["tracks"]) for row in found["interests"]] == [(0.5, 6), (0.25, 3), (0.25, 3)]
    assert KIND_OF[found["interests"][0]["around"]["track_id"]] == 0
    assert Counter(KIND_OF[row["track_id"]] for row in found["recommended"]) == {0: 6, 3: 3, 5: 3}
    assert [row["rank"] for row in found["recommended"]] == list(range(1, 13))
    for row in found["recommended"]:
        near = SOUNDS[[IDS.index(name) for name in HISTORY]] @ SOUNDS[IDS.index(row["track_id"])]
        assert row["because"]["track_id"] == HISTORY[near.argmax()]
        around = found["interests"][row["interest"] - 1]["around"]["track_id"]
        assert KIND_OF[around] == KIND_OF[row["track_id"]]


def test_no_track_of_the_history_no_copy_of_it_and_no_content_twice(settings, tmp_path):
    found = recommend(RecommendRequest(history(tmp_path, of_kind(0, 6)), k=EACH), settings)
    named = [row["track_id"] for row in found["recommended"]]
    assert len(set(named)) == EACH
    assert not set(named) & {*of_kind(0, 6), "t010", "t012"}
    assert "t011" in named


def test_what_the_lake_does_not_hold_is_counted(settings, tmp_path):
    found = recommend(RecommendRequest(history(tmp_path, [*HISTORY, "x1", "x2", "x1"]), k=3), settings)
    assert found["history"] == {"tracks": 14, "held": 12, "not_held": 2, "for_example": ["x1", "x2"]}
    with pytest.raises(UserError, match="holds no track of"):
        recommend(RecommendRequest(history(tmp_path, ["x1"])), settings)
    with pytest.raises(UserError, match="names no track"):
        recommend(RecommendRequest(history(tmp_path, [])), settings)


@pytest.mark.parametrize(
    "asked",
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
def test_one_by_one_and_all_at_once_are_the_same(settings, tmp_path, asked):
    request = RecommendRequest(history(tmp_path), **asked)
    one = recommend(request, settings)
    counts = recommend_to_all(request, settings, tmp_path / "all.parquet")
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert counts["recommended_to"] == 1
    assert [row["track_id"] for row in rows] == [row["track_id"] for row in one["recommended"]]
    assert [row["because"] for row in rows] == [row["because"]["track_id"] for row in one["recommended"]]
    assert [row["interest"] for row in rows] == [row["interest"] for row in one["recommended"]]
    np.testing.assert_allclose([row["score"] for row in rows], [row["score"] for row in one["recommended"]], atol=1e-5)
    if "where" in asked:
        assert all((1980 + IDS.index(row["track_id"]) % 40) > 2000 for row in rows)
    if asked.get("k") == 1000:
        assert len(rows) == len(IDS) - len(HISTORY) - 2


def test_copies_leave_room_for_others(tmp_path):
    """All the nearest are copies of one track of the history: the search has to look behind them."""
    copies = [f"c{number:03}" for number in range(200)]
    vectors = np.concatenate([VECTORS, np.repeat(VECTORS[:1], len(copies), axis=0)])
    contents = [f"sha-{name}" for name in IDS] + ["sha-t000"] * len(copies)
    home = write(tmp_path / "lake", ids=[*IDS, *copies], vectors=vectors, content_sha256=contents)
    found = recommend(RecommendRequest(history(tmp_path, ["t000"]), k=5), Settings(lake=home.uri))
    assert [KIND_OF[row["track_id"]] for row in found["recommended"]] == [0] * 5


def test_many_users_in_a_file_whatever_the_blocks(settings, tmp_path, monkeypatch):
    plays = [*listeners(30), ("nobody", "x1"), ("nobody", "x2")]
    request = RecommendRequest(write_plays(tmp_path / "plays.csv", plays), k=7)
    counts = recommend_to_all(request, settings, tmp_path / "new" / "all.parquet")
    assert {name: counts[name] for name in ("users", "recommended_to", "without_a_held_track", "not_held")} == {
        "users": 31,
        "recommended_to": 30,
        "without_a_held_track": 1,
        "not_held": 2,
    }
    found = pq.read_table(tmp_path / "new" / "all.parquet")
    assert found.schema.equals(SCHEMA)
    played = {}
    for user, name in plays:
        played.setdefault(user, set()).add(name)
    rows = found.to_pylist()
    assert Counter(row["user_id"] for row in rows) == dict.fromkeys((f"u{user:03}" for user in range(30)), 7)
    for row in rows:
        assert row["track_id"] not in played[row["user_id"]]
        assert row["because"] in played[row["user_id"]]
    monkeypatch.setattr(module, "_CELLS", 1)
    recommend_to_all(request, settings, tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet").drop(["score"]).equals(found.drop(["score"]))


def test_only_vectors_of_the_version_that_is_read_meet(tmp_path):
    other = dataclasses.replace(SPEC, head=dataclasses.replace(SPEC.head, revision=2))
    home = write(tmp_path / "lake")
    turned = VECTORS[np.random.default_rng(1).permutation(len(IDS))]
    write(home.uri, spec=other, vectors=turned)
    request = RecommendRequest(history(tmp_path, of_kind(0, 6)), k=5)
    live = recommend(request, Settings(lake=home.uri))
    assert live["embedding_version"] == SPEC.embedding_version
    assert {KIND_OF[row["track_id"]] for row in live["recommended"]} == {0}
    asked = dataclasses.replace(request, embedding_version=other.embedding_version)
    assert {KIND_OF[row["track_id"]] for row in recommend(asked, Settings(lake=home.uri))["recommended"]} != {0}
    assert recommend(dataclasses.replace(request, number=1), Settings(lake=home.uri)) == live


def test_a_lake_in_object_storage(s3_bucket, tmp_path):
    home = write(f"{s3_bucket}/lake")
    request = RecommendRequest(history(tmp_path), k=8)
    found = recommend(request, Settings(lake=home.uri))
    recommend_to_all(request, Settings(lake=home.uri), tmp_path / "all.parquet")
    named = pq.read_table(tmp_path / "all.parquet")["track_id"].to_pylist()
    assert Counter(KIND_OF[name] for name in named) == {0: 4, 3: 2, 5: 2}
    assert named == [row["track_id"] for row in found["recommended"]]


def test_the_command(home, tmp_path):
    file = history(tmp_path)
    found = answer(home.uri, "recommend", "--history", file, "-k", 4)
    assert len(found["recommended"]) == 4
    shown = run("--lake", home.uri, "recommend", "--history", history(tmp_path, [*HISTORY, "x1"]), "-k", 4).stdout
    assert "13 tracks in the history, 1 of them not in the lake (x1)" in shown
    assert "because of" in shown


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


def test_what_was_played_is_not_written_over(settings, tmp_path):
    file = tmp_path / "plays.parquet"
    pq.write_table(pa.table({"track_id": IDS[:3]}), file)
    with pytest.raises(UserError, match="a file of its own"):
        recommend_to_all(RecommendRequest(str(file)), settings, file)
    assert pq.read_table(file).column_names == ["track_id"]


def test_killed_it_leaves_no_half_file(home, tmp_path):
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
