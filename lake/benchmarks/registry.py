"""Every benchmark by its name, in the order that people see."""

from lake.benchmarks import (
    emomusic,
    emotify,
    fma,
    folder,
    giantsteps,
    gtzan,
    gtzan_rhythm,
    kvt,
    msd,
    mtat,
    mtg_jamendo,
    musiccaps,
    openmic,
    rendered,
    song_describer,
)
from schemas.benchmarks import Benchmark
from schemas.errors import UserError
from schemas.names import did_you_mean

_MODULES = (
    rendered,
    folder,
    mtat,
    mtg_jamendo,
    msd,
    gtzan,
    fma,
    openmic,
    kvt,
    emotify,
    emomusic,
    song_describer,
    musiccaps,
    giantsteps,
    gtzan_rhythm,
)

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark for module in _MODULES for benchmark in module.BENCHMARKS
}


def find_benchmark(name: str) -> Benchmark:
    """Return the benchmark of that name. Raises UserError with the nearest names if there is none."""
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    hint = did_you_mean(name, BENCHMARKS)
    raise UserError(f"no benchmark named {name!r}; {hint}`tonelake benchmarks` lists them")
