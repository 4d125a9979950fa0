"""A small MULE: the package's own architecture, narrow, with random weights under the names that it saves.

mule_torch/model.py (0.2.0), save_pretrained: config.json is MuleConfig, model.safetensors its state dict.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from transformers.audio_utils import mel_filter_bank

from schemas.encoders import EncoderSpec
from tests.conformance.environments import link_environment, read_shapes
from tests.conformance.seeded import random_weights, write_source
from workers.encoders.isolated.mule import PACKAGES, SPEC, WEIGHTS

DIM, N_FFT = 24, 512  # the real 2,048 bins would take most of the time
CONFIG = {
    "n_fft": N_FFT,
    "embedding_dim": DIM,
    "slow_stem_channels": [2, 2, 4, 4],
    "fast_stem_channels": [2, 2, 2, 2],
    "slow_stage_in": [8, 16, 16, 32],
    "slow_stage_out": [8, 8, 16, 16],
    "fast_stage_in": [2, 4, 4, 8],
    "fast_stage_out": [4, 4, 8, 8],
    "slow_group_size": 4,
    "fast_group_size": 2,
    "fusion_input_channels": [2, 2, 2, 2],
    "fusion_output_channels": [4, 8, 8, 16],
}
_NET = """
import json, sys, torch
from mule_torch import MuleConfig, MuleModel
config = MuleConfig.from_dict(json.loads(sys.argv[1]))
net = MuleModel(config, mel_fb=torch.zeros(config.n_mels, config.n_freqs))
"""


def mel_filters() -> np.ndarray:
    """Return triangles of the HTK scale, each of unit length [96, N_FFT // 2 + 1]: librosa's norm=2.0."""
    bank = mel_filter_bank(N_FFT // 2 + 1, 96, 0.0, 8000.0, 16_000, norm=None, mel_scale="htk").T
    return np.ascontiguousarray(bank / np.maximum(np.linalg.norm(bank, axis=1, keepdims=True), 1e-9), np.float32)


def build(folder: Path) -> EncoderSpec:
    """Write the small encoder's files and return its spec."""
    link_environment(PACKAGES, folder)
    names = read_shapes(PACKAGES, _NET, json.dumps(CONFIG))
    weights = random_weights({name: shape for name, shape in names.items() if not name.startswith("frontend.")}, 31)
    # Gains of standardised kernels, and of each block beside its shortcut: near 0.1 they would block every signal.
    weights |= {name: 1 + np.abs(array) for name, array in weights.items() if name.endswith("gain")}
    weights["frontend.mel_fb"] = mel_filters()
    write_source(WEIGHTS, folder, {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": save(weights)})
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=DIM), head=replace(SPEC.head, dim=DIM))


SMALL = {SPEC.name: build}
