"""Tags from a user's vocabulary: of a track, of a file, of every track; a benchmark calibrates probabilities."""

import csv

import pyarrow.parquet as pq
import pytest
import ray

from flows.search.custom_tags import VocabularyRequest, read_custom_tags
from schemas.settings import Settings
from tests.cli import error_line, run, run_json
from tests.flows.labelled import evaluate_folder, read_labels, write_labelled_folder, write_labels

# The text vectors of the fake encoder are arbitrary. These two words point to their sounds, "shrill" points away.
WORD_OF_SOUND = {"bright": "treble", "dark": "hum"}
MISLEADING_WORD = "shrill"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake of the labelled folder's clips, with a zero-shot evaluation of the encoder on them."""
    root = tmp_path_factory.mktemp("vocabulary")
    folder = write_labelled_folder(root / "clips")
    labels = read_labels(folder)
    for row in labels:
        for sound, word in WORD_OF_SOUND.items():
            row["tags"] = row["tags"].replace(sound, word)
        if "bright" in row["path"]:
            row["tags"] += f";{MISLEADING_WORD}"
    write_labels(folder, labels)
    evaluate_folder(root / "lake", folder, "zero-shot")
    ray.shutdown()
    run_json(root / "lake", "index", folder)
    (root / "words.txt").write_text("treble\nhum\n\ntreble\nshrill\nnobody labelled this\n")
    return root / "lake", folder, root / "words.txt"


def test_words_without_labels_have_scores_and_no_probability(lake):
    uri, folder, vocabulary = lake
    rows = run_json(uri, "tags", folder / "test-dark-0.wav", "--vocabulary", vocabulary)
    assert {row["name"] for row in rows} == {"treble", "hum", "shrill", "nobody labelled this"}
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert {(row["probability"], row["selected"]) for row in rows} == {(None, None)}


def test_a_benchmark_turns_scores_into_probabilities_and_selects_tags(lake):
    uri, folder, vocabulary = lake
    request = VocabularyRequest(str(vocabulary), "folder")
    settings = Settings(lake=str(uri), encoder="fake")
    tags_by_sound = {"bright": [], "dark": []}
    for sound, tracks in tags_by_sound.items():
        for number in range(6):
            tags = read_custom_tags(request, str(folder / f"test-{sound}-{number}.wav"), settings)
            tracks.append({tag.name: tag for tag in tags})
    all_tracks = tags_by_sound["dark"] + tags_by_sound["bright"]
    for sound, other in (("bright", "dark"), ("dark", "bright")):
        name = WORD_OF_SOUND[sound]
        for tag in (tags[name] for tags in all_tracks):
            margin = tag.probability - tag.threshold  # both are rounded
            assert abs(margin) <= 1e-4 or tag.selected == (margin > 0)
        right, wrong = ([tags[name].probability for tags in tags_by_sound[key]] for key in (sound, other))
        assert sum(right) > sum(wrong)
        assert not all(tags[name].selected for tags in all_tracks)
    for name in (MISLEADING_WORD, "nobody labelled this"):  # the scores of the first do not follow its labels
        assert {tags[name].selected for tags in all_tracks} == {None}


def test_tags_of_every_track_are_those_of_single_tracks(lake, tmp_path):
    uri, _, vocabulary = lake
    (done,) = run_json(uri, "tags", "--vocabulary", vocabulary, "--out", tmp_path / "tags.parquet")
    table = pq.read_table(tmp_path / "tags.parquet")
    assert done["tracks"] == len(table) == 36
    first = table.slice(0, 1).to_pylist()[0]
    rows = run_json(uri, "tags", first["track_id"], "--vocabulary", vocabulary)
    assert [tag["name"] for tag in first["tags"]] == [row["name"] for row in rows]
    assert [tag["score"] for tag in first["tags"]] == pytest.approx([row["score"] for row in rows])
    assert not list(tmp_path.glob(".*"))


def test_with_labels_a_word_without_calibration_is_never_written(lake, tmp_path):
    uri, _, vocabulary = lake
    out = tmp_path / "tags.parquet"
    arguments = ("tags", "--vocabulary", vocabulary, "--labelled", "folder", "--out", out)
    messages = run("--lake", uri, "--encoder", "fake", *arguments).stderr
    assert "folder gives no probability for shrill, nobody labelled this" in messages
    tags = [tag for row in pq.read_table(out).to_pylist() for tag in row["tags"]]
    assert {tag["name"] for tag in tags} == set(WORD_OF_SOUND.values())
    assert all(tag["probability"] for tag in tags)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tags", "--vocabulary", "{words}", "--out", "{folder}"), "is a folder: name a file"),
        (("tags", "x", "--vocabulary", "{wide}"), "cannot read the vocabulary"),
        (("tags",), "tags of what?"),
        (("tags", "x", "--labelled", "folder"), "--vocabulary FILE"),
        (("tags", "--vocabulary", "{words}"), "needs TRACK_ID or FILE"),
        (("tags", "x", "--vocabulary", "/no/such/file"), "cannot read the vocabulary"),
        (("tags", "x", "--vocabulary", "{empty}"), "holds no tag"),
        (("tags", "x", "--vocabulary", "{words}", "--labelled", "gtzan"), "was not judged on gtzan"),
        (("tags", "nobody", "--vocabulary", "{words}"), "no track is named 'nobody'"),
    ],
)
def test_wrong_usage_is_one_line(lake, tmp_path, arguments, message):
    uri, _, vocabulary = lake
    csv.field_size_limit(131_072)  # Python's own, which the reader of manifests raises
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "wide.csv").write_text("tag\n" + "x" * 200_000)
    files = {"{empty}": "empty.txt", "{wide}": "wide.csv", "{folder}": ""}
    paths = {"{words}": str(vocabulary)} | {name: str(tmp_path / path) for name, path in files.items()}
    line = error_line("--lake", uri, "--encoder", "fake", *[paths.get(argument, argument) for argument in arguments])
    assert message in line
