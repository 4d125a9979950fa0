"""Emotify: 400 tracks of four genres and the emotion that most listeners felt.

data.csv, one row a rating, beside emotifymusic/classical/1.mp3.
"""

from functools import partial
from pathlib import Path

from sklearn.model_selection import train_test_split

from lake.benchmarks.readers.annotations import loader, table
from schemas.benchmarks import Benchmark, Clip, SourceFile

EMOTIONS = (
    "amazement", "solemnity", "tenderness", "nostalgia", "calmness", "power", "joyful_activation", "tension", "sadness"
)  # fmt: skip  # the order settles ties
RATINGS = "data.csv"
AUDIO = "emotifymusic"
SOURCE = "http://www2.projects.science.uu.nl/memotion/emotifydata (data.csv, emotifymusic.zip)"
_TEST, _VALID, _SEED = 0.187, 0.113, 42  # msu-benchmark, emotify_preprocessor.py


def votes(data: Path) -> dict[int, tuple[str, dict[str, int]]]:
    """Track id -> its genre, and how many listeners felt each emotion."""
    found: dict[int, tuple[str, dict[str, int]]] = {}
    for row in table(data, RATINGS, ("track id", "genre", *EMOTIONS)):
        _, counts = found.setdefault(int(row["track id"]), (row["genre"], dict.fromkeys(EMOTIONS, 0)))
        for emotion in EMOTIONS:
            counts[emotion] += int(row[emotion])
    return dict(sorted(found.items()))


def _clips(faulty: bool, data: Path) -> list[Clip]:
    rated = votes(data)
    labels = {track: max(counts, key=counts.__getitem__) for track, (_, counts) in rated.items()}
    splits = _splits(labels, {track: genre for track, (genre, _) in rated.items()})
    clips = []
    for track, (genre, _) in rated.items():
        number = (track - 1) % 100 + 1
        # msu-benchmark takes 100.mp3 for every id of three digits that ends in 0: other audio, so another clip id.
        wrong = faulty and track > 100 and track % 10 == 0 and number != 100
        path = f"{AUDIO}/{genre}/{100 if wrong else number}.mp3"
        clips.append(Clip(f"{track}-as-100" if wrong else str(track), path, splits[track], (labels[track],)))
    return clips


def _splits(labels: dict[int, str], genres: dict[int, str]) -> dict[int, str]:
    """As msu-benchmark generates it: class by class, by genre where every genre has clips enough."""
    found: dict[int, str] = {}
    for emotion in EMOTIONS:
        pool = [track for track, label in labels.items() if label == emotion]
        if len(pool) == 3:  # amazement: one each
            parts = [[track] for track in pool]
        elif pool:
            try:
                parts = _drawn(pool, genres)
            except ValueError:
                parts = _drawn(pool, None)
        else:
            parts = []
        found |= {
            track: split for split, part in zip(("train", "valid", "test"), parts, strict=False) for track in part
        }
    return found


def _drawn(pool: list[int], genres: dict[int, str] | None) -> tuple[list[int], list[int], list[int]]:
    def halves(tracks: list[int], size: float) -> list[list[int]]:
        by_genre = [genres[track] for track in tracks] if genres else None
        return train_test_split(tracks, stratify=by_genre, test_size=size, random_state=_SEED)

    rest, test = halves(pool, _TEST)
    train, valid = halves(rest, _VALID)
    return train, valid, test


_SHARED = {
    "corpus": "emotify",
    "task": "multiclass",
    "main_metric": "accuracy",
    "revision": "2015",
    "source": SOURCE,
    "licence": "research use",
    "citation": "Aljanaki, Wiering and Veltkamp 2015; split: Doh, Won, Choi and Nam 2023",
    "files": (SourceFile(RATINGS, "32229d7329e1245af3f9bd2e7005f51e1c8582ae1e48b9afa5cacb8cdcb65d71"),),
}
_FAULTS = (
    "57 of 400 tracks have two or more emotions with the most votes: the first in the file's column order is taken, "
    "as published figures do.",
    "amazement has 3 clips, one a split; the test split has 80 clips, so one clip is 1.25 points.",
)

BENCHMARKS = (
    Benchmark(
        name="emotify",
        title="Emotify, induced emotions",
        load=loader(partial(_clips, False), SOURCE),
        faults=(
            *_FAULTS,
            "Published figures heard 27 clips wrongly: see emotify-published; this one hears them rightly.",
        ),
        **_SHARED,
    ),
    Benchmark(
        name="emotify-published",
        title="Emotify as published, with 27 clips at the wrong audio",
        load=loader(partial(_clips, True), SOURCE),
        faults=(
            *_FAULTS,
            "The 27 clips 110 to 390 whose id ends in 0 are heard from 100.mp3 of their genre, as in msu-benchmark: "
            "wrong, and kept so that published figures can be compared. Their clip ids end in -as-100.",
        ),
        **_SHARED,
    ),
)
