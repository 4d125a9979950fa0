import hashlib
import re
from collections import defaultdict

import pytest

from schemas.benchmarks import SPLITS
from workers.synthetic_music.corpus.patterns import POOLS, patterns_of_split
from workers.synthetic_music.corpus.pieces import HELD_OUT, compose_pieces
from workers.synthetic_music.corpus.players import CYMBALS
from workers.synthetic_music.corpus.styles import STYLES
from workers.synthetic_music.corpus.words import TEMPLATES, is_held_out, sentences, tags
from workers.synthetic_music.score.drums import KEYS
from workers.synthetic_music.score.voices import PITCHED, VOICES

CORPUS = compose_pieces(4000, 0)


def collect_by_split(value):
    values = defaultdict(set)
    for piece in CORPUS:
        values[piece.split] |= set(value(piece))
    return values


def test_equal_seeds_give_equal_notes_everywhere():
    """Compare with the digest of the notes when this test was written: pitches and milliseconds."""
    digest = hashlib.sha256()
    for piece in compose_pieces(200, 0):
        for player, notes in piece.play(10):
            digest.update(repr([(player.voice.name, round(note.start * 1000), note.pitch) for note in notes]).encode())
    assert digest.hexdigest()[:12] == "f60ec39f31bc"


@pytest.mark.parametrize(
    "value",
    [
        lambda piece: piece.templates,
        lambda piece: [piece.seed],
        lambda piece: [piece.name],
        lambda piece: TEMPLATES[piece.split],
        sentences,
    ],
    ids=["templates", "seeds", "names", "wordings", "sentences"],
)
def test_splits_share_nothing(value):
    values = collect_by_split(value)
    for split, other in [("train", "valid"), ("train", "test"), ("valid", "test")]:
        assert values[split]
        assert not values[split] & values[other]


@pytest.mark.parametrize("pool", POOLS)
def test_the_splits_own_a_whole_pool(pool):
    owned = [pattern.text for split in SPLITS for pattern in patterns_of_split(pool, split)]
    assert owned == POOLS[pool].split("|")
    assert len(set(owned)) == len(owned)
    assert all(patterns_of_split(pool, split) for split in SPLITS)


def test_few_rhythms_are_in_two_pools():
    """Those that are have another texture in each pool, see docs/corpus.md."""
    splits = defaultdict(set)
    for pool in POOLS:
        for split in SPLITS:
            for pattern in patterns_of_split(pool, split):
                splits[pattern.text].add(split)
    shared = {text for text, owners in splits.items() if len(owners) > 1}
    assert shared == {"x---x---x---x---", "xxx-xxx-xxx-xxx-", "x-xxx-xxx-xxx-xx", "x-----------x---"}


def test_every_word_of_test_is_trained_except_held_out_ones():
    trained = {tag for piece in CORPUS if piece.split == "train" and not is_held_out(piece) for tag in tags(piece)}
    for split in ("valid", "test"):
        assert collect_by_split(tags)[split] - trained == HELD_OUT
    assert not trained & HELD_OUT


def test_no_text_of_training_has_a_held_out_word():
    """Neither in a tag, a sentence nor another name: "blues harp" would mention blues."""
    for piece in CORPUS:
        if piece.split != "test" and not is_held_out(piece):
            names = [name for voice in piece.voices for name in (*voice.other_names, *voice.families)]
            text = " / ".join([*tags(piece), *sentences(piece), *names]).lower()
            assert not [word for word in HELD_OUT if word in text], (piece.name, text)


def test_every_voice_and_style_is_in_every_split_that_can_hold_it():
    assert [voice.program for voice in PITCHED] == list(range(128))
    for split, kinds in collect_by_split(lambda piece: [piece.kind]).items():
        assert {style.name for style in STYLES} <= kinds
        alone = {kind.removeprefix("solo ") for kind in kinds if kind.startswith("solo ")}
        assert split == "valid" or alone == set(VOICES)


@pytest.mark.parametrize("split", SPLITS)
def test_parts_stay_in_their_range_and_time(split):
    for piece in [piece for piece in CORPUS if piece.split == split][:150]:
        for player, notes in piece.play(6):
            instrument = player.voice.instrument
            allowed = instrument.keys or range(instrument.low, instrument.high + 1)
            assert notes, (piece.name, player.voice.name)
            assert {note.pitch for note in notes} <= set(allowed), (piece.name, player.voice.name)
            assert all(0 <= note.start < note.start + note.length <= 6 for note in notes)
            assert all(1 <= note.velocity <= 127 for note in notes)


def test_drum_rhythms_have_three_lines_of_one_length():
    for rhythm in (text for pool, texts in POOLS.items() if pool.startswith("drums ") for text in texts.split("|")):
        kick, snare, cymbal = rhythm.split()
        assert len(kick) == len(snare) == len(cymbal) - 1, rhythm
        assert cymbal[0] in CYMBALS
    played = {"kick", "snare", *CYMBALS.values()}
    assert {KEYS[name] for name in played} <= set(VOICES["drum kit"].instrument.keys)


def test_sentences_read_as_sentences():
    for piece in CORPUS:
        texts = sentences(piece)
        assert len(set(texts)) == 3
        for sentence in texts:
            assert re.fullmatch(r"[A-Z0-9].*[^ ,.]\.", sentence), sentence
            assert not re.search(r"[{}]|  | [,.;:]|\ba [aeiou]", sentence), sentence


def test_tags_describe_the_piece():
    for piece in CORPUS:
        words = tags(piece)
        assert {voice.name for voice in piece.voices} <= set(words)
        assert len(words) == len(set(words)) >= 6
        assert {"slow", "mid-tempo", "fast"} & set(words) == {piece.tempo} | ({"fast"} & set(piece.music.moods))
        assert ("minor key" in words) + ("major key" in words) == piece.is_tonal
        assert is_held_out(piece) == bool(HELD_OUT & set(words))


def test_another_seed_is_another_corpus():
    first, second = compose_pieces(100, 0), compose_pieces(100, 1)
    assert not {piece.seed for piece in first} & {piece.seed for piece in second}
    assert first != second
    assert first == compose_pieces(100, 0)
