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
from workers.synthetic_music.corpus.build import CorpusSpec, find_missing, render_pieces
from workers.synthetic_music.corpus.pieces import Piece, compose_pieces
from workers.synthetic_music.corpus.recording import Recording

TOLERANCE = 0.04  # of a tempo, as in MIREX
OCTAVES = (1, 2, 3, 1 / 2, 1 / 3)
MIREX = {"exact": 1.0, "fifth": 0.5, "relative": 0.3, "parallel": 0.2, "other": 0.0, "none": 0.0}
CHUNK = 1 << 17


@dataclass(frozen=True, slots=True)
class Result:
    """A clip's truth and its description."""

    piece: Piece
    description: Description

    @property
    def tempo_ratio(self) -> float:
        """The described tempo to the true one, 0 without a tempo."""
        return (self.description.bpm or 0.0) / self.piece.bpm

    @property
    def has_drums(self) -> bool:
        return any(player.voice.is_percussion for player in self.piece.players)

    @property
    def group(self) -> str:
        """Solo, duet or the name of the ensemble's style."""
        return self.piece.kind if self.piece.kind.split()[0] not in ("solo", "duet") else self.piece.kind.split()[0]

    @property
    def has_key(self) -> bool:
        """Whether the clip sounds in its piece's key.

        The synthesizer without envelopes, which records half of the clips of train, plays many samples of the
        soundfont at wrong pitches (measured: a cello's notes are two semitones apart for each that is written).
        """
        return self.piece.is_tonal and not (self.piece.split == "train" and Recording.draw(self.piece).sampled)

    @property
    def key_error(self) -> str:
        """The relation of the described key to the true one, a key of MIREX."""
        description, minor = self.description, self.piece.is_minor
        if description.musical_key is None:
            return "none"
        steps = (KEYS.index(description.musical_key) - self.piece.tonic) % 12
        if minor == (description.mode == "minor"):
            return {0: "exact", 5: "fifth", 7: "fifth"}.get(steps, "other")
        return {0: "parallel", 3 if minor else 9: "relative"}.get(steps, "other")


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
    return [Result(piece, describe(*_read(spec, piece))) for piece in compose_pieces(spec.clips, spec.seed)]


def describe(samples: np.ndarray, rate: int) -> Description:
    """Describe float32 [channels, n], in chunks as decoding gives them."""
    describer = Describer()
    for start in range(0, samples.shape[1], CHUNK):
        describer.add(samples[:, start : start + CHUNK], rate)
    return describer.finish()


def tempo_scores(results: Sequence[Result]) -> tuple[float, float]:
    """Return the share of tempos that are right, and right but for an octave."""
    ratios = np.array([result.tempo_ratio for result in results])
    near = np.abs(ratios[:, None] / np.array(OCTAVES) - 1) <= TOLERANCE
    return float(near[:, 0].mean()), float(near.any(axis=1).mean())


def key_scores(results: Iterable[Result]) -> tuple[float, float]:
    """Return the share of keys that are right, and MIREX's weighted score, of clips with a key."""
    errors = [result.key_error for result in results if result.has_key]
    return float(np.mean([error == "exact" for error in errors])), float(np.mean([MIREX[error] for error in errors]))


def print_tempos(results: Sequence[Result]) -> None:
    """Print tempo by split, drums and group."""
    header = ("clips", "number", "exact", "with octaves", "half", "double", "3/2 or 2/3", "none", "either of two")
    rows = []
    for name, chosen in _subsets(results):
        ratios = np.array([result.tempo_ratio for result in chosen])
        either = np.mean([abs(bpm / result.piece.bpm - 1) <= TOLERANCE
                          for result, bpm in ((result, _nearest(result)) for result in chosen)])  # fmt: skip
        shares = [np.mean(_is_near(ratios, factor)) for factor in (1 / 2, 2)]
        thirds = np.mean(_is_near(ratios, 3 / 2) | _is_near(ratios, 2 / 3))
        cells = [*tempo_scores(chosen), *shares, thirds, np.mean(ratios == 0), either]
        rows.append((name, str(len(chosen)), *(f"{cell:.2f}" for cell in cells)))
    print_table(f"tempo within {TOLERANCE:.0%}", header, rows)


def print_keys(results: Sequence[Result]) -> None:
    """Print key and its errors by split, drums and group."""
    rows = []
    for name, chosen in _subsets([result for result in results if result.has_key]):
        errors = Counter(result.key_error for result in chosen)
        shares = [errors[error] / len(chosen) for error in MIREX]
        rows.append((name, str(len(chosen)), f"{key_scores(chosen)[1]:.2f}", *(f"{share:.2f}" for share in shares)))
    print_table("key", ("clips", "number", "MIREX", *MIREX), rows)
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
    tempo = [(r.description.bpm_confidence, abs(r.tempo_ratio - 1) <= TOLERANCE) for r in results if r.tempo_ratio]
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


def _nearest(result: Result) -> float:
    """Return which of the two described tempos is nearer to the true one."""
    tempos = [bpm for bpm in (result.description.bpm, result.description.bpm_alternative) if bpm]
    return min(tempos, key=lambda bpm: abs(bpm - result.piece.bpm), default=0.0)


def _is_near(ratios: np.ndarray, factor: float) -> np.ndarray:
    return np.abs(ratios / factor - 1) <= TOLERANCE


def _read(spec: CorpusSpec, piece: Piece) -> tuple[np.ndarray, int]:
    """Return a clip, float32 [channels, n], and its rate."""
    sound, rate = soundfile.read(spec.folder / f"{piece.name}.ogg", dtype="float32", always_2d=True)
    return np.ascontiguousarray(sound.T), rate


if __name__ == "__main__":
    main()
