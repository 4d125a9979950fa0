"""OMAR-RQ: a conformer trained to guess masked audio codes, by the package omar-rq.

It makes 25 hidden states a second.
"""

import re
from functools import partial
from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from workers.encoders.base.isolated import PipEnvironment, SubprocessEncoder
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

# The layer that the authors' tagging probe and the example in their README read (MTG/omar-rq at 00fa1c54,
# cfg/downstream/tagging.gin: embedding_layer 6, mean over time).
LAYER = 6
_IMPORTS = re.compile(r"[^\w#]*(import|include|from)\b")

PACKAGES = PipEnvironment(
    "omar-rq",
    (
        "omar-rq==0.2.1",
        "torchaudio==2.11.0",
        "einops==0.8.2",
        "gin-config==0.5.0",
        "pytorch-lightning==2.6.6",
        "lightning-utilities==0.15.3",
        "torchmetrics==1.9.0",
        "transformers==4.57.6",  # omar-rq: < 5
        "tokenizers==0.22.2",
        "huggingface-hub==0.36.2",
    ),
    without=("torchaudio/lib/*.so",),  # these load only beside torch for CUDA, and nothing here needs them
)
# NOT PINNED: no public code names a commit of this repository (searched 2026-11).
WEIGHTS = HubSource("omar-rq", "mtg-upf/omar-rq-multifeature-25hz-fsq", "main", ("config.gin", "model.ckpt"))

SPEC = EncoderSpec(
    name="omar-rq",
    licence="weights: CC-BY-NC-SA-4.0; omar-rq: AGPL-3.0, in a process of its own",
    citation=(
        "P. Alonso-Jiménez et al., OMAR-RQ: Open Music Audio Representation Model Trained with Multi-Feature Masked "
        "Token Prediction, 2025, arXiv 2507.03482"
    ),
    backbone=BackboneSpec(
        weights_sha256=WEIGHTS.sha256(),
        windows=WindowSpec(sample_rate=24_000, window=30 * 24_000, hop=30 * 24_000),
        layer=f"omar-rq 0.2.1: multifeature-25hz-fsq, layer {LAYER} from 0, mean over time",
        pooling="mean over windows",
        dim=1024,
    ),
    head=HeadSpec(kind="identity", dim=1024),
)


def require_plain_gin(config: Path) -> None:
    """Refuse a gin file that imports or includes anything.

    A gin file that imports can call any function (tried). Raises UserError for such a file.
    """
    statement = next(filter(_IMPORTS.match, config.read_text().splitlines()), None)
    if statement is not None:
        raise UserError(
            f"{config} holds more than settings ({statement.strip()!r}), so it is not read: remove its folder"
        )


class OmarRq(TorchEncoder):
    """OMAR-RQ's Encoder; it needs omar-rq."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from importlib import import_module

        package, folder = import_module("omar_rq.get_model"), weights_folder(WEIGHTS, models)
        require_plain_gin(folder / "config.gin")
        package.hf_hub_download = lambda repo_id, filename: folder / filename  # noqa: ARG005, the package's names
        net = package.get_model(model_id=WEIGHTS.repository)
        net.net.layers = net.net.layers[: LAYER + 1]  # the layers behind it are not needed
        net.forward = lambda audio: net.extract_embeddings(audio, layers=[LAYER])[0].mean(1)
        super().__init__(spec, net)


REGISTRATIONS = (
    EncoderRegistration(
        SPEC,
        partial(SubprocessEncoder, PACKAGES, OmarRq),
        None,
        weights=(PACKAGES, WEIGHTS),
        realtime_factor=9,
        on_gpu=True,
        unpinned="no commit of its weights is known, so that its version does not name them",
    ),
)
