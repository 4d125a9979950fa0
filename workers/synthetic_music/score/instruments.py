"""The General MIDI instruments of the rendered catalogue: program, family and natural range."""

from dataclasses import dataclass

DRUMS = 128  # stands for General MIDI's percussion channel, which has keys but no program


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument; `low` and `high` are MIDI pitches, `keys` the keys of percussion."""

    name: str
    program: int
    family: str
    low: int = 0
    high: int = 127
    keys: tuple[int, ...] = ()

    @property
    def lower(self) -> tuple[int, int]:
        """The register of an accompaniment: the lower part of a wide range."""
        return (self.low, self.low + 28) if self.high - self.low > 40 else (self.low, self.high)

    @property
    def upper(self) -> tuple[int, int]:
        """The register of a melody: the upper part of a wide range."""
        return (self.low + 24, self.high) if self.high - self.low > 40 else (self.low, self.high)


INSTRUMENTS = {
    instrument.name: instrument
    for instrument in (
        Instrument("piano", 0, "keyboard", 33, 91),
        Instrument("electric piano", 4, "keyboard", 36, 88),
        Instrument("harpsichord", 6, "keyboard", 38, 84),
        Instrument("celesta", 8, "mallets", 60, 96),
        Instrument("music box", 10, "mallets", 67, 96),
        Instrument("vibraphone", 11, "mallets", 53, 88),
        Instrument("marimba", 12, "mallets", 48, 86),
        Instrument("xylophone", 13, "mallets", 65, 98),
        Instrument("tubular bells", 14, "bells", 60, 77),
        Instrument("hammond organ", 16, "organ", 40, 84),
        Instrument("church organ", 19, "organ", 36, 84),
        Instrument("accordion", 21, "reeds", 53, 88),
        Instrument("harmonica", 22, "reeds", 60, 84),
        Instrument("classical guitar", 24, "guitar", 40, 79),
        Instrument("acoustic guitar", 25, "guitar", 40, 79),
        Instrument("jazz guitar", 26, "guitar", 42, 81),
        Instrument("clean electric guitar", 27, "guitar", 42, 81),
        Instrument("overdriven guitar", 29, "electric guitar", 45, 84),
        Instrument("distortion guitar", 30, "electric guitar", 40, 76),
        Instrument("double bass", 32, "bass", 28, 55),
        Instrument("electric bass", 33, "bass", 28, 55),
        Instrument("picked bass", 34, "bass", 28, 52),
        Instrument("synth bass", 38, "bass", 28, 52),
        Instrument("sub bass", 39, "bass", 26, 48),
        Instrument("violin", 40, "strings", 55, 93),
        Instrument("viola", 41, "strings", 48, 81),
        Instrument("cello", 42, "strings", 36, 69),
        Instrument("harp", 46, "plucked strings", 35, 93),
        Instrument("timpani", 47, "drums", 40, 57),
        Instrument("string ensemble", 48, "strings", 43, 86),
        Instrument("choir", 52, "voices", 48, 79),
        Instrument("trumpet", 56, "brass", 55, 84),
        Instrument("trombone", 57, "brass", 41, 70),
        Instrument("muted trumpet", 59, "brass", 55, 82),
        Instrument("french horn", 60, "brass", 43, 76),
        Instrument("brass section", 61, "brass", 48, 79),
        Instrument("synth brass", 62, "synthesizer", 48, 79),
        Instrument("saxophone", 66, "reeds", 45, 75),
        Instrument("oboe", 68, "woodwind", 59, 86),
        Instrument("clarinet", 71, "woodwind", 52, 86),
        Instrument("flute", 73, "woodwind", 60, 94),
        Instrument("pan flute", 75, "woodwind", 60, 88),
        Instrument("recorder", 74, "woodwind", 60, 86),
        Instrument("synth lead", 81, "synthesizer", 55, 86),
        Instrument("synth pad", 88, "synthesizer", 43, 79),
        Instrument("warm pad", 89, "synthesizer", 43, 76),
        Instrument("sitar", 104, "plucked strings", 48, 79),
        Instrument("banjo", 105, "plucked strings", 50, 81),
        Instrument("koto", 107, "plucked strings", 50, 84),
        Instrument("kalimba", 108, "mallets", 60, 86),
        Instrument("bagpipe", 109, "reeds", 58, 81),
        Instrument("fiddle", 110, "strings", 55, 88),
        Instrument("steel drums", 114, "mallets", 55, 88),
        Instrument("drum kit", DRUMS, "drums", keys=(35, 36, 37, 38, 42, 43, 45, 46, 47, 48, 49, 50, 51, 53)),
        Instrument("bongos", DRUMS, "percussion", keys=(60, 61)),
        Instrument("castanets", DRUMS, "percussion", keys=(85,)),
        Instrument("maracas", DRUMS, "percussion", keys=(70,)),
        Instrument("tambourine", DRUMS, "percussion", keys=(54,)),
        Instrument("triangle", DRUMS, "percussion", keys=(80, 81)),
        Instrument("latin percussion", DRUMS, "percussion", keys=(56, 60, 61, 62, 63, 64, 65, 66, 70, 75)),
    )
}
