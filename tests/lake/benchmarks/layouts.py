"""A few clips of every corpus, in the official file formats, with the traps of the real files."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lake.benchmarks.emotify import EMOTIONS
from lake.benchmarks.rendered import SEEDS

Write = Callable[[Path], None]


def put(folder: Path, path: str, content: str | bytes) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)


def audio(folder: Path, *paths: str) -> None:
    for path in paths:
        put(folder, path, b"sound")


def put_array(folder: Path, path: str, values: np.ndarray) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    np.save(folder / path, values)


def rendered(folder: Path) -> None:
    names = ("00000-harp", "00001-slow-jazz")
    head = "uri,title,artist,album,genres,year,tags,description\n"
    for seed in (seed for seeds in SEEDS.values() for seed in seeds):
        rows = (
            f"{names[0]}.wav,Amber River,Ada Arvane,One,classical,1970,harp;solo;calm;instrumental,A harp\n"
            f"{names[1]}.flac,Quiet Letter,Bruno Castory,One,jazz,1980,jazz;slow;instrumental,Slow jazz\n"
        )
        put(folder, f"seed-{seed}/manifest.csv", head + rows)
        audio(folder, f"seed-{seed}/{names[0]}.wav", f"seed-{seed}/{names[1]}.flac")


def labelled(folder: Path) -> None:
    rows = "".join(f"{n}.wav,Artist {n // 2},rock; live,Song {n},A loud song\n" for n in range(12))
    put(folder, "labels.csv", "path,artist,tags,title,caption\n" + rows + "0.wav,Artist 0,guitar,,Another sentence\n")
    audio(folder, *(f"{n}.wav" for n in range(12)))


def mtat(folder: Path) -> None:
    paths = {"train": "0/a-b-01-c-0-29.mp3", "valid": "c/a-b-01-c-30-59.mp3", "test": "d/a-b-01-c-59-88.mp3"}
    entries = {
        str(number): {
            "split": split,
            "y": ["no vocals", "guitar"] if split != "valid" else [],
            "y_all": [],
            "extra": {"clip_id": str(number), "mp3_path": f"{path}\n", "title": "C", "artist": "A", "album": "B"},
        }
        for number, (split, path) in enumerate(paths.items(), start=2)
    }
    broken = {"clip_id": "35644", "mp3_path": "6/no-audio.mp3", "title": "", "artist": "", "album": ""}
    entries["35644"] = {"split": "train", "y": ["guitar"], "y_all": [], "extra": broken}
    put(folder, "codified_magnatagatune.json", json.dumps(entries))
    put_array(folder, "split/mtat/tags.npy", np.array(["guitar", "no vocals"]))
    put_array(folder, "split/mtat/binary.npy", np.array([[0, 0], [0, 0], [1, 0], [0, 1], [1, 1]]))
    for row, (split, path) in enumerate(paths.items(), start=2):
        put_array(folder, f"split/mtat/{split}.npy", np.array([f"{row}\t{path}"]))
    audio(folder, *paths.values())


def mtg_jamendo(folder: Path) -> None:
    head = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\r\n"
    tags = {"top50tags": "genre", "genre": "genre", "instrument": "instrument", "moodtheme": "mood/theme"}
    for number in range(5):
        for name, category in tags.items():
            for digit, part in enumerate(("train", "validation", "test"), start=1):
                track = f"track_000021{digit}\tartist_00001{digit}\talbum_000031\t1{digit}/21{digit}.mp3\t124.6\t"
                more = "" if digit == 2 else f"\t{category}---first\t{category}---third"
                content = f"{head}{track}{category}---second{more}\r\n"
                put(folder, f"data/splits/split-{number}/autotagging_{name}-{part}.tsv", content)
    audio(folder, *(f"audio/1{digit}/21{digit}.low.mp3" for digit in (1, 2, 3)))


def msd(folder: Path) -> None:
    choi = "MSD_split_for_tagging"
    ids = {"train": ["TRA", "TRB", "TRC"], "valid": ["TRD"], "test": ["TRE"]}
    numbers = {"TRA": "11", "TRB": "22", "TRC": "33", "TRD": "44", "TRE": "55"}
    put(folder, f"{choi}/tags.py", "TAGS = ['rock', 'Mellow',\n        'Hip-Hop']\n")
    put(folder, f"{choi}/train_x_7d_bad_duration_id.txt", "22\n")
    put(folder, f"{choi}/train_x_7d_invalid_audio_id.txt", "999\n")
    for split, names in ids.items():
        put(folder, f"{choi}/{split}_x_msd_id.txt", "".join(f"{name}\n" for name in names))
        files = "".join(f"{numbers[name][0]}/{numbers[name][1]}/{numbers[name]}.npy\n" for name in names)
        put(folder, f"{choi}/{split}_x_filename.txt", files)
        put_array(folder, f"{choi}/{split}_y.npy", np.array([[False, True, True]] * len(names)))
    tags = {name: {"tag": ["rousing", "rock"], "title": "T", "artist_name": "A", "track_id": name} for name in numbers}
    parts = {"train_track": ["TRA"], "extra_track": ["TRB"], "valid_track": ["TRD"], "test_track": ["TRE", "TRC"]}
    put(folder, "ecals_annotation/annotation.json", json.dumps(tags))
    put(folder, "ecals_annotation/ecals_track_split.json", json.dumps(parts))
    put(folder, "ecals_annotation/multiquery_samples.json", json.dumps({"TRE": ["rousing", "rock"]}))
    paths = {number: f"{number[0]}/{number[1]}/{number}.clip.mp3" for number in numbers.values()}
    put(folder, "lastfm_annotation/MSD_id_to_7D_id.pkl", pickle.dumps(numbers, protocol=2))
    put(folder, "lastfm_annotation/7D_id_to_path.pkl", pickle.dumps(paths, protocol=2))
    audio(folder, *(f"audio/{path}" for path in paths.values()))


def gtzan(folder: Path) -> None:
    lists = {"train": "blues/blues.00029", "valid": "pop/pop.00001", "test": "rock/rock.00002"}
    for split, name in lists.items():
        put(folder, f"{split}_filtered.txt", f"{name}.wav\n")
        audio(folder, f"genres/{name}.au")


def fma(folder: Path) -> None:
    put(
        folder,
        "fma_metadata/tracks.csv",
        ",album,artist,set,set,track,track\n"
        ",tags,name,split,subset,genre_top,title\n"
        "track_id,,,,,,\n"
        "2,\"['a', 'b']\",AWOL,training,small,Hip-Hop,Food\n"
        '5,[],"Two, of\nus",validation,small,Folk,Sea\n'
        "10,[],Kurt Vile,test,small,Pop,Freeway\n"
        "20,[],Nicky,test,medium,Rock,Spiritual\n"
        "99134,[],Nobody,training,small,Rock,Silence\n",
    )
    audio(folder, *(f"fma_small/000/{number:06d}.mp3" for number in (2, 5, 10)))


def openmic(folder: Path) -> None:
    root, keys = "openmic-2018", [f"{number:06d}_3840" for number in range(90)]
    rows = "".join(f"{key},violin,0.9,3\n{key},piano,0.1,3\n{key},mallet_percussion,0.5,4\n" for key in keys)
    put(folder, f"{root}/openmic-2018-aggregated-labels.csv", f"sample_key,instrument,relevance,num_responses\n{rows}")
    about = "".join(f"{number},{key},Artist {number // 2},Song\n" for number, key in enumerate(keys))
    put(folder, f"{root}/openmic-2018-metadata.csv", f"track_id,sample_key,artist_name,track_title\n{about}")
    put(folder, f"{root}/partitions/split01_train.csv", "".join(f"{key}\n" for key in keys[:70]))
    put(folder, f"{root}/partitions/split01_test.csv", "".join(f"{key}\n" for key in keys[70:]))
    audio(folder, *(f"{root}/audio/{key[:3]}/{key}.ogg" for key in keys))


def kvt(folder: Path) -> None:
    for number, split in enumerate(("train", "valid", "test")):
        names = [f"58a_{number}0.mp3", f"58a_{number}1.mp3"]
        votes = [{" Ballad": 3, "Husky/Throaty": 2, "Thin": 1}, {" Ballad": 3, "Husky/Throaty": 1, "Thin": 0}]
        put(folder, f"kpop_split/{split}_files.pkl", pickle.dumps(names))
        put(folder, f"kpop_split/{split}_labels.pkl", pickle.dumps(votes))
        audio(folder, *(f"audio/{name}" for name in names))


def emotify(folder: Path) -> None:
    felt = {1: "power", 2: "power", 3: "power", 110: "tension", 200: "tension", 301: "tension"}
    genres = {1: "classical", 2: "classical", 3: "classical", 110: "rock", 200: "rock", 301: "pop"}
    rows = []
    for track, emotion in felt.items():
        rows.append([track, genres[track], *(int(name == emotion) for name in EMOTIONS), 3, 0, 0, 21, 1, "English"])
    rows.append([1, "classical", *(int(name == "sadness") for name in EMOTIONS), 3, 0, 0, 21, 1, "Dutch"])
    head = ", ".join(("track id", "genre", *EMOTIONS, "mood", "liked", "disliked", "age", "gender", "mother tongue"))
    put(folder, "data.csv", head + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    paths = ("classical/1", "classical/2", "classical/3", "rock/10", "rock/100", "pop/1")
    audio(folder, *(f"emotifymusic/{path}.mp3" for path in paths))


def emomusic(folder: Path) -> None:
    head = '"song_id","file_name","Artist","Song title","start","end","Genre","Mediaeval 2013 set"\n'
    numbers = range(2, 42)
    rows = "".join(
        f'{number},"\t{number}.mp3","Artist {number}\t","\tSong\t","\t0.48\t","\t1.33\t","\tBlues\t",'
        f'"{"evaluation" if number % 5 == 0 else "development"}"\n'
        for number in numbers
    )
    put(folder, "songs_info.csv", head + rows)
    means = "".join(f"{number},3.5,0.99,{number / 10},0.66\n" for number in reversed(numbers))
    put(folder, "static_annotations.csv", f"song_id,mean_arousal,std_arousal,mean_valence,std_valence\n{means}")
    audio(folder, *(f"clips_45seconds/{number}.mp3" for number in numbers))


def song_describer(folder: Path) -> None:
    head = "caption_id,track_id,caption,is_valid_subset,familiarity,artist_id,album_id,path,duration\n"
    rows = (
        '1,1004034,"A song, slow",True,0,3,4,34/1004034.mp3,202.5\n'
        "2,1007274,A guitar,False,1,3,4,74/1007274.mp3,140.2\n"
        "3,1009671,A rock song,,0,3,4,71/1009671.mp3,140.2\n"
        "4,1004034,Another sentence,True,1,3,4,34/1004034.mp3,202.5\n"
        "5,1012000,A piano,True,1,3,4,00/1012000.mp3,90.0\n"
    )
    put(folder, "song_describer.csv", head + rows)
    audio(folder, *(f"audio/{path}.2min.mp3" for path in ("34/1004034", "74/1007274", "71/1009671", "00/1012000")))


def musiccaps(folder: Path) -> None:
    head = "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,"
    head += "is_balanced_subset,is_audioset_eval\n"
    rows = (
        "-0Gj8-vB1q4,30,40,/m/04rlf,\"['low', 'sad']\",\"A low, sad song.\",4,False,True\n"
        "-0SdAVK79lg,30,40,/m/04rlf,\"['fast']\",A fast song.,0,False,False\n"
    )
    put(folder, "musiccaps-public.csv", head + rows)
    audio(folder, "audio/-0Gj8-vB1q4.wav", "audio/-0SdAVK79lg.wav")


def giantsteps_tempo(folder: Path) -> None:
    # By name: the tempi of 2015 and of 2018. Two files of 2018 have no tempo, and one of them is empty.
    tempi = {
        "1030011": ("125", "127.0"),
        "906760": ("171.419", "171.0"),
        "3041381": ("140", "0.0"),
        "28952": ("90", ""),
    }
    put(folder, "splits/files.txt", "".join(f"{name}.LOFI.mp3\n" for name in tempi))
    for name, (first, second) in tempi.items():
        put(folder, f"annotations/tempo/{name}.LOFI.bpm", first)
        put(folder, f"annotations_v2/tempo/{name}.LOFI.bpm", second)
    audio(folder, *(f"audio/{name}.LOFI.mp3" for name in tempi))


def giantsteps_key(folder: Path) -> None:
    keys = {"10089": "D major", "1234749": "Bb major\n", "677299": "Gb major", "774875": "A# minor", "61415": "All"}
    for name, key in keys.items():
        put(folder, f"annotations/key/{name}.LOFI.key", key)
    audio(folder, *(f"audio/{name}.LOFI.mp3" for name in keys))


def giantsteps_mtg_key(folder: Path) -> None:
    rows = (
        "5061\tD# minor\t2\n5881\tA major\t2\n10981\t-\t0\n16484\tA minor\t1\n61578\tC minor / F# minor\t2\n"
        "299300\tG minor/major\t1\n4311630\t \t0\n4970565\tB major \t2\n"
    )
    put(folder, "annotations/annotations.txt", f"ID\tMANUAL KEY\tC\n{rows}")
    audio(folder, *(f"audio/{row.split(chr(9))[0]}.LOFI.mp3" for row in rows.splitlines()))


def gtzan_rhythm(folder: Path) -> None:
    beats = {"blues.00000": [0.2, 0.7, 1.2, 1.7, 3.0], "rock.00002": [0.5, 1.0, 0.0], "pop.00001": [4.0]}
    for name, times in beats.items():
        downbeats = {"namespace": "beat", "sandbox": {"annotation_type": "downbeat"}, "data": [{"time": 0.0}]}
        beat = {
            "namespace": "beat",
            "sandbox": {"annotation_type": "beat"},
            "data": [{"time": time} for time in times],
        }
        tags = {"namespace": "tag_open", "sandbox": {"swing": "no"}, "data": [], "duration": float("nan")}
        jams = {"annotations": [downbeats, beat, tags]}
        put(folder, f"GTZAN-Rhythm/jams/{name}.wav.jams", json.dumps(jams))
        audio(folder, f"genres/{name.split('.')[0]}/{name}.au")


# By corpus: the benchmarks of one corpus share a folder.
LAYOUTS: dict[str, Write] = {
    "rendered": rendered,
    "folder": labelled,
    "mtat": mtat,
    "mtg-jamendo": mtg_jamendo,
    "msd": msd,
    "gtzan": gtzan,
    "fma": fma,
    "openmic": openmic,
    "kvt": kvt,
    "emotify": emotify,
    "emomusic": emomusic,
    "song-describer": song_describer,
    "musiccaps": musiccaps,
    "giantsteps-tempo": giantsteps_tempo,
    "giantsteps-key": giantsteps_key,
    "giantsteps-mtg-key": giantsteps_mtg_key,
    "gtzan-rhythm": gtzan_rhythm,
}
