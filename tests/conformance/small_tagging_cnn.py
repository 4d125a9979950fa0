"""The tagging CNNs built small: state dicts under the authors' names, with random weights and few channels.

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
from tests.conformance.seeded import put, seeded
from workers.encoders.registry import ENCODERS

FRAME, BINS, TAGS = 512, 257, 50

Shapes = dict[str, tuple[int, ...]]


def shapes(name: str, share: int = 1) -> Shapes:
    """Of everything random in a state dict, with a `share`-th of the channels; 1 is the published size."""
    return _SHAPES[name](share)


def state_dict(name: str, share: int = 1) -> dict[str, torch.Tensor]:
    """As the authors saved it."""
    sizes = shapes(name, share)
    found = {key: torch.from_numpy(numbers) for key, numbers in seeded(sizes).items()}
    counts = {key.replace("running_var", "num_batches_tracked"): torch.tensor(7) for key in sizes if "_var" in key}
    found |= counts
    for norm in {"spec_bn", "hstft_bn"} & {key.split(".")[0] for key in sizes}:
        found[f"{norm}.running_mean"] -= 20  # decibels, as of music
        found[f"{norm}.running_var"] *= 400
    if "hstft.bw_Q" in sizes:
        found["hstft.bw_Q"] = torch.tensor([1.5])
        return found | {"hstft.spec.window": torch.hann_window(FRAME)}
    if name == "sample-cnn":
        return found
    window, filters = torch.hann_window(FRAME), torch.from_numpy(htk(_bands(name)).astype(np.float32))
    return found | {"spec.spectrogram.window": window, "spec.mel_scale.fb": filters}


def htk(bands: int) -> np.ndarray:
    """transformers' triangles of height 1 from 0 to 8,000 Hz [BINS, bands]."""
    return mel_filter_bank(BINS, bands, 0, 8000, 16_000, norm=None, mel_scale="htk")


def file_of(weights: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(weights, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def small(name: str, models: Path) -> EncoderSpec:
    """Writes small weights and returns their spec."""
    weights = state_dict(name, _SHARES[name])
    (source,) = ENCODERS[name].weights
    put(source, models, {"best_model.pth": file_of(weights)})
    last = "dense2" if "dense2.weight" in weights else "dense"
    dim = weights[f"{last}.weight"].shape[1]
    spec = ENCODERS[name].spec
    return replace(spec, backbone=replace(spec.backbone, dim=dim), head=replace(spec.head, dim=dim))


def _bands(name: str) -> int:
    return 128 if name == "short-chunk" else 96


def _norm(name: str, dim: int) -> Shapes:
    return {f"{name}.{part}": (dim,) for part in ("weight", "bias", "running_mean", "running_var")}


def _affine(name: str, after: int, *before: int) -> Shapes:
    return {f"{name}.weight": (after, *before), f"{name}.bias": (after,)}


def _blocks(channels: list[int], *kernel: int) -> Shapes:
    """Conv_1d and Conv_2d from layer1 on."""
    found: Shapes = {}
    for number, (before, after) in enumerate(pairwise(channels), start=1):
        found |= _block(number, before, after, *kernel)
    return found


def _block(number: int, before: int, after: int, *kernel: int) -> Shapes:
    return _affine(f"layer{number}.conv", after, before, *kernel) | _norm(f"layer{number}.bn", after)


def _residual(number: int, before: int, after: int, *, shrinks: bool) -> Shapes:
    """Res_2d and Res_2d_mp."""
    found: Shapes = {}
    for part, channels in ((1, before), (2, after), *([(3, before)] if shrinks else [])):
        found |= _affine(f"layer{number}.conv_{part}", after, channels, 3, 3)
        found |= _norm(f"layer{number}.bn_{part}", after)
    return found


def _fcn(share: int) -> Shapes:
    channels = [1, *(size // share for size in (64, 128, 128, 128, 64))]
    return _norm("spec_bn", 1) | _blocks(channels, 3, 3) | _affine("dense", TAGS, channels[-1])


def _crnn(share: int) -> Shapes:
    channels, hidden = [1, *(size // share for size in (64, 128, 128, 128))], 32 // share
    found = _norm("spec_bn", 1) | _blocks(channels, 3, 3) | _affine("dense", TAGS, hidden)
    for layer, before in ((0, channels[-1]), (1, hidden)):
        for gate, size in (("ih", before), ("hh", hidden)):
            found |= {
                f"layer5.weight_{gate}_l{layer}": (3 * hidden, size),
                f"layer5.bias_{gate}_l{layer}": (3 * hidden,),
            }
    return found


def _sample_cnn(share: int) -> Shapes:
    channels = [1, *(size // share for size in (128, 128, 128, 256, 256, 256, 256, 256, 256, 512))]
    last = channels[-1]
    return _blocks(channels, 3) | _block(11, last, last, 1) | _affine("dense", TAGS, last)


def _short_chunk(share: int) -> Shapes:
    channels = [1, *(size // share for size in (128, 128, 256, 256, 256, 256, 512))]
    found = _norm("spec_bn", 1)
    for number, (before, after) in enumerate(pairwise(channels), start=1):
        found |= _residual(number, before, after, shrinks=True)
    return found | _two_dense(channels[-1])


def _harmonic_cnn(share: int) -> Shapes:
    narrow, wide = 128 // share, 256 // share
    found = {"hstft.bw_Q": (1,)} | _norm("hstft_bn", 6) | _block(1, 6, narrow, 3, 3) | _block(5, narrow, wide, 3, 3)
    for number in (2, 3, 4, 6, 7):
        size = narrow if number < 5 else wide
        found |= _residual(number, size, size, shrinks=False)
    return found | _two_dense(wide)


def _two_dense(dim: int) -> Shapes:
    return _affine("dense1", dim, dim) | _norm("bn", dim) | _affine("dense2", TAGS, dim)


_SHAPES = {
    "fcn": _fcn,
    "crnn": _crnn,
    "sample-cnn": _sample_cnn,
    "short-chunk": _short_chunk,
    "harmonic-cnn": _harmonic_cnn,
}
_SHARES = {"fcn": 4, "crnn": 2, "sample-cnn": 8, "short-chunk": 16, "harmonic-cnn": 16}

SMALL = {name: lambda models, name=name: small(name, models) for name in _SHAPES}
