"""Ensemble styles of the catalogue: instruments, textures, tempo, chords and labels."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One player: an instrument, a texture of `notes.TEXTURES`, a pattern and a velocity."""

    instrument: str
    texture: str
    pattern: str = "x---------------"
    velocity: int = 85


@dataclass(frozen=True, slots=True)
class Style:
    """A kind of music and its labels; a solo is a style of one instrument.

    `bpm` is a range. `modes` are (scale, chords of one bar each). In `sentence`, {tempo} is slow, mid-tempo or fast.
    """

    name: str
    bpm: tuple[int, int]
    modes: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    genres: tuple[str, ...]
    tags: tuple[str, ...]
    sentence: str
    beats: int = 4


CALM = "x--- ---- x---"
FLOWING = "x-x- x--- x-x- x-xx"
LIVELY = "xxxx x-xx xxx- x-x-"
SWUNG = "x-x x-- x-x --x"

STYLES = (
    Style("rock band", (116, 140), (("minor pentatonic", "i bVI bVII i"), ("mixolydian", "I bVII IV I")),
          (Line("distortion guitar", "power", "X--xX-x-X--xX-x-"), Line("overdriven guitar", "melody", FLOWING),
           Line("electric bass", "comp", "1-1-1-1-1-1-1-5-"), Line("drum kit", "drums", "rock", 105)),
          ("rock",), ("electric guitar", "drums", "loud", "energetic"),
          "A {tempo} rock band with distorted electric guitars, bass and drums."),
    Style("jazz trio", (132, 176), (("dorian", "ii7 V7 Imaj7 VI7"), ("major", "Imaj7 vi7 ii7 V7")),
          (Line("piano", "comp", "..x.....x...", 70), Line("piano", "melody", SWUNG, 92),
           Line("double bass", "walking", "", 100), Line("drum kit", "drums", "swing", 70)),
          ("jazz", "swing"), ("piano", "double bass", "drums"),
          "A {tempo} jazz trio: swinging piano, walking double bass and ride cymbal."),
    Style("slow jazz", (58, 72), (("dorian", "i7 iv7 bVII7 bIIImaj7"), ("minor", "i7 bVImaj7 ii7 V7")),
          (Line("muted trumpet", "melody", "x-- x-x ---", 100), Line("piano", "comp", "x-----..x---", 62),
           Line("double bass", "comp", "1-----5-----", 90), Line("drum kit", "drums", "brushes", 55)),
          ("jazz", "ballad"), ("muted trumpet", "piano", "mellow", "quiet", "night"),
          "A {tempo} late night jazz ballad with muted trumpet, piano and brushes."),
    Style("techno", (126, 138), (("minor", "i i i bVI"), ("phrygian", "i i i i")),
          (Line("synth bass", "comp", "..1...1...1.1.1.", 105), Line("synth lead", "comp", "1358531815381358", 62),
           Line("synth pad", "pad", velocity=55), Line("drum kit", "drums", "techno", 110)),
          ("electronic", "techno", "dance"), ("synth", "beat", "drum machine", "energetic"),
          "A {tempo} techno track with a four on the floor beat and synthesizer loops."),
    Style("ambient", (50, 62), (("lydian", "Imaj7 II Imaj7 vi7"), ("minor", "i7 bVImaj7 i7 bIIImaj7")),
          (Line("synth pad", "pad", velocity=75), Line("warm pad", "pad", velocity=75),
           Line("celesta", "melody", "x--- .... ....", 50)),
          ("ambient", "electronic", "new age"), ("synth", "calm", "quiet", "atmospheric"),
          "A {tempo} ambient soundscape of soft synthesizer pads and distant bells."),
    Style("orchestral", (84, 112), (("minor", "i bVI bIII bVII"), ("major", "I V vi IV")),
          (Line("string ensemble", "comp", "x-x-x-x-x-x-x-x-", 80), Line("french horn", "melody", CALM, 105),
           Line("flute", "melody", FLOWING, 70), Line("trumpet", "voice", "x-------x---x---", 75),
           Line("timpani", "comp", "1-------..1-1-1-", 100), Line("cello", "comp", "1---5---8---5---", 85)),
          ("classical", "orchestral", "soundtrack"), ("orchestra", "strings", "horn", "epic"),
          "A {tempo} epic orchestral film score with strings, brass and timpani."),
    Style("death metal", (184, 212), (("phrygian", "i i bII i"), ("harmonic minor", "i i bVI V")),
          (Line("distortion guitar", "power", "XxxxXxxxXxxxXxXx", 112),
           Line("distortion guitar", "melody", "xxxx xx-x", 90),
           Line("picked bass", "comp", "1111111111111111", 105),
           Line("drum kit", "drums", "blast | double kick", 110)),
          ("metal", "death metal"), ("distortion guitar", "drums", "loud", "aggressive"),
          "A {tempo} and aggressive death metal piece with blast beats and distorted guitars."),
    Style("country", (104, 132), (("pentatonic", "I IV I V"), ("major", "I I IV V")),
          (Line("acoustic guitar", "strum", "..X-..X-..X-..Xx", 80), Line("fiddle", "melody", FLOWING, 92),
           Line("banjo", "comp", "1583953815839538", 62), Line("double bass", "comp", "1---5---", 100),
           Line("drum kit", "drums", "train", 62)),
          ("country", "bluegrass"), ("fiddle", "banjo", "acoustic guitar", "happy"),
          "A {tempo} country tune with fiddle, banjo and strummed acoustic guitar."),
    Style("reggae", (70, 84), (("major", "I IV I V"), ("minor", "i bVII i iv")),
          (Line("clean electric guitar", "strum", "..X...X...X...X.", 88),
           Line("hammond organ", "comp", "..x..xx...x..xx.", 55),
           Line("electric bass", "comp", "1--1..5-....8-5-", 112), Line("trombone", "melody", "x-x- .... x---", 80),
           Line("drum kit", "drums", "one drop", 90)),
          ("reggae",), ("bass", "electric guitar", "organ", "relaxed"),
          "A {tempo} reggae groove with offbeat guitar, organ and a heavy bass line."),
    Style("bossa nova", (116, 136), (("major", "Imaj7 II7 ii7 V7"), ("dorian", "i7 iv7 V7 i7")),
          (Line("classical guitar", "comp", "1-.x..x-5-.x..x-", 85), Line("flute", "melody", FLOWING, 80),
           Line("double bass", "comp", "1--51---5--15---", 90), Line("drum kit", "drums", "bossa", 52)),
          ("bossa nova", "latin", "jazz"), ("classical guitar", "flute", "relaxed", "brazil"),
          "A {tempo} bossa nova with nylon string guitar, flute and soft percussion."),
    Style("hip hop", (82, 94), (("minor", "i7 bVImaj7 iv7 V7"), ("dorian", "i7 iv7 i7 iv7")),
          (Line("electric piano", "comp", "x-----..x---..x-", 78), Line("sub bass", "comp", "1--1....1-..5-..", 115),
           Line("string ensemble", "voice", "x-------........", 55), Line("drum kit", "drums", "boom bap", 112)),
          ("hip hop",), ("beat", "electric piano", "bass", "drums"),
          "A {tempo} instrumental hip hop beat with electric piano and deep bass."),
    Style("string quartet", (66, 104), (("major", "I IV ii V"), ("minor", "i iv V i")),
          (Line("violin", "melody", FLOWING, 95), Line("violin", "voice", "x---x---x---x---", 75),
           Line("viola", "voice", "x-x-x-x-x-x-x-x-", 75), Line("cello", "comp", "1---5---3---5---", 85)),
          ("classical", "chamber music"), ("string quartet", "strings", "violin", "cello"),
          "A {tempo} string quartet in the classical style."),
    Style("sacred choir", (56, 70), (("major", "I IV V I"), ("minor", "i bVI iv V")),
          (Line("choir", "pad", "x-------x-------", 95), Line("choir", "melody", CALM, 95),
           Line("church organ", "comp", "1-----------5---", 60)),
          ("classical", "choral"), ("choir", "organ", "voices", "solemn", "church"),
          "A {tempo} and solemn sacred choir with church organ."),
    Style("big band", (136, 172), (("major", "I6 VI7 ii7 V7"), ("blues", "I7 IV7 I7 V7")),
          (Line("brass section", "comp", "X..X.....x..", 100), Line("saxophone", "melody", SWUNG, 95),
           Line("trumpet", "melody", "x-x ... --x", 80), Line("piano", "comp", "..x.....x...", 58),
           Line("double bass", "walking", "", 100), Line("drum kit", "drums", "swing", 92)),
          ("jazz", "big band", "swing"), ("brass", "saxophone", "trumpet", "energetic"),
          "A {tempo} swinging big band with brass stabs, saxophone and walking bass."),
    Style("folk", (88, 116), (("major", "I V vi IV"), ("dorian", "i bVII i IV")),
          (Line("acoustic guitar", "comp", "1-5-8-9-8-5-9-5-", 90), Line("recorder", "melody", FLOWING, 75),
           Line("fiddle", "voice", velocity=60)),
          ("folk", "celtic"), ("acoustic guitar", "recorder", "acoustic", "gentle"),
          "A {tempo} folk song with fingerpicked acoustic guitar and recorder."),
    Style("salsa", (92, 108), (("minor", "i iv V7 iv"), ("major", "I IV V7 IV")),
          (Line("latin percussion", "drums", "salsa | rumba", 100), Line("piano", "comp", "x.35.x5.x.35.x8.", 82),
           Line("electric bass", "comp", "......5-....1---", 105),
           Line("trumpet", "melody", "x-x- x-xx .... xxx-", 90)),
          ("latin", "salsa"), ("percussion", "congas", "trumpet", "dance"),
          "A {tempo} salsa with latin percussion, piano montuno and trumpet."),
    Style("synth pop", (112, 126), (("major", "vi IV I V"), ("minor", "i bVI bIII bVII")),
          (Line("synth lead", "melody", FLOWING, 80), Line("synth brass", "comp", "x---..x-x---..x-", 75),
           Line("synth bass", "comp", "1-8-1-8-1-8-1-8-", 105), Line("synth pad", "pad", velocity=55),
           Line("drum kit", "drums", "synth pop", 105)),
          ("pop", "synth pop", "80s"), ("synth", "drum machine", "catchy", "dance"),
          "A {tempo} 80s synth pop song with a bright synthesizer lead and drum machine."),
    Style("blues", (84, 112), (("blues", "I7 IV7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7"),),
          (Line("harmonica", "melody", SWUNG, 105), Line("clean electric guitar", "comp", "1.51.51.51.5", 85),
           Line("electric bass", "comp", "1--3--5--7--", 100), Line("drum kit", "drums", "shuffle", 85)),
          ("blues",), ("harmonica", "electric guitar", "shuffle"),
          "A {tempo} twelve bar blues with harmonica and a guitar shuffle."),
    Style("waltz", (138, 168), (("major", "I I V7 V7 V7 V7 I I"), ("harmonic minor", "i i iv V7")),
          (Line("accordion", "melody", "x--- x-x- ----", 92), Line("violin", "melody", CALM, 75),
           Line("piano", "comp", "1-x-x-", 78), Line("double bass", "comp", "1-....", 90)),
          ("waltz", "folk"), ("accordion", "violin", "dance", "romantic"),
          "A {tempo} romantic waltz with accordion and violin.", beats=3),
    Style("drum and bass", (168, 178), (("minor", "i i bVI bVII"), ("dorian", "i7 i7 iv7 iv7")),
          (Line("sub bass", "comp", "1-----1-..5-1---", 118), Line("synth pad", "pad", velocity=65),
           Line("electric piano", "melody", "x-x- .... .... --x-", 65), Line("drum kit", "drums", "breakbeat", 115)),
          ("electronic", "drum and bass"), ("beat", "bass", "drums", "energetic"),
          "A {tempo} drum and bass track with a broken beat and deep sub bass."),
)  # fmt: skip
