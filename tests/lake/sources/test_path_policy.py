"""What a manifest may name: a stranger's lines do not make tonelake read what its reader never named."""

import json
from functools import partial

import pytest
import s3fs

from flows.ingest.sources import add
from lake.sources.listing import list_sources
from schemas.errors import NotAllowed, UserError
from schemas.settings import S3Settings, Settings
from tests.cli import refused


@pytest.fixture
def places(tmp_path):
    """music/ with the manifest's own file, private/ beside it with one that is not the manifest's."""
    for name in ("music/jazz/a.wav", "private/b.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def listed(places, uri, allowed=""):
    manifest = places / "music" / "m.jsonl"
    manifest.write_text('{"uri": "jazz/a.wav"}\n' + json.dumps({"uri": uri}))
    settings = Settings(allow_outside=allowed)
    return list_sources([str(manifest)], settings.s3, settings.allow_outside).tracks["uri"].to_pylist()


def outside(places):
    """Every way to write a place that is not below the manifest's folder, and what makes tonelake read it."""
    (places / "music" / "link").symlink_to(places / "private")
    (places / "music" / "link.wav").symlink_to(places / "private" / "b.wav")
    (places / "music.too").mkdir()
    private = f"{places}/private"
    return {
        "../private/b.wav": private,
        "jazz/../../private/b.wav": private,
        f"{private}/b.wav": private,
        f"{places}/music/../private/b.wav": private,
        "link/b.wav": private,
        "link.wav": private,
        "/proc/self/environ": "/proc",
        "/dev/zero": "/dev",
        f"{places}/music.too/c.wav": f"{places}/music.too",
        f"{places}/music/..": "/",
        f"file://{private}/b.wav": f"file://{private}",
        f"file://{places}/music/jazz/a.wav": "file://",
    }


def test_a_place_outside_is_refused_by_its_line_and_read_where_it_is_allowed(places):
    for uri, allowed in outside(places).items():
        with pytest.raises(NotAllowed, match=r"m\.jsonl: line 2 names .*TONELAKE_ALLOW_OUTSIDE="):
            listed(places, uri)
        if uri.endswith(".wav") and "jazz/a.wav" not in uri:
            assert len(listed(places, uri, f"/nowhere, {allowed}")) == 2
        if not uri.startswith("file://"):
            with pytest.raises(NotAllowed):
                listed(places, uri, "file:///,s3://,/nowhere")


def test_the_setting_that_a_refusal_names_allows_the_line(places):
    with pytest.raises(NotAllowed) as refused:
        listed(places, "../private/b.wav")
    allowed = str(refused.value).split("TONELAKE_ALLOW_OUTSIDE=")[1].split(",")[0]
    assert f"{places}/private/b.wav" in listed(places, "../private/b.wav", allowed)


def test_an_absolute_path_below_the_manifests_folder_needs_no_leave(places):
    assert f"{places}/music/other.wav" in listed(places, f"{places}/music/other.wav")


@pytest.mark.parametrize("uri", ["http://127.0.0.1/a.wav", "https://host/a.wav", "ftp://h/a.wav", "memory://a.wav"])
def test_addresses_of_other_kinds_are_refused_whatever_is_allowed(places, uri):
    with pytest.raises(NotAllowed, match="files and s3:// only; fetch it"):
        listed(places, uri, "/,s3://,file://")


def test_a_nul_is_refused(places):
    with pytest.raises(NotAllowed, match="line 2 names a file with a NUL"):
        listed(places, "a\0.wav", "/")


def test_a_manifest_in_a_store_names_keys_below_its_prefix(s3_bucket):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())

    def listed(uri, *allowed):
        files.pipe_file(f"{s3_bucket}/mine/m.jsonl", json.dumps({"uri": uri}).encode())
        return list_sources([f"{s3_bucket}/mine/m.jsonl"], S3Settings(), allowed).tracks["uri"].to_pylist()

    bucket = s3_bucket.rsplit("/", 1)[0]
    assert listed("x/../a.wav") == [f"{s3_bucket}/mine/a.wav"]
    for uri in (
        "../theirs/a.wav",
        "../../../another-bucket/a.wav",
        f"{bucket}/a.wav",
        f"{s3_bucket}/mine/../a.wav",
        f"{s3_bucket}/mine-too/a.wav",
        "/etc/passwd",
    ):
        with pytest.raises(NotAllowed, match="line 1 names"):
            listed(uri)
    assert listed("../theirs/a.wav", f"{s3_bucket}/theirs") == [f"{s3_bucket}/theirs/a.wav"]


def test_the_command_says_it_in_a_line_and_registers_nothing(places):
    manifest = places / "music" / "m.csv"
    manifest.write_text("uri\njazz/a.wav\n/etc/passwd\n")
    assert refused("--lake", places / "lake", "--encoder", "fake", "index", manifest) == (
        f"tonelake: {manifest}: line 2 names /etc/passwd, outside the manifest's folder; if that is meant, "
        "set TONELAKE_ALLOW_OUTSIDE=/etc, or a folder above it"
    )
    assert not (places / "lake").exists()


def test_a_source_is_no_address(places):
    for source, said in (("file:///", "file:// is off"), ("http://127.0.0.1/m", "cannot read")):
        for read in (
            partial(list_sources, s3=S3Settings()),
            partial(add, settings=Settings(lake=str(places / "lake"))),
        ):
            with pytest.raises(UserError, match=said):
                read([source])
    assert not (places / "lake").exists()


def test_a_refresh_loses_no_track_to_a_line_that_is_not_allowed(places):
    manifest = places / "music" / "m.csv"
    manifest.write_text("uri\njazz/a.wav\n")
    refresh = ("--lake", places / "lake", "--encoder", "fake", "refresh", "--accept-loss", manifest)
    add([str(manifest)], Settings(lake=str(places / "lake")))
    manifest.write_text("uri\n../private/b.wav\n")
    assert "set TONELAKE_ALLOW_OUTSIDE" in refused(*refresh)
