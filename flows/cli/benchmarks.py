"""Commands that judge: benchmarks, evaluate, leaderboard, report."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.output import Context, count, print_json, show_list
from schemas.errors import UserError

app = typer.Typer()
benchmarks = typer.Typer(help="The benchmarks there are; `check` says whether a folder holds one.")
app.add_typer(benchmarks, name="benchmarks")

Data = Annotated[str | None, typer.Option(help="Folder that the benchmark was unpacked into, or that holds several.")]


@benchmarks.callback(invoke_without_command=True)
def list_benchmarks(context: typer.Context) -> None:
    """The benchmarks there are; `check` says whether a folder holds one."""
    if context.invoked_subcommand is None:
        from flows.evaluation.benchmarks import described

        show_list(context.obj, "benchmarks", described(in_full=context.obj.json))
        if not context.obj.json:
            print("The mtg-jamendo benchmarks are of split 0; add -split-1 to -split-4 to a name for the others.")


@benchmarks.command()
def check(context: typer.Context, name: str, data: Data = None) -> None:
    """Which files of a benchmark are missing or broken; exit 1 where some are."""
    from flows.evaluation.benchmarks import check as check_files

    found = check_files(name, data)
    if context.obj.json:
        print_json(found)
    else:
        from flows.console.tables import show

        print(f"{found['benchmark']} {found['revision']} in {found['data']}: {found['clips']:,} clips")
        print("\n".join(f"known fault: {fault}" for fault in found["faults"]))
        problems = found["problems"]
        show(f"{len(problems):,} problems", ["file", "what"], [[row["path"], row["what"]] for row in problems])
    raise typer.Exit(1 if found["problems"] else 0)


@app.command()
def evaluate(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Benchmarks; `tonelake benchmarks` lists them.")
    ],
    data: Data = None,
    encoder: Annotated[list[str] | None, typer.Option(help="Judge these encoders; give it again for each.")] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="Only these protocols; give it again for each.")] = None,
    chunks: Annotated[str, typer.Option(help="Windows that a clip is heard by: all, or at most N.")] = "all",
    prompt: Annotated[str | None, typer.Option(help="Text around a tag, such as 'music with {}'.")] = None,
    inputs: Annotated[str, typer.Option(help="What probes are trained on: vectors or features.")] = "vectors",
) -> None:
    """Judge encoder versions on benchmarks; what has not changed is not computed again."""
    from flows.evaluation.evaluate import EvaluateRequest
    from flows.evaluation.leaderboard import show_figures

    if inputs not in ("vectors", "features"):
        raise UserError(f"--inputs takes vectors or features, not {inputs!r}")
    asked = (tuple(names), data, tuple(encoder or ()), tuple(protocol or ()), count(chunks, "--chunks"), prompt)
    rows = _run(EvaluateRequest(*asked, inputs), context.obj)
    print_json(rows) if context.obj.json else show_figures(rows)
    raise typer.Exit(1 if any(row["pending"] for row in rows) else 0)


@app.command()
def leaderboard(
    context: typer.Context,
    benchmark: Annotated[str | None, typer.Option(help="Only this one, with every published figure of it.")] = None,
) -> None:
    """Encoders beside each other and beside published figures, by benchmark and protocol."""
    from flows.evaluation.leaderboard import leaderboard as read_leaderboard
    from flows.evaluation.leaderboard import show_leaderboard

    rows = read_leaderboard(context.obj.settings, benchmark)
    print_json(rows) if context.obj.json else show_leaderboard(rows)


@app.command()
def report(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder to write index.html and the pictures into.")],
    benchmark: Annotated[list[str] | None, typer.Option(help="Only these; give it again for each.")] = None,
) -> None:
    """A page with tables, pictures and sounds of everything that was judged."""
    from flows.evaluation.report.page import write_report

    page = write_report(context.obj.settings, out, tuple(benchmark or ()))
    print_json({"page": str(page)}) if context.obj.json else print(f"open {page}")


def _run(request: Any, context: Context) -> list[dict[str, Any]]:
    """As `tonelake index`: recorded by Prefect where PREFECT_API_URL names a server."""
    settings = context.settings
    if settings.prefect_api_url:
        from flows.deployments import evaluate as recorded_evaluate

        named = {"lake": settings.lake, "allow_unproven": settings.allow_unproven}
        encoders = list(request.encoders or settings.encoders)
        recorded_evaluate = recorded_evaluate.with_options(retries=0)  # a person sees what is wrong, and may retry
        return recorded_evaluate(**asdict(request) | named | {"encoders": encoders})
    from flows.evaluation.evaluate import evaluate as evaluate_here

    return evaluate_here(request, settings)
