"""What a clip is called in training."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from schemas.benchmarks import Clip
from schemas.errors import UserError
from schemas.training import Cell
from workers.joint.texts import drawn, pools

TAGS = ("jazz", "slow", "piano", "calm")
CLIP = Clip("a", "a.wav", "train", TAGS, ("Someone plays late at night.", "A quiet room."))


def many(representation, count=2000, clip=CLIP, **options):
    rng, cell = np.random.default_rng(0), Cell(representation=representation, **options)
    return [drawn([clip], cell, rng)[0] for _ in range(count)]


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
    assert set(many("sentence", clip=without, own_sentences=True)) == {"jazz"}


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
    first, again, other = (drawn(clips, Cell(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_pools_hold_different_texts():
    assert pools([CLIP], Cell(representation="tag", text_pool=2)) == [list(TAGS)]
    (pool,) = pools([CLIP], Cell())
    assert len(set(pool)) == len(pool) <= 8
    assert pools([CLIP], Cell()) == [pool]
    (captions,) = pools([CLIP], Cell(representation="sentence", own_sentences=True, text_pool=30))
    assert sorted(captions) == sorted(CLIP.captions)


OTHER = {"piano": ("grand piano", "upright"), "slow": (), "harp": ("lever harp",)}


def test_with_synonyms_every_second_tag_that_has_some_stands_under_another_name():
    named = replace(CLIP, other_names=tuple(OTHER.items()))
    texts = [text.split(", ") for text in many("stochastic", clip=named, synonyms=True)]
    counts = Counter(word for text in texts for word in text)
    assert set(counts) == {*TAGS, *OTHER["piano"]}
    asked = counts["piano"] + counts["grand piano"] + counts["upright"]
    assert asked == pytest.approx(counts["jazz"], rel=0.1)
    assert counts["piano"] == pytest.approx(asked / 2, rel=0.1)
    assert counts["upright"] == pytest.approx(asked / 4, rel=0.15)
    assert all(len({"piano", *OTHER["piano"]} & set(text)) <= 1 for text in texts), "a tag stands there once"


def test_other_names_are_not_read_unless_they_are_asked_for():
    named = replace(CLIP, other_names=tuple(OTHER.items()))
    for representation in ("tag", "sentence", "stochastic"):
        assert many(representation, clip=named) == many(representation)
    assert many("stochastic", synonyms=True) == many("stochastic"), "where a clip has none, no number is drawn for it"


def test_synonyms_are_of_stochastic_texts():
    for asked in ({"representation": "tag"}, {"representation": "sentence"}, {"framework": "classification"}):
        with pytest.raises(UserError, match="--synonyms needs --representation stochastic"):
            Cell(synonyms=True, **asked)
    assert Cell(synonyms=True).name == "contrastive-bert-stochastic-synonyms"
