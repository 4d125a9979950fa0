"""Names are found by their words, misspelt too: the same rows with an index and without."""

import pytest

from lake.catalogue.encoders import register_encoder
from lake.catalogue.tracks import register_tracks
from lake.embeddings import indexes
from lake.embeddings.filters import NO_FILTER, Filter
from lake.embeddings.indexes import NAME_INDEXES, compact_and_index, has_name_indexes
from lake.embeddings.names import MAX_WORDS, NameWord, count_edits, find_named_rows, split_words
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from schemas.tables import embeddings_table
from tests.lake.embeddings.test_committer import committing
from tests.lake.rows import SPEC, embedded_row, make_listing, outcome_batch

NAMES = {
    "t1": ("Müller", "Abend", None),
    "t2": ("Muldjord", "Chaos God (Loop)", "Loops"),
    "t3": ("Sigur Rós", "Sæglópur", "Takk..."),
    "t4": ("Røyksopp", "Eple", "Melody A.M."),
    "t5": ("坂本龍一", "Żółć i łzy", None),
    "t6": ("Дельфин", "Надежда", "Глубина Резкости"),
    "t7": ("AC/DC", "Guns N' Straße", "Live_1991"),
    "t8": (None, None, None),
    "t9": ("The The", "God", "Chaos"),
}


def row(name):
    artist, title, album = NAMES[name]
    return embedded_row(name, artist=artist, title=title, album=album)


def make_lake(uri, index_rows):
    lake = Lake.at(str(uri), S3Settings())
    with committing(lake) as committer:
        register_tracks(lake, make_listing([*NAMES]))
        register_encoder(lake, SPEC)
        committer.add(outcome_batch(*map(row, NAMES)))
        committer.flush()
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(indexes, "NAME_INDEX_ROWS", index_rows)
        compact_and_index(lake, SPEC)
    return lake


@pytest.fixture(scope="module", params=[1, 100], ids=["indexed", "scanned"])
def lake(request, tmp_path_factory):
    lake = make_lake(tmp_path_factory.mktemp("names"), request.param)
    assert has_name_indexes(lake.table(embeddings_table(SPEC))) == (request.param == 1)
    return lake


def ids(lake, text, edits=0, condition=NO_FILTER):
    words = [NameWord(word, edits) for word in split_words(text)]
    return sorted(row["track_id"] for row in find_named_rows(lake, SPEC, words, condition).rows)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "t8"])
def test_every_row_is_found_by_the_words_of_its_names(lake, name):
    for text in filter(None, NAMES[name]):
        assert name in ids(lake, text)
        assert name in ids(lake, text.upper())


@pytest.mark.parametrize(
    ("words", "edits", "expected"),
    [
        ("muller", 0, ["t1"]),
        ("sigur ros", 0, ["t3"]),
        ("royksopp saeglopur", 0, []),
        ("zolc i lzy", 0, ["t5"]),
        ("chaos god", 0, ["t2", "t9"]),  # the words of one row may be in several columns
        ("god loops muldjord", 0, ["t2"]),
        ("muljord", 0, []),
        ("muljord", 1, ["t2"]),
        ("mudljord", 1, ["t2"]),  # two letters are swapped
        ("roycsop", 1, []),
        ("roycsop", 2, ["t4"]),
        ("the", 0, ["t9"]),
        ("ac", 0, ["t7"]),
        ("live 1991", 0, ["t7"]),
    ],
)
def test_words_are_found_without_accents_and_misspelt(lake, words, edits, expected):
    assert ids(lake, words, edits) == expected


def test_a_filter_leaves_rows_out(lake):
    assert ids(lake, "chaos god", condition=Filter(conditions=("artist = 'Muldjord'",))) == ["t2"]
    assert ids(lake, "chaos god", condition=Filter(without=("t2",))) == ["t9"]
    assert ids(lake, "chaos god", condition=Filter(where="uri = '/m/t9.wav'")) == ["t9"]  # a column of the registry


def test_rows_that_came_after_the_index_are_found_as_they_are_spelt(lake):
    with committing(lake) as committer:
        committer.add(outcome_batch(embedded_row("new", artist="Björk", title="Jóga")))
        committer.flush()
    assert ids(lake, "bjork joga") == ["new"]
    lake.table(embeddings_table(SPEC)).delete("track_id = 'new'")
    assert ids(lake, "bjork joga") == []


def test_a_question_without_words_or_with_too_many_names_nothing(lake):
    assert ids(lake, "?!") == []
    assert ids(lake, " ".join(["god"] * (MAX_WORDS + 1))) == []


def test_the_next_run_indexes_new_rows(tmp_path, monkeypatch):
    lake = make_lake(tmp_path, 1)
    monkeypatch.setattr(indexes, "NAME_INDEX_ROWS", 1)
    with committing(lake) as committer:
        committer.add(outcome_batch(embedded_row("new", artist="Björk", title="Jóga")))
        committer.flush()
    assert ids(lake, "bjorg", edits=1) == []  # Lance finds a misspelt word among those of its index
    compact_and_index(lake, SPEC)
    assert ids(lake, "bjorg", edits=1) == ["new"]
    assert ids(lake, "muljord", edits=1) == ["t2"]


def test_a_large_table_without_indexes_says_how_many_rows_were_read(tmp_path, monkeypatch):
    lake = make_lake(tmp_path, 1)
    table = lake.table(embeddings_table(SPEC))
    table.drop_index(next(iter(NAME_INDEXES)))
    monkeypatch.setattr("lake.embeddings.names.NAME_INDEX_ROWS", 5)
    named = find_named_rows(lake, SPEC, [NameWord("muldjord")])
    assert ([row["track_id"] for row in named.rows], named.unindexed) == (["t2"], len(NAMES))


def test_edits_are_letters_added_left_out_changed_or_swapped():
    pairs = [("", "abc"), ("ab", "ba"), ("kitten", "sitting"), ("muljord", "muldjord"), ("god", "god"), ("ca", "abc")]
    assert [count_edits(*pair) for pair in pairs] == [3, 1, 3, 1, 0, 3]
    assert [count_edits(other, word) for word, other in pairs] == [3, 1, 3, 1, 0, 3]
