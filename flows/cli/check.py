"""`tonelake check`: what is wrong with a source, before anything of it is taken in."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import print_json
from schemas.errors import ManifestError
from schemas.redaction import sanitize

if TYPE_CHECKING:
    from lake.sources.listing import SourceScan

app = typer.Typer()

SHOWN = 20  # of each kind of finding; --json has more


@app.command()
def check(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A manifest; of a folder or prefix, the files are counted.")],
) -> None:
    """Check a manifest line by line; exit with 1 for warnings, 2 for more."""
    from flows.ingest.allowances import allowed_locations
    from lake.sources.listing import check_source

    settings = context.obj.settings
    scan = check_source(source, settings.s3, allowed_locations(source, settings))
    if context.obj.json:
        print_json(scan.findings.to_json())
    else:
        _print_findings(scan)
    if stopping := scan.findings.stopping:
        count = "a finding" if stopping == 1 else f"{stopping:,} findings"
        raise ManifestError(f"{scan.root}: {count} would stop a run: correct the manifest, and check it again")
    raise typer.Exit(1 if scan.findings.warnings else 0)


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
