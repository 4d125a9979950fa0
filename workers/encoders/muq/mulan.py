"""MuQ-MuLan: music, and texts in English and Chinese, in one space of 512 dimensions.

A track is the mean of its windows' unit vectors, made a unit again (theirs stays shorter). Of the last window theirs
keeps every scrap and fills it with the start of the track; ours is dropped under half a window, else filled by
repeating itself, as WindowSpec says.
"""

import json
from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder
from workers.encoders.muq import encoder as muq
from workers.text.torch_text_tower import NetText
from workers.weights.cache import HubSource, weights_folder

MAX_TOKENS = 512  # XLM-RoBERTa has no more places; the authors do not cut
_DIM, _SAMPLE_RATE, _SECONDS = 512, 24_000, 10
_WEIGHTS = "pytorch_model.bin"

# mteb pins 8a081dbc of this repository, and by a slip writes it twice in a row; later public code pins the one here.
MULAN = HubSource(
    "muq-mulan-large",
    "OpenMuQ/MuQ-MuLan-large",
    "2e01c796b71dca71b45251384c04cd7b237c9020",
    (muq.CONFIG, _WEIGHTS),
)
# The weights of MuQ and of XLM-RoBERTa, trained further, are in the checkpoint; MuQ's settings are not.
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


def hidden_state(config: Path) -> int:
    """Which of MuQ's hidden states goes on, by MuQ-MuLan's config.json; UserError where it cuts other windows."""
    found = json.loads(config.read_text())
    for name, ours in (("sr", _SAMPLE_RATE), ("clip_secs", _SECONDS)):
        if found["mulan"].get(name, ours) != ours:
            raise UserError(f"{config.name} of MuQ-MuLan says {name} {found['mulan'][name]}: this tonelake has {ours}")
    return found["audio_model"].get("use_layer_idx", -1)


class MuqMulan(NetEncoder):
    """An Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.muq.mulan_net import audio_tower, read_weights
        from workers.encoders.muq.net import read_settings

        folder = weights_folder(MULAN, models)
        settings = read_settings(weights_folder(MUQ_SETTINGS, models) / muq.CONFIG)
        weights = read_weights(folder / _WEIGHTS)
        super().__init__(spec, audio_tower(weights, settings, hidden_state(folder / muq.CONFIG)))


class MuqMulanText(NetText):
    """Its TextTower."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.muq.mulan_net import read_weights, text_tower

        net = text_tower(read_weights(weights_folder(MULAN, models) / _WEIGHTS))
        super().__init__(net, weights_folder(XLM_R_TOKENIZER, models) / "tokenizer.json", MAX_TOKENS, spec.head.dim)


ENTRIES = (
    Entry(
        SPEC, MuqMulan, MuqMulanText, weights=(MULAN, MUQ_SETTINGS, XLM_R_TOKENIZER), realtime_factor=2, on_gpu=True
    ),
)
