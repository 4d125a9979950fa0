"""TTMR++: TTMR's successor, trained on captions and metadata as well.

The authors scale a whole track to its peaks, and take the floor of its spectrogram from its loudest cell. Here both
are computed for each window, so that windows do not depend on each other. A track of one window (MusicCaps) has the
authors' vector. With random weights of full size and six windows, the floor changes no window by more than 3e-5
(1 - cosine). The scale leaves the track's vector at cosine 0.993 if the peaks of the windows are within 3 dB of each
other, 0.91 with fades of 20 dB, 0.87 with 40 dB. In that net, a gain of 0.3 dB alone puts a window at 0.77; trained
weights should be steadier, but this is not measured.
"""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.encoders.ttmr.encoder import DIM, HEADS
from workers.text.torch_text_tower import TorchTextTower
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

MAX_TOKENS = 128
_EPSILON, _FIRST_POSITION = 1e-5, 2  # RoBERTa's
_CHECKPOINT, _SETTINGS = "ttmrpp_resnet_roberta.pth", "ttmrpp_resnet_roberta.yaml"

# NOT PINNED: no public code names a commit of this repository (searched 2026-11). To pin it, put the commit in place
# of "main"; the vectors in the repository's README (see the tests) identify the right weights.
TTMR_PP = HubSource("ttmr-pp", "seungheondoh/ttmr-pp", "main", (_CHECKPOINT, _SETTINGS))
# The tokenizer alone: the checkpoint holds the further trained weights of RoBERTa.
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

# The settings of the net that is computed here; a checkpoint with others is refused.
_EXPECTED_SETTINGS = {
    "sr": "22050",
    "duration": "10",
    "n_fft": "1024",
    "hop_size": "0.01",
    "n_mels": "128",
    "n_heads": "8",
    "max_length": "128",
    "text_arch": "roberta-base",
}


def require_checkpoint_file(models: Path) -> Path:
    """Return the path of the checkpoint, fetching it if needed.

    Raises UserError if the settings beside it are not those of the net computed here.
    """
    folder = weights_folder(TTMR_PP, models)
    lines = (line.split(":", 1) for line in (folder / _SETTINGS).read_text().splitlines() if ":" in line)
    settings = {name.strip(): value.strip() for name, value in lines}
    for name, value in _EXPECTED_SETTINGS.items():
        if settings.get(name, value) != value:
            raise UserError(f"{_SETTINGS} says {name} {settings[name]}: this tonelake computes {value}")
    return folder / _CHECKPOINT


class TtmrPlus(TorchEncoder):
    """TTMR++'s Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import read_checkpoint
        from workers.encoders.ttmr.plus_plus_net import PeakNormalised, build_plus_tower

        super().__init__(spec, PeakNormalised(build_plus_tower(read_checkpoint(require_checkpoint_file(models)))))


class TtmrPlusTextTower(TorchTextTower):
    """TTMR++'s TextTower."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import build_projection, read_checkpoint, strip_prefix
        from workers.text.bert import FirstTokenTower, build_bert

        weights = read_checkpoint(require_checkpoint_file(models))
        roberta = build_bert(strip_prefix(weights, "text_encoder."), HEADS, _EPSILON, _FIRST_POSITION)
        net = FirstTokenTower(roberta, build_projection(strip_prefix(weights, "text_projector.")))
        super().__init__(net, weights_folder(ROBERTA_TOKENIZER, models) / "tokenizer.json", MAX_TOKENS, spec.head.dim)


REGISTRATIONS = (
    EncoderRegistration(
        SPEC,
        TtmrPlus,
        TtmrPlusTextTower,
        weights=(TTMR_PP, ROBERTA_TOKENIZER),
        realtime_factor=15,
        on_gpu=True,
        unpinned="no commit of its weights is known, so that its version does not name them",
    ),
)
