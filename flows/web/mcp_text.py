"""Answers of the tools for agents: a few short lines a track."""

from collections.abc import Iterable, Sequence

from flows.console.times import minutes_text
from flows.operations.status import StatusReport
from flows.operations.why import TrackReport
from schemas.playlists import Playlist
from schemas.redaction import sanitize
from schemas.search import SearchHit

_SHOWN_TAGS = 5
_MAX_CHARACTERS = 120


def list_hits(hits: Sequence[SearchHit], remarks: Iterable[str] = ()) -> str:
    """Return the hits of a search, best first, and its remarks."""
    lines = [f"note: {_one_line(remark, 400)}" for remark in remarks]
    lines += [describe_hit(hit) for hit in hits]
    return "\n".join(lines if hits else [*lines, "no track passes: ask with fewer filters"])


def describe_hit(hit: SearchHit) -> str:
    """Return a hit in two lines."""
    return f"{hit.rank}. {_names(hit)}\n   " + " · ".join([*_sound(hit), *_scores(hit), f"id {hit.track_id}"])


def list_playlist(playlist: Playlist) -> str:
    """Return the tracks of a playlist in order. `step` is the cosine with the track before."""
    lines = [f"note: {_one_line(remark, 400)}" for remark in playlist.remarks]
    lines.append(f"{_one_line(playlist.title)}: {len(playlist.tracks)} tracks, {minutes_text(playlist.seconds)}")
    for track in playlist.tracks:
        step = [] if track.step is None else [f"step {track.step:.2f}"]
        facts = [*_sound(track.hit, tags=3), *step, f"id {track.hit.track_id}"]
        lines.append(f"{track.hit.rank}. {_names(track.hit)}\n   " + " · ".join(facts))
    return "\n".join(lines)


def describe_track(hit: SearchHit | None, report: TrackReport, *, shows_paths: bool) -> str:
    """Return what is known of a track, and its state. Without `shows_paths` no local file is named."""
    lines = []
    if hit is not None:
        lines.append(_names(hit))
        genres = [f"genres {_one_line(', '.join(hit.genres))}"] if hit.genres else []
        loudness = [f"{hit.loudness_lufs:.1f} LUFS"] if hit.loudness_lufs is not None else []
        lines.append(" · ".join([*_sound(hit, tags=12), *loudness, *genres]))
    lines.append(f"id {report.track_id}")
    if shows_paths:
        lines.append(f"file {_one_line(report.uri or 'unknown', 400)}")
        lines.append(f"state: {_one_line(report.answer, 400)}")
        lines += [f"advice: {_one_line(report.advice, 400)}"] if report.advice else []
    for state in report.versions:
        reason = f" ({state.reason})" if state.reason else ""
        lines.append(f"{state.encoder} {state.embedding_version}: {state.state}{reason}")
    return "\n".join(filter(None, lines))


def describe_status(report: StatusReport) -> str:
    """Return the coverage of each encoder version."""
    live = report.live.snapshot.embedding_version if report.live else None
    lines = [f"live: release {report.live.number}" if report.live else "no release is live"]
    for encoder in report.encoders:
        counts, searchable = encoder.coverage, encoder.searchable
        mark = ", live" if encoder.embedding_version == live else ""
        lines.append(
            f"{encoder.encoder} {encoder.embedding_version}{mark}: expected {counts.expected:,} = "
            f"embedded {counts.embedded:,} + quarantined {counts.quarantined:,} + pending {counts.pending:,}; "
            f"searchable {searchable.rows:,}, of them stale {searchable.stale:,}"
        )
    lines.append(f"not available today: {report.not_available:,}")
    return "\n".join(lines)


def _names(hit: SearchHit) -> str:
    """Return the known names of a track, on one line; without a title the file's."""
    title = hit.title or (hit.uri or hit.track_id).rsplit("/", 1)[-1]
    artist = f" by {_one_line(hit.artist)}" if hit.artist else ""
    year = f" ({hit.year})" if hit.year else ""
    album = f", from {_one_line(hit.album)}" if hit.album else ""
    return f"{_one_line(title)}{artist}{year}{album}"


def _sound(hit: SearchHit, tags: int = _SHOWN_TAGS) -> list[str]:
    names = ", ".join(tag.name for tag in hit.tags[:tags])
    return [
        *([f"tags {_one_line(names, 200)}"] if names else []),
        *([f"{hit.bpm:.0f} bpm"] if hit.bpm else []),
        *([f"{hit.musical_key} {hit.mode}"] if hit.musical_key else []),
        *([minutes_text(hit.duration_s)] if hit.duration_s else []),
    ]


def _scores(hit: SearchHit) -> list[str]:
    score = [] if hit.score is None else [f"score {hit.score:.3f}"]
    return score + ([f"best {minutes_text(hit.best.start_s)}-{minutes_text(hit.best.end_s)}"] if hit.best else [])


def _one_line(text: str, most: int = _MAX_CHARACTERS) -> str:
    line = " ".join(sanitize(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
