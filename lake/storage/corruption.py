"""Tables that cannot be read: how Lance shows it, and what a person is told."""

from collections.abc import Iterator
from contextlib import contextmanager

import lance

from schemas.errors import UserError

_CORRUPT = ("corrupt file", "Invalid format", "decode Protobuf", "range was invalid")


class CorruptTableError(UserError):
    """A version of a table exists and cannot be read."""


def damage_message(uri: str, version: str) -> str:
    """Return the line about a version of a table that cannot be read."""
    return f"the table {uri} is damaged: {version} cannot be read; run `tonelake doctor` to see how to repair it"


@contextmanager
def detect_corruption(table: lance.LanceDataset) -> Iterator[None]:
    """Raise CorruptTableError if Lance finds an unreadable version inside the `with` block.

    Wrap calls that read every version of the table, like its clean-up.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if any(word in str(error) for word in _CORRUPT):
            raise CorruptTableError(damage_message(table.uri, "an older version")) from error
        raise


def is_panic(error: BaseException) -> bool:
    """Tell whether Lance's Rust code panicked. Python has no name for that class."""
    return type(error).__name__ == "PanicException"
