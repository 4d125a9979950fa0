"""No secret reaches output, errors, logs or the lake, and no stranger's title controls the terminal."""

import json
import logging
import pickle

import pytest

from flows.cli.output import print_json
from flows.console.tables import print_table
from lake.catalogue.runs import RunRecord
from lake.export.folder import ExportFolder
from lake.sources.listing import list_sources
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.redaction import redact, replace_controls
from schemas.settings import S3Settings, Settings
from schemas.tracks import TrackToEmbed
from tests.cli import error_line, run
from workers.embedding.outcomes import pending_outcome

SECRET, TOKEN = "wJalrXUtnFEMI/K7MDENG+bPxRfi\\CYEXAMPLEKEY", "FwoGZXIvYXdzEBYaDKexampletoken"
WITH_KEYS = "s3://AKIDEXAMPLE:hunter2pass@bucket/music"


@pytest.fixture
def secrets(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_0123456789")


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"refused: {SECRET}!", "refused: ***!"),
        ('{"reason": "wJalrXUtnFEMI/K7MDENG+bPxRfi\\\\CYEXAMPLEKEY"}', '{"reason": "***"}'),
        ("http://me:pass@host:4200/api and s3://a:b@c/d", "http://***@host:4200/api and s3://***@c/d"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=x/y, Signature=0a1b\nHost: h", "Authorization: ***\nHost: h"),
        ("'Authorization': b'Bearer abc', 'Host': b'h'", "'Authorization': b'***', 'Host': b'h'"),
        (
            "https://h/k?X-Amz-Credential=C&X-Amz-Signature=S&a=1",
            "https://h/k?X-Amz-Credential=***&X-Amz-Signature=***&a=1",
        ),
        ("key AKIAIOSFODNN7EXAMPLE of", "key *** of"),
        ("pnu_0123456789", "***"),
        ("sent wJalrXUtnFEMI%2FK7MDENG%2BbPxRfi%5CCYEXAMPLEKEY", "sent ***"),
        ("s3://AKIDEXAMPLE:a/b/c+d@bucket/music and x@y", "s3://***@bucket/music and x@y"),
        ("http://me:p@ss@host/api", "http://***@host/api"),
        ("http://host:4200/a@b s3://bucket/a:b@c", "http://host:4200/a@b s3://bucket/a:b@c"),
        ("s3://bucket/a@b and me@host.org: unexpected token x", "s3://bucket/a@b and me@host.org: unexpected token x"),
    ],
)
def test_secrets_are_removed_and_nothing_else(text, redacted):
    assert redact(text) == redacted


@pytest.mark.usefixtures("secrets")
def test_errors_and_rows_hide_secrets():
    error = UserError(f"cannot read with {SECRET}")
    assert str(pickle.loads(pickle.dumps(error))) == "cannot read with ***"
    assert TOKEN not in pending_outcome(TrackToEmbed("1", "", ""), f"OSError: {TOKEN}").message
    text = repr(Settings(prefect_api_url="http://me:pass@h/api", s3=S3Settings(access_key_id="testkey")))
    assert not any(secret in text for secret in (SECRET, TOKEN, "pass@", "testkey"))


@pytest.mark.usefixtures("secrets")
def test_the_table_of_runs_stores_no_secret(tmp_path):
    lake = Lake.at(str(tmp_path / "lake"), S3Settings())
    with RunRecord(lake, "run", "takedown", None, {"reason": f"told {SECRET}"}) as record:
        record.finish({"exports": [{"message": f"http://me:{TOKEN}@host"}]})
    (row,) = lake.table("runs").to_table().to_pylist()
    assert (row["parameters"], row["counts"]) == (
        '{"reason": "told ***"}',
        '{"exports": [{"message": "http://***@host"}]}',
    )
    kept = b"".join(path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file())
    assert b"run" in kept
    assert not [secret for secret in (SECRET, TOKEN) if secret.encode() in kept]


def test_an_address_with_credentials_is_refused_and_not_repeated(tmp_path):
    for command in (
        ("--lake", WITH_KEYS, "status"),
        ("--lake", tmp_path / "lake", "--encoder", "fake", "index", WITH_KEYS),
    ):
        message = error_line(*command)
        assert "AWS_SECRET_ACCESS_KEY" in message
        assert "hunter2pass" not in message
    message = error_line("--lake", "s3://b/l", "status", AWS_ENDPOINT_URL="http://me:hunter2pass@127.0.0.1:9")
    assert "AWS_SECRET_ACCESS_KEY" in message
    assert "hunter2pass" not in message
    assert not (tmp_path / "lake").exists()
    (tmp_path / "m.csv").write_text(f"uri\n{WITH_KEYS}/a.wav\n")
    with pytest.raises(UserError, match=r"//\*\*\*@bucket/music/a.wav': contains credentials"):
        list_sources([str(tmp_path / "m.csv")], S3Settings(), ("s3://",))
    with pytest.raises(UserError, match="contains credentials"):
        ExportFolder.at(WITH_KEYS, S3Settings())


def test_a_verbose_run_on_a_store_logs_no_secret(s3_bucket, s3_server):
    """botocore logs the headers of each request, among them the session's token."""
    done = run("-v", "--lake", s3_bucket, "sources", "list", code=2, AWS_SESSION_TOKEN=TOKEN)
    assert len(done.stderr.splitlines()) > 5
    shown = done.stdout + done.stderr
    secret = s3_server.environment()["AWS_SECRET_ACCESS_KEY"]
    assert not [word for word in (secret, TOKEN, "AWS4-HMAC-SHA256 ", "Signature=") if word in shown]


def test_secrets_in_logs_of_libraries_are_hidden(monkeypatch, capsys):
    from flows.cli.output import configure_logging

    monkeypatch.setenv("PREFECT_API_KEY", "pnu_0123456789")
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    configure_logging(logging.WARNING)
    logging.getLogger("httpx").warning("sent %s", "pnu_0123456789")
    assert capsys.readouterr().err == "WARNING:httpx:sent ***\n"


def test_control_characters_in_a_title_do_not_reach_the_terminal(capsys):
    title = "\x1b]52;c;cm0gLXJm\x07 \x9b2J \u202egnp.exe\x7f"
    print_table(title, ["title"], [[title]])
    assert not set(capsys.readouterr().out) & set("\x1b\x07\x9b\u202e\x7f")
    print_json({title: "Été"})
    written = capsys.readouterr().out
    assert not set(written) & set("\x1b\x07\x9b\u202e\x7f")
    assert "Été" in written
    assert json.loads(written) == {title: "Été"}
    assert replace_controls("Été\t2:\n日本 ♯") == "Été\t2:\n日本 ♯"
