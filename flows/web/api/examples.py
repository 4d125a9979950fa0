"""Examples of answers, for the API's description."""

from typing import Any

_HIT = {
    "rank": 1,
    "track_id": "daaf85e2ed0fc75775311d521550d99d",
    "uri": "/music/night.flac",
    "title": "Night Piece",
    "artist": "Somebody",
    "album": "Nights",
    "year": 1994,
    "genres": ["Classical"],
    "score": 0.460457,
    "tags": [{"name": "piano", "score": 0.4126}],
    "bpm": 84.0,
    "musical_key": "C",
    "mode": "major",
    "loudness_lufs": -13.4,
    "stale_since": None,
    "duration_s": 97.1,
    "isrc": None,
    "available_from": None,
    "available_to": None,
    "territories": [],
    "extra": {"label": "ECM"},
    "copies": [],
    "found_by": [],
    "best": {"start_s": 32.9, "end_s": 41.9, "score": 0.440749},
}
SEARCH = {
    "embedding_version": "342c73867626",
    "release": 1,
    "understood": [],
    "remarks": [],
    "hits": [_HIT],
    "next": "WzEwLCAiZXRhZyJd",
}
FACETS = {
    "tracks": 2,
    "genre": [{"value": "Classical", "tracks": 2}],
    "tag": [{"value": "piano", "tracks": 2}, {"value": "slow", "tracks": 1}],
    "year": [{"value": 1994, "tracks": 1}],
    "artist": [{"value": "Somebody", "tracks": 2}],
}
MOMENTS = {
    "track_id": _HIT["track_id"],
    "moments": [{"start_s": 59.8, "end_s": 68.8, "score": 0.893287}, {"start_s": 9.0, "end_s": 24.0, "score": 0.84}],
}
PLAYLIST = {"title": "night", "seconds": 97.1, "tracks": [_HIT | {"step": None}], "remarks": []}
RELEASES = {
    "items": [
        {
            "number": 1,
            "encoder": "musicnn",
            "embedding_version": "342c73867626",
            "tracks": 69,
            "gate": [{"name": "coverage", "passed": True, "reason": "69 of 69 tracks", "verdict": "passed"}],
            "live": True,
        }
    ],
    "total": 1,
    "next": None,
}
QUARANTINE = {
    "items": [
        {
            "track_id": "c3f6e16fe284536656b3d61bc2dfb2b3",
            "uri": "/music/broken.ogg",
            "reason": "unrecognised",
            "message": "FFmpeg: Invalid data found when processing input",
            "attempts": 1,
        }
    ],
    "total": 1,
    "next": None,
    "reasons": {"unrecognised": 1},
}


def example(document: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Return what FastAPI is told of an address whose answers look like this."""
    return {200: {"content": {"application/json": {"example": document}}}}
