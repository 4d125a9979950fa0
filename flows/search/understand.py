"""What the names in a question mean in a lake.

They name tracks, or are a part of a sentence such as "like TITLE, but slower".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from flows.search.name_matches import NamedTrack, find_named, match_name, name_words, spellings
from flows.search.names import Comparison, NamedSentence, NameReading, parse
from flows.search.reader import Reader
from lake.catalogue.track_names import short_ids
from lake.embeddings.filters import Filter
from lake.embeddings.names import MAX_READ_ROWS, NameWord, find_named_rows, split_words
from lake.storage.filters import in_clause, select_in
from schemas.errors import UserError
from schemas.names import MAX_LISTED, list_first
from schemas.search import Query, QueryPart
from schemas.tables import embeddings_table
from workers.text.query_words import music_words

MAX_ARTIST_TRACKS = 20  # that stand for an artist in "like ARTIST"
# The column that a comparison is about, its sign and its unit.
_COMPARED: dict[Comparison, tuple[str, str, str]] = {
    "slower": ("bpm", "<", "bpm"),
    "faster": ("bpm", ">", "bpm"),
    "quieter": ("loudness_lufs", "<", "LUFS"),
    "louder": ("loudness_lufs", ">", "LUFS"),
}


@dataclass(frozen=True, slots=True)
class Understood:
    """A query whose names were understood.

    It has other parts than the one that was asked, a narrower filter, or named tracks, the best first.
    """

    query: Query
    condition: Filter
    tracks: Sequence[NamedTrack] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a name means: one track, or the tracks of an artist."""

    label: str
    rows: list[dict[str, Any]]
    artist: str | None = None


@dataclass(slots=True)
class _NameFinder:
    """Finds rows by names. `unindexed` rows lack an index of names."""

    reader: Reader
    unindexed: int = field(default=0)

    def find_rows(self, words: Sequence[NameWord], condition: Filter) -> list[dict[str, Any]]:
        named = find_named_rows(self.reader.lake, self.reader.spec, words, condition)
        self.unindexed = max(self.unindexed, named.unindexed)
        return named.rows

    def find_meanings(self, reading: NameReading) -> list[_Meaning]:
        """Return what a name may mean. Words may be misspelt; of TITLE by ARTIST even those that English has."""
        known = music_words().__contains__ if reading.title and reading.artist else self.reader.text.knows
        title, artist = (name_words(name or "") for name in (reading.title, reading.artist))
        everything = Filter(unavailable=self.reader.unavailable(None))
        for words in spellings(list(dict.fromkeys([*title, *artist])), known):
            spelt = {word.text: word for word in words}
            rows = [
                row
                for row in self.find_rows(words, everything)
                if (not title or match_name([spelt[word] for word in title], "title", row["title"]))
                and (not artist or match_name([spelt[word] for word in artist], "artist", row["artist"]))
            ]
            if rows:
                return self._name_tracks(rows) if title else _name_artists(rows)
        return []

    def _name_tracks(self, rows: list[dict[str, Any]]) -> list[_Meaning]:
        rows = sorted(rows, key=lambda row: row["track_id"])
        ids = short_ids(self.reader.lake, [row["track_id"] for row in rows[: MAX_LISTED + 1]])
        return [_Meaning(f"{_title(row)} (track {ids.get(row['track_id'], row['track_id'])})", [row]) for row in rows]


def understand(reader: Reader, query: Query, condition: Filter) -> Understood:
    """Understand the names in a query's text, if it has just one text.

    Raises UserError if a name has two readings.
    """
    texts = [part for part in query.parts if part.kind == "text"]
    if len(texts) != 1 or texts[0].weight <= 0:
        return Understood(query, condition)
    finder = _NameFinder(reader)
    understood = None
    if len(query.parts) == 1:
        tracks = find_named(texts[0].value, lambda words: finder.find_rows(words, condition), finder.reader.text.knows)
        understood = Understood(query, condition, tracks) if tracks else None
    understood = understood or _understand_sentence(finder, query, texts[0], condition)
    if finder.unindexed:
        return replace(understood, remarks=(*understood.remarks, _describe_missing_index(finder.unindexed)))
    return understood


def _describe_missing_index(rows: int) -> str:
    if rows <= MAX_READ_ROWS:
        return f"this snapshot has no index of names: those of {rows:,} tracks were read"
    advice = "`tonelake maintain` builds it, and the next release has it"
    return f"names are not searched: {rows:,} tracks of this snapshot have no index of them; {advice}"


def _understand_sentence(finder: _NameFinder, query: Query, text: QueryPart, condition: Filter) -> Understood:
    sentences = parse(text.value)
    for sentence in sentences:
        meanings = _find_meanings(finder, sentence)
        if not meanings:
            continue
        if not _must_be_name(finder, sentence) and (len(meanings) > 1 or not _may_be_name(sentence)):
            remark = f"{sentence.name!r} also names {meanings[0].label}: to mean that, put it in quotes"
            return Understood(query, condition, remarks=(remark,))
        if len(meanings) > 1:
            raise UserError(_two_readings(sentence.name, meanings))
        if sentence.like:
            return _like(finder.reader, query, text, condition, sentence, meanings[0])
        return _by(finder, query, text, condition, sentence, meanings[0])
    if sentences and sentences[-1].like and sentences[-1].is_marked():
        remark = f"nothing here is named {sentences[-1].name!r}: the sentence is searched as words"
        return Understood(query, condition, remarks=(remark,))
    return Understood(query, condition)


def _find_meanings(finder: _NameFinder, sentence: NamedSentence) -> list[_Meaning]:
    """Return what the name of a sentence may mean. Where TITLE by ARTIST exists, that alone."""
    meanings: list[_Meaning] = []
    for reading in sentence.readings():
        meanings += finder.find_meanings(reading)
        if meanings and reading.title and reading.artist:
            break
    return meanings


def _must_be_name(finder: _NameFinder, sentence: NamedSentence) -> bool:
    """Tell whether the name is written as one.

    It stands in quotes, or has a capital letter or a word that is not English.
    """
    return sentence.is_marked() or not all(map(finder.reader.text.knows, split_words(sentence.name)))


def _may_be_name(sentence: NamedSentence) -> bool:
    """Tell whether a name in small letters is more than words that may describe music.

    "like rain" and "like slow jazz" are not.
    """
    words = split_words(sentence.name)
    return len(words) > 1 and music_words().isdisjoint(words)


def _name_artists(rows: list[dict[str, Any]]) -> list[_Meaning]:
    by_artist: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        by_artist.setdefault(tuple(split_words(row["artist"])), []).append(row)
    return [
        _Meaning(f"the artist {same[0]['artist']}", sorted(same, key=lambda row: row["track_id"]), same[0]["artist"])
        for same in by_artist.values()
    ]


def _two_readings(name: str, meanings: list[_Meaning]) -> str:
    listed = list_first([meaning.label for meaning in meanings])
    return f"{name!r} means {len(meanings):,} things here: {listed}; name the artist too, or give --like TRACK_ID"


def _like(
    reader: Reader, query: Query, text: QueryPart, condition: Filter, sentence: NamedSentence, meaning: _Meaning
) -> Understood:
    """Return the query for music like a track or an artist, with the sentence's wishes."""
    rows = meaning.rows[:MAX_ARTIST_TRACKS]
    parts = [QueryPart("track", row["track_id"], text.weight / len(rows)) for row in rows]
    understood = [f"like {meaning.label}"]
    conditions = []
    if meaning.artist is not None:
        artists = sorted({row["artist"] for row in meaning.rows})
        conditions.append(f"(artist IS NULL OR NOT {in_clause('artist', artists)})")
        understood[0] += ", whose own tracks are left out"
    wishes = list(sentence.wishes)
    for comparison in sentence.comparisons:
        column, sign, unit = _COMPARED[comparison]
        value = _median(reader, column, [row["track_id"] for row in meaning.rows])
        if value is None:
            wishes.append((comparison, 1.0))
        else:
            conditions.append(f"{column} {sign} {value}")
            understood.append(f"{comparison} than {value:g} {unit}")
    texts = [(sentence.before, 1.0)] if sentence.before else []
    for words, weight in texts + wishes:
        parts.append(QueryPart("text", words, weight))
        understood.append(f"{'not ' if weight < 0 else ''}{words!r}")
    others = tuple(part for part in query.parts if part is not text)
    return Understood(
        replace(query, parts=(*parts, *others)),
        condition.narrow(*conditions),
        remarks=(f"understood: {', '.join(understood)}",),
    )


def _by(
    finder: _NameFinder, query: Query, text: QueryPart, condition: Filter, sentence: NamedSentence, meaning: _Meaning
) -> Understood:
    """Return the query for music by an artist: the artist's tracks come first."""
    artist = [NameWord(word) for word in name_words(meaning.artist or "")]
    rows = finder.find_rows(artist, condition)
    matches = {row["track_id"]: match_name(artist, "artist", row["artist"]) for row in rows}
    tracks = [NamedTrack(track_id, (match,), True) for track_id, match in matches.items() if match]
    words = replace(text, value=sentence.before or text.value)
    parts = tuple(words if part is text else part for part in query.parts)
    described = f"{sentence.before!r} " if sentence.before else ""
    remark = f"understood: {described}by {meaning.label}: {len(tracks):,} tracks that come first"
    return Understood(replace(query, parts=parts), condition, tracks, (remark,))


def _median(reader: Reader, column: str, track_ids: list[str]) -> float | None:
    """Return the median of a description of some tracks, rounded to a tenth.

    None if it is not known of any.
    """
    table = reader.lake.table(embeddings_table(reader.spec))
    if column not in table.schema.names:
        return None
    values = select_in(table, "track_id", track_ids, [column])[column].drop_null().to_pylist()
    return round(median(values), 1) if values else None


def _title(row: dict[str, Any]) -> str:
    return f"{row['title']} by {row['artist']}" if row["artist"] else row["title"]
