"""What the authors' packages compute from the weights of the small encoders, recorded once in tests/data.

    pip install --no-deps --target FOLDER PACKAGES-OF-NAME
    rm --force FOLDER/torchaudio/lib/*.so  # they load only beside torch for CUDA, and nothing here needs them
    PYTHONPATH=FOLDER python -m tests.conformance.packages NAME

The packages are GPL and AGPL. No code of ours imports them but this program, which calls them as black boxes.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from schemas.encoders import EncoderSpec
from tests.conformance.golden import FOLDER, signal

PACKAGES = {
    "mule": ("mule-torch==0.2.0",),
    "omar-rq": (
        *("omar-rq==0.2.1", "torchaudio==2.11.0", "einops==0.8.2", "gin-config==0.5.0", "pytorch-lightning==2.6.6"),
        *("lightning-utilities==0.15.3", "torchmetrics==1.9.0", "transformers==4.57.6", "tokenizers==0.22.2"),
        "huggingface-hub==0.36.2",
    ),
    "maest": ("maest-infer==0.2.0", "torchaudio==2.11.0"),
}
MULE_FRAMES, MAEST_FRAMES = slice(0, None, 50), slice(50, None, 400)  # of the recorded spectrograms
OMAR_RQ_STEPS = slice(0, None, 75)  # of the recorded states

Arrays = dict[str, np.ndarray]


def sample_windows(spec: EncoderSpec) -> np.ndarray:
    """Return a chord, noise, and a chord so quiet that it is nearly silent [3, window] float32."""
    windows = spec.backbone.windows
    chord = signal(windows.window, windows.sample_rate)
    noise = np.random.default_rng(3).normal(0, 0.1, windows.window)
    return np.stack([chord, noise, chord * 3e-4]).astype(np.float32)


def read_record(name: str) -> Arrays:
    """Return what a package computed."""
    return dict(np.load(_record_file(name)))


def _record_file(name: str) -> Path:
    return FOLDER / f"package_{name}.npz"


def _record_mule(folder: Path) -> Arrays:
    """Record vectors, the backbone's input, and the number of slices that the package makes of a window."""
    from mule_torch import MuleModel

    from tests.conformance.small_mule import build
    from workers.encoders.mule.encoder import WEIGHTS

    spec = build(folder)
    net = MuleModel.from_pretrained(hf_repo=None, model_dir=folder / WEIGHTS.folder)
    mels = []
    net.backbone.register_forward_pre_hook(lambda _, inputs: mels.append(inputs[0]))
    audio = torch.from_numpy(sample_windows(spec) / 2)  # the original reads audio at half of full scale
    vectors = net(audio)
    mel = torch.cat(mels)[:, 0, :, MULE_FRAMES]
    return {"vectors": vectors.numpy(), "mel": mel.numpy(), "slices": np.array(len(net.embed_timeline(audio)[0]))}


def _record_omar_rq(folder: Path) -> Arrays:
    """Record every layer's mean over time, some states of the layer that is used, and their number and rate."""
    from omar_rq import get_model

    from tests.conformance.small_omar_rq import DEPTH, build
    from workers.encoders.omar_rq.encoder import LAYER, WEIGHTS

    spec = build(folder)
    net = get_model(config_file=str(folder / WEIGHTS.folder / "config.gin"))
    states = net.extract_embeddings(torch.from_numpy(sample_windows(spec)), layers=range(DEPTH))
    return {
        "means": states.mean(2).numpy(),
        "states": states[LAYER][:, OMAR_RQ_STEPS].numpy(),
        "steps": np.array(states.shape[2]),
        "rate": np.array(net.eps),
    }


def _record_maest(_: Path) -> Arrays:
    """Record features and scores from our spectrogram, the package's own spectrogram, and its styles."""
    from maest_infer import MAEST

    from tests.conformance import small_maest as small
    from workers.encoders.spectrogram_transformers.maest_net import MaestMel

    sizes = {"embed_dim": small.DIM, "depth": small.LAYERS, "num_heads": small.HEADS, "num_classes": 519}
    net = MAEST(img_size=(96, 1876), stride=(10, 10), distilled=True, **sizes).eval()
    net.load_state_dict(small.build_state(), strict=True)
    audio = torch.from_numpy(sample_windows(small.SPEC))
    features = torch.stack(net.forward_features(MaestMel()(audio).transpose(1, 2)[:, None])).mean(0)
    net.init_melspectrogram()
    return {
        "features": features.numpy(),
        "scores": net.head(features).sigmoid().numpy(),
        "mel": net.melspectrogram(audio)[:, :, MAEST_FRAMES].numpy(),
        "styles": np.array(net.labels),
    }


_RECORDERS: dict[str, Callable[[Path], Arrays]] = {
    "mule": _record_mule,
    "omar-rq": _record_omar_rq,
    "maest": _record_maest,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=PACKAGES)
    name = parser.parse_args().name
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        np.savez_compressed(_record_file(name), **_RECORDERS[name](Path(folder)))


if __name__ == "__main__":
    main()
