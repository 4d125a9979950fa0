"""The errors that a person can act on; the command line prints them as one line and exits with 2."""

from schemas.redaction import carries_keys, redacted


class UserError(Exception):
    """Says in one line what is wrong and what to do next; secrets in it are hidden, whoever prints or keeps it."""

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class NotAllowed(UserError):
    """Somebody else's data asks for what only a setting allows: nothing is done until a person has decided."""


def require_no_keys(address: str) -> None:
    """UserError for an address with a user or a password in it: addresses are kept in lakes and shown to all."""
    if carries_keys(address):
        raise UserError(f"{address} carries keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and leave them out")
