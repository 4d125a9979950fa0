"""The command `tonelake`. Commands import what they need when they run, so that `--help` is instant."""

import logging
import signal
import sys
import traceback
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from flows.cli import benchmarks, duplicates, export, recommend, refresh, releases, training
from flows.cli import error_messages as faults
from flows.cli import operations as care
from flows.cli import takedown as forget
from flows.cli.output import Context, count, log_to_stderr, print_json, show_list
from schemas.errors import UserError
from schemas.redaction import for_person, printable
from schemas.settings import S3Settings, Settings

app = typer.Typer(
    help="A music catalogue in; a searchable, versioned lake of embeddings and tags out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(benchmarks.app)
app.add_typer(releases.app)
app.add_typer(training.app)
app.add_typer(refresh.app)
app.add_typer(care.app)
app.add_typer(forget.app)
app.add_typer(export.app)
app.add_typer(recommend.app)
app.add_typer(duplicates.app)


def main() -> None:
    """Runs the command line: bad input is one line and exit code 2, never a traceback."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is an interrupt: commit, then end
    try:
        app()
    except UserError as error:
        _fail(str(error), 2)
    except Exception as error:
        _explain(error)


def _explain(error: Exception) -> NoReturn:
    """Faults of disks, stores and paths are a person's to mend: 2. All else is ours: 1, and -v shows where."""
    if fault := faults.told(error, S3Settings().endpoint_url):
        _fail(fault, 2)
    if isinstance(error, (PermissionError, NotADirectoryError, FileExistsError, FileNotFoundError)):
        _fail(f"{error}; check the path and its permissions", 2)
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        _fail(traceback.format_exc(), 1)
    first = str(error).splitlines()[0] if str(error) else ""
    _fail(f"{type(error).__name__}: {first} (tonelake -v shows where)", 1)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    lake: Annotated[str | None, typer.Option(help="Folder or s3://bucket/prefix [env: TONELAKE_LAKE]")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Name, or folder of a trained one; index takes a,b too [env: TONELAKE_ENCODER]")
    ] = None,
    allow_unproven: Annotated[
        bool, typer.Option("--allow-unproven", help="Compute with encoders marked unproven, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    verbose: Annotated[bool, typer.Option("-v", help="Say more, on standard error.")] = False,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Global options stand before the command."""
    if show_version:
        print(version("tonelake"))
        raise typer.Exit
    log_to_stderr(logging.DEBUG if verbose else logging.WARNING)
    try:
        settings = Settings.given(lake=lake, encoder=encoder, allow_unproven=allow_unproven)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UserError(f"a setting is wrong: {wrong}") from error
    context.obj = Context(settings, as_json)


@app.command()
def index(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(help="Folders, files, s3:// prefixes or manifests.")],
    windows: Annotated[str, typer.Option(help="Windows of a track to embed: all, or at most N.")] = "all",
    limit: Annotated[int | None, typer.Option(min=1, help="Embed at most this many tracks now.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
) -> None:
    """Embed and tag what a source holds and the lake does not yet."""
    from flows.ingest.report import IndexRequest

    request = IndexRequest(tuple(sources), count(windows, "--windows"), limit)
    if dry_run:
        from flows.ingest.dry_run import estimate

        _show_counts(context.obj, [estimate(request, one) for one in context.obj.settings.each_encoder()])
        return
    reports = _run(request, context.obj.settings)
    _show_counts(context.obj, reports)
    raise typer.Exit(1 if any(report["unfinished"] for report in reports) else 0)


@app.command()
def status(
    context: typer.Context,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Print it in Prometheus's text format.")] = False,
) -> None:
    """Coverage of every encoder version in the lake, with table sizes."""
    if prometheus:
        from flows.operations.prometheus import exposition

        if context.obj.json:
            raise UserError("status answers in one form: give --json or --prometheus, not both")
        print(exposition(context.obj.settings), end="")
        return
    from flows.search.search import status as read_status

    found = read_status(context.obj.settings)
    if context.obj.json:
        print_json(found)
        return
    from flows.console.tables import coverage_rows, show

    for counts in found["encoders"]:
        show(f"{counts['encoder']} {counts['embedding_version']}", ["tracks", ""], coverage_rows(counts))
    sizes = [found["tables"], *(counts["tables"] for counts in found["encoders"])]
    rows = [[name, size["rows"], size["bytes"]] for tables in sizes for name, size in tables.items()]
    show(found["lake"], ["table", "rows", "bytes"], rows)
    if released := found["live"]:
        told = f"live: release {released['release']}, {released['encoder']} {released['embedding_version']}"
        print(printable(told))


@app.command()
def search(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="What to look for, in words.")] = None,
    like: Annotated[str | None, typer.Option(help="Sounds like this track id.")] = None,
    audio: Annotated[str | None, typer.Option(help="Sounds like this audio file.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    where: Annotated[str | None, typer.Option(help="SQL filter, such as \"year >= 1990 AND artist = 'X'\".")] = None,
    tag: Annotated[str | None, typer.Option(help="Only tracks with this tag.")] = None,
    embedding_version: Annotated[str | None, typer.Option(help="Search in this version.")] = None,
    release: Annotated[int | None, typer.Option(min=1, help="Search in this release; else in what is live.")] = None,
) -> None:
    """Find tracks in words, by sound or by filter."""
    from flows.search.search import find

    query = {"text": text, "like": like, "audio": audio, "where": where, "tag": tag}
    found = find(context.obj.settings, **query, k=k, embedding_version=embedding_version, number=release)
    if context.obj.json:
        print_json(found)
        return
    from flows.console.tables import show

    rows = [
        [
            *(row[name] for name in ("rank", "score", "title", "artist")),
            _names(row["tags"]),
            _file(row),
            row["track_id"],
        ]
        for row in found
    ]
    asked = ", ".join(f"{name} {value!r}" for name, value in query.items() if value is not None)
    show(asked, ["", "score", "title", "artist", "tags", "file", "track_id"], rows)


@app.command()
def tags(
    context: typer.Context,
    track: Annotated[str | None, typer.Argument(metavar="TRACK_ID_or_FILE")] = None,
    embedding_version: Annotated[str | None, typer.Option(help="Read from this version.")] = None,
    release: Annotated[int | None, typer.Option(min=1, help="Read from this release; else from what is live.")] = None,
    vocabulary: Annotated[str | None, typer.Option(help="Your own tags: a file with one a line.")] = None,
    labelled: Annotated[str | None, typer.Option(help="Benchmark whose labels make scores probabilities.")] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file for the tags of every track.")] = None,
) -> None:
    """Tags of a track in the lake, or of an audio file; with --vocabulary in your own words."""
    settings = context.obj.settings
    if vocabulary is None:
        if track is None or labelled or out:
            raise UserError("tags of what? Give TRACK_ID or FILE; --labelled and --out go with --vocabulary FILE")
        from flows.search.search import tags as read_tags

        show_list(context.obj, f"tags of {track}", read_tags(settings, track, embedding_version, release))
        return
    if (track is None) == (out is None):
        raise UserError("--vocabulary needs TRACK_ID or FILE, or --out FILE.parquet for every track")
    from flows.search.custom_tags import tags_in_words, write_tags

    asked = (vocabulary, track, labelled, embedding_version, release)
    words, lake, spec, vector = tags_in_words(settings, *asked)
    if vector is not None:
        show_list(context.obj, f"tags of {track}", words.rows(vector))
    elif out is not None:
        show_list(context.obj, str(out), [{"tracks": write_tags(lake, words, spec, out), "file": str(out)}])


@app.command()
def quarantine(
    context: typer.Context,
    retry: Annotated[bool, typer.Option("--retry", help="Try them again first.")] = False,
) -> None:
    """Tracks that could not be embedded, and why."""
    from flows.search.search import quarantine as read_quarantine
    from flows.search.search import quarantined_windows

    unfinished = 0
    if retry:
        from flows.ingest.report import IndexRequest

        for one in context.obj.settings.each_encoder():
            for windows in quarantined_windows(one):
                (report,) = _run(IndexRequest(windows=windows, retry=True), one)
                unfinished += report["unfinished"]
    show_list(context.obj, "quarantine", read_quarantine(context.obj.settings))
    raise typer.Exit(1 if unfinished else 0)


@app.command()
def encoders(context: typer.Context) -> None:
    """The encoders there are."""
    from workers.encoders.registry import described

    show_list(context.obj, "encoders", described())


def _run(request: Any, settings: Settings) -> list[dict[str, Any]]:
    """The one place that decides whether Prefect records a run: where PREFECT_API_URL names a server.

    Without one its temporary server would have to start first, 12 s that tell nobody anything (measured).
    """
    if settings.prefect_api_url:
        from flows.deployments import index as recorded_index

        named = {name: getattr(settings, name) for name in ("lake", "encoder", "allow_unproven")}
        return recorded_index(**asdict(request) | named)
    from flows.console.progress import Watch
    from flows.ingest.index import index_catalogue

    return [asdict(report) for report in index_catalogue(request, settings, Watch())]


def _show_counts(context: Context, reports: list[dict[str, Any]]) -> None:
    """Of each encoder, what a run did, or would do."""
    if context.json:
        print_json(reports[0] if len(reports) == 1 else reports)
        return
    from flows.console.tables import BILL, bill_line, coverage_rows, show

    told = {"encoder", "embedding_version", "expected", "embedded", "quarantined", "pending", "reasons", "run_id"}
    told |= BILL
    for counts in reports:
        title = f"run {counts['run_id']}" if "run_id" in counts else "would do"
        show(f"{counts['encoder']} {counts['embedding_version']}, {title}", ["tracks", ""], coverage_rows(counts))
        print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in counts.items() if name not in told))
        print(bill_line(counts))


def _file(row: dict[str, Any]) -> str:
    return (row["uri"] or "").rsplit("/", 1)[-1]


def _names(tags: list[dict[str, Any]]) -> str:
    return ", ".join(tag["name"] for tag in tags[:4])


def _fail(message: str, code: int) -> NoReturn:
    print(f"tonelake: {for_person(message)}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
