"""TTMR++: TTMR's successor, trained on captions and metadata as well; each window is heard as a track of its own.

The authors level a whole track, and take the floor of its spectrogram from its loudest moment. Here both are a
window's own, so that windows can be heard one by one. A track of one window (MusicCaps) keeps their vector. Of six
windows on random weights of full size, the floor moves no window by more than 3e-5 (1 - cosine); the level leaves the
track's vector at cosine 0.993 where windows peak within 3 dB of each other, 0.91 with fades of 20 dB, 0.87 with 40 dB.
A gain of 0.3 dB alone puts a window of that net at 0.77: trained weights should be steadier; not measured.
"""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder
from workers.encoders.ttmr.encoder import DIM, HEADS
from workers.text.torch_text_tower import NetText
from workers.weights.cache import HubSource, weights_folder

MAX_TOKENS = 128
_EPSILON, _FIRST_PLACE = 1e-5, 2  # RoBERTa's
_CHECKPOINT, _SETTINGS = "ttmrpp_resnet_roberta.pth", "ttmrpp_resnet_roberta.yaml"

# NOT PINNED: no public code names a commit of this repository (searched 2026-11), and none is made up here. Whoever
# reaches the hub first should put the commit in place of "main"; the README's vectors (tests) tell the right weights.
TTMR_PP = HubSource("ttmr-pp", "seungheondoh/ttmr-pp", "main", (_CHECKPOINT, _SETTINGS))
# The tokenizer alone: the weights of RoBERTa, trained further, are in the checkpoint.
ROBERTA_TOKENIZER = HubSource(
    "roberta-base-tokenizer",
    "FacebookAI/roberta-base",
    "e2da8e2f811d1448a5b465c236feacd80ffbac7b",
    ("tokenizer.json",),
)

SPEC = EncoderSpec(
    name="ttmr-pp",
    licence="CC-BY-NC-4.0 by the README (its badge says MIT); there is no LICENSE file",
    citation=(
        "S. Doh, M. Lee, D. Jeong and J. Nam, Enriching Music Descriptions with a Finetuned-LLM and Metadata for "
        "Text-to-Music Retrieval, ICASSP 2024, arXiv 2410.03264"
    ),
    backbone=BackboneSpec(
        weights_sha256=TTMR_PP.sha256(),
        windows=WindowSpec(sample_rate=22_050, window=220_500, hop=220_500),
        layer="joint projection of the pooled cells; level and floor of each window, not of its track",
        pooling="mean over windows",
        dim=DIM,
    ),
    head=HeadSpec(
        kind="identity",
        dim=DIM,
        weights_sha256=ROBERTA_TOKENIZER.sha256(),
        text_tower="RoBERTa, first token of the last layer",
        parameters=(("max_tokens", MAX_TOKENS),),
    ),
)

# What the code here computes; a checkpoint of other settings is refused.
_EXPECTED = {
    "sr": "22050",
    "duration": "10",
    "n_fft": "1024",
    "hop_size": "0.01",
    "n_mels": "128",
    "n_heads": "8",
    "max_length": "128",
    "text_arch": "roberta-base",
}


def checkpoint_file(models: Path) -> Path:
    """The checkpoint; UserError where the settings beside it are not those that are computed here."""
    folder = weights_folder(TTMR_PP, models)
    lines = (line.split(":", 1) for line in (folder / _SETTINGS).read_text().splitlines() if ":" in line)
    settings = {name.strip(): value.strip() for name, value in lines}
    for name, value in _EXPECTED.items():
        if settings.get(name, value) != value:
            raise UserError(f"{_SETTINGS} says {name} {settings[name]}: this tonelake computes {value}")
    return folder / _CHECKPOINT


class TtmrPlus(NetEncoder):
    """An Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import read_checkpoint
        from workers.encoders.ttmr.plus_plus_net import Levelled, plus_tower

        super().__init__(spec, Levelled(plus_tower(read_checkpoint(checkpoint_file(models)))))


class TtmrPlusText(NetText):
    """Its TextTower."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import part, projection, read_checkpoint
        from workers.text.bert import FirstToken, bert_of

        weights = read_checkpoint(checkpoint_file(models))
        roberta = bert_of(part(weights, "text_encoder."), HEADS, _EPSILON, _FIRST_PLACE)
        net = FirstToken(roberta, projection(part(weights, "text_projector.")))
        super().__init__(net, weights_folder(ROBERTA_TOKENIZER, models) / "tokenizer.json", MAX_TOKENS, spec.head.dim)


ENTRIES = (
    Entry(
        SPEC,
        TtmrPlus,
        TtmrPlusText,
        weights=(TTMR_PP, ROBERTA_TOKENIZER),
        realtime_factor=15,
        on_gpu=True,
        unproven="no commit of its weights is known, so that its version does not name them",
    ),
)
