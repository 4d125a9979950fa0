"""The text side of a search: vectors of texts, and remarks on strange words."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from flows.search.bounded_cache import find_or_make
from flows.search.version import text_tower
from schemas.encoders import EncoderSpec
from schemas.settings import Settings
from workers.encoders.base.interface import TextTower
from workers.text.minilm_weights import MINILM
from workers.text.query_words import QueryWords, music_words

_KEPT_TEXTS = 256


@dataclass
class TextSide:
    """The text tower of an encoder version, and the words it knows. Both are loaded at their first use."""

    settings: Settings
    spec: EncoderSpec
    _vectors: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @cached_property
    def tower(self) -> TextTower:
        """The text tower. Raises UserError if the encoder has none."""
        return text_tower(self.spec, self.settings)

    @cached_property
    def words(self) -> QueryWords | None:
        """What tells known words from strange ones; None without MiniLM's vocabulary.

        Nothing is fetched for a remark, whatever the encoder.
        """
        tokenizer = self.settings.models / MINILM.folder / "tokenizer.json"
        return QueryWords(tokenizer) if tokenizer.exists() else None

    def embed(self, text: str) -> np.ndarray:
        """Return the unit vector of a text, float32 [dim]. Raises UserError if the encoder has no text tower.

        The vectors of the last texts are kept: people ask again with another filter, or for the next page.
        """
        return find_or_make(self._vectors, text, lambda: self.tower.embed_text([text])[0], _KEPT_TEXTS)

    def knows(self, word: str) -> bool:
        """Tell whether a folded word is one of English or of music.

        Without MiniLM's vocabulary on this machine, only words of music are known.
        """
        return self.words.knows(word) if self.words else word in music_words()

    def remark_on(self, text: str) -> str | None:
        """Return a line about misspelt or strange words; None if there are none."""
        unplaced = self.words.find_unplaced(text) if self.words else []
        if not unplaced:
            return None
        near = [f" (did you mean {' or '.join(word.near)}?)" if word.near else "" for word in unplaced]
        listed = ", ".join(f"{word.word!r}{hint}" for word, hint in zip(unplaced, near, strict=True))
        return f"these words say little to an encoder that learned English: {listed}"
