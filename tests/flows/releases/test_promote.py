"""The gate: a candidate as good as live passes, and each check refuses its own kind of fault."""

import csv
import shutil
from dataclasses import replace

import lance
import numpy as np
import pytest

from flows.releases.gate.limits import Limits
from flows.releases.promote import PromoteRequest, promote, rollback
from lake.benchmarks.results import write_evaluation
from lake.catalogue.encoders import register_encoder
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.releases.publish import publish_if_due
from lake.releases.releases import live_release
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseName
from schemas.errors import UserError
from schemas.evaluations import Evaluation, EvaluationKey, Figure, Protocol
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.cli import error_line, run
from tests.lake.rows import SPEC, embedded_row, make_listing, outcome_batch
from workers.evaluation.predictions import LabelScores

TRACKS, ARTISTS, JAZZ = 200, 20, 20
IDS = [f"t{number:03}" for number in range(TRACKS)]
ARTIST = np.arange(TRACKS) % ARTISTS
LIVE, CANDIDATE = SPEC, replace(SPEC, head=replace(SPEC.head, revision=2))
RANDOM = np.random.default_rng(0)
TURN = np.linalg.qr(RANDOM.standard_normal((8, 8)))[0]
SOUND = RANDOM.standard_normal((ARTISTS, 8))[ARTIST] + 0.2 * RANDOM.standard_normal((TRACKS, 8))
NOISE = RANDOM.standard_normal((TRACKS, 8))
ALIKE = np.ones((TRACKS, 8))
LAX = {
    "coverage": {"least": 0},
    "benchmarks": {"margin": 9},
    "neighbours": {"least": 0},
    "artists": {"margin": 9},
    "near_identical": {"more": 1},
    "hubs": {"more": 99},
    "tags": {"most": 1, "most_mean": 1},
    "recommendations": {"margin": 9},
}


def write_version(home, spec, vectors, ids=IDS, **columns):
    """Write an embeddings table as a run does; `columns` are lists in the order of `ids`."""
    home.require_current_format()
    register_tracks(home, make_listing(IDS))
    register_encoder(home, spec)
    with Lease(home, embeddings_table(spec), "run", print) as lease:
        committer = Committer(home, spec, lease, "run", Settings(keep_windows=False))
        rows = [
            embedded_row(name, tags_version=spec.tags_version, artist=f"Artist {ARTIST[row]}", year=1950 + row % 70)
            | {"vector": vector / np.linalg.norm(vector), "genres": ["Jazz"] if row < JAZZ else ["Pop"]}
            | {column: values[row] for column, values in columns.items()}
            for row, (name, vector) in enumerate(zip(ids, vectors, strict=True))
        ]
        committer.add(outcome_batch(*rows))
        committer.flush()


@pytest.fixture
def home(tmp_path):
    """A lake whose release 1 puts each artist's tracks together."""
    home = Lake.at(str(tmp_path / "lake"), S3Settings())
    write_version(home, LIVE, SOUND)
    publish_if_due(home, {"run": LIVE}, "index", print)
    return home


@pytest.fixture
def plays(tmp_path):
    """Each of 200 users played five tracks of one artist, the last of them their own."""
    file = tmp_path / "plays.csv"
    with file.open("w", newline="") as text:
        rows = csv.writer(text)
        rows.writerow(["user_id", "track_id", "timestamp"])
        for user in range(TRACKS):
            others = [track for track in np.flatnonzero(ARTIST[user] == ARTIST) if track != user][:4]
            rows.writerows([f"u{user}", IDS[track], time] for time, track in enumerate([*others, user]))
    return str(file)


def write_limits(tmp_path, section="coverage", **narrow):
    """Write a file of limits that only one section's checks can fail."""
    file = tmp_path / "gate.toml"
    limits = LAX | {section: LAX[section] | narrow}
    lines = []
    for name, numbers in limits.items():
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in numbers.items())]
    file.write_text("\n".join(lines))
    return str(file)


def run_gate(home, plays=None, gate=None, reason=None):
    request = PromoteRequest(CANDIDATE.embedding_version, gate, plays, reason)
    return promote(request, Settings(lake=home.uri), print)


def verdicts(promotion):
    return {check.name: check.verdict for check in promotion.checks}


def test_a_candidate_as_good_as_live_passes_the_shipped_gate(home, plays):
    write_version(home, CANDIDATE, SOUND @ TURN)  # no vector is the same, every neighbour is
    promotion = run_gate(home, plays)
    assert promotion.failed == []
    assert verdicts(promotion) == {
        "coverage": "passed",
        "identity of candidate": "passed",
        "identity of live": "passed",
        "benchmarks": "not judged",
        "neighbour overlap@10": "not judged",
        "same-artist recall@10": "passed",
        "near-identical vectors": "passed",
        "hubs": "passed",
        "tag rates, largest change": "passed",
        "tag rates, mean change": "passed",
        "recommendations, recall@10": "passed",
        "recommendations, nDCG@10": "passed",
        "recommendations, recall@10, genre Pop": "passed",
    }
    assert live_release(home) == promotion.published
    assert (promotion.published.number, promotion.published.gate) == (2, promotion.checks)


FAULTS = {
    "coverage": ("coverage", {"least": 0.995}, {"vectors": SOUND[:-2], "ids": IDS[:-2]}, "198 of the 200 tracks"),
    "neighbour overlap@10": ("neighbours", {"least": 0.3}, {"vectors": NOISE}, "200 queries among 200 tracks"),
    "same-artist recall@10": ("artists", {"margin": 0.03}, {"vectors": NOISE}, "worse"),
    "near-identical vectors": ("near_identical", {"more": 0.01}, {"vectors": ALIKE}, "100.0% of tracks"),
    "hubs": ("hubs", {"more": 1}, {"vectors": ALIKE}, "one track is among the 10 nearest of 199 of 200; live"),
    "tag rates, largest change": (
        "tags",
        {"most": 0.25},
        {"vectors": SOUND, "tag_names": [["loud", "soft"]] * 100 + [["loud"]] * 100},
        "'soft' by +50.0%",
    ),
    "tag rates, mean change": (
        "tags",
        {"most_mean": 0.05},
        {"vectors": SOUND, "tag_names": [["loud", "soft"]] * 100 + [["loud"]] * 100},
        "over 2 tags",
    ),
    "recommendations, recall@10": ("recommendations", {"margin": 0.03}, {"vectors": NOISE}, "of 200 users"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_check_refuses_its_fault_with_a_reason(home, plays, tmp_path, name):
    section, narrow, columns, reason = FAULTS[name]
    write_version(home, CANDIDATE, **columns)
    promotion = run_gate(home, plays, write_limits(tmp_path, section, **narrow))
    assert promotion.published is None
    assert live_release(home).number == 1
    failed = {check.name: check for check in promotion.failed}
    assert name in failed
    assert reason in failed[name].reason
    assert all(other.startswith(section) for other in failed if other != name), failed  # nDCG and slices beside recall
    assert run_gate(home, plays, write_limits(tmp_path)).published.number == 2  # without that limit it passes


def test_a_genre_that_is_certainly_worse_is_refused_even_if_the_whole_is_not(home, plays, tmp_path):
    shaken = SOUND.copy()
    shaken[:JAZZ] = NOISE[:JAZZ]
    write_version(home, CANDIDATE, shaken)
    narrow = write_limits(tmp_path, "recommendations", margin=0.3, fewest=JAZZ)
    promotion = run_gate(home, plays, narrow)
    assert [check.name for check in promotion.failed] == ["recommendations, recall@10, genre Jazz"]
    assert "of 20 users; it is at least" in promotion.failed[0].reason


def test_a_benchmark_of_both_versions_is_compared_item_by_item(home, tmp_path):
    write_version(home, CANDIDATE, SOUND @ TURN)
    random = np.random.default_rng(1)
    truth = random.random((300, 2)) < 0.5
    for spec, noise in ((LIVE, 0.3), (CANDIDATE, 2.0)):
        scores = (truth + noise * random.standard_normal(truth.shape)).astype(np.float32)
        predictions = LabelScores("multilabel", ("a", "b"), tuple(map(str, range(300))), truth, scores)
        question = ("set", "set@1", "1", "split", Protocol("zero-shot", ("test",), "roc_auc"))
        key = EvaluationKey(*question, spec.embedding_version, "vectors", 1)
        figures = (Figure("roc_auc", 0.9 - noise / 10, 0.0, 1.0), Figure("pr_auc", 0.5))
        evaluation = Evaluation(key, spec.name, figures, 1.0, 300, 300, "roc_auc", "run", 1000)
        with Lease(home, LeaseName.EVALUATIONS, "run", print) as lease:
            write_evaluation(home, evaluation, predictions.to_table(), lease)
    promotion = run_gate(home, gate=write_limits(tmp_path, "benchmarks", margin=0.03))
    (check,) = promotion.failed
    assert check.name == "set, zero-shot: roc_auc"
    assert check.low < check.value < check.high < -0.2
    assert "300 items; it may be" in check.reason
    assert run_gate(home, gate=write_limits(tmp_path)).published.number == 2


def append_again(home, spec):
    table = home.table(embeddings_table(spec))
    lance.write_dataset(table.to_table(limit=1), home.table_uri(embeddings_table(spec)), mode="append")


def test_duplicate_rows_are_no_coverage(home, tmp_path):
    write_version(home, CANDIDATE, SOUND)
    append_again(home, CANDIDATE)
    promotion = run_gate(home, gate=write_limits(tmp_path))
    assert [check.name for check in promotion.failed] == ["identity of candidate"]
    assert "200 expected but 201 embedded" in promotion.failed[0].reason


def test_a_damaged_live_release_does_not_block_a_candidate(home, tmp_path):
    append_again(home, LIVE)
    publish_if_due(home, {"run": LIVE}, "index", print)
    write_version(home, CANDIDATE, SOUND)
    promotion = run_gate(home, gate=write_limits(tmp_path))
    assert (promotion.failed, verdicts(promotion)["identity of live"]) == ([], "not judged")
    shutil.rmtree(home.table_uri(embeddings_table(CANDIDATE)))
    write_version(home, CANDIDATE, NOISE[:-1], IDS[:-1])
    promotion = run_gate(home)
    assert (promotion.published.number, verdicts(promotion)["coverage"]) == (4, "passed")


def test_forced_with_a_reason_and_rolled_back(home):
    write_version(home, CANDIDATE, np.ones((TRACKS, 8)))
    lake, version = ["--lake", home.uri], CANDIDATE.embedding_version
    refusal = run(*lake, "promote", version, code=1)
    assert "refused: same-artist recall@10, near-identical vectors. release 1" in refusal.stdout
    assert live_release(home).number == 1
    assert "--force and --reason TEXT go together" in error_line(*lake, "promote", version, "--force")
    forced = run(*lake, "promote", version, "--force", "--reason", "a test")
    assert f"release 2 (made-up {version}) is live, forced: a test" in forced.stdout
    assert live_release(home).reason == "a test"
    assert len([check for check in live_release(home).gate if check.passed is False]) == 2
    listed = run(*lake, "releases").stdout
    assert "2 FAILED" in listed
    assert "a test" in listed
    settings = Settings(lake=home.uri)
    with pytest.raises(UserError, match="is that already, and live"):
        run_gate(home)
    assert rollback(None, settings, print).republishes == 1
    assert live_release(home).snapshot.embedding_version == LIVE.embedding_version
    with pytest.raises(UserError, match="no release is earlier"):
        rollback(None, settings, print)
    with pytest.raises(UserError, match="is what is live already"):
        rollback(1, settings, print)
    assert rollback(2, settings, print).number == 4


def test_the_first_release_is_judged_alone(tmp_path):
    home = Lake.at(str(tmp_path / "lake"), S3Settings())
    write_version(home, LIVE, SOUND)
    write_version(home, CANDIDATE, SOUND @ TURN)
    for version, message in (("made-up", "several versions of made-up"), ("other", "holds no vectors of other")):
        with pytest.raises(UserError, match=message):
            promote(PromoteRequest(version), Settings(lake=home.uri), print)
    promotion = run_gate(home)
    assert promotion.published.number == 1
    assert verdicts(promotion)["near-identical vectors"] == "passed"
    assert verdicts(promotion)["same-artist recall@10"] == "not judged"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[coverage]\nmost = 1", "no limit named coverage.most; there are sample.queries"),
        ("[covered]\nleast = 1", "no limit named covered.least"),
        ("least = 1", "least stands outside of a section"),
        ("[coverage]\nleast = true", "coverage.least must be a number from 0, not True"),
        ("[coverage]\nleast = -1", "must be a number from 0"),
        ("[sample]\nqueries = 0", "sample.queries = 0 must be a whole number"),
        ("[sample]\nseed = 0.5", "sample.seed = 0.5 must be a whole number"),
        ("[coverage", "cannot read the gate"),
    ],
)
def test_malformed_limits_are_reported_in_one_line(tmp_path, text, message):
    file = tmp_path / "gate.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"gate\.toml") as error:
        Limits.read(str(file))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["plays.csv", "plays.parquet", "missing.csv", "twice.csv"])
def test_unreadable_interactions_are_reported_in_one_line(home, tmp_path, name):
    write_version(home, CANDIDATE, SOUND)
    if name != "missing.csv":
        (tmp_path / name).write_text("user_id,user_id,track_id\n1,2,3\n" if name == "twice.csv" else "who,what\n1,2\n")
    with pytest.raises(UserError, match=name):
        run_gate(home, str(tmp_path / name))
    assert live_release(home).number == 1
