"""A remark on a query in words: which of them the text side cannot place."""

from schemas.settings import Settings
from workers.text.minilm_weights import MINILM
from workers.text.query_words import QueryWords


def remark_on(text: str, settings: Settings) -> str | None:
    """Return a line about misspelt or strange words; None if there are none.

    MiniLM's vocabulary must be on this machine, whatever the encoder: nothing is fetched for a remark.
    """
    tokenizer = settings.models / MINILM.folder / "tokenizer.json"
    if not tokenizer.exists():
        return None
    unplaced = QueryWords(tokenizer).find_unplaced(text)
    if not unplaced:
        return None
    near = [f" (did you mean {' or '.join(word.near)}?)" if word.near else "" for word in unplaced]
    words = ", ".join(f"{word.word!r}{hint}" for word, hint in zip(unplaced, near, strict=True))
    return f"these words say little to an encoder that learned English: {words}"
