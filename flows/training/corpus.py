"""`tonelake corpus build`: renders the corpus of `workers.synthetic_music.corpus` behind a progress bar."""

from pathlib import Path

from flows.console.progress import with_progress
from schemas.settings import Settings
from workers.synthetic_music.corpus.build import (
    CorpusSpec,
    SplitSummary,
    find_missing,
    render_pieces,
    summarise_splits,
    write_manifest,
)
from workers.synthetic_music.sources.registry import sources_of_splits


def build_corpus(
    folder: Path, clips: int, seconds: int, seed: int, settings: Settings, *, with_gpl: bool = True
) -> list[SplitSummary]:
    """Render the missing clips and write the manifest last; return the summary of each split.

    `with_gpl` False leaves out the sources of sound under the GPL.
    """
    spec = CorpusSpec(folder, clips, seconds, seed, sources_of_splits(with_gpl=with_gpl))
    missing = find_missing(spec)
    rendered = render_pieces(spec, missing, settings.models, settings.soundfonts)
    for _ in with_progress(rendered, f"rendering {len(missing):,} of {clips:,} clips", total=len(missing)):
        pass
    write_manifest(spec)
    return summarise_splits(spec)
