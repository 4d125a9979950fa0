"""The sources of sound by name.

source = SOURCES["freepats"]
"""

from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.freepats import FREEPATS

SOURCES: dict[str, SourceRegistration] = {
    "freepats": FREEPATS,
}
