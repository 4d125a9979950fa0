"""The nightly job: remembered sources -> what changed -> the lake follows, and only what needs it is embedded."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import Watch
from flows.ingest.dry_run import bill_before
from flows.ingest.embed import audio_of, shards
from flows.ingest.index import Step, begun, embed_shard, finished, prepare, published
from flows.ingest.source_diff import Survey, survey
from lake.catalogue.encoders import versions
from lake.catalogue.identity import remember_moves
from lake.catalogue.plan import plan
from lake.catalogue.runs import RunRecord, new_run_id
from lake.catalogue.sources import remember_sources
from lake.catalogue.tracks import active_tracks, write
from lake.embeddings.reuse import kept_tracks, unheard
from lake.embeddings.sync import describe, give_up, restamp, shelve
from lake.releases.releases import publish_again
from lake.storage.arrow import is_among
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.runs import Coverage
from schemas.settings import Settings
from schemas.tables import embeddings_table
from schemas.tracks import TRACKS
from workers.encoders.base.registration import Entry
from workers.encoders.registry import allowed, computes, entry_of, runnable

Held = dict[str, tuple[EncoderSpec, Lease]]  # by the name of the embeddings table


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """`accept_loss` names sources that may lose any share of their tracks, or be gone."""

    accept_loss: tuple[str, ...] = ()


def refresh(request: RefreshRequest, settings: Settings, watch: Watch, step: Step = lambda do: do) -> dict[str, Any]:
    """Makes the lake what its sources are now; a killed one is finished by the same call.

    Returns counts of what changed, and under "encoders" the coverage of each version that was kept current.
    """
    started = time.monotonic()
    lake = Lake.at(settings.lake, settings.s3)
    current = current_specs(lake, settings, watch.say)
    run_ids = [new_run_id() for _ in current]
    with ExitStack() as stack:
        held = hold(lake, current, run_ids, watch.say, stack)
        found = step(survey)(lake, [spec for spec, _ in held.values()], request.accept_loss, settings)
        about = asdict(request) | {"sources": list(found.found)}
        runs = zip(run_ids, current, strict=True)
        records = [stack.enter_context(RunRecord(lake, run_id, "refresh", spec, about)) for run_id, spec in runs]
        prepare(map(entry_of, current), settings, watch, step)
        step(settle)(lake, held, found)
        stack.enter_context(watch)
        jobs = [
            begun(lake, spec, run_id, held[embeddings_table(spec)][1], record, settings)
            for run_id, spec, record in zip(run_ids, current, records, strict=True)
        ]
        beside = [held[name] for name in held.keys() - {embeddings_table(spec) for spec in current}]
        for shard in shards(active_tracks(lake), settings.shard_tracks):
            for spec, lease in beside:
                step(describe)(lake, spec, lease, shard)
            embed_shard(jobs, lake, shard, settings, watch, step)
        reports = finished(jobs, lake, found.counts, started, step, settings)
        for spec, lease in held.values():
            give_up(lake, spec, lease)
        step(published)(lake, jobs, "refresh", watch)
        for spec, _ in beside:  # not kept current, but what left or moved may be what readers see
            step(publish_again)(lake, {run_ids[0]: spec}, "refresh", watch.say)
    return found.told() | {"encoders": [asdict(report) for report in reports]}


def would_refresh(request: RefreshRequest, settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    """What `refresh` would find and embed. Writes nothing."""
    lake = Lake.at(settings.lake, settings.s3)
    current = current_specs(lake, settings, say)
    everything = [version.spec for version in versions(lake)]
    found = survey(lake, everything, request.accept_loss, settings)
    leaving = pa.chunked_array(found.vanished["track_id"].chunks + found.rows["track_id"].chunks, pa.string())
    tracks = active_tracks(lake) if "tracks" in lake.names() else found.rows.slice(0, 0)
    tracks = tracks.filter(pc.invert(is_among(tracks["track_id"], leaving)))
    tracks = pa.concat_tables([tracks, found.rows]).sort_by("track_id")
    return found.told() | {"encoders": [_expected(lake, spec, tracks, found, settings) for spec in current]}


def _expected(lake: Lake, spec: EncoderSpec, tracks: pa.Table, found: Survey, settings: Settings) -> dict[str, Any]:
    """The coverage of a version as it would be before anything is decoded, and what that would take."""
    state = plan(lake, spec, tracks)
    again = is_among(state.pending["track_id"], found.same["track_id"])
    pending = state.pending.filter(pc.invert(again))
    left = len(pending) - sum(map(len, kept_tracks(lake, spec, pending)))
    quarantined = sum(state.reasons.values())
    counts = Coverage(state.expected, state.expected - quarantined - left, quarantined, left, state.reasons)
    named = {"encoder": spec.name, "embedding_version": spec.embedding_version}
    audio_seconds = audio_of(unheard(lake, spec, pending))
    bill = bill_before(lake, entry_of(spec), spec, audio_seconds, settings)
    return named | counts.as_dict() | {"would_embed": left} | bill


def current_specs(lake: Lake, settings: Settings, say: Callable[[str], None]) -> list[EncoderSpec]:
    """The versions to be kept current: those of the encoders that were named, else all that the lake holds.

    Only what this tonelake computes today; UserError where that is none. An empty lake begins with the settings'.
    """
    held = versions(lake)
    named = "encoder" in settings.model_fields_set or not held
    ours = [runnable(name, settings) for name in settings.encoders] if named else []
    if not held:
        specs = [entry.spec for entry in ours]
    elif named:
        specs = [_today(entry, version.spec) for version in held for entry in ours if computes(entry, version.spec)]
    else:
        specs = [spec for version in held for spec in _current(version.spec, settings, say)]
    if not specs:
        listed = ", ".join(f"{version.name} {version.embedding_version}" for version in held)
        raise UserError(
            f"{lake.uri} holds {listed}: none is what {settings.encoder if named else 'this tonelake'} computes now; "
            "choose with --encoder, or begin a new version with `tonelake index`"
        )
    return specs


def _current(spec: EncoderSpec, settings: Settings, say: Callable[[str], None]) -> list[EncoderSpec]:
    """The version as this tonelake computes it; nothing where it does not."""
    try:
        entry = allowed(entry_of(spec), settings)
    except UserError as error:
        say(f"{spec.name} is not kept current: {error}")
        return []
    return [_today(entry, spec)] if computes(entry, spec) else []


def _today(entry: Entry, spec: EncoderSpec) -> EncoderSpec:
    """The same version with today's tagger and folder, under the name that its tables have."""
    return replace(entry.spec.limited(spec.backbone.windows.limit), name=spec.name, base=spec.base)


def hold(
    lake: Lake, specs: list[EncoderSpec], run_ids: list[str], say: Callable[[str], None], stack: ExitStack
) -> Held:
    """The lease of every version the lake holds, and of these: a track leaves or moves in all of them at once.

    Each of `specs` has a run of its own; the first run holds the others.
    """
    runs = dict(zip(map(embeddings_table, specs), run_ids, strict=False))
    every = {embeddings_table(spec): spec for spec in [*(version.spec for version in versions(lake)), *specs]}
    return {
        name: (every[name], stack.enter_context(Lease(lake, name, runs.get(name, run_ids[0]), say)))
        for name in sorted(every)
    }


def settle(lake: Lake, held: Held, found: Survey) -> None:
    """Writes what was found, in an order that may end anywhere: the next refresh finds the rest to do."""
    lake.ensure("tracks", TRACKS)
    remember_moves(lake, found.moves)
    for spec, lease in held.values():
        restamp(lake, spec, lease, found.same)
    write(lake, found.rows)
    write(lake, found.vanished)
    remember_sources(lake, found.found, listed=True)
    for spec, lease in held.values():
        shelve(lake, spec, lease)
