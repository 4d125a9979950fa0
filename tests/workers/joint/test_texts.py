"""What a clip is called in training."""

from collections import Counter

import numpy as np
import pytest

from schemas.benchmarks import Clip
from workers.joint.texts import drawn, pools

TAGS = ("jazz", "slow", "piano", "calm")
CLIP = Clip("a", "a.wav", "train", TAGS, ("Someone plays late at night.", "A quiet room."))


def many(representation, count=2000, **options):
    rng = np.random.default_rng(0)
    return [drawn([CLIP], representation, rng, **options)[0] for _ in range(count)]


def test_a_tag_is_each_tag_as_often():
    counts = Counter(many("tag"))
    assert set(counts) == set(TAGS)
    assert all(count == pytest.approx(500, abs=80) for count in counts.values())


def test_a_sentence_is_all_tags_in_any_order():
    texts = many("sentence")
    assert all(sorted(text.split(", ")) == sorted(TAGS) for text in texts)
    assert len(set(texts)) == 24


def test_a_sentence_may_be_the_clips_own():
    assert set(many("sentence", own_sentences=True)) == set(CLIP.captions)
    without = Clip("b", "b.wav", "train", ("jazz",))
    assert drawn([without], "sentence", np.random.default_rng(0), own_sentences=True) == ["jazz"]


def test_stochastic_takes_one_to_all_tags_once_each():
    parts = [text.split(", ") for text in many("stochastic")]
    assert all(len(set(part)) == len(part) and set(part) <= set(TAGS) for part in parts)
    lengths = Counter(map(len, parts))
    assert {length for length, count in lengths.items() if count > 420} == {1, 2, 3, 4}
    firsts = Counter(part[0] for part in parts)
    assert all(count == pytest.approx(500, abs=80) for count in firsts.values())


def test_stochastic_reads_a_clips_own_sentences_as_often_as_its_tags():
    texts = many("stochastic", own_sentences=True)
    own = [text for text in texts if text in CLIP.captions]
    assert len(own) == pytest.approx(len(texts) / 2, abs=100)
    assert set(own) == set(CLIP.captions)
    assert not set(many("tag", own_sentences=True)) & set(CLIP.captions)


def test_seeds_decide():
    clips = [CLIP] * 50
    first, again, other = (drawn(clips, "stochastic", np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_pools_hold_different_texts():
    assert pools([CLIP], "tag", 2, 0) == [list(TAGS)]
    (pool,) = pools([CLIP], "stochastic", 8, 0)
    assert len(set(pool)) == len(pool) <= 8
    assert pools([CLIP], "stochastic", 8, 0) == [pool]
    assert pools([CLIP], "sentence", 30, 0, own_sentences=True) == [pool_of_captions()]


def pool_of_captions():
    rng = np.random.default_rng(0)
    return list(dict.fromkeys(drawn([CLIP], "sentence", rng, True)[0] for _ in range(30)))
