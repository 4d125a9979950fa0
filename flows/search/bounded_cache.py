"""Values that readers keep, up to a number of them."""

from collections.abc import Callable
from typing import TypeVar

Key, Value = TypeVar("Key"), TypeVar("Value")


def find_or_make(cache: dict[Key, Value], key: Key, make: Callable[[], Value], most: int) -> Value:
    """Return the cache's value, made at the first call. Threads may make it twice; a full cache is emptied."""
    value = cache.get(key)
    if value is None:
        value = make()
        if len(cache) >= most:
            cache.clear()
        cache[key] = value
    return value
