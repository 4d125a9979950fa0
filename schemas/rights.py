"""Rights: on which days and in which territories a track may be played."""

from dataclasses import dataclass
from datetime import date

from schemas import clock
from schemas.errors import UserError

RIGHTS_COLUMNS = ("available_from", "available_to", "territories")  # of the registry

# ISO 3166-1 alpha-2, and XK: catalogues use it for Kosovo, which has no code there.
TERRITORIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
    """.split()
)


@dataclass(frozen=True, slots=True)
class RightsFilter:
    """The day and the territory of which tracks must have the rights.

    `on` is a date such as 2026-12-24, in UTC; None stands for any day, `territory` None for any territory.
    """

    on: str | None
    territory: str | None = None

    @classmethod
    def from_options(cls, on: str | None, territory: str | None, any_date: bool) -> "RightsFilter | None":
        """Return the filter of --on, --territory and --any-date. The default is today; None: all tracks.

        Raises UserError if the date or the territory is none, or if two options contradict each other.
        """
        if on is not None and any_date:
            raise UserError("--on asks for one day and --any-date for all: give one of them")
        territory = None if territory is None else parse_territory(territory)
        if any_date:
            return cls(None, territory) if territory else None
        return cls(today() if on is None else parse_day(on), territory)


def today() -> str:
    """Return the date of this machine, in UTC, such as 2026-12-24."""
    return clock.now().date().isoformat()


def parse_day(text: str) -> str:
    """Return a date such as 2026-12-24. Raises UserError if the text is none."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise UserError(f"--on {text!r} is no date: give one such as 2026-12-24") from error
    return day.isoformat()


def parse_territory(text: str) -> str:
    """Return a code of TERRITORIES in capital letters. Raises UserError if the text is none."""
    code = text.strip().upper()
    if code not in TERRITORIES:
        hint = "the United Kingdom is GB" if code == "UK" else "give a code of two letters, such as DE"
        raise UserError(f"--territory {text!r} is no territory: {hint}")
    return code
