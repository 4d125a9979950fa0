"""Every command that reads, over a lake with every odd thing in it: counts add up, and no output breaks."""

import json
import unicodedata

import pytest
from rich.cells import cell_len

from lake.storage.lake import Lake
from schemas.settings import S3Settings
from tests.cli import run, run_here, run_json
from tests.odd_lake import LINES, ODD_NAMES, REASONS, SKIPPED
from workers.encoders.fake import SPEC

# Commands that read, and their exit codes. {music}, {home} and {manifest} are paths of the lake.
COMMANDS = {
    "status": 0,
    "status --prometheus": 0,
    "search banjo -k 50": 0,
    "search pianno": 0,
    "search --where track_id!='' -k 50": 0,
    "search --tag loud -k 50": 0,
    "search --like {music}/🎷🎺.wav": 0,
    "search --like g-again": 0,
    "search --audio {music}/film.mp4": 0,
    "search --audio {music}/silent.wav": 2,
    "search --release 1 banjo": 0,
    "tags 🎷-1": 0,
    "tags {music}/plain.wav": 0,
    "tags Same": 2,
    "quarantine": 0,
    "duplicates": 0,
    "releases": 0,
    "sources list": 0,
    "exports": 0,
    "doctor": 0,
    "recommend --history {home}/history.csv -k 50": 0,
    "check {manifest} {music} {home}/later": 1,
    "refresh --dry-run": 0,
    "maintain --dry-run": 0,
    "leaderboard": 2,
    "why g-soon": 0,
}  # fmt: skip
WITHOUT_JSON = {"status --prometheus"}


@pytest.fixture(scope="module")
def typed(odd_lake):
    """A function that types a command of COMMANDS, with other arguments before it."""
    (odd_lake.home / "history.csv").write_text("track_id\ng-twice\n🎷-1\ng-nowhere\n")
    paths = {"music": odd_lake.music, "home": odd_lake.home, "manifest": odd_lake.manifest}

    def run_command(command, *options, **settings):
        arguments = [word.format(**paths) for word in command.split()]
        return run_here("--lake", odd_lake.lake, *options, *arguments, code=COMMANDS[command], **settings)

    return run_command


@pytest.fixture(scope="module")
def encoders(odd_lake):
    return run_json(odd_lake.lake, "status")["encoders"]


def is_plain(text):
    """Tell whether nothing in a text steers a terminal or turns its direction."""
    return all(character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs") for character in text)


def test_the_counts_add_up(odd_lake, encoders):
    lake = Lake.at(str(odd_lake.lake), S3Settings())
    assert len(encoders) == 2
    for encoder in encoders:
        assert encoder["expected"] == encoder["embedded"] + encoder["quarantined"] + encoder["pending"]
        assert encoder["searchable"] == encoder["embedded"] + encoder["stale"]
        assert encoder["quarantined"] == sum(encoder["reasons"].values())
        table = f"embeddings__{encoder['encoder']}__{encoder['embedding_version']}"
        assert encoder["searchable"] == encoder["tables"][table]["rows"] == lake.table(table).count_rows()


def test_the_lake_has_every_odd_thing(odd_lake, encoders):
    """What is expected is what the sources list; the file of a line that was never there counts, too."""
    full = next(encoder for encoder in encoders if encoder["embedding_version"] == SPEC.embedding_version)
    sound = len(ODD_NAMES) + len(["plain.wav", "copy of plain.wav", "film.mp4"])
    read = len(LINES) - len(["g-gone", "g-never"])
    assert full["embedded"] == sound + read + len(["later/a.wav"])
    assert (full["pending"], full["stale"]) == (1, len(["damaged.wav", "g-gone"]))
    reasons = dict.fromkeys(REASONS.values(), 1) | {"unrecognised": 2, "unreadable": len(["g-gone", "g-never"])}
    assert full["reasons"] == reasons
    assert [row["number"] for row in run_json(odd_lake.lake, "releases")] == [1, 2, 3, 4]


def test_every_run_adds_up(odd_lake):
    rows = Lake.at(str(odd_lake.lake), S3Settings()).table("runs").to_table().to_pylist()
    indexed = [json.loads(row["counts"]) for row in rows if row["command"] in ("index", "refresh")]
    assert len(indexed) >= 5
    for counts in indexed:
        assert counts["expected"] == counts["embedded"] + counts["quarantined"] + counts["pending"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_prints_plain_text_in_60_columns(typed, command, monkeypatch):
    monkeypatch.setattr("flows.console.tables.PIPE_WIDTH", 60)
    result = typed(command)
    assert result.stdout or result.stderr
    assert is_plain(result.stdout)
    assert is_plain(result.stderr)
    tables = [line for line in result.stdout.splitlines() if line[:1] in tuple("┏┃┡│└")]
    assert all(cell_len(line) <= 60 for line in tables)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_that_knows_ascii_alone(typed, command):
    result = typed(command, PYTHONIOENCODING="ascii")
    assert (result.stdout + result.stderr).isascii()
    if command not in WITHOUT_JSON and COMMANDS[command] != 2:
        assert json.loads(typed(command, "--json", PYTHONIOENCODING="ascii").stdout) is not None


@pytest.mark.parametrize("command", [command for command in COMMANDS if COMMANDS[command] != 2])
def test_json_is_one_document_without_control_characters(typed, command):
    if command in WITHOUT_JSON:
        assert "not both" in run_here("--json", *command.split(), code=2).stderr
    else:
        text = typed(command, "--json").stdout
        assert json.loads(text) is not None
        assert is_plain(text)


def test_a_new_process_with_ascii_and_60_columns(odd_lake):
    result = run("--lake", odd_lake.lake, "search", "--where", "track_id!=''", PYTHONIOENCODING="ascii", COLUMNS="60")
    assert result.stdout.isascii()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_found_by_its_path(odd_lake, name):
    report = run_json(odd_lake.lake, "why", odd_lake.music / ODD_NAMES[name])
    assert report["answer"] == "search finds it"
    search = ("search", "--like", odd_lake.music / ODD_NAMES[name], "-k", 50)
    hits = json.loads(run_here("--lake", odd_lake.lake, "--json", *search).stdout)
    assert len(hits) > 15
    assert report["track_id"] not in {hit["track_id"] for hit in hits}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        *((name, f"it is in quarantine: {reason}") for name, reason in REASONS.items()),
        *SKIPPED.items(),
        ("broken link.wav", "there is no such file"),
        ("film.mp4", "search finds it"),
        ("copy of plain.wav", "search finds it"),
        ("damaged.wav", "it is in quarantine: unrecognised"),
        ("vanished.wav", "{music} does not list it any more"),
        ("taken.wav", "it was taken down"),
        ("../removed/a.wav", "its source {home}/removed was removed"),
        ("../nowhere.wav", "no source of the lake lists it"),
        ("g-gone", "its file {catalogue}/gone.wav is missing; search finds its earlier row, stale since"),
        ("g-never", "its file {catalogue}/never.wav is missing"),
        ("g-soon", "it is embedded, and not available today"),
        ("Gone\nfor good", "its file {catalogue}/gone.wav is missing"),
    ],
)
def test_why_knows_where_everything_is(odd_lake, name, answer):
    track = name if name.startswith(("g-", "Gone")) else odd_lake.music / name
    home, music, catalogue = odd_lake.home, odd_lake.music, odd_lake.manifest.parent
    report = run_json(odd_lake.lake, "why", track)
    assert report["answer"].startswith(answer.format(home=home, music=music, catalogue=catalogue))
    assert is_plain(run_here("--lake", odd_lake.lake, "why", track).stdout)


def test_why_tells_a_pending_track_from_an_embedded_one(odd_lake):
    answers = {run_json(odd_lake.lake, "why", odd_lake.home / "later" / name)["answer"] for name in ("a.wav", "b.wav")}
    assert answers == {"search finds it", "it is registered and not embedded yet"}


def test_hits_recommendations_and_quarantine_agree_on_what_is_stale(typed):
    hits = json.loads(typed("search --where track_id!='' -k 50", "--json").stdout)
    stale = {hit["track_id"] for hit in hits if hit["stale_since"]}
    recommended = json.loads(typed("recommend --history {home}/history.csv -k 50", "--json").stdout)["recommended"]
    assert {row["track_id"] for row in recommended if row["stale_since"]} == stale
    assert len(stale) == 2
    quarantined = [row["track_id"] for row in json.loads(typed("quarantine", "--json").stdout)]
    assert len(quarantined) == len(set(quarantined)) == len(REASONS) + len(["damaged.wav", "g-gone", "g-never"])
    assert stale < set(quarantined)


def test_an_export_holds_what_search_finds(odd_lake, encoders, tmp_path):
    live = next(encoder for encoder in encoders if encoder["embedding_version"] == SPEC.embedding_version)
    exported = run_json(odd_lake.lake, "export", tmp_path / "all", "--embedding-version", SPEC.embedding_version)
    assert exported["tracks"] == live["searchable"]


def test_two_files_of_the_same_bytes_are_duplicates(typed):
    rows = json.loads(typed("duplicates", "--json").stdout)["rows"]
    files = [row["uri"].rsplit("/", 1)[-1] for row in rows]
    assert sorted(files) == ["copy of plain.wav", "plain.wav", "twice.wav", "twice.wav"]
