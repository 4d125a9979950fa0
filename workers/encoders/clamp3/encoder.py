"""CLaMP 3: music and texts in a hundred languages in one joint space.

Its audio tower reads MERT vectors of five seconds each. The authors embed a whole track: up to 126 such vectors at a
time, between two of zeros. Here each window of 30 s is embedded like a whole track, so that windows do not depend on
each other; for a clip of 30 s the vector is the authors'. The checkpoint holds everything but MERT.
"""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.encoders.muq.mulan import XLM_R_TOKENIZER
from workers.encoders.pretrained_audio.mert import MERT, SAMPLE_RATE
from workers.text.torch_text_tower import TorchTextTower
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

DIM = 768
MAX_TOKENS = 128
MERT_WINDOW, WINDOW = 5 * SAMPLE_RATE, 30 * SAMPLE_RATE
MERT_95M = MERT["mert-95m"]

# The SAAS variant, which the authors advise for audio. Public code pins two commits, 355625cc and 791815a0, and gives
# the file the same sha256 (5033f868...) in both.
CLAMP3 = HubSource(
    "clamp3",
    "sander-wood/clamp3",
    "355625cc1c6f73726bbcd0eb9276ac7152d56426",
    (
        "weights_clamp3_saas_h_size_768_t_model_FacebookAI_xlm-roberta-base_t_length_128_a_size_768_a_layers_12_"
        "a_length_128_s_size_768_s_layers_12_p_size_64_p_length_512.pth",
    ),
)

SPEC = EncoderSpec(
    name="clamp3",
    licence="CLaMP 3: MIT; MERT-v1-95M: CC-BY-NC-4.0",
    citation=(
        "S. Wu, Z. Guo, R. Yuan, J. Jiang, S. Doh, G. Xia, J. Nam, X. Li, F. Yu and M. Sun, CLaMP 3: Universal Music "
        "Information Retrieval Across Unaligned Modalities and Unseen Languages, ACL 2025, arXiv 2502.10362"
    ),
    backbone=BackboneSpec(
        weights_sha256=CLAMP3.sha256(),
        windows=WindowSpec(sample_rate=SAMPLE_RATE, window=WINDOW, hop=WINDOW),
        layer=f"audio projection of each window, levelled, by MERT-v1-95M {MERT_95M.sha256()[:12]} every 5 s",
        pooling="mean over windows",
        dim=DIM,
    ),
    head=HeadSpec(
        kind="identity",
        dim=DIM,
        weights_sha256=XLM_R_TOKENIZER.sha256(),
        text_tower="XLM-RoBERTa, mean over tokens, projected",
        parameters=(("max_tokens", MAX_TOKENS),),  # the authors average such parts of a longer text
    ),
)


class Clamp3(TorchEncoder):
    """CLaMP 3's Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import HubertModel

        from workers.encoders.base.pretrained import load_pretrained
        from workers.encoders.clamp3.net import build_audio_tower, read_checkpoint

        weights = read_checkpoint(weights_folder(CLAMP3, models) / CLAMP3.files[0])
        mert = load_pretrained(HubertModel, MERT_95M, models)
        super().__init__(spec, build_audio_tower(weights, mert, MERT_WINDOW))


class Clamp3TextTower(TorchTextTower):
    """CLaMP 3's TextTower."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.clamp3.net import build_text_tower, read_checkpoint

        net = build_text_tower(read_checkpoint(weights_folder(CLAMP3, models) / CLAMP3.files[0]))
        super().__init__(net, weights_folder(XLM_R_TOKENIZER, models) / "tokenizer.json", MAX_TOKENS, spec.head.dim)


REGISTRATIONS = (
    EncoderRegistration(
        SPEC, Clamp3, Clamp3TextTower, weights=(CLAMP3, MERT_95M, XLM_R_TOKENIZER), realtime_factor=3, on_gpu=True
    ),
)
