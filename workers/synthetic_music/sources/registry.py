"""The sources of sound by name.

source = SOURCES["freepats"]
"""

from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.freepats import FREEPATS
from workers.synthetic_music.sources.hydrogen import HYDROGEN, HYDROGEN_FREE, HYDROGEN_GPL
from workers.synthetic_music.sources.salamander import SALAMANDER
from workers.synthetic_music.sources.sonic_pi import SONIC_PI
from workers.synthetic_music.sources.tonejs import TONEJS

SOURCES: dict[str, SourceRegistration] = {
    "freepats": FREEPATS,
    "hydrogen": HYDROGEN,
    "hydrogen-free": HYDROGEN_FREE,
    "hydrogen-gpl": HYDROGEN_GPL,
    "salamander": SALAMANDER,
    "sonic-pi": SONIC_PI,
    "tonejs": TONEJS,
}
