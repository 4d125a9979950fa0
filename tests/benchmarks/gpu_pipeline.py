"""Part B of `make bench-gpu`: the split pipeline on rendered tracks, one of which kills its decoder.

It needs all of tonelake's packages, and those of its extra `test`.
"""

import json
import os
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

# Imported first: it sets variables that Ray reads when it is imported.
from workers.distributed.cluster import start_ray

# isort: split
import numpy as np
import pyarrow as pa
import ray
import torch
from transformers import HubertConfig, HubertModel
from transformers.utils import logging

from lake.sources.listing import list_sources
from schemas.settings import Settings
from tests.benchmarks.gpu_idle import draw_idle, mean_idle, watch_idle
from tests.benchmarks.gpu_nets import SMALL_HUBERT
from tests.benchmarks.gpu_report import TOLERANCE
from tests.workers.distributed import poison
from workers.distributed import pipeline
from workers.embedding.stages import DecodeStage, EncodeStage
from workers.encoders.base.pooled_states import PREPROCESSOR
from workers.encoders.pretrained_audio.mert import MERT, SAMPLE_RATE
from workers.encoders.registry import ENCODERS
from workers.synthetic_music.demo.catalogue import render_catalogue
from workers.weights.cache import write_manifest

NAME = "mert-95m"
SPEC = ENCODERS[NAME].spec
TRACKS, SECONDS = 200, 30
REHEARSAL_TRACKS, REHEARSAL_SECONDS, REHEARSAL_CPUS = 12, 6, 2


@dataclass(slots=True)
class PipelineRun:
    """Outcomes by uri, and when they came, in seconds from the start."""

    rows: dict[str, dict] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)


def run_part_b(out: Path, *, small: bool) -> list[str]:
    """Render, decode and embed; print the figures, draw the picture and return the goals that are missed."""
    count, seconds = (REHEARSAL_TRACKS, REHEARSAL_SECONDS) if small else (TRACKS, SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        music = render_catalogue(Path(folder) / "music", count, seconds=seconds).parent
        write_random_weights(Path(folder) / "models", small=small)
        settings = Settings(models=Path(folder) / "models", cpus=REHEARSAL_CPUS if small else None)
        sound = list_sources([str(music)], settings.s3).tracks
        vectors = time_stages(sound.slice(0, pipeline.MAX_BLOCK_TRACKS), settings)
        os.link(next(music.glob("*.wav")), music / "poison.wav")
        tracks = list_sources([str(music)], settings.s3).tracks
        with watch_idle(on_gpu=torch.cuda.is_available()) as samples:
            run = run_pipeline(tracks, settings)
    misses = find_misses(run, tracks, vectors)
    if not samples:
        return [*misses, "no idle share: nvidia-smi is missing or does not report utilisation"]
    steady = run.times[0], run.times[max(len(sound) // 2, len(sound) - 2 * pipeline.MAX_BLOCK_TRACKS)]
    device = "GPU" if torch.cuda.is_available() else "cores (a rehearsal)"
    draw_idle(samples, steady, device, out / "idle.png")
    print(
        f"first outcome after {steady[0]:.1f} s, all {len(tracks)} after {run.times[-1]:.1f} s; between the first and "
        f"the last blocks the {device} idle {mean_idle(samples, steady):.0%} of the time: {out / 'idle.png'}"
    )
    return misses


def write_random_weights(models: Path, *, small: bool) -> None:
    """Write the files of MERT with random weights where the encoder looks for the released ones."""
    torch.manual_seed(0)
    folder = models / MERT[NAME].folder
    folder.mkdir(parents=True)
    logging.disable_progress_bar()
    HubertModel(HubertConfig(**(SMALL_HUBERT if small else {}))).save_pretrained(folder)
    (folder / PREPROCESSOR).write_text(json.dumps({"sampling_rate": SAMPLE_RATE, "do_normalize": True}))
    write_manifest(folder)


def time_stages(block: pa.Table, settings: Settings) -> dict[str, np.ndarray]:
    """Print the speed of each half of the pipeline on one block, and how many cores feed the GPU.

    Return the vectors by uri.
    """
    decode, encode = DecodeStage(SPEC, settings), EncodeStage(SPEC, settings)
    decode(block.slice(0, 1))
    started = time.perf_counter()
    decoded = decode(block)
    decode_seconds = (time.perf_counter() - started) / len(block)
    outcomes = encode(decoded)  # finds the size of a batch
    started = time.perf_counter()
    encode(decoded)
    encode_seconds = (time.perf_counter() - started) / len(block)
    print(
        f"\nPart B, {NAME}: one core decodes {1 / decode_seconds:.1f} tracks/s, the device encodes "
        f"{1 / encode_seconds:.1f} tracks/s: one device needs {decode_seconds / encode_seconds:.1f} decoding cores"
    )
    uris = dict(zip(block["track_id"].to_pylist(), block["uri"].to_pylist(), strict=True))
    return {uris[row["track_id"]]: np.array(row["vector"]) for row in outcomes.to_pylist()}


def run_pipeline(tracks: pa.Table, settings: Settings) -> PipelineRun:
    """Embed the tracks with decoders that die on the poisonous one.

    Without a GPU, Ray only counts one, so that the pipeline is composed as beside a GPU.
    """
    if not torch.cuda.is_available():
        options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
        warnings.filterwarnings("ignore", message="lance is not fork-safe")
        ray.init(address="local", num_cpus=settings.cpus, num_gpus=1, **options)
    start_ray(settings)
    ray.cloudpickle.register_pickle_by_value(poison)
    uris = dict(zip(tracks["track_id"].to_pylist(), tracks["uri"].to_pylist(), strict=True))
    run, started = PipelineRun(), time.monotonic()
    with (
        warnings.catch_warnings(action="ignore"),
        mock.patch.object(pipeline, "DecodeStage", poison.PoisonDecodeStage),
    ):
        for _, batch in pipeline.embed(tracks, (SPEC,), settings, poison.PoisonStage):
            for row in batch.to_pylist():
                run.rows[uris[row["track_id"]]] = row
                run.times.append(time.monotonic() - started)
    ray.shutdown()
    return run


def find_misses(run: PipelineRun, tracks: pa.Table, vectors: dict[str, np.ndarray]) -> list[str]:
    """Return what is wrong: every track has one outcome, and only the poisonous one is not embedded."""
    misses = []
    if len(run.times) != len(tracks) or len(run.rows) != len(tracks):
        misses.append(f"{len(run.times)} outcomes of {len(run.rows)} tracks, not one of each of {len(tracks)}")
    failed = {Path(uri).name: row["reason"] for uri, row in run.rows.items() if row["outcome"] != "embedded"}
    if failed != {"poison.wav": "decoder_crashed"}:
        misses.append(f"not embedded: {failed}, where only poison.wav is to be quarantined")
    for uri, vector in vectors.items():
        computed = run.rows[uri]["vector"] if uri in run.rows else None
        if computed is None or 1 - float(np.dot(computed, vector)) > TOLERANCE:
            misses.append(f"{Path(uri).name} has another vector in the pipeline than by itself")
    return misses
