"""`tonelake check`: what is wrong with sources, before anything of them is taken in."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import print_json
from schemas.errors import UserError
from schemas.redaction import sanitize

if TYPE_CHECKING:
    from lake.sources.listing import SourceScan

app = typer.Typer()

SHOWN = 20  # of each kind of finding; --json has more


@app.command()
def check(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(help="Manifests; of folders and prefixes, the files are counted.")],
) -> None:
    """Check manifests line by line; exit with 1 for warnings, 2 for more."""
    from flows.ingest.allowances import allowed_locations
    from lake.sources.listing import check_source

    settings = context.obj.settings
    scans: list[SourceScan] = []
    errors: list[str] = []
    tracks: dict[int, tuple[int, str]] = {}
    for source in dict.fromkeys(sources):
        try:
            scan = check_source(source, settings.s3, allowed_locations(source, settings), tracks)
        except UserError as error:  # the other sources are checked all the same
            errors.append(str(error))
            continue
        scans.append(scan)
        if not context.obj.json:
            _print_findings(scan)
    if context.obj.json and scans:
        print_json([finding for scan in scans for finding in scan.findings.to_json()])
    errors += [_stopping_line(scan) for scan in scans if scan.findings.stopping]
    if errors:
        raise UserError("; ".join(errors))
    raise typer.Exit(1 if any(scan.findings.warnings for scan in scans) else 0)


def _stopping_line(scan: "SourceScan") -> str:
    count = "a finding" if scan.findings.stopping == 1 else f"{scan.findings.stopping:,} findings"
    return f"{scan.root}: {count} would stop a run: correct the manifest, and check it again"


def _print_findings(scan: "SourceScan") -> None:
    shown: Counter[str] = Counter()
    for finding in scan.findings.kept:
        shown[finding.kind] += 1
        if shown[finding.kind] <= SHOWN:
            print(sanitize(f"{'stops' if finding.stops else 'warns'}  {finding.text}"))
    for kind, count in scan.findings.counts.items():
        if count > SHOWN:
            print(f"{count - SHOWN:,} more of the kind {kind}")
    name = sanitize(scan.root)
    if not scan.is_manifest:
        print(f"{name}: {scan.tracks:,} tracks, {scan.skipped:,} other files are skipped")
    elif not scan.findings.counts:
        print(f"{name}: {scan.tracks:,} tracks, all is well")
    else:
        print(f"{name}: {scan.tracks:,} tracks can be taken in, {scan.findings.warnings:,} warnings")
