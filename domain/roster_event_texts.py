"""What the texts of an event may be: ids and names that people and databases can carry."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from domain.names import name_problems
from domain.participant import Name

LONGEST_ID = 255
LONGEST_NAME_OF_PERSON = 100
LONGEST_NAME = 255

_NAMES = {"name", "subject", "role"}


def fault_in_texts(event: Any) -> str | None:
    """What is wrong with the first text of the event that cannot be used; None if all can."""
    for what, text, most in _texts(event):
        for problem in name_problems(text, most=most, required=True):
            match problem.code:
                case "REQUIRED":
                    return f"the {what} is empty"
                case "TOO_LONG":
                    return f"the {what} is longer than {most} characters"
                case _:
                    return f"the {what} holds characters that no text has"
    return None


def _texts(event: Any) -> Iterator[tuple[str, str, int]]:
    for field in fields(event):
        value = getattr(event, field.name)
        what = field.name.replace("_", " ")
        match value:
            case Name(last, first, patronymic):
                yield "last name", last, LONGEST_NAME_OF_PERSON
                yield "first name", first, LONGEST_NAME_OF_PERSON
                if patronymic is not None:
                    yield "patronymic", patronymic, LONGEST_NAME_OF_PERSON
            case str() if field.name in _NAMES:
                yield what, value, LONGEST_NAME
            case str():
                yield f"id of the {what}".replace(" school id", ""), value, LONGEST_ID
            case frozenset() | tuple():
                yield from ((f"id among the {what}", each, LONGEST_ID) for each in _ids(value))
            case _:
                pass


def _ids(values: Iterable[object]) -> Iterator[str]:
    return (value for value in values if type(value) is str)
