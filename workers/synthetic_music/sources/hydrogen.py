"""Drum kits of the drum machine Hydrogen, kit by kit by licence.

hydrogen-data (7 MB) has two kits. hydrogen-drumkits (143 MB) has those of two sources: one under the GPL, one under
Creative Commons. Left out are HardElectro1, VariBreaks and ElectricEmpireKit's percussion (effects), circAfrique
(djembes, which are no voice of the corpus), and ForzeeStereo (156 MB unpacked).
"""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from xml.etree import ElementTree

from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.kits import build_kit, complete_kit, load_layers
from workers.synthetic_music.sources.packages import DEBIAN, SoundPackage
from workers.synthetic_music.sources.sampler import Patch, Sampler

Keys = Mapping[int, str]  # General MIDI key -> the instrument's name in the kit

ROCK_KIT: Keys = {
    36: "Kick", 37: "Stick", 38: "Snare", 39: "Hand Clap", 40: "Snare Rimshot", 41: "Floor Tom", 42: "Hat Closed",
    43: "Floor Tom", 44: "Hat Pedal", 45: "Tom 2", 46: "Hat Open", 48: "Tom 1", 49: "Crash", 51: "Ride", 53: "Bell",
    55: "Splash", 56: "Cowbell", 57: "Crash", 59: "Ride 2",
}  # fmt: skip
TR808: Keys = {
    35: "Kick Long", 36: "Kick Short", 38: "Snare 1", 40: "Snare 2", 39: "Clap", 42: "Closed Hat", 43: "Tom Low",
    44: "Pedal Hat", 45: "Tom Mid", 46: "Open Hat", 48: "Tom Hi", 49: "Cymbal", 56: "Cowbell",
}  # fmt: skip
MILLO: Keys = {
    36: "Kick", 37: "Stick", 38: "Snare Rock", 43: "Tom Low", 42: "Closed HH", 45: "Tom Mid", 44: "Pedal HH",
    48: "Tom Hi", 46: "Open HH", 51: "Ride Jazz", 49: "Crash",
}  # fmt: skip
COLOMBO: Keys = {
    36: "BassDrum", 37: "Stick", 38: "Snare1", 40: "Snare Rock", 43: "Tom Low", 42: "Closed HH", 45: "Tom Mid",
    44: "Pedal HH", 48: "Tom Hi", 46: "Open HH", 49: "crash16inch", 51: "ride-crash20inch", 53: "ride-cup",
    57: "crash20inch--2",
}  # fmt: skip
PEARL: Keys = {
    36: "Pearl Kick", 37: "Pearl Side Stick", 38: "Pearl Snare", 40: "Pearl Snare Rimshot", 43: "Pearl Tom Floor",
    42: "Sabian Hat Closed", 45: "Pearl Tom 2", 44: "Sabian Hat Pedal", 48: "Pearl Tom 1", 46: "Sabian Hat Open",
    51: "Paiste Ride", 53: "Paiste Bell", 49: "Sabian Crash", 57: "Sabian Crash Flink", 55: "Zildjian Splash",
    56: "Cowbell",
}  # fmt: skip
HANDS: Keys = {
    39: "Hand Clap", 54: "Tambourine", 56: "Cowbell", 60: "Bongo Hi", 61: "Bongo Lo", 70: "Maraca", 75: "Clave",
    76: "Woodblock Hi", 77: "Woodblock Lo",
}  # fmt: skip
PACIFIC: Keys = {
    36: "BassDrum", 38: "Snare", 40: "Snare Dry", 42: "Hi Hat Closed", 46: "Hi Hat Opened", 43: "Floor Tom",
    48: "Tom", 49: "Crash Left", 57: "Crash Right", 53: "Ride Bell", 51: "Ride", 59: "Ride 2",
}  # fmt: skip
AUDIOPHOB: Keys = {
    36: "Kick", 37: "Stick", 38: "Snare Rock", 40: "Snare Jazz", 39: "Hand Clap", 43: "Tom Low", 42: "Closed HH",
    45: "Tom Mid", 44: "Pedal HH", 48: "Tom Hi", 46: "Open HH", 51: "Ride Jazz", 49: "Crash",
}  # fmt: skip
RUMPF: Keys = {
    36: "c3 - bass drum 1", 35: "f3 - bass drum 2", 37: "c#3 - stick", 38: "d3 - snare 1", 39: "d#3 - clap",
    40: "e3 - snare 2", 42: "f#3 - hi-hat closed", 44: "g#3 - hi-hat pedal", 46: "a#3 - hi-hat open",
    43: "b3 - low tom", 45: "c4 - middle tom", 48: "d4 - high tom", 49: "c#4 - crash", 51: "e4 - cymbal 2",
    53: "f4 - ride bell",
}  # fmt: skip

BASIC = {
    "drum kit": [("GMRockKit", ROCK_KIT)],
    "rock drum kit": [("GMRockKit", ROCK_KIT)],
    "drum machine": [("TR808EmulationKit", TR808)],
    "snare drum": [("GMRockKit", ROCK_KIT)],
    "cymbals": [("GMRockKit", ROCK_KIT)],
    "cowbell": [("GMRockKit", ROCK_KIT)],
    "hand claps": [("GMRockKit", ROCK_KIT)],
}
ACOUSTIC = [
    ("Millo_MultiLayered2", MILLO),
    ("Millo_MultiLayered3", MILLO),
    ("ColomboAcousticDrumkit", COLOMBO),
    ("The Black Pearl 1.0", PEARL),
]
HAND = [("Gimme A Hand 1.0", HANDS)]
GPL = {
    "drum kit": ACOUSTIC,
    "rock drum kit": [("The Black Pearl 1.0", PEARL)],
    "snare drum": ACOUSTIC,
    "cymbals": ACOUSTIC,
    "bongos": HAND,
    "claves": HAND,
    "cowbell": HAND,
    "hand claps": HAND,
    "maracas": HAND,
    "tambourine": HAND,
    "wood blocks": HAND,
}
FREE = {
    "drum kit": [("BJA_Pacific", PACIFIC)],
    "snare drum": [("BJA_Pacific", PACIFIC)],
    "cymbals": [("BJA_Pacific", PACIFIC)],
    "electronic drums": [("Audiophob", AUDIOPHOB), ("rumpf_kit_z01_h2", RUMPF)],
}


def load_kits(voices: Mapping[str, Sequence[tuple[str, Keys]]], folders: Sequence[Path]) -> Sampler:
    """Return a source whose voices are kits of the package's folder, one or several each."""
    read = cache(partial(_read_kit, folders[0]))
    return Sampler(
        {voice: [partial(read, name, tuple(keys.items())) for name, keys in kits] for voice, kits in voices.items()}
    )


def _read_kit(folder: Path, kit: str, keys: Sequence[tuple[int, str]]) -> Patch:
    """Return a kit as its drumkit.xml describes it; hand percussion stays without substitutes."""
    files: dict[str, list[str]] = {}
    for instrument in ElementTree.parse(folder / f"{kit}--drumkit.xml").findall(".//{*}instrument"):
        layers = [
            (float(layer.findtext("{*}min") or 0), layer.findtext("{*}filename") or "")
            for layer in instrument.findall(".//{*}layer")
        ]
        names = [name for _, name in sorted(layers)] or [instrument.findtext("{*}filename") or ""]
        files.setdefault((instrument.findtext("{*}name") or "").strip(), names)
    samples = {key: load_layers([folder / f"{kit}--{file}" for file in files[name]]) for key, name in keys}
    return build_kit(samples if dict(keys) == HANDS else complete_kit(samples))


def _members(voices: Mapping[str, Sequence[tuple[str, Keys]]]) -> tuple[str, ...]:
    return tuple(sorted({f"*/{kit}/*" for kits in voices.values() for kit, _ in kits}))


# The two sources share the folder of one package.
DRUMKITS = SoundPackage(
    "hydrogen-drumkits",
    DEBIAN,
    "h/hydrogen-drumkits/hydrogen-drumkits_2017.09.19~dfsg-1_all.deb",
    "6ea3c6df9a67762e2362f946c695e619859126b19fbccf32a2e8f07dfd03b2f4",
    _members(GPL | {"free": [kit for kits in FREE.values() for kit in kits]}),
)
HYDROGEN = SourceRegistration(
    name="hydrogen",
    origin="Hydrogen's own kits: GMRockKit (Glen MacArthur, Sebastian Moors), TR808EmulationKit (Artemiy Pavlov)",
    licence="GPL-2.0-or-later",
    voices=frozenset(BASIC),
    packages=(
        SoundPackage(
            "hydrogen-data",
            DEBIAN,
            "h/hydrogen/hydrogen-data_1.2.0~beta1+dfsg-1_all.deb",
            "d2cc3f281c02efb71f132bd173e95a958d3fede7c5aefcaba6547baf918cff2a",
            _members(BASIC),
        ),
    ),
    load=partial(load_kits, BASIC),
)
HYDROGEN_GPL = SourceRegistration(
    name="hydrogen-gpl",
    origin="hydrogen-drumkits: Emiliano Grilli, Marcos Guglielmetti, Glen MacArthur",
    licence="GPL-2.0; ColomboAcousticDrumkit GPL-2.0-or-later with an exception for compositions",
    voices=frozenset(GPL),
    packages=(DRUMKITS,),
    load=partial(load_kits, GPL),
)
HYDROGEN_FREE = SourceRegistration(
    name="hydrogen-free",
    origin="hydrogen-drumkits: Luc Tanguay (BJA_Pacific), audiophobdubstep (Audiophob), Emanuel Rumpf (rumpf_kit)",
    licence="CC-BY-SA-3.0 (BJA_Pacific), CC0 (Audiophob), CC-BY-3.0 (rumpf_kit)",
    voices=frozenset(FREE),
    packages=(DRUMKITS,),
    load=partial(load_kits, FREE),
)
