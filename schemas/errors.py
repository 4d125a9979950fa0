"""The errors that a person can act on; the command line prints them as one line and exits with 2."""


class UserError(Exception):
    """Says in one line what is wrong and what to do next."""


class NotAllowed(UserError):
    """Somebody else's data asks for what only a setting allows: nothing is done until a person has decided."""
