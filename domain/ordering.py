"""How names are put in order and found: by the Russian alphabet, whatever the database's locale (CHAT-33)."""

import re

_ALPHABET = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
# The letters' places in the alphabet as neighbouring code points: a byte-wise comparison then sorts them, Ё after Е.
_PLACES = {letter: chr(0x0430 + place) for place, letter in enumerate(_ALPHABET)}


def sort_key(*parts: str | None) -> str:
    """A string whose byte-wise order is the order of `parts` by the Russian alphabet; an absent part comes first."""
    return "\x01".join("".join(_PLACES.get(letter, letter) for letter in _folded(part or "")) for part in parts)


def class_sort_key(name: str) -> str:
    """The order of classes: by number, then letter (2 Г, 9, 10 А)."""
    number, rest = re.fullmatch(r"\s*(\d*)(.*)", name, re.S).groups()  # type: ignore[union-attr]
    return f"{int(number or 0):06d}" + sort_key(rest)


def search_key(text: str) -> str:
    """What a search compares: case, ё/е and extra spaces make no difference."""
    return _folded(text).replace("ё", "е")


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
