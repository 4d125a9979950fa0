"""Small tagging CNNs: state dicts under the authors' names, with random weights and few channels.

Names and full sizes are those of minzwon/sota-music-tagging-models: training/model.py at 3abe8be7 (FCN, CRNN,
SampleCNN, ShortChunkCNN_Res, HarmonicCNN) and training/modules.py at 1676bf3e (Conv_1d, Conv_2d, Res_2d, Res_2d_mp,
HarmonicSTFT). training/solver.py at d896fc34 saves model.state_dict() of torch 1.2 (requirements.txt), in the format
before zip files, after a forward pass, so that torchaudio's window and mel filters are in it: spec.mel_scale.fb is
[257, bands] (issue 1).
"""

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import random_weights, write_source
from workers.encoders.registry import ENCODERS

FRAME, BINS, TAGS = 512, 257, 50

Shapes = dict[str, tuple[int, ...]]


def cnn_shapes(name: str, divisor: int = 1) -> Shapes:
    """Return the shapes of all random weights, with a `divisor`-th of the channels; 1 is the published size."""
    return _SHAPES[name](divisor)


def build_state(name: str, divisor: int = 1) -> dict[str, torch.Tensor]:
    """Build the state dict as the authors saved it."""
    sizes = cnn_shapes(name, divisor)
    state = {key: torch.from_numpy(numbers) for key, numbers in random_weights(sizes).items()}
    counts = {key.replace("running_var", "num_batches_tracked"): torch.tensor(7) for key in sizes if "_var" in key}
    state |= counts
    for norm in {"spec_bn", "hstft_bn"} & {key.split(".")[0] for key in sizes}:
        state[f"{norm}.running_mean"] -= 20  # decibels, as of music
        state[f"{norm}.running_var"] *= 400
    if "hstft.bw_Q" in sizes:
        state["hstft.bw_Q"] = torch.tensor([1.5])
        return state | {"hstft.spec.window": torch.hann_window(FRAME)}
    if name == "sample-cnn":
        return state
    window, filters = torch.hann_window(FRAME), torch.from_numpy(htk_filters(_bands(name)).astype(np.float32))
    return state | {"spec.spectrogram.window": window, "spec.mel_scale.fb": filters}


def htk_filters(bands: int) -> np.ndarray:
    """Return transformers' triangles of height 1 from 0 to 8,000 Hz [BINS, bands]."""
    return mel_filter_bank(BINS, bands, 0, 8000, 16_000, norm=None, mel_scale="htk")


def serialise(weights: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(weights, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def build(name: str, models: Path) -> EncoderSpec:
    """Write the small encoder's files and return its spec."""
    weights = build_state(name, _DIVISORS[name])
    (source,) = ENCODERS[name].weights
    write_source(source, models, {"best_model.pth": serialise(weights)})
    last = "dense2" if "dense2.weight" in weights else "dense"
    dim = weights[f"{last}.weight"].shape[1]
    spec = ENCODERS[name].spec
    return replace(spec, backbone=replace(spec.backbone, dim=dim), head=replace(spec.head, dim=dim))


def _bands(name: str) -> int:
    return 128 if name == "short-chunk" else 96


def _norm(name: str, dim: int) -> Shapes:
    return {f"{name}.{part}": (dim,) for part in ("weight", "bias", "running_mean", "running_var")}


def _affine(name: str, channels_out: int, *channels_in: int) -> Shapes:
    return {f"{name}.weight": (channels_out, *channels_in), f"{name}.bias": (channels_out,)}


def _blocks(channels: list[int], *kernel: int) -> Shapes:
    """Return the shapes of Conv_1d and Conv_2d from layer1 on."""
    shapes: Shapes = {}
    for number, (channels_in, channels_out) in enumerate(pairwise(channels), start=1):
        shapes |= _block(number, channels_in, channels_out, *kernel)
    return shapes


def _block(number: int, channels_in: int, channels_out: int, *kernel: int) -> Shapes:
    return _affine(f"layer{number}.conv", channels_out, channels_in, *kernel) | _norm(
        f"layer{number}.bn", channels_out
    )


def _residual(number: int, channels_in: int, channels_out: int, *, strided: bool) -> Shapes:
    """Return the shapes of Res_2d and Res_2d_mp."""
    shapes: Shapes = {}
    for part, channels in ((1, channels_in), (2, channels_out), *([(3, channels_in)] if strided else [])):
        shapes |= _affine(f"layer{number}.conv_{part}", channels_out, channels, 3, 3)
        shapes |= _norm(f"layer{number}.bn_{part}", channels_out)
    return shapes


def _fcn(divisor: int) -> Shapes:
    channels = [1, *(size // divisor for size in (64, 128, 128, 128, 64))]
    return _norm("spec_bn", 1) | _blocks(channels, 3, 3) | _affine("dense", TAGS, channels[-1])


def _crnn(divisor: int) -> Shapes:
    channels, hidden = [1, *(size // divisor for size in (64, 128, 128, 128))], 32 // divisor
    shapes = _norm("spec_bn", 1) | _blocks(channels, 3, 3) | _affine("dense", TAGS, hidden)
    for layer, channels_in in ((0, channels[-1]), (1, hidden)):
        for gate, size in (("ih", channels_in), ("hh", hidden)):
            shapes |= {
                f"layer5.weight_{gate}_l{layer}": (3 * hidden, size),
                f"layer5.bias_{gate}_l{layer}": (3 * hidden,),
            }
    return shapes


def _sample_cnn(divisor: int) -> Shapes:
    channels = [1, *(size // divisor for size in (128, 128, 128, 256, 256, 256, 256, 256, 256, 512))]
    last = channels[-1]
    return _blocks(channels, 3) | _block(11, last, last, 1) | _affine("dense", TAGS, last)


def _short_chunk(divisor: int) -> Shapes:
    channels = [1, *(size // divisor for size in (128, 128, 256, 256, 256, 256, 512))]
    shapes = _norm("spec_bn", 1)
    for number, (channels_in, channels_out) in enumerate(pairwise(channels), start=1):
        shapes |= _residual(number, channels_in, channels_out, strided=True)
    return shapes | _two_dense(channels[-1])


def _harmonic_cnn(divisor: int) -> Shapes:
    narrow, wide = 128 // divisor, 256 // divisor
    shapes = {"hstft.bw_Q": (1,)} | _norm("hstft_bn", 6) | _block(1, 6, narrow, 3, 3) | _block(5, narrow, wide, 3, 3)
    for number in (2, 3, 4, 6, 7):
        size = narrow if number < 5 else wide
        shapes |= _residual(number, size, size, strided=False)
    return shapes | _two_dense(wide)


def _two_dense(dim: int) -> Shapes:
    return _affine("dense1", dim, dim) | _norm("bn", dim) | _affine("dense2", TAGS, dim)


_SHAPES = {
    "fcn": _fcn,
    "crnn": _crnn,
    "sample-cnn": _sample_cnn,
    "short-chunk": _short_chunk,
    "harmonic-cnn": _harmonic_cnn,
}
_DIVISORS = {"fcn": 4, "crnn": 2, "sample-cnn": 8, "short-chunk": 16, "harmonic-cnn": 16}

SMALL = {name: lambda models, name=name: build(name, models) for name in _SHAPES}
