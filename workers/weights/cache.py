"""The cache of pretrained weights: fetched once, verified at every load.

folder = weights_folder(MINILM, settings.models)
"""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

from schemas.errors import UserError
from workers.weights.sources import Source, file_sha256

MANIFEST = "manifest.json"


def weights_folder(source: Source, models: Path) -> Path:
    """Return the folder models/NAME-<hash> with a source's verified files; fetch it if missing or damaged.

    Two processes may do so at once. Raises UserError if the files cannot be fetched or kept.
    """
    folder = models / source.folder
    if not _is_intact(folder):
        try:
            _fetch(source, folder)
        except OSError as error:
            raise UserError(
                f"cannot keep weights in {models} ({error}): set TONELAKE_MODELS to another folder"
            ) from error
    return folder


def write_manifest(folder: Path) -> None:
    """Write the sha256 of a folder's files into its manifest, which makes later changes noticeable."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST]
    digests = {path.name: file_sha256(path) for path in files}
    (folder / MANIFEST).write_text(json.dumps(digests, indent=1))


def _fetch(source: Source, folder: Path) -> None:
    models = folder.parent
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models, prefix=".fetch-", ignore_cleanup_errors=True) as temporary:
        fresh = Path(temporary) / folder.name
        fresh.mkdir()
        source.write(fresh, Path(temporary), models)
        write_manifest(fresh)
        _install(fresh, folder, Path(temporary))


def _install(fresh: Path, folder: Path, temporary: Path) -> None:
    """Give a complete folder its name in one step.

    A folder that another process installed before is kept.
    """
    with suppress(OSError):
        fresh.rename(folder)
        return
    if not _is_intact(folder):
        with suppress(OSError):
            folder.rename(temporary / "damaged")
        with suppress(OSError):
            fresh.rename(folder)


def _is_intact(folder: Path) -> bool:
    """Check every file against the manifest. Measured: 0.06 s for 91 MB."""
    try:
        digests = dict(json.loads((folder / MANIFEST).read_text()))
        return bool(digests) and all(file_sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, TypeError):
        return False
