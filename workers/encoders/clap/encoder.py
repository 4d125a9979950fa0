"""LAION's CLAP for music: sound and text in one space, in windows of ten seconds.

Windows are never longer, because the library takes ten random seconds of longer audio (two calls gave cosine 0.30).
"""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.text.torch_text_tower import TorchTextTower
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

DIM = 512
MAX_TOKENS = 77  # laion_clap/hook.py of LAION-AI/CLAP
_FILES = ("config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors|pytorch_model.bin")

# Commits as in mteb/models/model_implementations/clap_models.py of embeddings-benchmark/mteb.
MODELS = {
    name: HubSource(name, repository, revision, _FILES)
    for name, repository, revision in (
        ("clap-music", "laion/larger_clap_music", "a0b4534a14f58e20944452dff00a22a06ce629d1"),
        ("clap-music-speech", "laion/larger_clap_music_and_speech", "195c3a3e68faebb3e2088b9a79e79b43ddbda76b"),
    )
}

# Two texts that a working tower keeps apart: clap-htsat-unfused gives such pairs a cosine of 0.5 and below (the pull
# request that ClapTextTower names).
_DISTINCT_TEXTS = ("heavy metal", "a lullaby for solo piano")
_SAME_VECTOR_COSINE = 0.98


def _spec(name: str) -> EncoderSpec:
    return EncoderSpec(
        name=name,
        licence="Apache-2.0 by the model card; LAION's code: CC0-1.0",
        citation=(
            "Y. Wu, K. Chen, T. Zhang, Y. Hui, T. Berg-Kirkpatrick and S. Dubnov, Large-Scale Contrastive "
            "Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption Augmentation, ICASSP 2023, "
            "arXiv 2211.06687"
        ),
        backbone=BackboneSpec(
            weights_sha256=MODELS[name].sha256(),
            windows=WindowSpec(sample_rate=48_000, window=480_000, hop=480_000),
            layer="audio projection, unit length; mel of the Slaney scale, no fusion",
            pooling="mean over windows",
            dim=DIM,
        ),
        head=HeadSpec(
            kind="identity",
            dim=DIM,
            text_tower="RoBERTa, pooled first token, projected",
            parameters=(("max_tokens", MAX_TOKENS),),
        ),
        prompt="This audio is a {} song",  # an author in LAION-AI/CLAP issue 138, of music
    )


class Clap(TorchEncoder):
    """CLAP's Encoder: the audio half alone."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor

        from workers.encoders.base.pretrained import load_pretrained
        from workers.encoders.clap.net import ClapAudioNet

        source = MODELS[spec.model]
        net = load_pretrained(ClapAudioModelWithProjection, source, models)
        extractor = ClapFeatureExtractor.from_pretrained(weights_folder(source, models), local_files_only=True)
        super().__init__(spec, ClapAudioNet(net, extractor))


class ClapTextTower(TorchTextTower):
    """CLAP's TextTower: the text half alone.

    Raises UserError if all texts get the same vector. The published weights of clap-music did: cosine 0.999 between
    any two texts, all biases of the projection zero (embeddings-benchmark/mteb issue 5069, zzstoatzz/plyr.fm pull
    request 854). Neither source reports anything of the audio half.
    """

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import ClapTextModelWithProjection

        from workers.encoders.base.pretrained import load_pretrained
        from workers.encoders.clap.net import ClapTextNet

        source = MODELS[spec.model]
        net = ClapTextNet(load_pretrained(ClapTextModelWithProjection, source, models))
        super().__init__(net, weights_folder(source, models) / "tokenizer.json", MAX_TOKENS, spec.head.dim)
        first, second = self.embed_text(list(_DISTINCT_TEXTS))
        if first @ second > _SAME_VECTOR_COSINE:
            raise UserError(
                f"the text half of {source.repository} gives every text the same vector: "
                "use clap-music-speech to search in words, or search by sound"
            )


REGISTRATIONS = tuple(
    EncoderRegistration(_spec(name), Clap, ClapTextTower, weights=(source,), realtime_factor=20, on_gpu=True)
    for name, source in MODELS.items()
)
