"""One test a trap of the official files, as far as their format goes; counts are in test_real_files.py."""

import pickle

import numpy as np
import pytest

from lake.benchmarks import mtat
from lake.benchmarks.readers.annotations import make_loader
from lake.benchmarks.readers.pickles import read_pickle
from lake.benchmarks.registry import BENCHMARKS
from schemas.benchmarks import Clip
from schemas.errors import UserError
from tests.lake.benchmarks.layouts import put


@pytest.fixture
def loaded(layout):
    return lambda name: {clip.clip_id: clip for clip in BENCHMARKS[name].load(layout(BENCHMARKS[name].corpus))}


def test_gtzan_takes_the_suffix_that_is_there(own_copy):
    data = own_copy(BENCHMARKS["gtzan"])
    assert {clip.path.rsplit(".", 1)[1] for clip in BENCHMARKS["gtzan"].load(data)} == {"au"}
    for path in (data / "genres").rglob("*.au"):
        path.rename(path.with_suffix(".wav"))
    assert {clip.path.rsplit(".", 1)[1] for clip in BENCHMARKS["gtzan"].load(data)} == {"wav"}


def test_a_folder_in_the_place_of_a_file_is_told(own_copy):
    data = own_copy(BENCHMARKS["gtzan"])
    (data / "test_filtered.txt").unlink()
    (data / "test_filtered.txt").mkdir()
    with pytest.raises(UserError, match=r"cannot read .*test_filtered\.txt"):
        BENCHMARKS["gtzan"].load(data)


def test_mtat_leaves_broken_clips_out_and_keeps_those_without_tags(loaded):
    clips = loaded("mtat-codified")
    assert "6/no-audio" not in clips
    assert clips["c/a-b-01-c-30-59"].labels == ()
    assert clips["0/a-b-01-c-0-29"].path == "0/a-b-01-c-0-29.mp3"  # the file has a line end in it


def test_mtat_labels_are_found_by_row_number(loaded):
    clips = loaded("mtat-won2020")
    assert clips["0/a-b-01-c-0-29"].labels == ("guitar",)
    assert clips["d/a-b-01-c-59-88"].labels == ("guitar", "no vocals")
    assert clips.keys() == loaded("mtat-codified").keys()


@pytest.mark.parametrize(
    ("lee", "others"), [("noVocals", "no vocals"), ("newAge", "new age"), ("femaleVoice", "female voice")]
)
def test_mtat_tags_have_one_spelling(lee, others):
    assert mtat.canonical_tag(lee) == mtat.canonical_tag(others) == others


def test_mtat_refuses_labels_that_are_not_as_wide_as_the_tags(own_copy):
    data = own_copy(BENCHMARKS["mtat-won2020"])
    np.save(data / "split/mtat/tags.npy", np.array(["guitar"]))
    with pytest.raises(UserError, match=r"binary\.npy has shape"):
        BENCHMARKS["mtat-won2020"].load(data)


def test_arrays_of_objects_are_refused(own_copy):
    data = own_copy(BENCHMARKS["mtat-won2020"])
    np.save(data / "split/mtat/train.npy", np.array([{"not": "plain"}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"train\.npy is not a plain"):
        BENCHMARKS["mtat-won2020"].load(data)


def test_jamendo_reads_ragged_rows_and_drops_categories(loaded):
    clips = loaded("mtg-jamendo-moodtheme")
    assert clips["track_0000211"].labels == ("second", "first", "third")
    assert clips["track_0000212"].labels == ("second",)
    assert clips["track_0000212"].split == "valid"
    assert not any("\r" in label for clip in clips.values() for label in clip.labels)


def test_jamendo_takes_the_quality_that_is_there(own_copy):
    benchmark = BENCHMARKS["mtg-jamendo-top50"]
    data = own_copy(benchmark)
    assert {clip.path.split(".", 1)[1] for clip in benchmark.load(data)} == {"low.mp3"}
    put(data, "audio/11/211.mp3", b"sound")
    assert {clip.path.split(".", 1)[1] for clip in benchmark.load(data)} == {"mp3"}


def test_jamendo_refuses_a_web_page(own_copy):
    data = own_copy(BENCHMARKS["mtg-jamendo-top50"])
    put(data, "data/splits/split-0/autotagging_top50tags-test.tsv", "<!DOCTYPE html>\n")
    with pytest.raises(UserError, match="not with the columns of MTG-Jamendo"):
        BENCHMARKS["mtg-jamendo-top50"].load(data)


def test_choi_leaves_unsound_clips_out_and_folds_tags(loaded):
    clips = loaded("msd-50")
    assert "TRB" not in clips
    assert clips["TRA"].labels == ("mellow", "hip-hop")
    assert clips["TRA"].path == "audio/1/1/11.clip.mp3"


def test_ecals_captions_are_those_that_ttmr_asks_for(loaded):
    clips = loaded("msd-ecals")
    assert clips["TRE"].captions == ("rousing, rock",)
    assert clips["TRC"].captions == ()
    assert clips["TRB"].split == "train"  # extra_track
    assert loaded("msd-cals-50")["TRE"].labels == ("rock",)


def test_fma_skips_three_rows_other_subsets_and_tracks_without_audio(loaded):
    clips = loaded("fma-small")
    assert clips.keys() == {"000002", "000005", "000010"}
    assert (clips["000002"].split, clips["000002"].labels, clips["000002"].artist) == ("train", ("hip-hop",), "AWOL")
    assert clips["000005"].artist == "Two, of\nus"


def test_openmic_counts_only_what_was_heard(loaded):
    clips = loaded("openmic")
    assert {clip.labels for clip in clips.values()} == {("violin",)}
    assert {clip.split for clip in clips.values()} == {"train", "valid", "test"}


@pytest.mark.parametrize("name", ["openmic", "emomusic", "folder"])
def test_splits_of_our_own_keep_artists_apart(name, loaded):
    clips = loaded(name).values()
    where = {}
    for clip in clips:
        if name == "folder" or clip.split != "test":  # the official test split is kept as it is
            where.setdefault(clip.artist, set()).add(clip.split)
    assert all(len(splits) == 1 for splits in where.values())


def test_kvt_strips_tags_wants_two_votes_and_two_tags(loaded):
    clips = loaded("kvt")
    assert clips.keys() == {"58a_00", "58a_10", "58a_20"}
    assert clips["58a_00"].labels == ("ballad", "husky/throaty")


class _Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (exec, (f"open({self.path!r}, 'w').close()",))


def test_pickles_that_want_to_run_code_are_refused(tmp_path):
    trace = tmp_path / "it-ran"
    put(tmp_path, "harmful.pkl", pickle.dumps([_Harmful(str(trace))]))
    with pytest.raises(ValueError, match=r"asks for builtins\.exec"):
        read_pickle(tmp_path, "harmful.pkl")
    assert not trace.exists()


def test_pickles_of_python_2_and_of_arrays_are_read(tmp_path):
    put(tmp_path, "python2.cP", b"(dp0\nS'caf\\xe9'\np1\n(lp2\nS'b/a.npy'\np3\nas.")
    assert read_pickle(tmp_path, "python2.cP") == {"café": ["b/a.npy"]}
    kept = {"rows": np.arange(3), "one": np.float64(2.5), "names": ("a", {1})}
    put(tmp_path, "arrays.pkl", pickle.dumps(kept))
    read = read_pickle(tmp_path, "arrays.pkl")
    assert read["rows"].tolist() == [0, 1, 2]
    assert (read["one"], read["names"]) == (2.5, ("a", {1}))
    for kept in (np.arange(6, dtype=">f4").reshape(2, 3).T, np.array(["é", "ab"]), np.zeros((0, 2), bool)):
        put(tmp_path, "array.pkl", pickle.dumps(kept))
        assert read_pickle(tmp_path, "array.pkl").tolist() == kept.tolist()


class _Beyond:
    """A dtype of 8 bytes whose field lies a gigabyte after them: reading it ends the process, or worse."""

    def __reduce__(self):
        fields = {"a": (np.dtype("i8"), 1 << 30)}
        return np.dtype, ("V8",), (3, "|", None, ("a",), fields, 8, 1, 16)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps([_Beyond()]), "array of 'V8', which is not plain data"),
        (pickle.dumps(np.array([print], dtype=object)), "not plain data"),
        (pickle.dumps(np.arange(5))[:-30] + b".", "is not a pickle of plain data"),
        (b"cbuiltins\nbytes\n(I999999999999\ntR.", "asks for builtins.bytes"),
        (
            b"cnumpy\nndarray\n((I1\ntVO\nC\x08AAAAAAAAtR.",
            "is not a pickle of plain data",
        ),  # at that address
    ],
)
def test_pickles_that_would_reach_into_memory_are_refused(tmp_path, content, message):
    put(tmp_path, "harmful.pkl", content)
    with pytest.raises(ValueError, match=message):
        read_pickle(tmp_path, "harmful.pkl")


def test_emotify_published_hears_another_file_under_another_id(loaded):
    right, published = loaded("emotify"), loaded("emotify-published")
    assert right["110"].path == "emotifymusic/rock/10.mp3"
    assert published["110-as-100"].path == right["200"].path == "emotifymusic/rock/100.mp3"
    assert published.keys() - right.keys() == {"110-as-100"}
    assert [clip.split for clip in right.values()] == [clip.split for clip in published.values()]


def test_emotify_ties_go_to_the_first_column(loaded):
    assert loaded("emotify")["1"].labels == ("power",)  # one vote for power, one for sadness


def test_emomusic_takes_tabs_off_and_joins_by_id(loaded):
    clips = loaded("emomusic")
    assert (clips["2"].path, clips["2"].artist, clips["2"].targets) == (
        "clips_45seconds/2.mp3",
        "Artist 2",
        (3.5, 0.2),
    )
    assert clips["5"].split == "test"
    assert {clip.split for clip in clips.values()} == {"train", "valid", "test"}


def test_song_describer_has_three_states_and_captions_by_track(loaded):
    assert loaded("song-describer").keys() == {"1004034", "1012000"}
    assert loaded("song-describer")["1004034"].captions == ("A song, slow", "Another sentence")
    assert loaded("song-describer-all").keys() == {"1004034", "1007274", "1009671", "1012000"}


def test_musiccaps_splits_by_audioset(loaded):
    assert {name: clip.split for name, clip in loaded("musiccaps").items()} == {
        "-0Gj8-vB1q4": "test",
        "-0SdAVK79lg": "train",
    }


def test_rendered_labels_are_genres_and_tags_without_instrumental(loaded):
    clip = loaded("rendered")["seed-4/00001-slow-jazz.flac"]
    assert (clip.split, clip.labels, clip.captions) == ("valid", ("jazz", "slow"), ("Slow jazz",))
    solos = loaded("rendered-instruments")
    assert {clip.labels for clip in solos.values()} == {("harp",)}
    assert solos["seed-7/00000-harp.wav"].split == "test"


@pytest.mark.parametrize("path", ["/etc/passwd", "audio/../../private.wav"])
def test_annotations_that_name_a_file_outside_their_folder_are_refused(tmp_path, path):
    with pytest.raises(UserError, match="name a file outside"):
        make_loader(lambda _: [Clip("a", path, "test", ("jazz",))], "its site")(tmp_path)
