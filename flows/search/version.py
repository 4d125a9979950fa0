"""Which encoder version a reader gets, and the encoder for own text or audio.

Imports neither Ray nor Prefect.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from lake.catalogue.encoders import choose_encoder_version, list_encoder_versions
from lake.releases.releases import find_release, live_release, open_release
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tracks import TrackToEmbed
from workers.embedding.outcomes import Outcome
from workers.encoders.base.interface import Encoder, TextTower
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.registry import (
    ENCODERS,
    find_by_name,
    find_by_spec,
    matches_version,
    require_allowed,
    require_runnable,
)


@dataclass(frozen=True, slots=True)
class ReadVersion:
    """An encoder version and the lake to read it from.

    The lake of a release is pinned to the release's snapshot; `release` is its number.
    """

    lake: Lake
    spec: EncoderSpec
    release: int | None = None


def resolve_version(
    settings: Settings, embedding_version: str | None = None, release: int | None = None, lake: Lake | None = None
) -> ReadVersion:
    """Resolve which encoder version to read, and from which snapshot.

    The order is: the release of that number; then `embedding_version` or the encoder that the settings name, in its
    current table; then the live release. A lake without releases is read with the settings' encoder. A trained
    encoder is read from the folder where it lies now. `lake` is given if it is open already. Raises UserError if none
    or several versions match.
    """
    lake = lake or Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    if release:
        chosen = find_release(lake, release)
    elif embedding_version is not None or settings.has_explicit_encoder:
        chosen = None
    else:
        chosen = live_release(lake)
    if chosen:
        pinned, spec = open_release(lake, chosen)
        if embedding_version not in (None, spec.embedding_version):
            raise UserError(f"{chosen.title} is of {spec.name} {spec.embedding_version}, not of {embedding_version}")
        return ReadVersion(pinned, spec, chosen.number)
    if settings.encoder in ENCODERS or not Path(settings.encoder).is_dir():
        return ReadVersion(lake, choose_encoder_version(lake, settings.encoder, embedding_version).spec)
    trained = find_by_name(settings.encoder).spec
    if trained.embedding_version in {version.embedding_version for version in list_encoder_versions(lake)}:
        embedding_version = embedding_version or trained.embedding_version
    return ReadVersion(
        lake, replace(choose_encoder_version(lake, trained.name, embedding_version).spec, folder=trained.folder)
    )


def is_audio_file(track_or_file: str) -> bool:
    """Return whether the text names a local file or an object in S3."""
    return Path(track_or_file).is_file() or track_or_file.startswith("s3://")


def spec_for_files(settings: Settings) -> EncoderSpec:
    """Return the encoder version that embeds an audio file outside of a lake.

    It is the encoder that the settings name, then the version of the live release, then the default encoder.
    """
    if not settings.has_explicit_encoder:
        lake = Lake.at(settings.lake, settings.s3)
        if live := live_release(lake):
            return open_release(lake, live)[1]
    return require_runnable(settings.encoder, settings).spec


def text_tower(spec: EncoderSpec, settings: Settings) -> TextTower:
    """Load the text tower of a version in the lake.

    Raises UserError if the encoder has none, or if this tonelake computes another version of it.
    """
    registration = _matching_registration(spec, settings)
    if registration.load_text is None:
        raise UserError(f"{spec.name} has no text tower: search with --like TRACK_ID or --audio FILE")
    return registration.load_text(spec, settings.models)


def embed_file(path: str, spec: EncoderSpec, settings: Settings) -> Outcome:
    """Embed one audio file outside of any lake and return its outcome.

    Raises UserError if the file cannot be embedded.
    """
    from workers.embedding.track import embed_track  # decoding libraries, which a search in words does not need

    encoder = load_encoder(spec, settings)
    uri = path if path.startswith("s3://") else str(Path(path).absolute())
    track = TrackToEmbed(track_id=uri, uri=uri, source_version="")
    settings = settings.model_copy(update={"describe": False})
    (outcome,) = embed_track(track, [encoder], settings)
    if outcome.outcome != "embedded":
        raise UserError(f"cannot embed {path}: {outcome.reason or 'error'}: {outcome.message}")
    return outcome


def load_encoder(spec: EncoderSpec, settings: Settings) -> Encoder:
    """Load the encoder of a version in the lake.

    Its weights are fetched if they are not here, and its notices are printed. Raises UserError if this tonelake
    computes another version of it.
    """
    registration = _matching_registration(spec, settings)
    registration.fetch_weights(settings.models)
    for notice in registration.notices:
        print(notice, file=sys.stderr)
    return registration.load(spec, settings.models)


def _matching_registration(spec: EncoderSpec, settings: Settings) -> EncoderRegistration:
    """Return the registered encoder if it computes exactly this version.

    A search never mixes versions. Raises UserError if it computes another one.
    """
    registration = require_allowed(find_by_spec(spec), settings)
    if not matches_version(registration, spec):
        computed = registration.spec.with_max_windows(spec.backbone.windows.limit)
        promote = f"`tonelake index SOURCE`, then `tonelake promote {computed.embedding_version}`"
        raise UserError(
            f"this tonelake computes {spec.name} {computed.embedding_version}, the lake's vectors are "
            f"{spec.embedding_version}: run {promote}; until then, search with --like"
        )
    return registration
