"""/api/v1/tracks."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse

from flows.operations.why import explain_track
from flows.search.reader import Reader
from flows.search.track_rows import read_hits
from flows.web.api.search import hit_json
from flows.web.dependencies import ReadersOf, RulesOf, SettingsOf
from flows.web.problems import NotFound
from lake.storage.filters import select_in
from schemas.search import SearchHit
from schemas.tables import embeddings_table

router = APIRouter(tags=["tracks"])
TrackId = Annotated[str, Path(max_length=500)]


@router.get("/tracks/{track_id}")
def track(track_id: TrackId, readers: ReadersOf, rules: RulesOf, settings: SettingsOf) -> Any:
    """Return everything that is known of a track."""
    reader = readers.current()
    hit = read_hit(reader, track_id)
    report = explain_track(track_id, settings).to_json()
    return JSONResponse({"track": hit_json(hit, rules), "state": report})


def read_hit(reader: Reader, track_id: str) -> SearchHit:
    """Return a track as a hit without a score. Raises NotFound if the release has no such track."""
    rows = select_in(reader.lake.table(embeddings_table(reader.spec)), "track_id", [track_id], ["track_id"])
    if not len(rows):
        raise NotFound(f"there is no track {track_id!r} in this release")
    return read_hits(reader, [track_id])[0]
