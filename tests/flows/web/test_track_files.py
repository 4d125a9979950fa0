"""Only files of tracks that may be played are opened, whatever the paths and the lake say."""

import os
import shutil

import pytest
from starlette.exceptions import HTTPException

from flows.web.track_files import TrackFiles
from lake.catalogue.tracks import write_tracks
from schemas.errors import NotFound
from schemas.settings import Settings
from tests.audio_files import SECONDS, sndfile
from tests.flows.catalogue import run_in_process
from tests.flows.rights import AVAILABLE, RIGHTS, make_rights_lake, set_clock
from tests.flows.web.music import Music, index, open_files
from workers.encoders.fake import SPEC


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    home = tmp_path_factory.mktemp("changeable")
    music = Music(home / "music", home / "lake")
    music.folder.mkdir()
    for name, level in (("a.wav", 1.0), ("b.wav", 0.5)):
        (music.folder / name).write_bytes(sndfile(SECONDS * level))
    index(music)
    return music


@pytest.fixture
def changeable(indexed, tmp_path):
    """A lake of two sounds that a test may change; the sounds are put back."""
    kept = shutil.copytree(indexed.folder, tmp_path / "kept")
    yield indexed.copy(tmp_path)
    shutil.rmtree(indexed.folder)
    shutil.copytree(kept, indexed.folder)


def open_track(music, name="a.wav", **settings):
    """Open the file of a track and return its bytes."""
    files = TrackFiles(Settings(lake=str(music.uri), **settings))
    opened = files.open(files.find(SPEC, music.track(name)))
    with opened.file:
        return opened.file.read()


def refusal(music, name="a.wav", **settings):
    """Return the status and the message of a refusal; nothing stays open."""
    with pytest.raises((NotFound, HTTPException)) as caught:
        open_track(music, name, **settings)
    assert not open_files(music.folder)
    return getattr(caught.value, "status_code", 404), getattr(caught.value, "detail", str(caught.value))


def pretend(music, name, **columns):
    """Let the registry say something else of a track, as somebody could who writes the lake."""
    rows = music.lake.table("tracks").to_table(filter=f"track_id = '{music.track(name)}'")
    for column, value in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), [[value]])
    write_tracks(music.lake, rows)


def test_the_embedded_file(changeable):
    assert open_track(changeable) == (changeable.folder / "a.wav").read_bytes()


def test_a_file_that_was_changed(changeable):
    path = changeable.folder / "a.wav"
    path.write_bytes(sndfile(SECONDS[:, ::-1].copy()))
    status, message = refusal(changeable)
    assert status == 410
    assert "run `tonelake refresh`" in message
    assert str(changeable.folder) not in message


def test_a_file_that_is_replaced_while_it_is_open(changeable):
    whole = (changeable.folder / "a.wav").read_bytes()
    files = TrackFiles(Settings(lake=str(changeable.uri)))
    opened = files.open(files.find(SPEC, changeable.track("a.wav")))
    os.replace(changeable.folder / "b.wav", changeable.folder / "a.wav")
    with opened.file:
        assert opened.is_unchanged()
        assert opened.file.read() == whole  # the old file: what is open was checked
    assert refusal(changeable)[0] == 410


def test_a_file_that_is_written_to_while_it_is_open(changeable):
    files = TrackFiles(Settings(lake=str(changeable.uri)))
    opened = files.open(files.find(SPEC, changeable.track("a.wav")))
    with opened.file:
        with (changeable.folder / "a.wav").open("ab") as file:
            file.write(b"more")
        assert not opened.is_unchanged()


@pytest.mark.parametrize("make", ["missing", "folder", "pipe", "broken link"])
def test_no_file_at_the_path(changeable, make):
    path = changeable.folder / "a.wav"
    path.unlink()
    if make == "folder":
        path.mkdir()
    elif make == "pipe":
        os.mkfifo(path)  # to open it must not wait for somebody who writes
    elif make == "broken link":
        path.symlink_to(changeable.folder / "nothing")
    assert refusal(changeable)[0] == 410


def test_a_link_that_leads_out_of_the_source(changeable, tmp_path):
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    shutil.copy2(changeable.folder / "a.wav", outside / "a.wav")  # of equal size and time
    (changeable.folder / "a.wav").unlink()
    (changeable.folder / "a.wav").symlink_to(outside / "a.wav")
    status, message = refusal(changeable)
    assert status == 404
    assert "TONELAKE_ALLOW_OUTSIDE" in message
    assert open_track(changeable, allow_outside=(str(outside),))
    (changeable.folder / "a.wav").unlink()
    shutil.copy2(outside / "a.wav", changeable.folder / "real.wav")
    (changeable.folder / "a.wav").symlink_to(changeable.folder / "real.wav")
    assert open_track(changeable)  # one that stays in the source


def test_a_folder_that_became_a_link(changeable, tmp_path):
    shutil.copytree(changeable.folder, tmp_path / "elsewhere" / "deep")
    pretend(changeable, "a.wav", uri=f"{changeable.folder}/inner/a.wav")
    (changeable.folder / "inner").symlink_to(tmp_path / "elsewhere" / "deep")
    assert refusal(changeable)[0] == 404


@pytest.mark.parametrize("uri", ["{music}/../secret.wav", "{home}/secret.wav", "file://{home}/secret.wav"])
def test_a_path_outside_of_the_source(changeable, uri):
    home = changeable.folder.parent
    shutil.copy2(changeable.folder / "a.wav", home / "secret.wav")
    pretend(changeable, "a.wav", uri=uri.format(music=changeable.folder, home=home))
    status, message = refusal(changeable, "secret.wav")
    assert status == 404
    assert "outside of its source" in message


def test_a_path_beside_a_source_of_one_name(changeable):
    beside = changeable.folder.parent / "music-private"
    beside.mkdir()
    shutil.copy2(changeable.folder / "a.wav", beside / "a.wav")
    pretend(changeable, "a.wav", uri=str(beside / "a.wav"))
    assert refusal(changeable)[0] == 404


@pytest.mark.parametrize("uri", ["a\0b.wav", "file://%00.wav", "", "/dev/zero", "/proc/self/mem"])
def test_paths_that_are_none(changeable, uri):
    track_id = changeable.track("a.wav")
    pretend(changeable, "a.wav", uri=uri)
    files = TrackFiles(Settings(lake=str(changeable.uri)))
    with pytest.raises((NotFound, HTTPException)):
        files.open(files.find(SPEC, track_id))


def test_another_file_than_audio_never_leaves_as_it_is(changeable):
    """The lake may say that a text is an embedded track: it is not audio, so it is not sent."""
    secret = changeable.folder / "secret.txt"
    secret.write_text("the secret " * 100)
    status = secret.stat()
    pretend(changeable, "a.wav", uri=str(secret))
    table = changeable.lake.table("embeddings__fake__" + SPEC.embedding_version)
    table.update({"source_version": f"'{status.st_size}-{status.st_mtime:.6f}'"})
    with changeable.app() as client:
        answer = client.get(f"/audio/{changeable.track('secret.txt')}")
    assert answer.status_code == 410
    assert "the secret" not in answer.text


@pytest.mark.parametrize("state", ["vanished", "removed"])
def test_a_track_that_is_not_active(changeable, state):
    pretend(changeable, "a.wav", state=state)
    assert refusal(changeable)[0] == 404


def test_a_file_that_may_not_be_read(changeable, monkeypatch):
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("flows.web.track_files.os.open", refuse)
    status, message = refusal(changeable)
    assert status == 404
    assert "check its permissions" in message


def test_rights(tmp_path, monkeypatch):
    set_clock(monkeypatch, "2026-06-15")
    run_in_process([], monkeypatch)
    lake = make_rights_lake(tmp_path)
    files = TrackFiles(Settings(lake=str(lake.uri)))
    for name in RIGHTS:
        if name in AVAILABLE:
            files.open(files.find(SPEC, name)).file.close()
        else:
            with pytest.raises(NotFound, match="not available today"):
                files.find(SPEC, name)


def test_a_file_that_a_manifest_names_outside_of_its_folder(changeable, tmp_path):
    (tmp_path / "lists").mkdir()
    manifest = tmp_path / "lists" / "list.csv"
    manifest.write_text(f"track_id,uri\none,{changeable.folder}/a.wav\n")
    listed = Music(changeable.folder, tmp_path / "lake2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TONELAKE_ALLOW_OUTSIDE", str(changeable.folder))
        patch.setenv("TONELAKE_CONFIG", str(tmp_path / "config"))
        index(listed, manifest)
        assert open_track(listed, allow_outside=())  # what the run allowed is remembered on this machine
    status, message = refusal(listed)
    assert status == 404
    assert "TONELAKE_ALLOW_OUTSIDE" in message
    assert open_track(listed, allow_outside=(f"file://{changeable.folder}",))
