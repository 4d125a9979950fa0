"""A small MULE: the released network, narrow, with random weights under the released names.

config.json and the names are those that mule-torch 0.2.0 saves.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import random_weights, write_source
from tests.conformance.small_ttmr import Shapes, linear_shapes
from workers.encoders.base.mel_filters import htk_filters
from workers.encoders.mule.encoder import SPEC, WEIGHTS

DIM, N_FFT = 24, 512  # the real 2,048 bins would take most of the time
BLOCKS = (1, 2, 6, 3)  # of each stage
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
_STEM_KERNELS = {"slow": ((3, 1), (3, 1), (3, 1), (3, 3)), "fast": ((3, 3),) * 4}
_BLOCK_KERNELS = ((1, 1), (1, 3), (3, 1), (1, 1))


def build_shapes() -> Shapes:
    """Build the shapes of all weights, without those of the spectrogram."""
    shapes: Shapes = {}
    for path, kernels in _STEM_KERNELS.items():
        channels = [1, *CONFIG[f"{path}_stem_channels"]]
        for number, kernel in enumerate(kernels):
            name = f"{path}_stem.convs.{number}"
            shapes |= _conv_shapes(name, channels[number + 1], channels[number], kernel)
        for stage, blocks in enumerate(BLOCKS):
            for number in range(blocks):
                shapes |= _block_shapes(path, stage, number)
    for stage, channels_in in enumerate(CONFIG["fast_stage_in"]):
        inner, fused = (CONFIG[f"fusion_{side}_channels"][stage] for side in ("input", "output"))
        shapes |= _conv_shapes(f"fusions.{stage}.conv1", inner, channels_in, (1, 7))
        shapes |= _conv_shapes(f"fusions.{stage}.conv2", fused, inner, (1, 1))
    return {f"backbone.{name}": shape for name, shape in shapes.items()}


def _block_shapes(path: str, stage: int, number: int) -> Shapes:
    """Return a block's shapes; its inner channels are half of its outer ones."""
    name = f"{path}_stages.{stage}.blocks.{number}"
    channels, group = CONFIG[f"{path}_stage_out"][stage], CONFIG[f"{path}_group_size"]
    channels_in = channels if number else CONFIG[f"{path}_stage_in"][stage]
    inner = channels // 2
    sizes = ((inner, channels_in), (inner, min(group, inner)), (inner, min(group, inner)), (channels, inner))
    shapes: Shapes = {f"{name}.skip_gain": (1,)}
    for position, (size, kernel) in enumerate(zip(sizes, _BLOCK_KERNELS, strict=True)):
        shapes |= _conv_shapes(f"{name}.convs.{position}", *size, kernel)
    shapes |= linear_shapes(f"{name}.se.fc1", channels, inner) | linear_shapes(f"{name}.se.fc2", inner, channels)
    return shapes if number else shapes | _conv_shapes(f"{name}.skip_conv", channels, channels_in, (1, 1))


def _conv_shapes(name: str, channels: int, channels_in: int, kernel: tuple[int, int]) -> Shapes:
    shapes: Shapes = {f"{name}.{kind}": (channels,) for kind in ("bias", "gain")}
    return shapes | {f"{name}.weight": (channels, channels_in, *kernel)}


def mel_filters() -> np.ndarray:
    """Return triangles of the HTK scale, each of unit length [96, N_FFT // 2 + 1]: librosa's norm=2.0."""
    bank = htk_filters(16_000, N_FFT, 96).T
    return np.ascontiguousarray(bank / np.maximum(np.linalg.norm(bank, axis=1, keepdims=True), 1e-9), np.float32)


def build_state() -> dict[str, np.ndarray]:
    """Build random weights, and the mel filters."""
    weights = random_weights(build_shapes(), 31)
    # Gains of standardised kernels, and of each block beside its shortcut: near 0.1 they would block every signal.
    weights |= {name: 1 + np.abs(array) for name, array in weights.items() if name.endswith("gain")}
    return weights | {"frontend.mel_fb": mel_filters()}


def build(folder: Path, config: dict[str, object] = CONFIG) -> EncoderSpec:
    """Write the small encoder's files and return its spec."""
    files = {"config.json": json.dumps(config).encode(), "model.safetensors": save(build_state())}
    write_source(WEIGHTS, folder, files)
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=DIM), head=replace(SPEC.head, dim=DIM))


SMALL = {SPEC.name: build}
