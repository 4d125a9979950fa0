"""Reading a lake: search in words or by sound, tags, quarantine, coverage. Imports neither Ray nor Prefect."""

import difflib
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from lake.catalogue.encoders import choose, versions
from lake.catalogue.plan import coverage, plan, quarantined_tracks
from lake.catalogue.tracks import active_tracks
from lake.embeddings.search import Filter, search, tags_of, vector_of
from lake.releases.releases import as_released, live, release
from lake.storage.filters import among
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec, TaggerSpec
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, windows_table
from workers.encoders.base.interface import TextTower
from workers.encoders.base.registration import Entry
from workers.encoders.registry import ENCODERS, allowed, computes, encoder_entry, entry_of, runnable

Row = dict[str, Any]


def find(
    settings: Settings,
    *,
    text: str | None = None,
    like: str | None = None,
    audio: str | None = None,
    k: int = 10,
    where: str | None = None,
    tag: str | None = None,
    embedding_version: str | None = None,
    number: int | None = None,
) -> list[Row]:
    """The k tracks nearest to a text, a track or a file, or any k that pass `where` and `tag`."""
    if sum(query is not None for query in (text, like, audio)) > 1:
        raise UserError("search takes one of TEXT, --like and --audio")
    if not any((text, like, audio, where, tag)):
        raise UserError("search for what? Give TEXT, --like TRACK_ID, --audio FILE, --where SQL or --tag NAME")
    lake, spec = held(settings, embedding_version, number)
    tag = _vocabulary_name(tag, spec.tagger) if tag else None
    query = None
    if text is not None:
        query = _text_vector(text, spec, settings)
    elif audio is not None:
        query = np.asarray(embed_file(audio, spec, settings)["vector"], np.float32)
    elif like is not None:
        query = vector_of(lake, spec, like)
    return search(lake, spec, query, k, Filter(where, tag, (like,) if like else ()))


def tags(
    settings: Settings, track_or_file: str, embedding_version: str | None = None, number: int | None = None
) -> list[Row]:
    """Tags of a track in the lake, or of an audio file, best first."""
    if Path(track_or_file).is_file() or track_or_file.startswith("s3://"):
        row = embed_file(track_or_file, spec_for_files(settings), settings)
        return [{"name": tag["name"], "score": round(tag["score"], 4)} for tag in row["tags"]]
    return tags_of(*held(settings, embedding_version, number), track_or_file)


def held(
    settings: Settings, embedding_version: str | None = None, number: int | None = None
) -> tuple[Lake, EncoderSpec]:
    """The version that a reader means and the lake to read it from: a release by its number, else the version or the
    encoder that is named, as its table is now, else what is live. UserError where that is not one version.

    In a lake without releases the settings' encoder is read. A trained encoder is read from the folder it is in now.
    """
    lake = Lake.at(settings.lake, settings.s3)
    lake.required_names()
    named = embedding_version is not None or settings.names_encoder
    if chosen := release(lake, number) if number else None if named else live(lake):
        found, spec = as_released(lake, chosen)
        if embedding_version not in (None, spec.embedding_version):
            raise UserError(f"{chosen.title} is of {spec.name} {spec.embedding_version}, not of {embedding_version}")
        return found, spec
    if settings.encoder in ENCODERS or not Path(settings.encoder).is_dir():
        return lake, choose(lake, settings.encoder, embedding_version).spec
    ours = encoder_entry(settings.encoder).spec
    if ours.embedding_version in {version.embedding_version for version in versions(lake)}:
        embedding_version = embedding_version or ours.embedding_version
    return lake, replace(choose(lake, ours.name, embedding_version).spec, folder=ours.folder)


def spec_for_files(settings: Settings) -> EncoderSpec:
    """What an audio file is heard by outside of a lake: the encoder that is named, else what is live, else default."""
    chosen = None if settings.names_encoder else live(lake := Lake.at(settings.lake, settings.s3))
    return as_released(lake, chosen)[1] if chosen else runnable(settings.encoder, settings).spec


def quarantine(settings: Settings) -> list[Row]:
    """The active tracks in quarantine under the encoder's backbones, by uri."""
    lake = Lake.at(settings.lake, settings.s3)
    if "quarantine" not in lake.required_names():
        return []
    ids = {spec.feature_version for spec in _held_specs(lake, settings)}
    held = lake.table("quarantine").to_table(filter=among("feature_version", ids)).to_pylist() if ids else []
    registered = active_tracks(lake).select(["track_id", "uri", "source_version"]).to_pylist()
    tracks = {row["track_id"]: row for row in registered}
    rows = [
        {"track_id": row["track_id"], "uri": tracks[row["track_id"]]["uri"]}
        | {name: row[name] for name in ("reason", "message", "attempts")}
        for row in held
        if tracks.get(row["track_id"], {}).get("source_version") == row["source_version"]
    ]
    return sorted(rows, key=lambda row: row["uri"])


def quarantined_windows(settings: Settings) -> list[int | None]:
    """The `--windows` of those versions of the encoder under which the lake holds tracks in quarantine."""
    lake = Lake.at(settings.lake, settings.s3)
    lake.required_names()
    specs = _held_specs(lake, settings)
    return [spec.backbone.windows.limit for spec in specs if len(quarantined_tracks(lake, spec))]


def _held_specs(lake: Lake, settings: Settings) -> list[EncoderSpec]:
    """Every version that the lake holds of the settings' encoders, which are named or given by their folders."""
    asked = set(settings.encoders)
    return [version.spec for version in versions(lake) if asked & {version.name, version.spec.folder}]


def status(settings: Settings) -> Row:
    """Coverage of every encoder version in the lake, and the rows and bytes of its tables."""
    lake = Lake.at(settings.lake, settings.s3)
    names = lake.required_names()
    tracks = active_tracks(lake)
    found = []
    for version in versions(lake):
        spec = version.spec
        state = coverage(plan(lake, spec, tracks))
        own = [table(spec) for table in (embeddings_table, features_table, windows_table)]
        found.append(
            {"encoder": version.name, "embedding_version": version.embedding_version, **state.as_dict()}
            | {"tables": {name: _size(lake, name) for name in own if name in names}}
        )
    shared = {name: _size(lake, name) for name in sorted(names) if "__" not in name}
    released = live(lake)
    told = {"release": released.number, **asdict(released.snapshot)} if released else None
    return {"lake": lake.uri, "live": told, "encoders": found, "tables": shared}


def _size(lake: Lake, name: str) -> dict[str, int]:
    return {"rows": lake.table(name).count_rows(), "bytes": lake.files().du(lake.uri_of(name))}


def _text_vector(text: str, spec: EncoderSpec, settings: Settings) -> np.ndarray:
    if not text.strip():
        raise UserError("an empty text finds nothing: say in words what you look for")
    return text_tower(spec, settings).embed_text([text])[0]


def text_tower(spec: EncoderSpec, settings: Settings) -> TextTower:
    """The text side of a version that the lake holds; UserError where there is none, or tonelake computes another."""
    entry = _computes(spec, settings)
    if entry.load_text is None:
        raise UserError(f"{spec.name} has no text tower: search with --like TRACK_ID or --audio FILE")
    return entry.load_text(spec, settings.models)


def embed_file(path: str, spec: EncoderSpec, settings: Settings) -> Row:
    """The outcome row of one audio file, outside of any lake; UserError where it cannot be embedded."""
    from workers.embedding.track import embed_track  # decoding libraries, not needed to search in words

    entry = _computes(spec, settings)
    entry.prepare(settings.models)
    if entry.notice:
        print(entry.notice, file=sys.stderr)
    uri = path if path.startswith("s3://") else str(Path(path).absolute())
    track = {"track_id": uri, "uri": uri, "source_version": ""}
    (row,) = embed_track(track, [entry.load(spec, settings.models)], settings)
    if row["outcome"] != "embedded":
        raise UserError(f"cannot embed {path}: {row['reason'] or 'error'}: {row['message']}")
    return row


def _computes(spec: EncoderSpec, settings: Settings) -> Entry:
    """The registered encoder, if it still computes this very version: vectors of different versions never meet."""
    entry = allowed(entry_of(spec), settings)
    if not computes(entry, spec):
        ours = entry.spec.limited(spec.backbone.windows.limit)
        raise UserError(
            f"this tonelake computes {spec.name} {ours.embedding_version}, the lake's vectors are "
            f"{spec.embedding_version}: run `tonelake index` again for the new version, or search with --like"
        )
    return entry


def _vocabulary_name(tag: str, tagger: TaggerSpec | None) -> str:
    """The vocabulary's spelling of a tag; UserError suggests near ones."""
    names = {_folded(name): name for name in (tagger.vocabulary if tagger else ())}
    if tagger is None:
        raise UserError("this encoder tells no tags: search in words, or with another --encoder")
    if name := names.get(_folded(tag)):
        return name
    near = difflib.get_close_matches(_folded(tag), names, n=3) or sorted(names)[:8]
    raise UserError(f"no tag is named {tag!r}; there are {', '.join(names[name] for name in near)} ...")


def _folded(name: str) -> str:
    return name.casefold().replace("-", " ").strip()
