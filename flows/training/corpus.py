"""`tonelake corpus build`: the corpus of `workers.synthetic_music.corpus`, with a bar."""

from pathlib import Path
from typing import Any

from flows.console.progress import track
from schemas.settings import Settings
from workers.synthetic_music.corpus.build import CorpusSpec, counts, missing, render_pieces, write_manifest


def build(folder: Path, clips: int, seconds: int, seed: int, settings: Settings) -> list[dict[str, Any]]:
    """Renders what is missing, writes the manifest last, and counts each split."""
    spec = CorpusSpec(folder, clips, seconds, seed)
    todo = missing(spec)
    rendered = render_pieces(spec, todo, settings.models, settings.soundfonts)
    for _ in track(rendered, f"rendering {len(todo):,} of {clips:,} clips", total=len(todo)):
        pass
    write_manifest(spec)
    return counts(spec)
