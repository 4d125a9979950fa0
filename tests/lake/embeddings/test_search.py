"""Search over tables as the committer writes them: exact below the index, close above it, readable without us."""

import duckdb
import lancedb
import numpy as np
import pytest

from lake.catalogue.encoders import choose, remember
from lake.catalogue.tracks import register
from lake.embeddings.indexes import VECTOR_INDEX_ROWS, tend, vector_index
from lake.embeddings.search import Filter, search, tags_of, vector_of
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.settings import S3Settings
from schemas.tables import embeddings_table
from tests.lake.embeddings.test_committer import committing
from tests.lake.rows import SPEC, batch, embedded, listing, unit


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Lake.at(str(tmp_path_factory.mktemp("search")), S3Settings())
    ids = [f"t{number:03}" for number in range(50)]
    register(home, listing(ids))
    remember(home, SPEC)
    soft = {"tag_names": ["soft"], "artist": "O'Hara", "year": 1999, "genres": ["Jazz"]}
    with committing(home) as committer:
        committer.add(batch(*[embedded(name, **(soft if name < "t005" else {})) for name in ids]))
        committer.flush()
    tend(home, SPEC)
    return home


def query(name):
    return unit(name + "1", 8).astype(np.float32)


def test_nearest_is_itself_and_scores_are_cosines(home):
    found = search(home, SPEC, query("t007"), 10)
    assert found[0]["track_id"] == "t007"
    assert [row["rank"] for row in found] == list(range(1, 11))
    assert set(found[0]) == {"rank", "track_id", "uri", "title", "artist", "score", "tags"}
    assert found[0]["uri"] == "/m/t007.wav"
    assert [tag["name"] for tag in found[0]["tags"]] == ["loud", "soft"]
    for row in found:
        exact = query("t007") @ query(row["track_id"])
        exact /= np.linalg.norm(query("t007")) * np.linalg.norm(query(row["track_id"]))
        assert row["score"] == pytest.approx(exact, abs=1e-5)


def test_filters(home):
    assert len(search(home, SPEC, query("t040"), 50, Filter(tag="soft"))) == 5
    assert len(search(home, SPEC, query("t040"), 50, Filter(where="artist = 'O''Hara' AND year > 1990"))) == 5
    assert len(search(home, SPEC, None, 50, Filter(where="array_has(genres, 'Jazz')"))) == 5
    assert "t007" not in [row["track_id"] for row in search(home, SPEC, query("t007"), 50, Filter(without=("t007",)))]
    with pytest.raises(UserError, match="cannot search with --where 'nonsense ='"):
        search(home, SPEC, query("t007"), 5, Filter(where="nonsense ="))


def test_one_track(home):
    np.testing.assert_array_equal(vector_of(home, SPEC, "t003"), query("t003"))
    assert tags_of(home, SPEC, "t003")[0] == {"name": "loud", "score": 0.9}
    with pytest.raises(UserError, match="no track nope"):
        vector_of(home, SPEC, "nope")


def test_a_reader_names_the_version_it_means(home):
    assert choose(home, "made-up", None).spec == SPEC
    with pytest.raises(UserError, match="holds no vectors of other"):
        choose(home, "other", None)
    remember(home, SPEC.limited(3))
    with pytest.raises(UserError, match="several versions of made-up"):
        choose(home, "made-up", None)
    assert choose(home, "made-up", SPEC.limited(3).embedding_version).spec == SPEC.limited(3)


def test_plain_lancedb_and_duckdb_read_the_lake(home):
    table = lancedb.connect(home.uri).open_table(embeddings_table(SPEC))
    found = table.search(query("t007").tolist()).metric("cosine").limit(3).to_list()
    assert found[0]["track_id"] == "t007"
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
    register(home, listing(names))
    with committing(home, keep_windows=False) as committer:
        plain = embedded("t")
        made = [plain | {"track_id": name, "vector": vector} for name, vector in zip(names, vectors, strict=True)]
        committer.add(batch(*made))
        committer.flush()
    tend(home, SPEC)
    kinds = {index.name: index.type_url for index in home.table(embeddings_table(SPEC)).describe_indices()}
    assert "vector_idx" in kinds
    unit_vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    hits = 0
    assert len(search(home, SPEC, vectors[0], 100)) == 100
    for row in range(0, rows, rows // 50):
        truth = set(np.argsort(-unit_vectors @ unit_vectors[row])[:10].tolist())
        found = search(home, SPEC, vectors[row], 10)
        hits += len(truth & {int(result["track_id"][1:]) for result in found})
    assert hits / 500 >= 0.9


def test_index_kind_by_size():
    assert vector_index(100_000)["index_type"] == "IVF_HNSW_SQ"
    assert vector_index(2_000_000)["index_type"] == "IVF_RQ"
