"""Renew the vendored libraries from npm: `python -m flows.web.vendor.renew [NAME=VERSION ...]`.

`vendor.json` names each library's package, version, licence and files. The files stand here as npm has them, so that
a page needs no network and users no build step. With NAME=VERSION a library moves to that version first.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
LIST = FOLDER / "vendor.json"


def sha256(data: bytes) -> str:
    """Return the checksum of a file's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def vendored_files() -> frozenset[str]:
    """Return the names of the files that stand here."""
    return frozenset(file for library in json.loads(LIST.read_text()).values() for file in library["files"])


def fetch_package(name: str, version: str) -> tarfile.TarFile:
    """Return a package of npm; npm compares it with the registry's checksum."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{name}@{version}", "--json"]
        answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        packed = json.loads(answer)
        entry = packed[0] if isinstance(packed, list) else next(iter(packed.values()))
        return tarfile.open(fileobj=io.BytesIO(Path(folder, entry["filename"]).read_bytes()))


def renew_library(name: str, library: dict[str, Any], folder: Path) -> None:
    """Write the files of a library into a folder.

    Their checksums go into its entry of the list.
    """
    with fetch_package(name, library["version"]) as package:
        for file, entry in library["files"].items():
            member = package.extractfile(f"package/{entry['from']}")
            if member is None:
                raise SystemExit(f"{name} {library['version']} has no file {entry['from']}: change {LIST.name}")
            data = member.read()
            (folder / file).write_bytes(data)
            entry["sha256"] = sha256(data)


def renew(folder: Path, versions: dict[str, str]) -> None:
    """Fetch every library that a folder's vendor.json lists, and write the list anew."""
    listing = folder / LIST.name
    libraries = json.loads(listing.read_text())
    for name, library in libraries.items():
        library["version"] = versions.get(name, library["version"])
        renew_library(name, library, folder)
        print(f"{name} {library['version']}")
    listing.write_text(json.dumps(libraries, indent=2) + "\n")


if __name__ == "__main__":
    wanted = dict(argument.split("=", 1) for argument in sys.argv[1:])
    for folder in (FOLDER, *(path.parent for path in Path("tests").glob(f"**/vendor/{LIST.name}"))):
        renew(folder, wanted)
