"""Tempo and key against the truth of the rendered corpus, and the price of each column of a description.

python -m tests.benchmarks.description [--corpus FOLDER] [--clips 400] [--seconds 24] [--repetitions 5]

The methods were chosen on the splits train and valid. The split test has patterns and a soundfont of its own. A corpus
of 400 clips is rendered in minutes; --corpus keeps it and uses it again.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from schemas.descriptions import KEYS, Description
from schemas.settings import Settings
from tests.benchmarks.description_prices import measure_prices
from tests.benchmarks.figures import Figure, record_figures
from tests.benchmarks.rates import print_table
from workers.description.describer import Describer
from workers.metrics.key import KEY_WEIGHTS, key_relation
from workers.metrics.tempo import OCTAVES, TOLERANCE, tempo_accuracy
from workers.synthetic_music.corpus.build import CorpusSpec, find_missing, render_pieces
from workers.synthetic_music.corpus.pieces import Piece, compose_pieces

WEIGHTS = KEY_WEIGHTS | {"none": 0.0}  # a null counts like a wrong key, and is shown apart
CHUNK = 1 << 17


@dataclass(frozen=True, slots=True)
class Result:
    """A clip's truth and its description."""

    piece: Piece
    description: Description

    @property
    def has_drums(self) -> bool:
        return any(player.voice.is_percussion for player in self.piece.players)

    @property
    def group(self) -> str:
        """Solo, duet or the name of the ensemble's style."""
        return self.piece.kind if self.piece.kind.split()[0] not in ("solo", "duet") else self.piece.kind.split()[0]

    @property
    def has_key(self) -> bool:
        """Whether the clip sounds in its piece's key."""
        return self.piece.is_tonal

    @property
    def key_error(self) -> str:
        """The relation of the described key to the true one, a name of WEIGHTS."""
        if self.description.musical_key is None:
            return "none"
        truth = f"{KEYS[self.piece.tonic]} {'minor' if self.piece.is_minor else 'major'}"
        return key_relation(truth, f"{self.description.musical_key} {self.description.mode}")


def main() -> None:
    """Render, describe and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="a folder to keep the clips in")
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--seconds", type=int, default=24)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        spec = CorpusSpec(arguments.corpus or Path(temporary), arguments.clips, arguments.seconds, seed=0)
        results = describe_corpus(spec)
        print_tempos(results)
        print_keys(results)
        print_styles(results)
        print_calibration(results)
        loud = next(result.piece for result in results if result.piece.kind == "rock")
        prices = measure_prices(_read(spec, loud), arguments.repetitions)
    test = [result for result in results if result.piece.split == "test"]
    exact, octaves = tempo_scores(test)
    key_exact, mirex = key_scores(test)
    scores = {"tempo_exact": exact, "tempo_octaves": octaves, "key_exact": key_exact, "key_mirex": mirex}
    record_figures("description", prices | {name: Figure(value, "", True) for name, value in scores.items()})


def describe_corpus(spec: CorpusSpec) -> list[Result]:
    """Render what is missing of a corpus and describe its clips."""
    settings = Settings()
    for count, _ in enumerate(render_pieces(spec, find_missing(spec), settings.models, settings.soundfonts), 1):
        if count % 20 == 0:
            print(f"{count} clips rendered", flush=True)
    pieces = compose_pieces(spec.clips, spec.seed)
    return [Result(piece, describe(*_read(spec, piece))) for piece in pieces]


def describe(samples: np.ndarray, rate: int) -> Description:
    """Describe float32 [channels, n], in chunks as decoding gives them."""
    describer = Describer()
    for start in range(0, samples.shape[1], CHUNK):
        describer.add(samples[:, start : start + CHUNK], rate)
    return describer.finish()


def tempo_scores(results: Sequence[Result]) -> tuple[float, float]:
    """Return the share of tempos that are right, and right but for an octave."""
    return float(_is_near(results).mean()), float(_is_near(results, *OCTAVES).mean())


def key_scores(results: Iterable[Result]) -> tuple[float, float]:
    """Return the share of keys that are right, and MIREX's weighted score, of clips with a key."""
    errors = [result.key_error for result in results if result.has_key]
    return float(np.mean([error == "exact" for error in errors])), float(np.mean([WEIGHTS[error] for error in errors]))


def print_tempos(results: Sequence[Result]) -> None:
    """Print tempo by split, drums and group."""
    header = ("clips", "number", "exact", "with octaves", "half", "double", "3/2 or 2/3", "none", "either of two")
    rows = []
    for name, chosen in _subsets(results):
        shares = [_is_near(chosen, *factors).mean() for factors in ((1 / 2,), (2,), (3 / 2, 2 / 3))]
        none = np.mean([result.description.bpm is None for result in chosen])
        alternatives = np.array([result.description.bpm_alternative or np.nan for result in chosen])
        either = (_is_near(chosen) | tempo_accuracy(_truth(chosen), alternatives)).mean()
        cells = [*tempo_scores(chosen), *shares, none, either]
        rows.append((name, str(len(chosen)), *(f"{cell:.2f}" for cell in cells)))
    print_table(f"tempo within {TOLERANCE:.0%}", header, rows)


def print_keys(results: Sequence[Result]) -> None:
    """Print key and its errors by split, drums and group."""
    rows = []
    for name, chosen in _subsets([result for result in results if result.has_key]):
        errors = Counter(result.key_error for result in chosen)
        shares = [errors[error] / len(chosen) for error in WEIGHTS]
        rows.append((name, str(len(chosen)), f"{key_scores(chosen)[1]:.2f}", *(f"{share:.2f}" for share in shares)))
    print_table("key", ("clips", "number", "MIREX", *WEIGHTS), rows)
    untuned = [result for result in results if not result.piece.is_tonal]
    nulls = sum(result.description.musical_key is None for result in untuned)
    print(f"{nulls} of {len(untuned)} clips without pitch get no key")


def print_styles(results: Sequence[Result]) -> None:
    """Print tempo and key of each style."""
    rows = []
    for group in sorted({result.group for result in results}):
        chosen = [result for result in results if result.group == group]
        cells = [str(len(chosen)), *(f"{score:.2f}" for score in tempo_scores(chosen))]
        keyed = [result for result in chosen if result.has_key]
        cells += [str(len(keyed)), *(f"{score:.2f}" for score in key_scores(keyed))] if keyed else ["0", "", ""]
        rows.append((group, *cells))
    header = ("style", "clips", "tempo exact", "with octaves", "with key", "key exact", "MIREX")
    print_table("by style, all splits", header, rows)


def print_calibration(results: Sequence[Result]) -> None:
    """Print how often values of a confidence are right."""
    timed = [result for result in results if result.description.bpm]
    tempo = [(result.description.bpm_confidence, right) for result, right in zip(timed, _is_near(timed), strict=True)]
    keyed = [result for result in results if result.has_key and result.description.musical_key]
    key = [(result.description.key_confidence, result.key_error == "exact") for result in keyed]
    rows = []
    for name, pairs in (("bpm_confidence", tempo), ("key_confidence", key)):
        for part in np.array_split(np.array(sorted(pairs)), 4):
            rows.append((name, str(len(part)), f"{part[:, 0].mean():.2f}", f"{part[:, 1].mean():.2f}"))
    print_table("confidence, quarters of all clips", ("", "clips", "says", "is right"), rows)


def _subsets(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    conditions: dict[str, Callable[[Result], bool]] = {
        "train and valid": lambda result: result.piece.split != "test",
        "test": lambda result: result.piece.split == "test",
        "test, percussion": lambda result: result.piece.split == "test" and result.has_drums,
        "test, no percussion": lambda result: result.piece.split == "test" and not result.has_drums,
        "test, solos": lambda result: result.piece.split == "test" and result.group == "solo",
        "test, duets": lambda result: result.piece.split == "test" and result.group == "duet",
        "test, ensembles": lambda result: result.piece.split == "test" and result.group not in ("solo", "duet"),
    }
    subsets = [(name, [result for result in results if holds(result)]) for name, holds in conditions.items()]
    return [(name, chosen) for name, chosen in subsets if chosen]


def _truth(results: Sequence[Result]) -> np.ndarray:
    return np.array([float(result.piece.bpm) for result in results])


def _is_near(results: Sequence[Result], *factors: float) -> np.ndarray:
    """Return whether each tempo is right, or right times one of the factors; without a tempo it is not."""
    tempi = np.array([result.description.bpm or np.nan for result in results])
    return tempo_accuracy(_truth(results), tempi, factors or (1,))


def _read(spec: CorpusSpec, piece: Piece) -> tuple[np.ndarray, int]:
    """Return a clip, float32 [channels, n], and its rate."""
    sound, rate = soundfile.read(spec.folder / f"{piece.name}.ogg", dtype="float32", always_2d=True)
    return np.ascontiguousarray(sound.T), rate


if __name__ == "__main__":
    main()
