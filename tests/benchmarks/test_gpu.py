"""`make bench-gpu` rehearsed on a CPU: what it needs, that every network is in it, and that it runs to its end."""

import re
import subprocess
import sys

import pytest
import torch

from tests.benchmarks.gpu_nets import NETS, build_net
from tests.cli import ROOT, environment
from workers.encoders.registry import ENCODERS

# What the machine of part A may lack. transformers uses some of it if it is there.
MISSING = (
    "av lance lancedb matplotlib pandas platformdirs prefect psutil pyarrow pydantic pydantic_settings ray rich s3fs "
    "scipy sklearn soundfile soxr tinytag"
).split()
# Encoders that are not measured: their network is that of another one, or takes its shapes from the weights' files.
SAME_NETWORK = {"clap-music-speech", *(name for name in ENCODERS if name.startswith("ttmr-") and name not in NETS)}
SHAPED_BY_FILES = {"mule", "omar-rq"}
REHEARSAL = ["--device", "cpu", "--small"]


def run_rehearsal(program: list[str], out) -> str:
    """Return what a rehearsal prints; it must end without a missed goal."""
    command = [sys.executable, *program, *REHEARSAL, "--out", str(out)]
    environ = environment(OMP_NUM_THREADS="1")  # threads of a busy machine wait for each other
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "MISSED" not in result.stdout
    return result.stdout


def assert_part_a(output: str) -> None:
    for name in ("ttmr-contrastive-bert-tag", "mert-95m"):
        assert len(re.findall(f"^{name} ", output, re.MULTILINE)) == 3  # in each table
    assert re.search(r"mert-95m +64 +6 +2 x 48 +48 +12 x 64", output)
    assert re.search(r"Out of memory: 24 windows of \S+ went down to 12", output)


def test_part_a_needs_only_torch_transformers_and_numpy(tmp_path):
    hide = f"import sys; sys.modules.update(dict.fromkeys({MISSING})); from tests.benchmarks.gpu import main; main()"
    output = run_rehearsal(["-c", hide], tmp_path)
    assert_part_a(output)
    assert "part B is skipped: import of ray halted" in output
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_rehearsal_runs_to_its_end(tmp_path):
    output = run_rehearsal(["-m", "tests.benchmarks.gpu"], tmp_path)
    assert_part_a(output)
    assert re.search(r"one device needs [\d.]+ decoding cores", output)
    assert re.search(r"all 13 after .* idle \d+% of the time", output)
    assert (tmp_path / "idle.png").read_bytes().startswith(b"\x89PNG")


def test_every_encoder_on_a_gpu_is_measured():
    assert {name for name in ENCODERS if ENCODERS[name].on_gpu} == {*NETS, *SAME_NETWORK, *SHAPED_BY_FILES}


@pytest.mark.parametrize("name", NETS)
def test_full_networks_have_the_size_of_their_spec(name):
    # Without numbers, so that nothing is computed; EnCodec's net reads numbers while it pads.
    device = torch.device("cpu" if name == "encodec" else "meta")
    backbone = ENCODERS[name].spec.backbone
    with torch.inference_mode():
        features = build_net(name, device)(torch.zeros(2, backbone.windows.window, device=device))
    assert features.shape == (2, backbone.dim)
