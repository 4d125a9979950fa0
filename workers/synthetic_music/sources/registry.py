"""The sources of sound by name.

registration = SOURCES["waveguide"]
"""

from workers.synthetic_music.sources import faust, synthesizers
from workers.synthetic_music.sources.base import SourceRegistration

SOURCES: dict[str, SourceRegistration] = {
    registration.name: registration
    for registration in (
        synthesizers.WAVEGUIDE,
        synthesizers.MODAL,
        synthesizers.ADDITIVE,
        synthesizers.FM,
        synthesizers.SUBTRACTIVE,
        faust.REGISTRATION,
    )
}
