"""A search for the words of a name, as patterns for `search_key like all(…)` (CHAT-33)."""

from domain.ordering import search_words

MOST_WORDS = 10


def patterns(text: str | None) -> list[str]:
    """A pattern for each of the first ten words; none for nothing but spaces, which then finds everything."""
    return [f"%{_literal(word)}%" for word in search_words(text or "")[:MOST_WORDS]]


def _literal(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
