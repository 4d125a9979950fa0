"""The sources of sound by name.

source = SOURCES["freepats"]
"""

from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.freepats import FREEPATS
from workers.synthetic_music.sources.salamander import SALAMANDER
from workers.synthetic_music.sources.tonejs import TONEJS

SOURCES: dict[str, SourceRegistration] = {
    "freepats": FREEPATS,
    "salamander": SALAMANDER,
    "tonejs": TONEJS,
}
