"""Pools of progressions, rhythms and melodic cells; each split owns entries of every pool.

Signs are those of score/notes.py. A drum rhythm is "kick snare cymbal"; a digit of taps is the number of a key.
"""

from dataclasses import dataclass

from numpy.random import Generator

PROGRESSIONS = {
    "major":
        "major:I V vi IV|major:I IV V IV|major:I vi IV V|major:vi IV I V|major:I iii IV V|major:I ii IV I|"
        "major:I IV ii V|major:IV I V vi",
    "minor":
        "minor:i bVI bIII bVII|minor:i iv bVI V|minor:i bVII bVI bVII|harmonic minor:i iv V i|"
        "minor:i bIII bVII iv|minor:i v bVI iv|harmonic minor:i bVI iv V|minor:iv i bVI bIII",
    "jazz":
        "dorian:ii7 V7 Imaj7 vi7|major:Imaj7 vi7 ii7 V7|dorian:i7 iv7 bVII7 bIIImaj7|major:iii7 VI7 ii7 V7|"
        "minor:i7 bVImaj7 ii7 V7|dorian:iv7 bVII7 i7 i7|major:Imaj7 IVmaj7 iii7 VI7",
    "blues":
        "blues:I7 IV7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7|blues:I7 I7 IV7 I7 V7 IV7|blues:I7 IV7 I7 V7|"
        "blues:I7 I7 IV7 IV7 I7 V7|blues:I7 IV7 IV7 I7 V7 I7",
    "rock":
        "mixolydian:I bVII IV I|minor pentatonic:i bVI bVII i|minor pentatonic:i bIII IV i|"
        "mixolydian:I IV bVII IV|minor pentatonic:i bVII bIII IV|mixolydian:I I bVII IV",
    "metal":
        "phrygian:i bII i bVII|phrygian:i i bII bIII|harmonic minor:i bVI V i|phrygian:i bVI bII i|"
        "harmonic minor:i i V bVI",
    "baroque":
        "harmonic minor:i iv V i|major:I IV V7 I|major:I V vi iii IV I IV V|harmonic minor:i V i bVI iv V|"
        "major:I ii V7 I",
    "modal": "dorian:i IV i bVII|dorian:i bVII IV i|mixolydian:I bVII I IV|dorian:i i IV IV|mixolydian:I v IV I",
    "lydian":
        "lydian:Imaj7 II Imaj7 II|lydian:Imaj7 vi7 II II|lydian:I II vi7 II|lydian:Imaj7 II iii7 II|"
        "lydian:Imaj7 Imaj7 II vi7",
    "pentatonic":
        "pentatonic:I IV I V|pentatonic:I vi I V|pentatonic:I I IV I|pentatonic:I V vi V|pentatonic:I IV vi I",
    "spanish":
        "phrygian:I bII bIII bII|harmonic minor:i bVII bVI V|phrygian:i bVII bVI bVII|harmonic minor:i i iv V|"
        "phrygian:I bII I bVII",
    "raga": "bhairav:I|bhairav:I I|bhairav:I I bII I|bhairav:I bII|bhairav:I I I bII",
    "hirajoshi": "hirajoshi:i|hirajoshi:i i|hirajoshi:i bVI|hirajoshi:i i bVI|hirajoshi:i bVI bVI i",
    "none": "major:I|major:I I|major:I I I|major:I I I I|major:I I I I I",
}  # fmt: skip

MELODIC = {
    "calm": "x--- x---|x--- ---- x-x-|x-x- x--- ----|x--- x-.. ----|---- x--- x--x|x--- ..x- x---",
    "flowing": "x-x- x-x- x---|x--x x-x- x-xx|x-xx x-x- x---|xx-x x--- x-x-|x-x- xx-- x--x|x--x x-x- xx-x",
    "lively": "xxx- x-x- xxxx|x-xx x-xx x-x-|xxxx x-x- x-xx|xx-x xxx- x-x-|xxxx xx-x x---|x-xx xxxx xx--",
    "swung": "x-x x-x x--|x-x --x x-x|x-- x-x .-x|xxx x-x x--|x-x xxx --x|--x x-x x-x",
    "sustained": "x--- ---- ----|x--- ---- x---|x--- ---- ---- x-x-|x--- ---- --x-|x--- x--- ---- ----",
    "sparse": "x--- .... ....|x-x- .... x---|x--- .... x-.. ....|xx-- .... ....|x-.. x--- ....",
}  # fmt: skip

ACCOMPANIMENT = {
    "arpeggio":
        "1-5-8-5-1-5-8-5-|1-3-5-8-5-3-5-3-|1-5-9-8-5-8-9-5-|1-8-5-9-8-5-3-5-|1-3-5-3-8-5-3-5-|1-5-3-5-8-5-9-5-",
    "ballad": "1-----x-5---x---|1---x---5---x---|1---x-..5-x-x---|1-----x-----x---|1-x-----5-x-----",
    "stabs": "X..X....x..X....|..X...X...X..X..|X.....X...X.....|..X..X....X.X...|X..X..X.....X.X.",
    "skank": "..X...X...X...X.|..X...X.X...X.X.|..XX..X...XX..X.|....X.......X.X.|..X..xX...X..xX.",
    "swing comp": "..x.....x...|x....x......|x.....x..x..|...x..x.....|x..x.....x..",
    "montuno": "x.35.x5.x.35.x8.|x.x5.x.53.x.5x8.|x5.x.35x.5x.35x.|8.x5.x8.5x.x5.8x|x.53.x5.x8.3.x5.",
    "stride": "1-x-5-x-1-x-5-x-|1-x-1-x-5-x-5-x-|1-x-5-x-1-x-5-xx|1-xx5-x-1-xx5-x-|1-x-5-xx1-x-5-x-",
    "fingerpicking": "1-5-8-9-8-5-9-5-|1-8-5-8-3-8-5-8-|1-5-9-5-8-5-9-8-|1-9-5-8-1-9-5-8-|1-8-9-5-3-8-9-5-",
    "rolls": "1583953815839538|1538153815381583|1589158913589158|1835183518351839|1395139513953159",
    "waltz": "1-x-x-|1-x-5-|1---x-|1-x-..|1-xxx-",
    "pulse": "x-x-x-x-x-x-x-x-|x---x---x---x---|xxx-xxx-xxx-xxx-|x-xxx-xxx-xxx-xx|x--xx--xx--xx--x",
    "bass eighths": "1-1-1-1-1-1-5-5-|1-1-1-5-1-1-1-8-|1-1-5-1-1-1-8-1-|1-8-1-5-1-8-1-5-|1-1-1-1-5-5-1-1-",
    "bass long": "1-------5-------|1-----------5---|1---5-------1---|1-----5-1-------|1-------1-----5-",
    "bass octaves": "1-8-1-8-1-8-1-8-|1.8.1.8.1.8.5.8.|..1...8...1...8.|1-8-5-8-1-8-5-8-|1.8.5.8.1.8.7.8.",
    "bass funk": "1..1..8.1.7.8...|1.1...8..5.7.8..|1...8.1..8.5.1..|1.8...7.1..8..5.|1..8.1...5.7.1..",
    "bass latin": "1--5--8-1--5--8-|..5...1-..5...1-|1--1--5---.5--1-|1-----5-..5-1---|..1--5..--1-5-..",
    "bass waltz": "1-....|1---..|1-..5-|1-5-..|1....5",
    "bass techno": "..1...1...1...1.|1..1..1.1..1..1.|.111.111.111.111|1.1..1.11.1..1.1|..11..11..11..11",
}  # fmt: skip

OTHER = {
    "strum": "X---x-xx..x-x-xx|X-x-X-xxX-x-X-xx|X--xX-x-X--xX-xx|X---X-x-..x-X-x-|X-xxX---X-xxX-x-",
    "power": "X---x.x.X-x.x.x.|X-.xx.xxX---x.x.|X.xxX.xxX.xxX---|X---X---x.x.X---|x.x.X---x.x.X-xx",
    "gallop": "XxxxXxxxXxxxXxXx|X.xxX.xxX.xxX.xx|XxXxxxXxXxxxXxxx|XxxXxxXxxXxxXxXx|X-xxxxX-xxxxX-xx",
    "pad": "x---------------|x-------x-------|x-----------x---|x-----x---------|x---x-------x---",
    "voice": "x---x---x---x---|x-------x---x---|x-x-x-x-x-x-x-x-|x---x-x-x---x-x-|x-----x-x---x---",
    "sweep": "xxxxxxxxxxxxxxxx|x-xxx-xxx-xxx-xx|xxxxxxxxx-------|x-x-x-x-xxxxxxxx|xxx-xxx-xxx-xxx-",
    "drone": "x---------------|x-------x-------|x-------........|x-----------x---|x---x---x---x---",
    "hits": "1.......1...1...|1...........1...|1.....1.....1.1.|1...1.......1...|1.........1.1...",
    "swell": "1---------------|1-------------1-|1---------......|1-----------....|1-------1-------",
    "taps": "1.2.1.2.1.221.2.|1..21..21..21.2.|1.221.2.1.2.1.22|12.21.2.12.212..|1..1..2.1..12.2.|1.1.2..11.1.2...",
    "slow taps": "1.......2.......|1...........2...|1...2...1.......|1.....2.....2...|1.....1.2.......",
    "shakes": "1.1.1.1.1.1.1.1.|1.111.111.111.11|1111111111111111|1.111.1.1.111.1.|11.111.111.111.1",
    "rolls taps": "1..222212..2121.|1222122212221.2.|11112222.1.1.2..|1.2222221.2222..|12.122221.1.2.2.",
}  # fmt: skip

DRUMS = {
    "rock":
        "X.....X.X....... ....X.......X... hx.x.x.x.x.x.x.x.|X..X....X.X..... ....X.......X... hx.x.x.x.x.x.x.x.|"
        "X.X.....X.X..... ....X.......X.x. rx.x.x.x.x.x.x.x.|X......XX......X ....X.......X... hxxxxxxxxxxxxxxxx|"
        "X.X...X...X...X. ....X..x....X... rx...x...x...x...",
    "halftime":
        "X.........X.X... ........X....... hx.x.x.x.x.x.x.x.|X..X............ ........X....... rx...x...x...x...|"
        "X.....X....X.... ........X.....x. hx.x.x.x.x.x.x.x.|X...........X..X ........X....... ox...x...x...x...|"
        "X.X......X...... ........X..x.... hxxxxxxxxxxxxxxxx",
    "metal":
        "XXXXXXXXXXXXXXXX ....X.......X... rx.x.x.x.x.x.x.x.|X.XXX.XXX.XXX.XX ....X.......X... cX.......x.......|"
        "XXXXXXXXXXXXXXXX .X.X.X.X.X.X.X.X rx...x...x...x...|XX.XX.XX.XX.XX.X ....X.......X... ox...x...x...x...|"
        "XXX.XXX.XXX.XXX. ..X...X...X...X. hx.x.x.x.x.x.x.x.",
    "swing":
        "x.....x..... ...x.....x.. rX..X.xX..X.x|x........... ..x.....x..x rX..x.xX..x.x|"
        "x.....x....x ...........x rX..X..X..X.x|x..x..x..x.. .....x..x... rx..X.xx..X.x|"
        "x....x...... ..x..x...... rX..X.xX..X..",
    "brushes":
        "x........... ...x.....x.. rx..x.xx..x.x|x.....x..... ...x.....x.. rx..x..x..x..|"
        "............ ...x..x..x.. rx..x.xx..x..|x.....x..... .....x...x.. rx..x.xx..x.x|"
        "x........x.. ...x.....x.x rx..x..x..x.x",
    "shuffle":
        "X.....X..... ...X.....X.. hx.xx.xx.xx.x|X..x..X..x.. ...X.....X.. rx.xx.xx.xx.x|"
        "X....xX..... ...X.....X.. hx.xx.xx.xx.x|X.....X....x ...X.....X.x hx..x..x..x..|"
        "X..X..X..X.. ...X.....X.. hx.xx.xx.xx.x",
    "techno":
        "X...X...X...X... ............x... o..x...x...x...x.|X...X...X...X... ....X.......X... hxx.xxx.xxx.xxx.x|"
        "X...X...X...X..x ....X.......X..x hxxxxxxxxxxxxxxxx|X...X...X...X.X. .......x........ o..x...x...x...x.|"
        "X...X...X..XX... ....x.......x... h..xx..xx..xx..xx",
    "disco":
        "X...X...X...X... ....X.......X... o..x...x...x...x.|X...X...X...X..x ....X.......X... hx.xxx.xxx.xxx.xx|"
        "X...X...X...X... ....X.......X.x. hxxxxxxxxxxxxxxxx|X...X..xX...X... ....X.......X... o..x...x...x...x.|"
        "X...X...X.x.X... ....X..x....X... h..x.x.x...x.x.x.",
    "funk":
        "X..X......X..X.. ....X..x.x..X... hxxxxxxxxxxxxxxxx|X.X....X..X..... ....X..x....X..x hx.x.x.x.x.x.x.x.|"
        "X......X..X..X.. ....X.x..x..X... hx.xxx.xxx.xxx.xx|X..X..X...X.X... ....X....x..X.x. ox...x...x...x...|"
        "X.X..X....X.X... ....X..x.x..X..x hxxxxxxxxxxxxxxxx",
    "hiphop":
        "X..X....X.X..... ....X.......X... hx.x.x.x.x.x.x.x.|X......X..X..... ....X.......X..x hx.xxx.xxx.xxx.x.|"
        "X.X.......X..X.. ....X.......X... hx.x.x.x.x.x.x.xx|X..X......XX.... ....X.......X... h..x...x...x...x.|"
        "X.....X.X.X..... ....X.......X..x hxxx.xxx.xxx.xxxx",
    "breakbeat":
        "X.X.......X..... ....X..x.x..X..x hx.x.x.x.x.x.x.x.|X.........XX.... ....X.......X... hxxxxxxxxxxxxxxxx|"
        "X..X......X..... ....X..x....X.x. rx...x...x...x...|X.X..X....X..... ....X....x..X... hx.x.x.x.x.x.x.x.|"
        "X.....X...X..... ....X..x.x....X. ox...x...x...x...",
    "bossa":
        "X..xX..xX..xX..x X..X..X...X..X.. hxxxxxxxxxxxxxxxx|X..xX..xX..xX..x ..X..X..X..X.... hxxxxxxxxxxxxxxxx|"
        "X...X..xX...X..x X..X...X..X..... hx.x.x.x.x.x.x.x.|X..xX..xX..xX..x ..X.X...X..X..X. rx.x.x.x.x.x.x.x.|"
        "X......xX......x X..X..X.....X... hxxxxxxxxxxxxxxxx",
    "reggae":
        "........X....... ........X....... hx.x.x.x.x.x.x.x.|X.......X....... ........X....... hx.xxx.xxx.xxx.xx|"
        "X...X...X...X... ........X....... hx.x.x.x.x.x.x.x.|........X......x ........X..x.... h..x...x...x...x.|"
        "X.....x.X....... ....x...X....... hx..xx..xx..xx..x",
    "train":
        "X...X...X...X... xxXxxxXxxxXxxxXx h..x...x...x...x.|X.......X....... x.Xxx.Xxx.Xxx.Xx hx...x...x...x...|"
        "X...X...X...X... ..X...X...X...X. hx.x.x.x.x.x.x.x.|X...X...X...X... xxXx.xXxxxXx.xXx h..x...x...x...x.|"
        "X.......X.....X. xxxXxxXxxxxXxxXx h................",
    "ballad":
        "X.......X....... ....X.......X... hx...x...x...x...|X......XX....... ....x.......x... hx.x.x.x.x.x.x.x.|"
        "X.........X..... ....X.......X... rx...x...x...x...|X.......X.X..... ....X.......X... hx.x.x.x.x.x.x.x.|"
        "X.....X......... ....X.......X... h..x...x...x...x.",
    "march":
        "X.......X....... x.xxX.x.x.xxX.x. c................|X...X...X...X... ..X...X...X.xxX. cX...............|"
        "X.......X....... XxxxX.x.XxxxX.X. c................|X.......X.X..... x..xX..xx..xXxxx c................|"
        "X...X...X...X... x.x.xxx.x.x.Xxxx cX...............",
    "waltz":
        "X..... ..x.x. h......|X..... ..x.x. hx.x.x.|X..... ....x. h..x.x.|X...x. ..x... hx.....|"
        "X..... ..xxx. rx.x.x.",
}  # fmt: skip

POOLS = PROGRESSIONS | MELODIC | ACCOMPANIMENT | OTHER | {f"drums {feel}": pool for feel, pool in DRUMS.items()}


@dataclass(frozen=True, slots=True)
class Pattern:
    """One entry of a pool; `name` is POOL/INDEX, as in a manifest."""

    name: str
    text: str


def patterns_of_split(pool: str, split: str) -> list[Pattern]:
    """Return the entries that a split owns.

    "test" owns the last quarter, "valid" the entry before it, "train" all others.
    """
    entries = [Pattern(f"{pool}/{index}", text) for index, text in enumerate(POOLS[pool].split("|"))]
    tests = max(1, len(entries) // 4)
    cut = len(entries) - tests
    return {"train": entries[: cut - 1], "valid": entries[cut - 1 : cut], "test": entries[cut:]}[split]


def draw_pattern(rng: Generator, pool: str, split: str) -> Pattern:
    """Return a random entry of those that a split owns."""
    entries = patterns_of_split(pool, split)
    return entries[int(rng.integers(len(entries)))]
