"""What stands on standard error while a run goes on, and afterwards."""

import pytest

from flows.console import progress
from flows.console.progress import Watch
from tests.lake.rows import batch, embedded, pending, quarantined


def test_a_line_now_and_then_where_nobody_watches(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.05)
    with Watch() as watch:
        watch.expect(4, "about 0.1 h of audio")
        watch.advance(batch(embedded("a"), embedded("b"), quarantined("c")))
        assert watch.line().startswith("3 of 4 tracks, ")
        assert ", 1 failed, " in watch.line()
        assert watch.done_share == 0.75
        watch._ended.wait(0.3)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "4 tracks to embed, about 0.1 h of audio"
    assert len([line for line in told if line.startswith("3 of 4 tracks")]) >= 2


def test_reasons_of_pending_tracks_are_told_but_not_all_of_them(capsys):
    watch = Watch()
    watch.advance(batch(*[pending(name) | {"message": f"no answer {name}"} for name in "abcdefgh"]))
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "track a stays pending: no answer a"
    assert len(told) == progress.TOLD_AT_MOST


@pytest.mark.parametrize("text", ["[bold]x[/]", "plain"])
def test_what_is_said_is_said_as_it_is(text, capsys):
    Watch().say(text)
    assert capsys.readouterr().err == f"{text}\n"
