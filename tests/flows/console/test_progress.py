"""What a run prints on standard error."""

import pytest

from flows.console import progress
from flows.console.progress import ProgressReporter
from tests.lake.rows import embedded_row, outcome_batch, pending_row, quarantined_row


def test_without_a_terminal_a_status_line_comes_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.05)
    with ProgressReporter() as reporter:
        reporter.expect(4, "about 0.1 h of audio")
        reporter.advance(outcome_batch(embedded_row("a"), embedded_row("b"), quarantined_row("c")))
        assert reporter.status_line().startswith("3 of 4 tracks, ")
        assert ", 1 failed, " in reporter.status_line()
        assert reporter.done_share == 0.75
        reporter._ended.wait(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "4 tracks to embed, about 0.1 h of audio"
    assert len([line for line in lines if line.startswith("3 of 4 tracks")]) >= 2


def test_only_the_first_reasons_of_pending_tracks_are_logged(capsys):
    reporter = ProgressReporter()
    reporter.advance(outcome_batch(*[pending_row(name) | {"message": f"no answer {name}"} for name in "abcdefgh"]))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "track a stays pending: no answer a"
    assert len(lines) == progress.MAX_LOGGED_REASONS


@pytest.mark.parametrize("text", ["[bold]x[/]", "plain"])
def test_text_is_printed_without_markup(text, capsys):
    ProgressReporter().log(text)
    assert capsys.readouterr().err == f"{text}\n"
