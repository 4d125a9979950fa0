"""Which files a manifest may name: a stranger's lines cannot make tonelake read files that the user did not name."""

import json
from functools import partial

import pytest
import s3fs

from flows.ingest.sources import add
from lake.sources.listing import list_sources
from schemas.errors import NotAllowed, UserError
from schemas.settings import S3Settings, Settings
from tests.cli import error_line


@pytest.fixture
def folders(tmp_path):
    """Folders music/ with a file that the manifest may name, and private/ with one that it may not."""
    for name in ("music/jazz/a.wav", "private/b.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def list_uris(folders, uri, allowed=""):
    manifest = folders / "music" / "m.jsonl"
    manifest.write_text('{"uri": "jazz/a.wav"}\n' + json.dumps({"uri": uri}))
    settings = Settings(allow_outside=allowed)
    return list_sources([str(manifest)], settings.s3, settings.allow_outside).tracks["uri"].to_pylist()


def paths_outside(folders):
    """Return every way to name a file outside the manifest's folder, with the setting that allows it."""
    (folders / "music" / "link").symlink_to(folders / "private")
    (folders / "music" / "link.wav").symlink_to(folders / "private" / "b.wav")
    (folders / "music.too").mkdir()
    private = f"{folders}/private"
    return {
        "../private/b.wav": private,
        "jazz/../../private/b.wav": private,
        f"{private}/b.wav": private,
        f"{folders}/music/../private/b.wav": private,
        "link/b.wav": private,
        "link.wav": private,
        "/proc/self/environ": "/proc",
        "/dev/zero": "/dev",
        f"{folders}/music.too/c.wav": f"{folders}/music.too",
        f"{folders}/music/..": "/",
        f"file://{private}/b.wav": f"file://{private}",
        f"file://{folders}/music/jazz/a.wav": "file://",
    }


def test_a_file_outside_is_refused_with_its_line_unless_it_is_allowed(folders):
    for uri, allowed in paths_outside(folders).items():
        with pytest.raises(NotAllowed, match=r"m\.jsonl: line 2, uri .*TONELAKE_ALLOW_OUTSIDE="):
            list_uris(folders, uri)
        if uri.endswith(".wav") and "jazz/a.wav" not in uri:
            assert len(list_uris(folders, uri, f"/nowhere, {allowed}")) == 2
        if not uri.startswith("file://"):
            with pytest.raises(NotAllowed):
                list_uris(folders, uri, "file:///,s3://,/nowhere")


def test_the_setting_in_the_error_allows_the_line(folders):
    with pytest.raises(NotAllowed) as error:
        list_uris(folders, "../private/b.wav")
    allowed = str(error.value).split("TONELAKE_ALLOW_OUTSIDE=")[1].split(",")[0]
    assert f"{folders}/private/b.wav" in list_uris(folders, "../private/b.wav", allowed)


def test_an_absolute_path_below_the_manifests_folder_is_allowed(folders):
    assert f"{folders}/music/other.wav" in list_uris(folders, f"{folders}/music/other.wav")


@pytest.mark.parametrize("uri", ["http://127.0.0.1/a.wav", "https://host/a.wav", "ftp://h/a.wav", "memory://a.wav"])
def test_addresses_of_other_kinds_are_always_refused(folders, uri):
    with pytest.raises(NotAllowed, match="files and s3:// only; fetch it"):
        list_uris(folders, uri, "/,s3://,file://")


def test_a_nul_is_refused(folders):
    with pytest.raises(NotAllowed, match=r"line 2, uri .*: a NUL in the name"):
        list_uris(folders, "a\0.wav", "/")


def test_a_manifest_in_a_store_names_keys_below_its_prefix(s3_bucket):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())

    def list_uris(uri, *allowed):
        files.pipe_file(f"{s3_bucket}/allowed/m.jsonl", json.dumps({"uri": uri}).encode())
        return list_sources([f"{s3_bucket}/allowed/m.jsonl"], S3Settings(), allowed).tracks["uri"].to_pylist()

    bucket = s3_bucket.rsplit("/", 1)[0]
    assert list_uris("x/../a.wav") == [f"{s3_bucket}/allowed/a.wav"]
    for uri in (
        "../private/a.wav",
        "../../../another-bucket/a.wav",
        f"{bucket}/a.wav",
        f"{s3_bucket}/allowed/../a.wav",
        f"{s3_bucket}/allowed-too/a.wav",
        "/etc/passwd",
    ):
        with pytest.raises(NotAllowed, match="line 1, uri"):
            list_uris(uri)
    assert list_uris("../private/a.wav", f"{s3_bucket}/private") == [f"{s3_bucket}/private/a.wav"]


def test_the_command_prints_one_line_and_registers_nothing(folders):
    manifest = folders / "music" / "m.csv"
    manifest.write_text("uri\njazz/a.wav\n/etc/passwd\n")
    assert error_line("--lake", folders / "lake", "--encoder", "fake", "index", manifest) == (
        f"tonelake: {manifest}: line 3, uri '/etc/passwd': /etc/passwd is outside the manifest's folder; if that is "
        f"meant, `tonelake sources allow {manifest} /etc` (with your --lake), or set TONELAKE_ALLOW_OUTSIDE=/etc, "
        "or a folder above it"
    )
    assert not (folders / "lake").exists()


def test_a_source_is_not_an_address(folders):
    for source, message in (("file:///", "file:// is off"), ("http://127.0.0.1/m", "cannot read")):
        for read in (
            partial(list_sources, s3=S3Settings()),
            partial(add, settings=Settings(lake=str(folders / "lake"))),
        ):
            with pytest.raises(UserError, match=message):
                read([source])
    assert not (folders / "lake").exists()


def test_a_refresh_loses_no_track_to_a_line_that_is_not_allowed(folders):
    manifest = folders / "music" / "m.csv"
    manifest.write_text("uri\njazz/a.wav\n")
    refresh = ("--lake", folders / "lake", "--encoder", "fake", "refresh", "--accept-loss", manifest)
    add([str(manifest)], Settings(lake=str(folders / "lake")))
    manifest.write_text("uri\n../private/b.wav\n")
    assert "set TONELAKE_ALLOW_OUTSIDE" in error_line(*refresh)
