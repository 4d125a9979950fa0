"""Tags in one's own words: of a track, of a file, of every track; probabilities where a benchmark teaches them."""

import pyarrow.parquet as pq
import pytest
import ray

from flows.search.custom_tags import tags_in_words
from schemas.settings import Settings
from tests.cli import answer, refused, run
from tests.flows.labelled import judge, labelled_folder, read_labels, write_labels

# The fake encoder's words point anywhere: these two to the sounds they are given to, "shrill" away from them.
TOLD = {"bright": "treble", "dark": "hum"}
WRONG = "shrill"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A catalogue of the labelled folder's clips, and the encoder judged on them."""
    root = tmp_path_factory.mktemp("vocabulary")
    folder = labelled_folder(root / "clips")
    labels = [
        row | {"tags": row["tags"].replace("bright", TOLD["bright"]).replace("dark", TOLD["dark"])}
        for row in read_labels(folder)
    ]
    write_labels(
        folder,
        [row | {"tags": f"{row['tags']};{WRONG}" if "bright" in row["path"] else row["tags"]} for row in labels],
    )
    judge(root / "lake", folder, "zero-shot")
    ray.shutdown()
    answer(root / "lake", "index", folder)
    (root / "words.txt").write_text("treble\nhum\n\ntreble\nshrill\nnobody labelled this\n")
    return root / "lake", folder, root / "words.txt"


def test_words_without_labels_have_scores_and_no_probability(lake):
    at, folder, words = lake
    rows = answer(at, "tags", folder / "test-dark-0.wav", "--vocabulary", words)
    assert {row["name"] for row in rows} == {"treble", "hum", "shrill", "nobody labelled this"}
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert {(row["probability"], row["said"]) for row in rows} == {(None, None)}


def test_a_benchmark_makes_scores_probabilities_and_lets_a_tag_be_silent(lake):
    at, folder, file = lake
    told = {"bright": [], "dark": []}
    for sound, rows in told.items():
        for number in range(6):
            track = str(folder / f"test-{sound}-{number}.wav")
            words, _, _, vector = tags_in_words(
                Settings(lake=str(at), encoder="fake"), str(file), track, "folder", None
            )
            rows.append({row["name"]: row for row in words.rows(vector)})
    for sound, other in (("bright", "dark"), ("dark", "bright")):
        name = TOLD[sound]
        for row in (rows[name] for rows in told[sound] + told[other]):
            over = row["probability"] - row["threshold"]  # both are rounded
            assert abs(over) <= 1e-4 or row["said"] == (over > 0)
        right, wrong = ([row[name]["probability"] for row in told[one]] for one in (sound, other))
        assert sum(right) > sum(wrong)
        assert not all(row[name]["said"] for row in told[sound] + told[other])
    for name in (WRONG, "nobody labelled this"):  # of the one nothing is learnt but that it cannot be told
        assert {row[name]["said"] for rows in told.values() for row in rows} == {None}


def test_every_track_at_once(lake, tmp_path):
    at, _, words = lake
    (done,) = answer(at, "tags", "--vocabulary", words, "--out", tmp_path / "tags.parquet")
    table = pq.read_table(tmp_path / "tags.parquet")
    assert done["tracks"] == len(table) == 36
    one = table.slice(0, 1).to_pylist()[0]
    again = answer(at, "tags", one["track_id"], "--vocabulary", words)
    assert [tag["name"] for tag in one["tags"]] == [row["name"] for row in again]
    assert [tag["score"] for tag in one["tags"]] == pytest.approx([row["score"] for row in again])
    assert not list(tmp_path.glob(".*"))


def test_with_labels_a_word_that_cannot_be_told_is_written_nowhere(lake, tmp_path):
    at, _, words = lake
    out = tmp_path / "tags.parquet"
    told = run(
        *("--lake", at, "--encoder", "fake", "tags", "--vocabulary", words, "--labelled", "folder", "--out", out)
    ).stderr
    assert "folder gives no probability for shrill, nobody labelled this" in told
    tags = [tag for row in pq.read_table(out).to_pylist() for tag in row["tags"]]
    assert {tag["name"] for tag in tags} == set(TOLD.values())
    assert all(tag["probability"] for tag in tags)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tags", "--vocabulary", "{words}", "--out", "{folder}"), "is a folder: name a file"),
        (("tags", "x", "--vocabulary", "{wide}"), "cannot read the vocabulary"),
        (("tags",), "tags of what?"),
        (("tags", "x", "--labelled", "folder"), "--vocabulary FILE"),
        (("tags", "--vocabulary", "{words}"), "needs TRACK_ID or FILE"),
        (("tags", "x", "--vocabulary", "/no/such/file"), "cannot read the vocabulary"),
        (("tags", "x", "--vocabulary", "{empty}"), "holds no tag"),
        (("tags", "x", "--vocabulary", "{words}", "--labelled", "gtzan"), "was not judged on gtzan"),
        (("tags", "nobody", "--vocabulary", "{words}"), "no track nobody"),
    ],
)
def test_wrong_usage_is_one_line(lake, tmp_path, arguments, words):
    at, _, file = lake
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "wide.csv").write_text("tag\n" + "x" * 200_000)
    files = {"{empty}": "empty.txt", "{wide}": "wide.csv", "{folder}": ""}
    places = {"{words}": str(file)} | {name: str(tmp_path / path) for name, path in files.items()}
    told = refused("--lake", at, "--encoder", "fake", *[places.get(argument, argument) for argument in arguments])
    assert words in told
