"""The manners in which voices play alone, and the idioms that suit them.

A manner is one or two roles "TEXTURE POOL", as in styles.py; an idiom is harmony, tempo and genre words.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Idiom:
    """The kind of music of a solo or a duet."""

    genres: tuple[str, ...]
    harmony: tuple[str, ...]
    bpm: tuple[int, int]
    moods: tuple[str, ...] = ()
    group: str = "solo"
    era: str = ""
    beats: int = 4


MANNERS = {
    "keys": (
        "comp arpeggio + melody flowing",
        "comp ballad + melody calm",
        "pad pad + melody sustained",
        "comp stride",
    ),
    "organ": ("pad pad + melody calm", "melody flowing", "pad pad + melody lively", "comp pulse"),
    "guitar": ("strum strum", "comp fingerpicking + melody calm", "comp fingerpicking", "melody flowing"),
    "powerguitar": ("power power", "power gallop", "melody lively", "power power + melody flowing"),
    "bass": ("comp bass eighths", "comp bass funk", "walking", "comp bass octaves"),
    "lead": ("melody calm", "melody flowing", "melody lively", "melody sustained"),
    "pad": ("pad pad", "pad pad + melody sustained", "voice voice", "pad pad + melody calm"),
    "mallet": ("melody lively", "melody flowing", "comp arpeggio + melody calm", "comp rolls"),
    "bell": ("melody calm", "melody sparse", "melody sustained"),
    "harp": ("sweep sweep", "sweep sweep + melody calm", "comp arpeggio", "comp rolls"),
    "drone": ("drone drone + melody lively", "drone drone + melody flowing", "drone drone + melody calm"),
    "picking": ("comp rolls", "comp rolls + melody calm", "comp fingerpicking + melody flowing"),
    "boom": ("comp hits", "comp bass funk", "comp pulse"),
    "hit": ("comp hits", "comp stabs"),
    "swell": ("comp swell",),
    "noise": ("comp hits", "comp swell"),
}


def _idiom(genres: str, harmony: str, low: int, high: int, moods: str = "") -> Idiom:
    return Idiom(tuple(genres.split(";")), tuple(harmony.split()), (low, high), tuple(filter(None, moods.split(";"))))


IDIOMS = {
    "classical": _idiom("classical", "major minor baroque", 60, 124),
    "baroque": _idiom("baroque;classical", "baroque", 72, 116, "ornate"),
    "church": _idiom("sacred;church music;classical", "major minor", 56, 84, "solemn"),
    "jazz": _idiom("jazz", "jazz", 64, 160),
    "soul": _idiom("soul;r&b", "jazz", 64, 104, "soulful"),
    "gospel": _idiom("gospel;soul", "major jazz", 68, 104, "soulful"),
    "funk": _idiom("funk", "modal", 92, 116, "groovy"),
    "pop": _idiom("pop", "major minor", 76, 128),
    "rock": _idiom("rock", "rock", 92, 144, "driving"),
    "metal": _idiom("metal", "metal", 120, 180, "aggressive"),
    "electronic": _idiom("electronic", "minor major", 104, 140),
    "ambient": _idiom("ambient;electronic", "lydian minor", 48, 72, "atmospheric;calm"),
    "newage": _idiom("new age", "pentatonic major", 56, 80, "peaceful;dreamy"),
    "soundtrack": _idiom("soundtrack;cinematic", "minor lydian", 56, 108, "dramatic"),
    "chiptune": _idiom("chiptune;electronic;video game", "major minor", 116, 160, "playful;8-bit"),
    "lullaby": _idiom("lullaby;children's music", "major pentatonic", 60, 92, "sweet;gentle"),
    "ragtime": _idiom("ragtime", "major", 140, 180, "playful"),
    "country": _idiom("country", "major pentatonic", 92, 128, "rural"),
    "folk": _idiom("folk", "modal major minor", 76, 120),
    "celtic": _idiom("celtic;irish;folk", "modal pentatonic", 92, 132),
    "klezmer": _idiom("klezmer;folk;jewish", "spanish minor", 96, 140, "bittersweet"),
    "medieval": _idiom("medieval;early music", "modal", 76, 112, "ancient"),
    "spanish": _idiom("spanish;flamenco", "spanish", 84, 124, "passionate"),
    "tango": _idiom("tango;latin", "minor", 100, 124, "passionate"),
    "latin": _idiom("latin", "minor major", 92, 116),
    "samba": _idiom("samba;latin", "major", 96, 116, "festive"),
    "andean": _idiom("andean;world;folk", "pentatonic minor", 76, 108, "breathy"),
    "african": _idiom("african;world", "pentatonic", 92, 124),
    "world": _idiom("world", "pentatonic modal", 72, 112, "exotic"),
    "march": _idiom("march;military", "major", 104, 124, "proud"),
    "soundscape": _idiom("soundscape", "none", 60, 100),
    "rhythm": _idiom("percussion", "none", 84, 132, "rhythmic"),
    "blues": _idiom("blues", "blues", 64, 100, "soulful"),
    "bluegrass": _idiom("bluegrass;country;folk", "major pentatonic", 104, 136, "rural"),
    "indian": _idiom("indian;world", "raga", 64, 92, "meditative;exotic"),
    "scottish": _idiom("scottish;celtic;folk", "modal", 84, 112, "proud"),
    "japanese": _idiom("japanese;world;asian", "hirajoshi", 60, 88, "contemplative"),
    "caribbean": _idiom("caribbean", "major pentatonic", 92, 120, "sunny"),
}
