"""`make demo`: render a small catalogue, index it, search it, draw its map.

No search is chosen for its result. Every kind of piece is searched by its name, and the demo counts the searches that
find it. Every 12th of these, in alphabetical order, is also typed as a command.
"""

import shlex
import sys
import time
from pathlib import Path

from rich.console import Console

from flows.cli.main import main as run_command_line
from flows.console.tables import print_table
from flows.search.search import search
from flows.search.version import resolve_version, text_tower
from lake.embeddings.search import search as search_table
from lake.releases.releases import live_release
from lake.storage.lake import Lake
from schemas.settings import Settings
from workers.encoders.registry import find_by_name
from workers.synthetic_music.demo.catalogue import compose_pieces, kinds, render_catalogue

HITS = 3
TYPED_STEP = 12  # types 5 of the 60 searches


def main(folder: Path) -> None:
    """Render into `folder`/music, index into `folder`/lake, print the searches and their results."""
    started = time.monotonic()
    manifest = _render(folder / "music")
    settings = Settings.from_options(lake=str(folder / "lake"))
    lake = f"--lake={settings.lake}"
    run_tonelake(lake, "index", str(manifest))
    publish_new_version(lake, settings)
    run_tonelake(lake, "status")
    typed = sorted(style.name for style in kinds())[::TYPED_STEP]
    for kind in typed:
        run_tonelake(lake, "search", kind, "-k", str(HITS))
    (nearest,) = search(settings, text=typed[0], k=1)
    run_tonelake(lake, "search", "--like", nearest.track_id, "-k", str(HITS))
    run_tonelake(lake, "search", typed[0], "--where", "year >= 1990", "-k", str(HITS))
    run_tonelake(lake, "map")
    _print_ranks(rank_kinds(settings))
    print(f"\nDone in {time.monotonic() - started:.0f} s. Now your own music:\n")
    print("    .venv/bin/tonelake index ~/Music")
    print('    .venv/bin/tonelake search "slow jazz with a muted trumpet"\n')
    print("The page over these pieces, until Ctrl-C:\n")
    print(f"    .venv/bin/tonelake {shlex.quote(lake)} serve\n")


def publish_new_version(lake: str, settings: Settings) -> None:
    """Make the encoder's version live if another one is.

    So it is after an upgrade of tonelake that brings another default encoder.
    """
    live, spec = live_release(Lake.at(settings.lake, settings.s3)), find_by_name(settings.encoder).spec
    if live and live.snapshot.embedding_version != spec.embedding_version:
        run_tonelake(lake, "promote", spec.embedding_version)


def run_tonelake(*arguments: str) -> None:
    """Print a command and run it in this process: libraries are imported once.

    Raises SystemExit if the command fails.
    """
    print(f"\n$ tonelake {shlex.join(arguments)}", flush=True)
    try:
        run_command_line(arguments)
    except SystemExit as end:
        if end.code:
            raise


def rank_kinds(settings: Settings) -> dict[str, int | None]:
    """Search every kind of the rendered catalogue by its name.

    Returns the rank of the kind's own piece from 1, or None if the first three hits lack it, by kind in alphabetical
    order.
    """
    styles = kinds()
    file_by_kind = {style.name: piece.file for style, piece in zip(styles, compose_pieces(len(styles)), strict=True)}
    names = sorted(file_by_kind)
    reader = resolve_version(settings)
    vectors = text_tower(reader.spec, settings).embed_text(names)
    ranks: dict[str, int | None] = {}
    for name, vector in zip(names, vectors, strict=True):
        hits = search_table(reader.lake, reader.spec, vector, HITS)
        hit_files = [Path(hit.uri or "").name for hit in hits]
        ranks[name] = hit_files.index(file_by_kind[name]) + 1 if file_by_kind[name] in hit_files else None
    return ranks


def _render(folder: Path) -> Path:
    console = Console(stderr=True)
    console.print(f"rendering {len(compose_pieces())} short pieces into {folder} ...")
    return render_catalogue(folder)


def _print_ranks(ranks: dict[str, int | None]) -> None:
    rows = []
    for rank in (*range(1, HITS + 1), None):
        names = [name for name, kind_rank in ranks.items() if kind_rank == rank]
        rows.append([str(rank or "not found"), len(names), ", ".join(names)])
    print()
    print_table(f"all {len(ranks)} kinds, each searched by its name", ["rank", "searches", "kinds"], rows)
    successes = sum(rank is not None for rank in ranks.values())
    print(f"{successes} of {len(ranks)} searches found their kind in the first {HITS}; by chance {HITS} would")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-data"))
