"""A small OMAR-RQ: the released conformer, narrow, with random weights under the released names.

The settings are those of MTG/omar-rq at a2435223, cfg/fsq/config_masking_conformer_multiview_au_to_encmelcqt_large_
25hz_fsq_newnorm.gin, except for the sizes; the file on the hub has not been seen. The names are those of omar-rq
0.2.1, which reads the weights under `net.` and `embedding_layer.` from a plain dict of tensors.
"""

import io
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import random_weights, write_source
from tests.conformance.small_ttmr import Shapes, linear_shapes, norm_shapes
from workers.encoders.omar_rq.encoder import SPEC, WEIGHTS

DIM, DEPTH, HEADS = 16, 9, 2
PATCH, KERNEL = 960, 31
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


def build_shapes() -> Shapes:
    """Build the shapes of all weights that the encoder needs."""
    shapes = linear_shapes("embedding_layer", PATCH, DIM)
    for number in range(DEPTH):
        shapes |= {f"net.layers.{number}.{name}": shape for name, shape in _layer_shapes().items()}
    return shapes


def _layer_shapes() -> Shapes:
    shapes = norm_shapes("norm1.layer_norm", DIM) | norm_shapes("norm2", DIM)
    for half in ("ff1", "ff2"):
        shapes |= norm_shapes(f"{half}.module.0", DIM) | linear_shapes(f"{half}.module.1", DIM, 4 * DIM)
        shapes |= linear_shapes(f"{half}.module.4", 4 * DIM, DIM)
    shapes |= {"attention.qkv.weight": (3 * DIM, DIM), "attention.rotary_emb.freqs": (DIM // HEADS // 2,)}
    shapes |= linear_shapes("attention.proj", DIM, DIM) | norm_shapes("conv_block.layer_norm", DIM)
    conv = "conv_block.module"
    shapes |= {f"{conv}.0.weight": (2 * DIM, DIM, 1), f"{conv}.0.bias": (2 * DIM,)}
    shapes |= {f"{conv}.2.weight": (DIM, 1, KERNEL), f"{conv}.2.bias": (DIM,)}
    shapes |= norm_shapes(f"{conv}.3", DIM, batch=True) | {f"{conv}.3.num_batches_tracked": ()}
    return shapes | {f"{conv}.5.weight": (DIM, DIM, 1), f"{conv}.5.bias": (DIM,)}


@cache
def build_state() -> dict[str, torch.Tensor]:
    """Build the state dict as the package saves it, except for the sizes."""
    return {name: torch.as_tensor(array) for name, array in random_weights(build_shapes(), 32).items()}


def build(folder: Path, config: str = CONFIG) -> EncoderSpec:
    """Write the small encoder's files and return its spec."""
    saved = io.BytesIO()
    torch.save(build_state(), saved)
    write_source(WEIGHTS, folder, {"config.gin": config.encode(), "model.ckpt": saved.getvalue()})
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=DIM), head=replace(SPEC.head, dim=DIM))


SMALL = {SPEC.name: build}
