"""A real service, and pages in a real browser. Without a browser these tests skip."""

import csv
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli import COMMAND, environment, run_here
from tests.flows.catalogue import run_in_process
from tests.flows.web.conftest import CHROMIUM

HOSTILE = '<img src=x onerror="window.hacked=1">'
HOSTILE_TAG = "</span><script>window.hacked=1</script>"
BROKEN = "broken.mp3"
SOFTWARE = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")  # WebGL2 without a GPU


@dataclass(frozen=True)
class Service:
    """A service, its address, and the folder of the music that it serves."""

    address: str
    music: Path
    lake: Path


@contextmanager
def running_service(lake: Path, **settings: str) -> Iterator[str]:
    """Run `tonelake serve` on a free port; yield its address."""
    command = [*COMMAND, "--lake", str(lake), "serve", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=environment(**settings), **pipes) as process:
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "http" in line:
                    break
            assert "http" in "".join(lines[-1:]), f"the service does not start: {''.join(lines)}"
            yield lines[-1].split()[-1].strip()
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="session")
def service(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Six pieces, one with a hostile title and one that no decoder knows, in a lake that is served."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium, or set TONELAKE_CHROMIUM")
    home = tmp_path_factory.mktemp("browser")
    music = home / "music"
    shutil.copytree(rendered, music)
    (music / BROKEN).write_bytes(b"<html>not audio</html>" * 100)
    with (music / "manifest.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    lines[0] |= {"title": HOSTILE, "artist": HOSTILE, "genres": f"{HOSTILE_TAG};rock", "tags": HOSTILE_TAG}
    lines.append(dict.fromkeys(lines[0], "") | {"uri": BROKEN, "title": f"Broken {HOSTILE}"})
    with (music / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    with pytest.MonkeyPatch.context() as patch:
        run_in_process([], patch)
        run_here("--lake", home / "lake", "--encoder", "fake", "index", music / "manifest.csv")
    with running_service(home / "lake") as address:
        yield Service(address, music, home / "lake")


@dataclass
class Seen:
    """What a page said and asked for: errors of its code or policy, and the addresses of its requests."""

    errors: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)


@contextmanager
def opened_page(browser, service: Service, **options) -> Iterator:
    """Open a page in a context of its own; afterwards no error, and no request to another host."""
    options = {"viewport": {"width": 1280, "height": 800}, "base_url": service.address} | options
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    page, seen = context.new_page(), Seen()
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda line: seen.errors.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: seen.addresses.append(request.url))
    page.expected_errors = []
    try:
        yield page
        unexpected = [text for text in seen.errors if not any(part in text for part in page.expected_errors)]
        assert not unexpected
        strangers = [url for url in seen.addresses if not url.startswith((service.address, "blob:", "data:"))]
        assert not strangers
        assert page.evaluate("window.hacked") is None
    finally:
        context.close()


@pytest.fixture
def page(browser, service: Service) -> Iterator:
    """A desktop page in light colours."""
    with opened_page(browser, service, accept_downloads=True) as opened:
        yield opened
