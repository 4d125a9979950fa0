"""A real browser plays every format, seeks in it, and sends what it records."""

import pytest

from flows.web.app import create_app
from flows.web.rules import ServeRules
from schemas.settings import Settings
from tests.flows.web.music import PLAIN, TRANSCODED, listening, open_files, wait_until

PLAY = """
async ([address, second]) => {
  const audio = new Audio(address);
  audio.muted = true;
  await new Promise((resolve, reject) => {
    audio.onloadedmetadata = resolve;
    audio.onerror = () => reject(new Error(audio.error.message));
  });
  audio.currentTime = second;
  await audio.play();
  await new Promise(resolve => {
    audio.ontimeupdate = () => audio.currentTime > second + 0.3 && resolve();
  });
  const played = [audio.duration, audio.currentTime];
  audio.pause();
  audio.removeAttribute("src");
  audio.load();
  return played;
}
"""
RECORD = """
async () => {
  const context = new AudioContext(), tone = context.createOscillator();
  const microphone = context.createMediaStreamDestination();
  tone.connect(microphone);
  tone.start();
  const recorder = new MediaRecorder(microphone.stream), pieces = [];
  recorder.ondataavailable = event => pieces.push(event.data);
  recorder.start();
  await new Promise(resolve => setTimeout(resolve, 2500));
  await new Promise(resolve => { recorder.onstop = resolve; recorder.stop(); });
  const form = new FormData();
  form.append("file", new Blob(pieces), "recording.webm");
  const answer = await fetch("/api/v1/uploads", {method: "POST", body: form});
  const hits = await fetch("/api/v1/search?k=2&like=upload:" + (await answer.clone().json()).upload);
  return [answer.status, (await answer.json()).seconds, (await hits.json()).hits.length];
}
"""


@pytest.fixture(scope="module")
def service(music):
    app = create_app(Settings(lake=str(music.uri)), ServeRules())
    with listening(app) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser, service):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{service}/healthz")  # a page of the service, with its policy
    yield page
    context.close()


@pytest.mark.parametrize("name", [*PLAIN, *TRANSCODED, "long.aiff"])
def test_a_browser_plays_and_seeks(music, service, page, name):
    seconds = {"song.aiff": 12, "long.aiff": 400}.get(name, 10)
    start = seconds * 0.75
    duration, position = page.evaluate(PLAY, [f"{service}/audio/{music.track(name)}", start])
    assert duration == pytest.approx(seconds, abs=0.1)
    assert start + 0.3 < position < start + 3
    wait_until(lambda: not open_files(music.folder))


def test_a_browser_sends_what_it_records(page):
    status, seconds, hits = page.evaluate(RECORD)
    assert (status, hits) == (200, 2)
    assert 1.5 < seconds < 6
