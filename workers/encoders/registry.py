"""The registry of all encoders: a plain dict by name. Importing it loads no model.

encoder = load_encoder(ENCODERS["musicnn"].spec, settings.models)
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.encoders import BFLOAT16_SUFFIX, EncoderSpec
from schemas.errors import UserError
from schemas.names import did_you_mean
from workers.encoders import description, fake
from workers.encoders.base.interface import Encoder
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.clamp3 import encoder as clamp3
from workers.encoders.clap import encoder as clap
from workers.encoders.joint.encoder import read_trained_model, trained_registration
from workers.encoders.mule import encoder as mule
from workers.encoders.muq import encoder as muq
from workers.encoders.muq import mulan as muq_mulan
from workers.encoders.musicnn import encoder as musicnn
from workers.encoders.omar_rq import encoder as omar_rq
from workers.encoders.pretrained_audio import encodec, mert, wav2vec2, whisper
from workers.encoders.spectrogram_transformers import encoder as spectrogram_transformer
from workers.encoders.spectrogram_transformers import maest
from workers.encoders.tagging_cnns import crnn, fcn, harmonic_cnn, sample_cnn, short_chunk
from workers.encoders.ttmr import encoder as ttmr
from workers.encoders.ttmr import plus_plus as ttmr_pp

if TYPE_CHECKING:
    from schemas.settings import Settings

_MODULES = (
    *(fake, musicnn, ttmr, ttmr_pp, fcn, crnn, sample_cnn, short_chunk, harmonic_cnn),
    *(mert, wav2vec2, whisper, encodec, clap, spectrogram_transformer, muq, muq_mulan),
    *(maest, omar_rq, clamp3, mule),
)

ENCODERS: dict[str, EncoderRegistration] = {
    registration.spec.name: registration for module in _MODULES for registration in module.REGISTRATIONS
}

# Not for users: no table has its vectors.
_HIDDEN = {description.SPEC.name: description.REGISTRATION}


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """What the list of encoders says of one.

    `window` and `hop` are in samples, `tags` is the size of the vocabulary, `text_tower` tells whether it has one.
    """

    name: str
    embedding_version: str
    sample_rate: int
    window: int
    hop: int
    dim: int
    tags: int
    text_tower: bool
    licence: str
    verified: bool
    unpinned: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


def find_by_name(name: str, above: tuple[Path, ...] = ()) -> EncoderRegistration:
    """Return the registration of a name, or of the folder of a trained encoder.

    A name may end in -bfloat16. `above` are the folders of trained encoders that have this one as their base.
    Raises UserError if there is no such encoder (the message has the nearest names), or if a folder is its own base.
    """
    registration = (ENCODERS | _HIDDEN).get(name.removesuffix(BFLOAT16_SUFFIX))
    if registration is None and ("/" in name or Path(name).is_dir()):
        folder = Path(name).expanduser().absolute()
        if folder in above:
            raise UserError(f"{folder} is trained on itself, by its model.json: train it again")
        trained = read_trained_model(folder)
        base = find_by_name(trained.base, (*above, folder)) if trained.base else None
        return trained_registration(folder, trained, base)
    if registration is None:
        hint = did_you_mean(name, ENCODERS)
        raise UserError(
            f"no encoder is named {name!r}; {hint}`tonelake encoders` lists them; or name a folder of `tonelake train`"
        )
    if not name.endswith(BFLOAT16_SUFFIX):
        return registration
    if not registration.on_gpu:
        raise UserError(f"{registration.spec.name} runs in float32 only: leave {BFLOAT16_SUFFIX} off its name")
    return replace(registration, spec=registration.spec.with_bfloat16())


def find_by_spec(spec: EncoderSpec) -> EncoderRegistration:
    """Return the registration that computes this version, whatever its name is today.

    If none does, return the one of the spec's name or folder. Raises UserError if there is none of these either.
    """
    named = find_by_name(spec.folder_or_name)
    candidates = (named, *ENCODERS.values())
    return next((candidate for candidate in candidates if matches_version(candidate, spec)), named)


def matches_version(registration: EncoderRegistration, spec: EncoderSpec) -> bool:
    """Tell whether the registration computes exactly the spec's embedding version."""
    return _with_windows_of(spec, registration).embedding_version == spec.embedding_version


def require_runnable(name: str, settings: "Settings") -> EncoderRegistration:
    """Return the registration of a name to compute with.

    Raises UserError as `find_by_name` and `require_allowed` do.
    """
    return require_allowed(find_by_name(name), settings)


def require_allowed(registration: EncoderRegistration, settings: "Settings") -> EncoderRegistration:
    """Return the registration if it may run.

    Raises UserError if its weights are not pinned and the settings do not allow that.
    """
    if registration.unpinned and not settings.allow_unpinned:
        name = registration.spec.name
        raise UserError(f"{name} is not pinned: {registration.unpinned}; add --allow-unpinned to run it all the same")
    return registration


def load_encoder(spec: EncoderSpec, models: Path) -> Encoder:
    """Load the encoder of exactly this version; raise UserError if this tonelake computes another."""
    registration = find_by_spec(spec)
    if not matches_version(registration, spec):
        current = _with_windows_of(spec, registration)
        raise UserError(
            f"this tonelake computes {current.name} {current.embedding_version}, not {spec.embedding_version}"
        )
    return registration.load(spec, models)


def describe_encoders() -> list[EncoderDescription]:
    """Describe every registered encoder."""
    return [_describe(registration) for registration in ENCODERS.values()]


def _with_windows_of(spec: EncoderSpec, registration: EncoderRegistration) -> EncoderSpec:
    """Return the registration's spec, with the window limit of `spec`."""
    return registration.spec.with_max_windows(spec.backbone.windows.limit)


def _describe(registration: EncoderRegistration) -> EncoderDescription:
    spec, windows = registration.spec, registration.spec.backbone.windows
    return EncoderDescription(
        name=spec.name,
        embedding_version=spec.embedding_version,
        sample_rate=windows.sample_rate,
        window=windows.window,
        hop=windows.hop,
        dim=spec.head.dim,
        tags=len(spec.tagger.vocabulary) if spec.tagger else 0,
        text_tower=registration.load_text is not None,
        licence=spec.licence,
        verified=registration.verified,
        unpinned=registration.unpinned,
    )
