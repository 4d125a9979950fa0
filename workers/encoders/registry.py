"""Every encoder there is: a plain dict. Nothing heavy is imported before an encoder is loaded.

encoder = load_encoder(ENCODERS["musicnn"].spec, settings.models)
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from schemas.encoders import HALF, EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from workers.encoders import fake
from workers.encoders.base.interface import Encoder
from workers.encoders.base.registration import Entry
from workers.encoders.clamp3 import encoder as clamp3
from workers.encoders.clap import encoder as clap
from workers.encoders.isolated import mule, omar_rq
from workers.encoders.joint.encoder import read_trained, trained_entry
from workers.encoders.muq import encoder as muq
from workers.encoders.muq import mulan as muq_mulan
from workers.encoders.musicnn import encoder as musicnn
from workers.encoders.pretrained_audio import encodec, mert, wav2vec2, whisper
from workers.encoders.spectrogram_transformers import encoder as spectrogram_transformer
from workers.encoders.spectrogram_transformers import maest
from workers.encoders.tagging_cnns import crnn, fcn, harmonic_cnn, sample_cnn, short_chunk
from workers.encoders.ttmr import encoder as ttmr
from workers.encoders.ttmr import plus_plus as ttmr_pp

_MODULES = (
    *(fake, musicnn, ttmr, ttmr_pp, fcn, crnn, sample_cnn, short_chunk, harmonic_cnn),
    *(mert, wav2vec2, whisper, encodec, clap, spectrogram_transformer, muq, muq_mulan),
    *(maest, omar_rq, clamp3, mule),
)

ENCODERS: dict[str, Entry] = {entry.spec.name: entry for module in _MODULES for entry in module.ENTRIES}


def encoder_entry(name: str, above: tuple[Path, ...] = ()) -> Entry:
    """The entry of that name, which may end in -bfloat16, or of a trained encoder's folder; UserError says which
    there are. `above` are the folders whose base it is.
    """
    entry = ENCODERS.get(name.removesuffix(HALF))
    if entry is None and ("/" in name or Path(name).is_dir()):
        folder = Path(name).expanduser().absolute()
        if folder in above:
            raise UserError(f"{folder} is trained on itself, says its model.json: train it again")
        trained = read_trained(folder)
        return trained_entry(folder, trained, encoder_entry(trained.base, (*above, folder)) if trained.base else None)
    if entry is None:
        named = ", ".join(sorted(ENCODERS))
        raise UserError(f"no encoder is named {name!r}; there are {named}, or a folder that `tonelake train` wrote")
    if not name.endswith(HALF):
        return entry
    if not entry.on_gpu:
        raise UserError(f"{entry.spec.name} is computed in float32 only: leave {HALF} off its name")
    return replace(entry, spec=entry.spec.in_half())


def entry_of(spec: EncoderSpec) -> Entry:
    """The entry that computes this very version, whatever it is called today; else the one of its name or folder."""
    entry = encoder_entry(spec.address)
    return next((one for one in (entry, *ENCODERS.values()) if computes(one, spec)), entry)


def computes(entry: Entry, spec: EncoderSpec) -> bool:
    """Whether it computes that very version: vectors of different versions never meet."""
    return entry.spec.limited(spec.backbone.windows.limit).embedding_version == spec.embedding_version


def runnable(name: str, settings: Settings) -> Entry:
    """The entry of that name to compute with; UserError too where it is unproven and that is not allowed."""
    return allowed(encoder_entry(name), settings)


def allowed(entry: Entry, settings: Settings) -> Entry:
    """The entry; UserError where it is unproven and that is not allowed."""
    if entry.unproven and not settings.allow_unproven:
        name = entry.spec.name
        raise UserError(f"{name} is unproven: {entry.unproven}; add --allow-unproven to run it all the same")
    return entry


def load_encoder(spec: EncoderSpec, models: Path) -> Encoder:
    """The encoder of that very version; UserError where this tonelake computes another."""
    entry = entry_of(spec)
    if not computes(entry, spec):
        ours = entry.spec.limited(spec.backbone.windows.limit)
        raise UserError(f"this tonelake computes {ours.name} {ours.embedding_version}, not {spec.embedding_version}")
    return entry.load(spec, models)


def described() -> list[dict[str, Any]]:
    """One row an encoder, for people and for JSON."""
    return [_row(entry) for entry in ENCODERS.values()]


def _row(entry: Entry) -> dict[str, Any]:
    spec, windows = entry.spec, entry.spec.backbone.windows
    return {
        "name": spec.name,
        "embedding_version": spec.embedding_version,
        "sample_rate": windows.sample_rate,
        "window": windows.window,
        "hop": windows.hop,
        "dim": spec.head.dim,
        "tags": len(spec.tagger.vocabulary) if spec.tagger else 0,
        "text_tower": entry.load_text is not None,
        "licence": spec.licence,
        "unproven": entry.unproven,
    }
