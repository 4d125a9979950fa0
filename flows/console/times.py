"""Lengths of time, for people."""


def minutes_text(seconds: float) -> str:
    """Return seconds as people read them, such as "1:12"."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"
