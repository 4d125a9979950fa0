"""The process that embeds uploads: what it decodes comes from anybody, and may crash it.

It answers in JSON, never with pickles: the service must not obey a process whose decoder was taken over.
"""

import io
import json
import resource
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from workers.local.worker import start_worker

if TYPE_CHECKING:
    from workers.encoders.base.interface import Encoder

MAX_SECONDS = 15 * 60
MAX_BYTES = 64 << 20
# Of a recording that was cut off, the rest is searched with. A header may state any length: what it has is counted.
ACCEPTED = frozenset({"truncated", "flac_strict", "too_long"})
_KEPT_ENCODERS = 2
_MEMORY_BYTES = 2 << 30  # beyond what the process has after it has loaded an encoder


def run(connection: Connection, settings: Settings) -> None:
    """Answer requests until the service ends: an encoder's spec, then the bytes of a file."""
    start_worker()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = settings.model_copy(update={"describe": False, "accept": ACCEPTED})
    encoders: dict[str, Encoder] = {}
    with suppress(EOFError):
        while True:
            spec: EncoderSpec = connection.recv()
            data = connection.recv_bytes(MAX_BYTES)
            connection.send_bytes(json.dumps(_answer(data, spec, encoders, settings)).encode())


def _answer(data: bytes, spec: EncoderSpec, encoders: "dict[str, Encoder]", settings: Settings) -> dict[str, Any]:
    try:
        encoder = _encoder(spec, encoders, settings)
        return _embed(data, encoder, settings) if data else {}  # without data it is loaded only
    except UserError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "it needs too much memory to be decoded: convert it to WAV or MP3"}
    except Exception as error:  # the service tells no more of a defect, and this process goes on
        return {"error": f"it cannot be embedded ({type(error).__name__}): convert it to WAV or MP3"}


def _encoder(spec: EncoderSpec, encoders: "dict[str, Encoder]", settings: Settings) -> "Encoder":
    """Return the encoder of a version, loaded once."""
    from threadpoolctl import threadpool_limits

    from flows.search.version import load_encoder

    version = spec.embedding_version
    if version not in encoders:
        threadpool_limits(1)
        if len(encoders) >= _KEPT_ENCODERS:
            encoders.pop(next(iter(encoders)))
        _limit_memory(None)
        encoders[version] = load_encoder(spec, settings)
        _limit_memory(_MEMORY_BYTES)
    return encoders[version]


def _embed(data: bytes, encoder: "Encoder", settings: Settings) -> dict[str, Any]:
    from schemas.tracks import TrackToEmbed
    from workers.audio.fetch import FetchedFile
    from workers.embedding.track import embed_fetched

    require_short(data)
    fetched = FetchedFile(io.BytesIO(data), len(data), "", "")
    (outcome,) = embed_fetched(TrackToEmbed("upload", "upload", ""), fetched, [encoder], settings)
    if outcome.outcome != "embedded" or outcome.vector is None:
        raise UserError(f"it cannot be embedded: {outcome.reason or 'error'}: {outcome.message}")
    return {"seconds": outcome.duration_s, "vector": [float(value) for value in outcome.vector]}


def require_short(data: bytes) -> None:
    """Decode as much as is allowed. Raises UserError if there is more, or no audio."""
    from schemas.audio import ACCEPTABLE
    from workers.audio.decode import decode
    from workers.audio.verdicts import AudioInspector, Rejected

    seconds = 0.0
    try:
        for chunk in decode(io.BytesIO(data), AudioInspector(ACCEPTABLE)):
            seconds += chunk.samples.shape[1] / chunk.rate
            if seconds > MAX_SECONDS:
                raise UserError(f"it is longer than {MAX_SECONDS // 60} minutes: send a part of it")
    except Rejected as error:
        raise UserError(f"it cannot be embedded: {error.reason}: {error.message}") from error


def _limit_memory(more: int | None) -> None:
    """Let the process take so many bytes more; None stands for any number."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    taken = int(statm.read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if more is None else taken + more, most))
