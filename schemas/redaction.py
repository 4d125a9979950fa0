"""What may be shown and kept: no secret, and nothing that a terminal would obey."""

import json
import os
import re
from urllib.parse import quote

HIDDEN = "***"
SHORTEST = 6  # of a value that is hidden wherever it stands: shorter ones are words, too

_NAMED = re.compile(
    r".*(SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|(ACCESS|SECRET|PRIVATE)_KEY|ACCESS_KEY_ID|AUTH_STRING)", re.IGNORECASE
)
# A user, or a user and a password, in which people leave slashes as they are: of AWS's secrets every second has one.
_IN_ADDRESS = re.compile(r"""(?<=://)(?:[^/\s'"]+@|[^/\s'":@]+:(?!\d+/)[^\s'"]+@)""")
_TOLD = re.compile(
    r"""(?xi)
    ( authorization ['"]? \s* [:=] \s* b?['"]? ) [^'"\r\n]+
    | ( x-amz-(?:security-token|signature|credential) ['"]? \s* [:=] \s* b?['"]? ) [^'"\s&,;]+
    | \b () (?:AKIA|ASIA)[0-9A-Z]{16} \b
    """
)
# Titles and names come from strangers: an escape in one may write the clipboard, another turns the text around.
_CONTROLS = (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_OBEYED = dict.fromkeys(_CONTROLS, "\N{REPLACEMENT CHARACTER}")
_ESCAPES = {code: f"\\u{code:04x}" for code in _CONTROLS}


def redacted(text: str) -> str:
    """The text without the secrets of this process's environment, users and passwords in addresses, and signatures."""
    text = _IN_ADDRESS.sub(f"{HIDDEN}@", text)
    text = _TOLD.sub(lambda found: f"{found[1] or found[2] or ''}{HIDDEN}", text)
    for value in _values():
        text = text.replace(value, HIDDEN)
    return text


def printable(text: str) -> str:
    """The text without control characters but line ends and tabs: a mark stands for each."""
    return text.translate(_OBEYED)


def for_person(text: str) -> str:
    """What a person may read: the text without either."""
    return printable(redacted(text))


def escaped(document: str) -> str:
    """JSON without the control characters that it may hold, each as JSON's own escape: it says the same."""
    return document.translate(_ESCAPES)


def carries_keys(address: str) -> bool:
    """Whether a user or a password stands in an address."""
    return _IN_ADDRESS.search(address) is not None


def without_secrets() -> dict[str, str]:
    """The environment for a program that needs no secret of ours."""
    return {
        name: value for name, value in os.environ.items() if not _NAMED.fullmatch(name) and not carries_keys(value)
    }


def _values() -> list[str]:
    """As they are and as JSON and addresses write them, the longest first: one may be a part of another."""
    held = [value for name, value in os.environ.items() if _NAMED.fullmatch(name) and len(value) >= SHORTEST]
    written = {
        form for value in held for form in (value, json.dumps(value)[1:-1], quote(value), quote(value, safe=""))
    }
    return sorted(written, key=len, reverse=True)
