"""TEMP"""
import hashlib, io
from contextlib import contextmanager
from dataclasses import dataclass
import fsspec
from schemas.tracks import source_version
from workers.audio.verdicts import Rejected
@dataclass
class Fetched:
    file: object; size: int; source_version: str; content_sha256: str
@contextmanager
def fetch(uri, s3):
    fs = fsspec.filesystem("s3", **s3.fsspec_options()) if uri.startswith("s3://") else fsspec.filesystem("file")
    try:
        info = fs.info(uri); data = fs.cat_file(uri)
    except (FileNotFoundError, PermissionError) as e:
        raise Rejected("unreadable", str(e))
    if not data: raise Rejected("empty","no bytes")
    yield Fetched(io.BytesIO(data), len(data), source_version(info), hashlib.sha256(data).hexdigest())
