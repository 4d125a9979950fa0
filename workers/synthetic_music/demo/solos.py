"""Solo pieces: styles of one instrument, in a manner that suits it."""

from workers.synthetic_music.demo.styles import CALM, FLOWING, LIVELY
from workers.synthetic_music.score.instruments import INSTRUMENTS
from workers.synthetic_music.score.style import Line, Style

MODES = {
    "bright": (("major", "I IV V I"), ("major", "I vi IV V"), ("pentatonic", "I V vi IV")),
    "dark": (("minor", "i bVI bIII bVII"), ("harmonic minor", "i iv V i"), ("dorian", "i IV i bVII")),
    "jazz": (("dorian", "ii7 V7 Imaj7 VI7"), ("blues", "I7 IV7 I7 V7")),
    "baroque": (("harmonic minor", "i iv V i"), ("major", "I IV V7 I")),
    "rock": (("minor pentatonic", "i bVI bVII i"), ("phrygian", "i bII i bVII")),
    "indian": (("bhairav", "I"),),
    "japanese": (("hirajoshi", "i"),),
    "celtic": (("mixolydian", "I bVII I I"), ("dorian", "i bVII i i")),
}

# Manners of playing alone: (texture, pattern) of each hand, or of a single line.
MANNERS = {
    "lyrical": (("melody", CALM),),
    "flowing": (("melody", FLOWING),),
    "lively": (("melody", LIVELY),),
    "sustained": (("melody", "x--- ---- ---- x-x-"),),
    "swung": (("melody", "x-x x-- x-x --x xxx"),),
    "two hands": (("comp", "1-5-8-5-1-5-8-5-"), ("melody", FLOWING)),
    "ballad": (("comp", "1-----x-5---x---"), ("melody", CALM)),
    "counterpoint": (("comp", "1-3-5-3-8-5-3-5-"), ("melody", LIVELY)),
    "chorale": (("pad", "x-------x-------"), ("comp", "1---------------"), ("melody", CALM)),
    "held chords": (("pad", "x-------x-------"), ("melody", CALM)),
    "rolls": (("comp", "1583953815839538"), ("melody", "x--- x-x- ----")),
    "fingerpicking": (("comp", "1-5-8-9-8-5-9-5-"), ("melody", "x--- ---- ....")),
    "strumming": (("strum", "X---x-xx..x-x-xx"),),
    "glissando": (("sweep", "x" * 16), ("melody", CALM)),
    "tremolo": (("melody", "xxxx xxxx x-x-"),),
    "power chords": (("power", "X---x.x.X-x.x.x."), ("melody", FLOWING)),
    "bass line": (("comp", "1-1.8.1-5-7.8-5."),),
    "drone": (("drone", "x-------........"), ("melody", "x-xx xxxx x--- x-x-")),
    "pipes": (("drone", "x---------------"), ("melody", LIVELY)),
}


def solo(name: str, manner: str, modes: str, bpm: tuple[int, int], genres: str, moods: str) -> Style:
    """Return the style of an instrument that plays alone.

    `manner` is a key of MANNERS, `modes` a key of MODES. `genres` and `moods` are words separated by spaces; an
    underscore is a space within a genre.
    """
    instrument = INSTRUMENTS[name]
    genre, mood = genres.split()[0].replace("_", " "), moods.split()[0]
    return Style(
        name,
        bpm,
        MODES[modes],
        tuple(Line(name, texture, pattern, velocity=88) for texture, pattern in MANNERS[manner]),
        tuple(genre.replace("_", " ") for genre in genres.split()),
        ("solo", instrument.family, *moods.split()),
        f"A {{tempo}}, {mood} {genre} piece for solo {name}.",
    )


def rhythm(name: str, rhythms: str, bpm: tuple[int, int], genres: str) -> Style:
    """Return the style of a percussion instrument that plays named rhythms alone."""
    return Style(
        name,
        bpm,
        (("major", "I"),),
        (Line(name, "drums", rhythms, velocity=100),),
        tuple(genre.replace("_", " ") for genre in genres.split()),
        ("solo", *dict.fromkeys((INSTRUMENTS[name].family, "percussion")), "rhythm"),
        f"A {{tempo}} rhythm played on {name} alone.",
    )


SOLOS = (
    solo("banjo", "rolls", "bright", (104, 132), "bluegrass country folk", "cheerful"),
    solo("sitar", "drone", "indian", (66, 92), "indian world", "meditative exotic"),
    solo("harp", "glissando", "bright", (66, 88), "classical", "dreamy gentle"),
    solo("church organ", "chorale", "baroque", (60, 80), "classical sacred baroque", "solemn church"),
    solo("trumpet", "flowing", "bright", (92, 124), "classical", "heroic bright"),
    solo("violin", "flowing", "dark", (80, 116), "classical", "passionate strings"),
    solo("cello", "sustained", "dark", (58, 80), "classical", "melancholic strings"),
    solo("flute", "flowing", "bright", (84, 112), "classical", "airy gentle"),
    solo("piano", "two hands", "bright", (76, 112), "classical", "expressive"),
    solo("acoustic guitar", "strumming", "bright", (92, 116), "folk", "warm acoustic"),
    solo("distortion guitar", "power chords", "rock", (112, 144), "rock metal", "heavy loud"),
    solo("harpsichord", "counterpoint", "baroque", (84, 116), "baroque classical", "ornate courtly"),
    solo("choir", "held chords", "dark", (54, 72), "choral classical", "ethereal voices"),
    solo("saxophone", "swung", "jazz", (84, 124), "jazz", "smooth"),
    solo("accordion", "held chords", "dark", (96, 120), "folk french", "nostalgic"),
    solo("bagpipe", "pipes", "celtic", (88, 112), "celtic scottish folk", "proud"),
    solo("steel drums", "lively", "bright", (96, 120), "caribbean calypso", "sunny tropical"),
    solo("marimba", "lively", "bright", (96, 128), "world african", "playful wooden"),
    rhythm("drum kit", "rock | toms | half time", (96, 132), "rock"),
    solo("harmonica", "flowing", "jazz", (76, 100), "blues folk", "wistful"),
    solo("electric piano", "ballad", "jazz", (68, 96), "soul jazz", "mellow"),
    solo("music box", "two hands", "bright", (72, 92), "lullaby children", "innocent sweet"),
    solo("vibraphone", "swung", "jazz", (76, 112), "jazz", "cool"),
    solo("xylophone", "lively", "bright", (112, 144), "classical children", "comic playful"),
    solo("tubular bells", "lyrical", "dark", (60, 84), "classical", "ringing solemn"),
    solo("hammond organ", "held chords", "jazz", (76, 108), "gospel soul jazz", "soulful"),
    solo("classical guitar", "fingerpicking", "dark", (72, 100), "classical spanish flamenco", "intimate acoustic"),
    solo("electric bass", "bass line", "rock", (88, 116), "funk", "groovy deep"),
    solo("french horn", "sustained", "bright", (62, 84), "classical", "noble"),
    solo("trombone", "lyrical", "bright", (72, 100), "classical jazz", "broad"),
    solo("clarinet", "flowing", "dark", (80, 112), "classical klezmer", "woody"),
    solo("oboe", "lyrical", "dark", (64, 88), "classical", "plaintive"),
    solo("pan flute", "sustained", "dark", (66, 88), "andean world new_age", "breathy"),
    solo("koto", "tremolo", "japanese", (62, 84), "japanese world", "contemplative asian"),
    solo("kalimba", "two hands", "bright", (80, 108), "african world", "twinkling"),
    rhythm("bongos", "bongo groove | bongo rolls", (96, 120), "latin world"),
    rhythm("castanets", "flamenco | flamenco rolls", (100, 128), "flamenco spanish"),
    rhythm("maracas", "maracas shake | maracas eighths", (96, 124), "latin"),
    rhythm("tambourine", "tambourine beat | tambourine shake", (92, 120), "folk"),
    rhythm("triangle", "triangle ring | triangle slow", (84, 112), "classical"),
)
