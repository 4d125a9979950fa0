"""Redaction: removes secrets and terminal control characters from text."""

import json
import os
import re
from urllib.parse import quote

HIDDEN = "***"
MIN_SECRET_LENGTH = 6  # shorter values of secret variables may be ordinary words

_SECRET_NAMES = re.compile(
    r".*(SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|(ACCESS|SECRET|PRIVATE)_KEY|ACCESS_KEY_ID|AUTH_STRING)", re.IGNORECASE
)
# A user, or a user and a password, whose slashes people do not escape: every second AWS secret has one.
_IN_ADDRESS = re.compile(r"""(?<=://)(?:[^/\s'"]+@|[^/\s'":@]+:(?!\d+/)[^\s'"]+@)""")
_SIGNATURES = re.compile(
    r"""(?xi)
    ( authorization ['"]? \s* [:=] \s* b?['"]? ) [^'"\r\n]+
    | ( x-amz-(?:security-token|signature|credential) ['"]? \s* [:=] \s* b?['"]? ) [^'"\s&,;]+
    | \b () (?:AKIA|ASIA)[0-9A-Z]{16} \b
    """
)
# Titles and names come from strangers. Escape sequences in them can write the clipboard or reverse the text.
_CONTROLS = (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROL_MAP = dict.fromkeys(_CONTROLS, "\N{REPLACEMENT CHARACTER}")
_ESCAPES = {code: f"\\u{code:04x}" for code in _CONTROLS}


def redact(text: str) -> str:
    """Return the text with secrets replaced by ***.

    These are the secrets in this process's environment, users and passwords in addresses, and signatures.
    """
    text = _IN_ADDRESS.sub(f"{HIDDEN}@", text)
    text = _SIGNATURES.sub(lambda match: f"{match[1] or match[2] or ''}{HIDDEN}", text)
    for value in _secret_spellings():
        text = text.replace(value, HIDDEN)
    return text


def replace_controls(text: str) -> str:
    """Replace control characters, except line ends and tabs, by a replacement character."""
    return text.translate(_CONTROL_MAP)


def sanitize(text: str) -> str:
    """Return text that is safe to print: without secrets and control characters."""
    return replace_controls(redact(text))


def escape_controls(document: str) -> str:
    """Replace control characters in a JSON document by JSON escapes; its meaning stays the same."""
    return document.translate(_ESCAPES)


def contains_credentials(address: str) -> bool:
    """Tell whether an address contains a user or a password."""
    return _IN_ADDRESS.search(address) is not None


def _secret_spellings() -> list[str]:
    """Return the environment's secrets, plain and as JSON and addresses spell them.

    The longest come first: one may be a part of another.
    """
    secrets = [value for name, value in os.environ.items() if _SECRET_NAMES.fullmatch(name)]
    spellings = {
        spelling
        for value in secrets
        if len(value) >= MIN_SECRET_LENGTH
        for spelling in (value, json.dumps(value)[1:-1], quote(value), quote(value, safe=""))
    }
    return sorted(spellings, key=len, reverse=True)
