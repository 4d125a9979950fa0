"""A lake from end to end, on a local disk and on SeaweedFS.

Index, refresh, a second encoder, the gate, a rollback, maintenance and the doctor.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from flows.operations.maintain import MaintainRequest, maintain
from flows.operations.status import read_status
from flows.releases.promote import PromoteRequest, promote, rollback
from flows.search.search import search, tags
from lake.releases.releases import list_releases, live_release
from schemas.settings import Settings
from tests.audio_files import sndfile
from tests.cli import run
from tests.flows.catalogue import ChangingCatalogue, nonzero_changes, run_in_process
from workers.encoders.fake import SPEC, FakeEncoder, FakeTextTower
from workers.encoders.registry import ENCODERS, EncoderRegistration

RATE = 16_000
BROKEN = replace(SPEC, name="broken", backbone=replace(SPEC.backbone, layer="the same vector for any audio"))


class Broken(FakeEncoder):
    """An encoder that gives nearly the same vector for any audio."""

    def embed_windows(self, windows):
        return 1 + 1e-6 * super().embed_windows(windows)


def write_tone(path, number):
    """Write four seconds of a rising tone: two windows, which differ. Each number has another pitch."""
    time = np.arange(4 * RATE) / RATE
    tone = 0.4 * np.sin(2 * np.pi * 120 * 1.16**number * time * (1 + 0.01 * time))
    path.write_bytes(sndfile(tone[None].astype(np.float32), rate=RATE))


@pytest.fixture(params=["local", "s3"])
def catalogue(request, tmp_path, monkeypatch):
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    catalogue = ChangingCatalogue(tmp_path / "music", uri)
    for number, path in enumerate(sorted(catalogue.music.iterdir())):
        write_tone(path, number)
    for number in range(10, 24):
        write_tone(catalogue.music / f"{number}.wav", number)
    run_in_process(catalogue.decoded, monkeypatch)
    monkeypatch.setitem(
        ENCODERS, "broken", EncoderRegistration(BROKEN, Broken, FakeTextTower, (), realtime_factor=600)
    )
    return catalogue


def find_scores(catalogue, **options):
    """Return track_id -> score, as a reader finds them who names no encoder."""
    return {hit.track_id: hit.score for hit in search(Settings(lake=catalogue.uri), text="banjo", k=100, **options)}


def find_scores_by_file(catalogue):
    """Return file name -> score; a file may have moved since its release."""
    registry = catalogue.registry()
    return {registry[track]["uri"].rsplit("/", 1)[1]: score for track, score in find_scores(catalogue).items()}


def live_number(catalogue):
    return live_release(catalogue.lake).number


def test_a_lake_from_end_to_end(catalogue):
    catalogue.index()
    first, old = find_scores(catalogue), find_scores_by_file(catalogue)
    assert (live_number(catalogue), len(first)) == (1, 24)

    change_and_refresh(catalogue)
    second, new = find_scores(catalogue), find_scores_by_file(catalogue)
    assert live_number(catalogue) == 2
    assert new.keys() == old.keys() - {"a.wav", "c.wav"} | {"moved.wav", "new.wav"}
    assert new["moved.wav"] == old["a.wav"]
    assert new["b.wav"] != old["b.wav"]
    assert find_scores(catalogue, release=1) == first

    candidate = index_with_second_encoder(catalogue)
    assert (live_number(catalogue), find_scores(catalogue)) == (2, second)

    require_broken_encoder_refused(catalogue)
    assert (live_number(catalogue), find_scores(catalogue)) == (2, second)

    promotion = promote(PromoteRequest(candidate), Settings(lake=catalogue.uri))
    assert (promotion.failed, promotion.published.number) == ([], 3)
    third = find_scores(catalogue)
    assert third.keys() == second.keys()
    assert third != second

    assert rollback(None, Settings(lake=catalogue.uri)).number == 4
    assert find_scores(catalogue) == second

    require_maintenance_changes_no_results(catalogue, first, second, third)


def change_and_refresh(catalogue):
    (catalogue.music / "a.wav").rename(catalogue.music / "moved.wav")
    write_tone(catalogue.music / "b.wav", 30)
    (catalogue.music / "c.wav").unlink()
    write_tone(catalogue.music / "new.wav", 31)
    report = catalogue.refresh()
    assert nonzero_changes(report) == {"new": 1, "changed": 1, "moved": 1, "vanished": 1, "hashed": 3}
    assert catalogue.decoded == ["b.wav", "new.wav"]
    assert nonzero_changes(catalogue.refresh()) == {}
    assert catalogue.decoded == []


def index_with_second_encoder(catalogue):
    shadow = catalogue.index(max_windows=1)
    assert (shadow.coverage.expected, shadow.coverage.embedded, shadow.coverage.pending) == (24, 24, 0)
    return shadow.embedding_version


def require_broken_encoder_refused(catalogue):
    broken = catalogue.index(encoder="broken")
    refused = run("--lake", catalogue.uri, "promote", broken.embedding_version, code=1)
    assert "refused: near-identical vectors" in refused.stdout
    assert "release 2 (fake" in refused.stdout


def require_maintenance_changes_no_results(catalogue, first, second, third):
    for _ in range(2):
        catalogue.refresh()
    maintain(MaintainRequest(retention_days=0), Settings(lake=catalogue.uri), print)
    assert find_scores(catalogue) == second
    assert [find_scores(catalogue, release=release) for release in (1, 2, 3)] == [first, second, third]
    assert [release.command for release in list_releases(catalogue.lake)] == [
        "index",
        "refresh",
        "promote",
        "rollback",
    ]
    hits = json.loads(run("--lake", catalogue.uri, "--json", "search", "banjo", "-k", "100", "--release", "1").stdout)
    assert {row["track_id"]: row["score"] for row in hits} == first
    status = read_status(Settings(lake=catalogue.uri))
    assert status.live.number == 4
    assert tags(Settings(lake=catalogue.uri), next(iter(second)))
    for version in status.encoders:
        assert (version.coverage.expected, version.coverage.embedded, version.coverage.pending) == (24, 24, 0)
    assert run("--lake", catalogue.uri, "doctor").stdout.strip() == "all is well"
