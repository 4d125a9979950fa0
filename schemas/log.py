"""The function that jobs log to."""

from collections.abc import Callable

Log = Callable[[str], None]  # prints one line for the user
