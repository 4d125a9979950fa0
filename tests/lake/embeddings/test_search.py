"""Tests of search: exact without an index, close with one; plain LanceDB and DuckDB read the same tables."""

import duckdb
import lancedb
import numpy as np
import pytest

from lake.catalogue.encoders import choose_encoder_version, register_encoder
from lake.catalogue.tracks import register_tracks
from lake.embeddings.filters import Filter
from lake.embeddings.indexes import VECTOR_INDEX_ROWS, compact_and_index, vector_index_options
from lake.embeddings.search import read_tags, read_vector, search
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.search import TagScore
from schemas.settings import S3Settings
from schemas.tables import embeddings_table
from tests.lake.embeddings.test_committer import committing
from tests.lake.rows import SPEC, embedded_row, make_listing, outcome_batch, unit_vector


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Lake.at(str(tmp_path_factory.mktemp("search")), S3Settings())
    ids = [f"t{number:03}" for number in range(50)]
    soft = {"tag_names": ["soft"], "artist": "O'Hara", "year": 1999, "genres": ["Jazz"]}
    with committing(home) as committer:
        register_tracks(home, make_listing(ids))
        register_encoder(home, SPEC)
        committer.add(outcome_batch(*[embedded_row(name, **(soft if name < "t005" else {})) for name in ids]))
        committer.flush()
    compact_and_index(home, SPEC)
    return home


def query(name):
    return unit_vector(name + "1", 8).astype(np.float32)


def test_nearest_is_itself_and_scores_are_cosines(home):
    rows = search(home, SPEC, query("t007"), 10)
    assert rows[0].track_id == "t007"
    assert [row.rank for row in rows] == list(range(1, 11))
    metadata = {"title", "artist", "album", "year", "genres", "bpm", "musical_key", "mode", "loudness_lufs"}
    metadata |= {"duration_s", "isrc", "available_from", "available_to", "territories", "extra", "copies", "best"} | {
        "found_by"
    }
    assert set(rows[0].to_json()) == {"rank", "track_id", "uri", "score", "tags", "stale_since"} | metadata
    assert rows[0].uri == "/m/t007.wav"
    assert [tag.name for tag in rows[0].tags] == ["loud", "soft"]
    for row in rows:
        exact = query("t007") @ query(row.track_id)
        exact /= np.linalg.norm(query("t007")) * np.linalg.norm(query(row.track_id))
        assert row.score == pytest.approx(exact, abs=1e-5)


def test_filters(home):
    assert len(search(home, SPEC, query("t040"), 50, Filter(tags=("soft",)))) == 5
    assert len(search(home, SPEC, query("t040"), 50, Filter(where="artist = 'O''Hara' AND year > 1990"))) == 5
    assert len(search(home, SPEC, None, 50, Filter(where="array_has(genres, 'Jazz')"))) == 5
    assert "t007" not in [row.track_id for row in search(home, SPEC, query("t007"), 50, Filter(without=("t007",)))]
    with pytest.raises(UserError, match="cannot search with --where 'nonsense ='"):
        search(home, SPEC, query("t007"), 5, Filter(where="nonsense ="))


def test_one_track(home):
    np.testing.assert_array_equal(read_vector(home, SPEC, "t003"), query("t003"))
    assert read_tags(home, SPEC, "t003")[0] == TagScore("loud", 0.9)
    with pytest.raises(UserError, match="no track nope"):
        read_vector(home, SPEC, "nope")


def test_a_reader_names_the_version_it_means(home):
    assert choose_encoder_version(home, "made-up", None).spec == SPEC
    with pytest.raises(UserError, match="holds no vectors of other"):
        choose_encoder_version(home, "other", None)
    register_encoder(home, SPEC.with_max_windows(3))
    with pytest.raises(UserError, match="several versions of made-up"):
        choose_encoder_version(home, "made-up", None)
    assert choose_encoder_version(
        home, "made-up", SPEC.with_max_windows(3).embedding_version
    ).spec == SPEC.with_max_windows(3)


def test_plain_lancedb_and_duckdb_read_the_lake(home):
    table = lancedb.connect(home.uri).open_table(embeddings_table(SPEC))
    hits = table.search(query("t007").tolist()).metric("cosine").limit(3).to_list()
    assert hits[0]["track_id"] == "t007"
    rows = table.to_arrow()
    assert len(rows) == 50
    nearest = "SELECT track_id FROM rows ORDER BY array_cosine_similarity(vector, ?::FLOAT[8]) DESC LIMIT 1"
    assert duckdb.execute(nearest, [query("t007").tolist()]).fetchall() == [("t007",)]
    assert duckdb.sql("SELECT count(DISTINCT track_id), max(len(tags)) FROM rows").fetchall() == [(50, 2)]


@pytest.mark.parametrize("rows", [VECTOR_INDEX_ROWS])
def test_the_index_finds_the_true_neighbours(tmp_path, rows):
    home = Lake.at(str(tmp_path), S3Settings())
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, 8))
    vectors = (centres[rng.integers(0, 200, rows)] + 0.3 * rng.standard_normal((rows, 8))).astype(np.float32)
    names = [f"t{number:06}" for number in range(rows)]
    with committing(home, keep_windows=False) as committer:
        register_tracks(home, make_listing(names))
        plain = embedded_row("t")
        outcomes = [plain | {"track_id": name, "vector": vector} for name, vector in zip(names, vectors, strict=True)]
        committer.add(outcome_batch(*outcomes))
        committer.flush()
    compact_and_index(home, SPEC)
    kinds = {index.name: index.type_url for index in home.table(embeddings_table(SPEC)).describe_indices()}
    assert "vector_idx" in kinds
    unit_vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    true_positives = 0
    assert len(search(home, SPEC, vectors[0], 100)) == 100
    for row in range(0, rows, rows // 50):
        truth = set(np.argsort(-unit_vectors @ unit_vectors[row])[:10].tolist())
        nearest = search(home, SPEC, vectors[row], 10)
        true_positives += len(truth & {int(hit.track_id[1:]) for hit in nearest})
    assert true_positives / 500 >= 0.9


def test_index_kind_by_size():
    assert vector_index_options(100_000, 384)["index_type"] == "IVF_HNSW_SQ"
    assert vector_index_options(2_000_000, 384)["index_type"] == "IVF_RQ"
    assert vector_index_options(2_000_000, 50)["index_type"] == "IVF_SQ", "Lance's IVF_RQ refuses 50 numbers"
