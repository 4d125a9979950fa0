"""Which tracks a question names, and in what order names and sounds stand."""

import pytest

from flows.search.name_matches import NamedTrack, NameMatch, best_named, find_named, fuse, name_words
from lake.embeddings.names import NAME_COLUMNS, split_words

NAMES = {
    "chaos": ("Muldjord", "Chaos God (Loop)", "Loops"),
    "other": ("Muldjord", "02 - Something Else", "Loops"),
    "abend": ("Müller", "Abend", None),
    "blue": ("Mary Lamb", "Blue Guitar", "Guitar for All"),
    "solo": ("Blue Guitar", "A Song", None),
    "queen": ("Queen", "Bohemian Rhapsody - Remastered 2011", "A Night at the Opera"),
    "piano": ("John", "Piano", None),
    "theme": (None, "Main Theme", "The Battle for Wesnoth OST"),
}
ENGLISH = frozenset(
    "a battle blue bohemian chaos else for god guitar jazz john lamb loops main mary muted night opera piano "
    "queen slow something song theme trumpet with".split()
)


def find_rows(words):
    """Return the rows that have each word, as a lake does."""
    rows = [{"track_id": name} | dict(zip(("artist", "title", "album"), NAMES[name], strict=True)) for name in NAMES]
    return [
        row
        for row in rows
        if all(
            any(word.matches(other) for column in NAME_COLUMNS for other in split_words(row[column] or ""))
            for word in words
        )
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("muljord chaos god", ["chaos"]),
        ("MULDJORD", ["chaos", "other"]),
        ("mudljord", ["chaos", "other"]),
        ("muller", ["abend"]),
        ("Chaos God", ["chaos"]),  # nobody types "(Loop)"
        ("something else by muldjord", ["other"]),
        ("bohemian rhapsody", ["queen"]),
        ("queen a night at the opera", ["queen"]),
        ("blue guitar", ["solo", "blue"]),  # an artist's name comes before a title
        ("guitar", []),  # no whole name
        ("blue guitar for all", ["blue"]),  # the words of its title, and its whole album
        ("slow jazz with a muted trumpet", []),
        ("chaos god trumpet", []),  # every word has to be in a name
        ("piano", []),  # words of music are about the sound
        ("'piano'", ["piano"]),
        ("Piano", ["piano"]),
        ("pianno", []),  # a misspelt word of music is not a name
        ("wesnoth ost", ["theme"]),  # not English: a part of a name is enough
        ("wesnot", ["theme"]),
        ("battle", []),
        ("loops", ["chaos", "other"]),
        ("qeen", ["queen"]),
        ("uqeen", []),  # the first letter counts
    ],
)
def test_questions_name_tracks_by_whole_names(text, expected):
    assert [track.track_id for track in find_named(text, find_rows, ENGLISH.__contains__)] == expected


@pytest.mark.parametrize(
    ("text", "leading"),
    [
        ("muldjord", True),
        ("blue guitar", True),
        ("something else", False),
        ("'something else'", True),
        ("chaos god", False),
        ("wesnoth", True),
    ],
)
def test_artists_and_words_that_are_not_english_lead(text, leading):
    assert find_named(text, find_rows, ENGLISH.__contains__)[0].leads is leading


def test_a_match_says_what_was_matched():
    (track,) = find_named("muljord chaos god", find_rows, ENGLISH.__contains__)
    assert [str(match) for match in track.matches] == [
        "artist 'Muldjord' matched 'muljord'",
        "title 'Chaos God (Loop)' matched 'chaos god'",
    ]


def test_small_words_count_if_there_are_no_others():
    assert name_words("The The") == ["the"]
    assert name_words("The Sound of Music") == ["sound", "music"]


def named(track_id, leads, edits=0):
    return NamedTrack(track_id, (NameMatch("title", track_id, track_id, edits),), leads)


def test_leading_names_come_first_and_others_take_turns_with_sounds():
    tracks = {"n1": named("n1", False), "n2": named("n2", False), "lead": named("lead", True, edits=1)}
    fused = fuse(["s1", "s2", "n2", "s4"], ["n1", "lead", "n2"], tracks)
    assert fused == ["lead", "n2", "n1", "s1", "s2", "s4"]  # n2 is in both lists
    assert fuse(["s1"], [], {}) == ["s1"]


def test_the_best_names_are_the_first_k_and_those_as_good_as_the_last():
    tracks = [named("a", True), named("b", True, 1), named("c", True, 1), named("d", True, 2)]
    assert [*best_named(tracks, 2)] == ["a", "b", "c"]
    assert [*best_named(tracks, 2, limit=2)] == ["a", "b"]
    assert best_named([], 2) == {}
