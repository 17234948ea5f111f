"""Names that people give to things: what is cut off, and what is refused."""

import unicodedata
from collections.abc import Iterator

from domain.errors import Problem, ProblemCode

# Controls, lone surrogates, and line separators; directional overrides would turn the text around it.
_REFUSED_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_DIRECTIONAL = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE_CATEGORIES = {"Cf", "Zs", "Mn", "Me"}
# Letters and a symbol that are drawn as nothing.
_BLANKS = set("\u115f\u1160\u2800\u3164\uffa0")


def clean(name: str | None) -> str:
    """Without blanks at its ends; nothing for a name in which there is nothing to be seen."""
    trimmed = (name or "").strip()
    visible = any(one not in _BLANKS and unicodedata.category(one) not in _INVISIBLE_CATEGORIES for one in trimmed)
    return trimmed if visible else ""


def name_problems(
    name: str | None, *, most: int, required: bool, field: str = "name", within: tuple[str, ...] = ()
) -> Iterator[Problem]:
    """What is wrong with a name that people give."""
    cleaned, where = clean(name), (*within, field)
    if not cleaned and required:
        yield Problem(ProblemCode.REQUIRED, where)
    if len(cleaned) > most:
        yield Problem(ProblemCode.TOO_LONG, where, {"most": str(most)})
    if any(unicodedata.category(one) in _REFUSED_CATEGORIES or one in _DIRECTIONAL for one in cleaned):
        yield Problem(ProblemCode.INVALID, where)
