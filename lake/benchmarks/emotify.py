"""Emotify: 400 tracks of four genres and the emotion that most listeners felt.

data.csv, one row a rating, beside emotifymusic/classical/1.mp3.
"""

from functools import partial
from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_table
from schemas.benchmarks import SPLITS, Benchmark, Clip, SourceFile

EMOTIONS = (
    "amazement", "solemnity", "tenderness", "nostalgia", "calmness", "power", "joyful_activation", "tension", "sadness"
)  # fmt: skip  # the order settles ties
RATINGS = "data.csv"
AUDIO = "emotifymusic"
SOURCE = "http://www2.projects.science.uu.nl/memotion/emotifydata (data.csv, emotifymusic.zip)"
_TEST, _VALID, _SEED = 0.187, 0.113, 42  # msu-benchmark, emotify_preprocessor.py

Parts = tuple[list[int], list[int], list[int]]  # track ids of the splits train, valid and test


def count_votes(data: Path) -> dict[int, tuple[str, dict[str, int]]]:
    """Map each track id to its genre and its number of votes for each emotion."""
    votes: dict[int, tuple[str, dict[str, int]]] = {}
    for row in read_table(data, RATINGS, ("track id", "genre", *EMOTIONS)):
        _, counts = votes.setdefault(int(row["track id"]), (row["genre"], dict.fromkeys(EMOTIONS, 0)))
        for emotion in EMOTIONS:
            counts[emotion] += int(row[emotion])
    return dict(sorted(votes.items()))


def _clips(is_faulty: bool, data: Path) -> list[Clip]:
    """Return the clips; if `is_faulty`, 27 of them with the wrong audio of msu-benchmark."""
    votes = count_votes(data)
    labels = {track: max(counts, key=counts.__getitem__) for track, (_, counts) in votes.items()}
    splits = _splits(labels, {track: genre for track, (genre, _) in votes.items()})
    clips = []
    for track, (genre, _) in votes.items():
        number = (track - 1) % 100 + 1
        # msu-benchmark takes 100.mp3 for every id of three digits that ends in 0. As the audio is another one, the
        # clip has another id.
        is_wrong = is_faulty and track > 100 and track % 10 == 0 and number != 100
        path = f"{AUDIO}/{genre}/{100 if is_wrong else number}.mp3"
        clip_id = f"{track}-as-100" if is_wrong else str(track)
        clips.append(Clip(clip_id, path, splits[track], (labels[track],)))
    return clips


def _splits(labels: dict[int, str], genres: dict[int, str]) -> dict[int, str]:
    """Map each track to its split; msu-benchmark splits each emotion by itself."""
    splits: dict[int, str] = {}
    for emotion in EMOTIONS:
        tracks = [track for track, label in labels.items() if label == emotion]
        for split, part in zip(SPLITS, _parts(tracks, genres), strict=True):
            splits |= dict.fromkeys(part, split)
    return splits


def _parts(tracks: list[int], genres: dict[int, str]) -> Parts:
    """Split the tracks of one emotion, by genre if every genre has enough of them."""
    if not tracks:
        return [], [], []
    if len(tracks) == 3:  # amazement: one track a split
        return tracks[:1], tracks[1:2], tracks[2:]
    try:
        return _draw_parts(tracks, genres)
    except ValueError:
        return _draw_parts(tracks, None)


def _draw_parts(tracks: list[int], genres: dict[int, str] | None) -> Parts:
    """Draw the parts at random, stratified by genre if `genres` is given."""
    from sklearn.model_selection import train_test_split  # here, because a list of benchmarks does not need it

    def cut(rows: list[int], size: float) -> tuple[list[int], list[int]]:
        strata = [genres[track] for track in rows] if genres else None
        first, second = train_test_split(rows, stratify=strata, test_size=size, random_state=_SEED)
        return first, second

    rest, test = cut(tracks, _TEST)
    train, valid = cut(rest, _VALID)
    return train, valid, test


_benchmark = partial(
    Benchmark,
    corpus="emotify",
    task="multiclass",
    main_metric="accuracy",
    revision="2015",
    source=SOURCE,
    licence="research use",
    citation="Aljanaki, Wiering and Veltkamp 2015; split: Doh, Won, Choi and Nam 2023",
    files=(SourceFile(RATINGS, "32229d7329e1245af3f9bd2e7005f51e1c8582ae1e48b9afa5cacb8cdcb65d71"),),
)
_FAULTS = (
    "57 of 400 tracks have two or more emotions with the most votes: the first in the file's column order is taken, "
    "as published figures do.",
    "amazement has 3 clips, one a split; the test split has 80 clips, so one clip is 1.25 points.",
)

BENCHMARKS = (
    _benchmark(
        name="emotify",
        title="Emotify, induced emotions",
        load=make_loader(partial(_clips, False), SOURCE),
        faults=(
            *_FAULTS,
            "Published figures used the wrong audio for 27 clips: see emotify-published. This benchmark uses the "
            "right audio.",
        ),
    ),
    _benchmark(
        name="emotify-published",
        title="Emotify as published, with 27 clips at the wrong audio",
        load=make_loader(partial(_clips, True), SOURCE),
        faults=(
            *_FAULTS,
            "The 27 clips 110 to 390 whose id ends in 0 use 100.mp3 of their genre, as in msu-benchmark: wrong, and "
            "kept so that published figures can be compared. Their clip ids end in -as-100.",
        ),
    ),
)
