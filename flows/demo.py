"""`make demo`: render a small catalogue, index it and search it by typed commands."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from workers.synthetic_music.demo.catalogue import compose_pieces, render_catalogue

SEARCHES = ("flute", "techno beat", "acoustic guitar", "string quartet", "saxophone")


def main(folder: Path) -> None:
    """Render into `folder`/music, index into `folder`/lake, print the searches and their results."""
    started = time.monotonic()
    manifest = _render(folder / "music")
    lake = f"--lake={folder / 'lake'}"
    _tonelake(lake, "index", str(manifest))
    _tonelake(lake, "status")
    for words in SEARCHES:
        _tonelake(lake, "search", words, "-k", "3")
    hit = json.loads(_tonelake(lake, "--json", "search", SEARCHES[0], "-k", "1", quiet=True))[0]
    _tonelake(lake, "search", "--like", hit["track_id"], "-k", "3")
    _tonelake(lake, "search", "slow strings", "--where", "array_has(genres, 'classical') AND year >= 1990", "-k", "3")
    print(f"\nDone in {time.monotonic() - started:.0f} s. Now your own music:\n")
    print("    .venv/bin/tonelake index ~/Music")
    print('    .venv/bin/tonelake search "slow jazz with a muted trumpet"\n')


def _render(folder: Path) -> Path:
    console = Console(stderr=True)
    console.print(f"rendering {len(compose_pieces())} short pieces into {folder} ...")
    return render_catalogue(folder)


def _tonelake(*arguments: str, quiet: bool = False) -> str:
    if not quiet:
        print(f"\n$ tonelake {shlex.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "flows.cli.main", *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE if quiet else None, text=True)
    return output.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-data"))
