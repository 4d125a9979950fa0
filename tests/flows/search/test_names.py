"""Sentences that name something are cut into names and wishes; no lake is needed."""

import pytest

from flows.search.names import NameReading, parse


@pytest.mark.parametrize(
    ("text", "name", "before", "comparisons", "wishes"),
    [
        ("like Superstition by Stevie Wonder, but slower", "Superstition by Stevie Wonder", "", ("slower",), ()),
        ("Like Superstition", "Superstition", "", (), ()),
        ("sounds like muldjord.", "muldjord", "", (), ()),
        ("something similar to Rain but a bit darker", "Rain", "", (), (("darker", 1.0),)),
        ("calm piano like Eple, without vocals", "Eple", "calm piano", (), (("vocals", -1.0),)),
        ("music in the style of Air with strings", "Air", "", (), (("strings", 1.0),)),
        ("like Eple, much faster and quieter", "Eple", "", ("faster", "quieter"), ()),
        ("a song that reminds me of Eple only louder", "Eple", "", ("louder",), ()),
        ("more like Eple; no drums", "Eple", "", (), (("drums", -1.0),)),
    ],
)
def test_one_of_the_cuts_is_the_one_that_a_person_means(text, name, before, comparisons, wishes):
    cuts = [(cut.name, cut.before, cut.comparisons, cut.wishes) for cut in parse(text) if cut.like]
    assert (name, before, comparisons, wishes) in cuts
    assert len(cuts[0][0]) == max(len(cut[0]) for cut in cuts)  # a name may have a comma, or end with "but slower"


@pytest.mark.parametrize("text", ["slow jazz with a muted trumpet", "piano accompanied by strings", "day by day", ""])
def test_other_sentences_name_nothing(text):
    assert parse(text) == ()


def test_a_name_is_read_as_title_by_artist_then_as_a_title_then_as_an_artist():
    (cut,) = parse("like Stand by Me by Ben E. King")
    assert list(cut.readings()) == [
        NameReading("Stand", "Me by Ben E. King"),
        NameReading("Stand by Me", "Ben E. King"),
        NameReading("Stand by Me by Ben E. King", None),
        NameReading(None, "Stand by Me by Ben E. King"),
    ]
    (cut,) = parse("slow ballads by Stevie Wonder")
    assert (cut.like, cut.before) == (False, "slow ballads")
    assert list(cut.readings()) == [NameReading(None, "Stevie Wonder")]


def test_quotes_belong_to_no_name():
    assert [(cut.name, cut.quoted) for cut in parse('like "rain"')] == [("rain", True)]
    readings = list(parse("like 'Rain' by “Air”")[0].readings())
    assert readings[0] == NameReading("Rain", "Air")
