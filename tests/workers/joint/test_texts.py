"""The texts of a clip in training."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from schemas.benchmarks import Clip
from schemas.errors import UserError
from schemas.training import TrainingConfig
from workers.joint.texts import draw_texts, text_pools

TAGS = ("jazz", "slow", "piano", "calm")
CLIP = Clip("a", "a.wav", "train", TAGS, ("Someone plays late at night.", "A quiet room."))


def draw_many(representation, count=2000, clip=CLIP, **options):
    rng, config = np.random.default_rng(0), TrainingConfig(representation=representation, **options)
    return [draw_texts([clip], config, rng)[0] for _ in range(count)]


def test_every_tag_is_drawn_as_often():
    counts = Counter(draw_many("tag"))
    assert set(counts) == set(TAGS)
    assert all(count == pytest.approx(500, abs=80) for count in counts.values())


def test_a_sentence_is_all_tags_in_any_order():
    texts = draw_many("sentence")
    assert all(sorted(text.split(", ")) == sorted(TAGS) for text in texts)
    assert len(set(texts)) == 24


def test_a_sentence_can_be_a_caption_of_the_clip():
    assert set(draw_many("sentence", own_sentences=True)) == set(CLIP.captions)
    without = Clip("b", "b.wav", "train", ("jazz",))
    assert set(draw_many("sentence", clip=without, own_sentences=True)) == {"jazz"}


def test_a_stochastic_text_has_one_to_all_tags_without_repeats():
    parts = [text.split(", ") for text in draw_many("stochastic")]
    assert all(len(set(part)) == len(part) and set(part) <= set(TAGS) for part in parts)
    lengths = Counter(map(len, parts))
    assert {length for length, count in lengths.items() if count > 420} == {1, 2, 3, 4}
    firsts = Counter(part[0] for part in parts)
    assert all(count == pytest.approx(500, abs=80) for count in firsts.values())


def test_stochastic_texts_are_captions_as_often_as_tags():
    texts = draw_many("stochastic", own_sentences=True)
    captions = [text for text in texts if text in CLIP.captions]
    assert len(captions) == pytest.approx(len(texts) / 2, abs=100)
    assert set(captions) == set(CLIP.captions)
    assert not set(draw_many("tag", own_sentences=True)) & set(CLIP.captions)


def test_the_seed_determines_the_texts():
    clips = [CLIP] * 50
    first, same, other = (draw_texts(clips, TrainingConfig(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == same != other


def test_pools_hold_different_texts():
    assert text_pools([CLIP], TrainingConfig(representation="tag", text_pool=2)) == [list(TAGS)]
    (pool,) = text_pools([CLIP], TrainingConfig())
    assert len(set(pool)) == len(pool) <= 8
    assert text_pools([CLIP], TrainingConfig()) == [pool]
    (captions,) = text_pools([CLIP], TrainingConfig(representation="sentence", own_sentences=True, text_pool=30))
    assert sorted(captions) == sorted(CLIP.captions)


OTHER = {"piano": ("grand piano", "upright"), "slow": (), "harp": ("lever harp",)}


def test_with_synonyms_every_second_tag_that_has_other_names_is_replaced():
    named = replace(CLIP, other_names=tuple(OTHER.items()))
    texts = [text.split(", ") for text in draw_many("stochastic", clip=named, synonyms=True)]
    counts = Counter(word for text in texts for word in text)
    assert set(counts) == {*TAGS, *OTHER["piano"]}
    total = counts["piano"] + counts["grand piano"] + counts["upright"]
    assert total == pytest.approx(counts["jazz"], rel=0.1)
    assert counts["piano"] == pytest.approx(total / 2, rel=0.1)
    assert counts["upright"] == pytest.approx(total / 4, rel=0.15)
    assert all(len({"piano", *OTHER["piano"]} & set(text)) <= 1 for text in texts), "a tag is in a text once"


def test_other_names_are_used_only_with_synonyms():
    named = replace(CLIP, other_names=tuple(OTHER.items()))
    for representation in ("tag", "sentence", "stochastic"):
        assert draw_many(representation, clip=named) == draw_many(representation)
    assert draw_many("stochastic", synonyms=True) == draw_many("stochastic"), (
        "a clip without other names draws no random number for them"
    )


def test_synonyms_need_stochastic_texts():
    for options in ({"representation": "tag"}, {"representation": "sentence"}, {"framework": "classification"}):
        with pytest.raises(UserError, match="synonyms needs representation stochastic"):
            TrainingConfig(synonyms=True, **options)
    assert TrainingConfig(synonyms=True).name == "contrastive-bert-stochastic-synonyms"
