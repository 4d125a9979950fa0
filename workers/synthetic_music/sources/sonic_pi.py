"""Sonic Pi's samples, CC0, all from freesound.org.

They make an acoustic kit, electronic kits, toms and bass synthesizers. Left out are loops, chords (piano, choir,
guitar), tablas, which are no voice of the corpus, and effects.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.kits import build_kit, complete_kit, load_layers, load_sample
from workers.synthetic_music.sources.packages import DEBIAN, SoundPackage
from workers.synthetic_music.sources.sampler import Patch, Sampler

# Files by General MIDI key, the softest first.
ACOUSTIC = {
    36: "drum_bass_soft drum_bass_hard", 38: "drum_snare_soft drum_snare_hard", 40: "sn_generic",
    42: "drum_cymbal_closed", 43: "drum_tom_lo_soft drum_tom_lo_hard", 44: "drum_cymbal_pedal",
    45: "drum_tom_mid_soft drum_tom_mid_hard", 46: "drum_cymbal_open", 48: "drum_tom_hi_soft drum_tom_hi_hard",
    49: "drum_cymbal_hard", 51: "drum_cymbal_soft", 56: "drum_cowbell", 57: "drum_splash_soft drum_splash_hard",
}  # fmt: skip
ELECTRONIC = [
    dict(zip((35, 36, 37, 38, 40, 42, 43, 46, 49), files.split(), strict=True))
    for files in (
        "bd_tek bd_haus elec_tick sn_dub elec_hi_snare drum_cymbal_closed elec_fuzz_tom elec_cymbal elec_chime",
        "bd_fat bd_klub elec_wood elec_snare elec_mid_snare drum_cymbal_closed elec_fuzz_tom elec_cymbal elec_chime",
        "bd_zum bd_ada elec_pop sn_dolf elec_lo_snare drum_cymbal_pedal elec_fuzz_tom elec_cymbal elec_chime",
    )
]
# The pitch of each, measured: MIDI.
BASSES = {"bass_thick_c": 36.0, "bass_woodsy_c": 36.0, "bass_trance_c": 36.0, "bass_dnb_f": 41.0}
TOMS = {"drum_tom_lo_hard": 41.8, "drum_tom_mid_hard": 46.8, "drum_tom_hi_hard": 50.8}
SYNTH_TOMS = {"elec_fuzz_tom": 40.0}


def load_sonic_pi(folders: Sequence[Path]) -> Sampler:
    """Return the source."""
    folder = folders[0]
    acoustic = cache(partial(_kit, folder, tuple(ACOUSTIC.items())))
    electronic: list[Callable[[], Patch]] = [partial(_kit, folder, tuple(files.items())) for files in ELECTRONIC]
    basses: list[Callable[[], Patch]] = [partial(_tones, folder, {name: root}) for name, root in BASSES.items()]
    return Sampler(
        {
            "drum kit": [acoustic],
            "snare drum": [acoustic],
            "cymbals": [acoustic],
            "cowbell": [acoustic],
            "electronic drums": electronic,
            "synth bass": basses,
            "melodic tom": [partial(_tones, folder, TOMS)],
            "synth drum": [partial(_tones, folder, SYNTH_TOMS)],
        }
    )


def _kit(folder: Path, files: Sequence[tuple[int, str]]) -> Patch:
    layers = {key: load_layers([folder / f"{name}.flac" for name in names.split()]) for key, names in files}
    return build_kit(complete_kit(layers))


def _tones(folder: Path, roots: dict[str, float]) -> Patch:
    return Patch(tuple(load_sample(folder / f"{name}.flac", root=root) for name, root in roots.items()))


SONIC_PI = SourceRegistration(
    name="sonic-pi",
    origin="Sonic Pi, samples of freesound.org's users",
    licence="CC0-1.0",
    voices=frozenset(
        ("drum kit", "snare drum", "cymbals", "cowbell", "electronic drums", "synth bass", "melodic tom", "synth drum")
    ),
    packages=(
        SoundPackage(
            "sonic-pi-samples",
            DEBIAN,
            "s/sonic-pi/sonic-pi-samples_3.2.2~repack-8_all.deb",
            "25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d",
            ("*.flac",),
        ),
    ),
    load=load_sonic_pi,
)
