"""A small OMAR-RQ: the package's own conformer, narrow, with random weights under the names that it saves.

omar_rq/get_model.py (0.2.1) reads config.gin, and the weights of model.ckpt under `net.` and `embedding_layer.`. The
settings are those of MTG/omar-rq at a2435223, cfg/fsq/config_masking_conformer_multiview_au_to_encmelcqt_large_25hz_
fsq_newnorm.gin, except for the sizes; the file on the hub has not been seen.
"""

import io
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from schemas.encoders import EncoderSpec
from tests.conformance.environments import link_environment, read_shapes
from tests.conformance.seeded import random_weights, write_source
from workers.encoders.isolated.omar_rq import PACKAGES, SPEC, WEIGHTS

DIM, DEPTH, HEADS = 16, 9, 2
CONFIG = f"""\
build_module.representation = [@nets.cqt.CQT, @nets.melspectrogram.MelSpectrogram]
build_module.module = @modules.maskingmodel.MaskingModel
build_module.net = @nets.conformer.Conformer
build_module.ckpt_path = "model.ckpt"
nets.waveform.Waveform.sr = 24000
nets.waveform.Waveform.norm_std = 0.1908563740990311
nets.waveform.Waveform.norm_mean = 0
nets.waveform.Waveform.patch_size = (1, 960)
modules.maskingmodel.MaskingModel.num_codebooks = 1
modules.maskingmodel.MaskingModel.lr = 1e-4
modules.maskingmodel.MaskingModel.weight_decay = 1e-2
modules.maskingmodel.MaskingModel.codebook_size = 7
modules.maskingmodel.MaskingModel.codebook_dim = 1
modules.maskingmodel.MaskingModel.mask_seconds = 0.4
modules.maskingmodel.MaskingModel.mask_prob = 0.6
modules.maskingmodel.MaskingModel.seed = 0
modules.maskingmodel.MaskingModel.diff_input = False
modules.maskingmodel.MaskingModel.input_representation = @nets.waveform.Waveform
modules.maskingmodel.MaskingModel.quantizer_type = "finite_scalar_quantizer"
nets.conformer.Conformer.embed_dim = {DIM}
nets.conformer.Conformer.depth = {DEPTH}
nets.conformer.Conformer.conv_kernel_size = 5
nets.conformer.Conformer.num_heads = {HEADS}
nets.conformer.Conformer.mlp_ratio = 4.0
nets.conformer.Conformer.mlp_residual_factor = 4.0
nets.conformer.Conformer.dropout = 0.2
nets.conformer.Conformer.input_dropout = 0.0
nets.conformer.Conformer.use_deepnorm = True
nets.conformer.Conformer.alpha_deepnorm = 2.6321480259049848
nets.conformer.Conformer.beta_deepnorm = 0.022386873579657126
nets.conformer.Conformer.use_rope = True
nets.conformer.Conformer.num_patches = None
"""
_NET = """
import sys
from omar_rq import get_model
net = get_model(config_file=sys.argv[1], load_weights=False)
"""


@cache
def build_state() -> dict[str, torch.Tensor]:
    """Build the state dict as the package saves it, except for the sizes."""
    with tempfile.NamedTemporaryFile("w", suffix=".gin") as config:
        config.write(CONFIG)
        config.flush()
        names = read_shapes(PACKAGES, _NET, config.name)
    kept = {name: shape for name, shape in names.items() if name.startswith(("net.", "embedding_layer."))}
    return {name: torch.as_tensor(array) for name, array in random_weights(kept, 32).items()}


def build(folder: Path) -> EncoderSpec:
    """Write the small encoder's files and return its spec."""
    link_environment(PACKAGES, folder)
    saved = io.BytesIO()
    torch.save(build_state(), saved)
    write_source(WEIGHTS, folder, {"config.gin": CONFIG.encode(), "model.ckpt": saved.getvalue()})
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=DIM), head=replace(SPEC.head, dim=DIM))


SMALL = {SPEC.name: build}
