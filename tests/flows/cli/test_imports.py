"""What a command may import: a heavy module costs more than the rest of a short command."""

import subprocess
import sys

import pyarrow as pa
import pytest

from lake.catalogue.encoders import register_encoder
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.embeddings import outcome_schema
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.cli import environment
from tests.conformance.models import fetch_models
from tests.flows.released import publish_release
from tests.lake.rows import embedded_row, make_listing, unit_vector
from workers.encoders.registry import ENCODERS
from workers.text.minilm_weights import MINILM

WATCHED = """
    av boto3 duckdb fastapi huggingface_hub jinja2 lance lancedb matplotlib numpy pandas prefect pyarrow ray s3fs
    scipy sklearn soundfile soxr tokenizers torch transformers
""".split()
# pyarrow.dataset imports pandas, and Lance imports pyarrow.dataset.
LAKE = ["lance", "numpy", "pandas", "pyarrow"]
IDS = [f"t{number}" for number in range(5)]
SPEC = ENCODERS["musicnn"].spec

# Every command that should answer at once -> the heavy modules that it may import.
COMMANDS = {
    "--help": [],
    "search --help": [],
    "encoders": ["numpy"],
    "benchmarks": LAKE,
    "status": LAKE,
    "leaderboard --benchmark gtzan": LAKE,
    "doctor": LAKE,
    f"tags {IDS[0]}": LAKE,
    "search --where duration_s>1": LAKE,
    "search --tag piano": LAKE,
    f"search --like {IDS[0]}": LAKE,
    f"playlist --like {IDS[0]}": LAKE,
    "search flute": [*LAKE, "tokenizers"],
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake of five tracks with the default encoder's release, without audio."""
    lake = Lake.at(str(tmp_path_factory.mktemp("imports") / "lake"), S3Settings())
    dim, features = SPEC.head.dim, SPEC.backbone.dim
    rows = [
        embedded_row(name, vector=unit_vector(name, dim).astype("float32"), features=unit_vector(name, features))
        | {"window_vectors": None, "tag_names": ["piano"], "tags_version": SPEC.tags_version}
        for name in IDS
    ]
    with Lease(lake, embeddings_table(SPEC), "run", print) as lease:
        register_tracks(lake, make_listing(IDS))
        register_encoder(lake, SPEC)
        committer = Committer(lake, SPEC, lease, "run", Settings(keep_windows=False))
        committer.add(pa.Table.from_pylist(rows, schema=outcome_schema(SPEC)))
        committer.flush()
    publish_release(lake, SPEC)
    return lake.uri


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_only_what_it_needs(command, lake):
    if command == "search flute":
        fetch_models(MINILM)
    code = (
        "import sys; from flows.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: sys.stderr.write(f'exit {end.code}')\n"
        f"print(*sorted(sys.modules.keys() & set({WATCHED})))"
    )
    arguments = [sys.executable, "-c", code, *command.split()]
    result = subprocess.run(
        arguments, capture_output=True, text=True, env=environment(TONELAKE_LAKE=lake), check=True, timeout=60
    )
    assert result.stderr.endswith("exit 0"), result.stderr
    assert set(result.stdout.splitlines()[-1].split()) <= set(COMMANDS[command])


def test_a_driver_imports_nothing_of_descriptions():
    """A refresh with nothing to decode began a second later for them: scipy.signal takes long."""
    code = "import sys, flows.ingest.refresh, workers.audio.recording; print('scipy' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert result.stdout == "False\n"
