"""LAION's CLAP for music: sound and text in one space, in windows of exactly ten seconds.

The library takes ten seconds at random from longer audio (two calls gave cosine 0.30), so it is never handed any.
"""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder
from workers.text.torch_text_tower import NetText
from workers.weights.cache import HubSource, weights_folder

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

# Two texts that no working tower takes for the same: clap-htsat-unfused puts such pairs at 0.5 and below (same pull
# request as below).
_UNALIKE = ("heavy metal", "a lullaby for solo piano")
_SAME = 0.98


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


class Clap(NetEncoder):
    """An Encoder: the audio half alone."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor

        from workers.encoders.base.pretrained import pretrained
        from workers.encoders.clap.net import ClapAudio

        source = MODELS[spec.model]
        net = pretrained(ClapAudioModelWithProjection, source, models)
        extractor = ClapFeatureExtractor.from_pretrained(weights_folder(source, models), local_files_only=True)
        super().__init__(spec, ClapAudio(net, extractor))


class ClapText(NetText):
    """Its TextTower: the text half alone. UserError where every text gets the same vector.

    So it was with the published weights of clap-music: cosine 0.999 between any two texts, the projection's biases
    all zero (embeddings-benchmark/mteb issue 5069, zzstoatzz/plyr.fm pull request 854). Of its audio half they say
    nothing.
    """

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import ClapTextModelWithProjection

        from workers.encoders.base.pretrained import pretrained
        from workers.encoders.clap.net import ClapTexts

        source = MODELS[spec.model]
        net = ClapTexts(pretrained(ClapTextModelWithProjection, source, models))
        super().__init__(net, weights_folder(source, models) / "tokenizer.json", MAX_TOKENS, spec.head.dim)
        first, second = self.embed_text(list(_UNALIKE))
        if first @ second > _SAME:
            raise UserError(
                f"the text half of {source.repository} gives every text the same vector: "
                "search with clap-music-speech in words, or by sound"
            )


ENTRIES = tuple(
    Entry(_spec(name), Clap, ClapText, weights=(source,), realtime_factor=20, on_gpu=True)
    for name, source in MODELS.items()
)
