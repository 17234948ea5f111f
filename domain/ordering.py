"""How names are put in order and found: by the Russian alphabet, whatever the database's locale (CHAT-33)."""

import re

_DIGITS = set("0123456789")
_ALPHABET = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
# The letters' places in the alphabet as neighbouring code points: a byte-wise comparison then sorts them, Ё after Е.
_PLACES = {letter: chr(0x0430 + place) for place, letter in enumerate(_ALPHABET)}


def sort_key(*parts: str | None) -> str:
    """A string whose byte-wise order is the order of `parts` by the Russian alphabet; an absent part comes first."""
    return "\x01".join(_placed(_folded(part or "")) for part in parts)


def class_sort_key(name: str) -> str:
    """The order of classes: by number, then letter (2 Г, 9, 10 А)."""
    number, rest = re.fullmatch(r"\s*(\d*)(.*)", name, re.S).groups()  # type: ignore[union-attr]
    return f"{int(number or 0):06d}" + sort_key(rest)


def natural_key(name: str) -> str:
    """The order of names with numbers in them: «2 Г» before «10 А», by the Russian alphabet otherwise."""
    parts = re.split(r"([0-9]+)", _folded(name))
    return "".join(part.zfill(9) if part[:1] in _DIGITS else _placed(part) for part in parts if part)


def search_key(text: str) -> str:
    """What a search compares: case, ё/е and extra spaces make no difference."""
    return _folded(text).replace("ё", "е")


def search_words(text: str) -> tuple[str, ...]:
    """The words of a search, each of which is to be found anywhere in a search key, in any order (CHAT-33)."""
    return tuple(search_key(text).split())


def _placed(folded: str) -> str:
    return "".join(_PLACES.get(letter, letter) for letter in folded)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
