"""MuQ-MuLan: music, and texts in English and Chinese, in one space of 512 dimensions.

A track's vector is the mean of its windows' unit vectors, normalised again; the authors' mean is not. The authors keep
a last window of any length and fill it up with the start of the track. Here WindowSpec drops a last window under half
the length and fills up a longer one by repeating it.
"""

import json
from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.encoders.muq import encoder as muq
from workers.text.torch_text_tower import TorchTextTower
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

MAX_TOKENS = 512  # XLM-RoBERTa has no more positions; the authors do not cut
_DIM, _SAMPLE_RATE, _SECONDS = 512, 24_000, 10
_WEIGHTS = "pytorch_model.bin"

# mteb pins 8a081dbc of this repository (and writes it twice by mistake); later public code pins the commit used here.
MULAN = HubSource(
    "muq-mulan-large",
    "OpenMuQ/MuQ-MuLan-large",
    "2e01c796b71dca71b45251384c04cd7b237c9020",
    (muq.CONFIG, _WEIGHTS),
)
# The checkpoint holds the further trained weights of MuQ and of XLM-RoBERTa, but not MuQ's settings.
MUQ_SETTINGS = HubSource("muq-large-msd-iter-settings", muq.REPOSITORY, muq.REVISION, (muq.CONFIG,))
XLM_R_TOKENIZER = HubSource(
    "xlm-roberta-base-tokenizer",
    "FacebookAI/xlm-roberta-base",
    "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089",
    ("tokenizer.json",),
)

SPEC = EncoderSpec(
    name="muq-mulan",
    licence=muq.LICENCE,
    citation=muq.CITATION,
    backbone=BackboneSpec(
        weights_sha256=MULAN.sha256(),
        windows=WindowSpec(sample_rate=_SAMPLE_RATE, window=_SECONDS * _SAMPLE_RATE, hop=_SECONDS * _SAMPLE_RATE),
        layer=f"unit vector of a window in the joint space; settings of MuQ {MUQ_SETTINGS.sha256()[:12]}",
        pooling="mean over windows",
        dim=_DIM,
    ),
    head=HeadSpec(
        kind="identity",
        dim=_DIM,
        weights_sha256=XLM_R_TOKENIZER.sha256(),
        text_tower="XLM-RoBERTa and 8 layers, mean over tokens, each text without padding",
        parameters=(("max_tokens", MAX_TOKENS), ("prompt", "{}")),
    ),
)


def read_state_index(config: Path) -> int:
    """Read from MuQ-MuLan's config.json which hidden state of MuQ its tower uses.

    Raises UserError if the file has another sample rate or window length than this module.
    """
    settings = json.loads(config.read_text())
    for name, expected in (("sr", _SAMPLE_RATE), ("clip_secs", _SECONDS)):
        value = settings["mulan"].get(name, expected)
        if value != expected:
            raise UserError(f"{config.name} of MuQ-MuLan says {name} {value}: this tonelake has {expected}")
    return settings["audio_model"].get("use_layer_idx", -1)


class MuqMulan(TorchEncoder):
    """MuQ-MuLan's Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.muq.mulan_net import build_audio_tower, read_weights
        from workers.encoders.muq.net import read_settings

        folder = weights_folder(MULAN, models)
        settings = read_settings(weights_folder(MUQ_SETTINGS, models) / muq.CONFIG)
        weights = read_weights(folder / _WEIGHTS)
        super().__init__(spec, build_audio_tower(weights, settings, read_state_index(folder / muq.CONFIG)))


class MuqMulanTextTower(TorchTextTower):
    """MuQ-MuLan's TextTower."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.muq.mulan_net import build_text_tower, read_weights

        net = build_text_tower(read_weights(weights_folder(MULAN, models) / _WEIGHTS))
        super().__init__(net, weights_folder(XLM_R_TOKENIZER, models) / "tokenizer.json", MAX_TOKENS, spec.head.dim)


_WEIGHT_SOURCES = (MULAN, MUQ_SETTINGS, XLM_R_TOKENIZER)
REGISTRATIONS = (
    EncoderRegistration(SPEC, MuqMulan, MuqMulanTextTower, _WEIGHT_SOURCES, realtime_factor=2, on_gpu=True),
)
