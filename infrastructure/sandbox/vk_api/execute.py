"""The part of VKScript that the sandbox understands: `return [API.section.method({…}), …];` (vk.md 2.3)."""

import json
import re

from infrastructure.sandbox.vk_api.errors import VkError

MOST_CALLS = 25
CALL = re.compile(r"\s*API\.([A-Za-z]+\.[A-Za-z]+)\s*\(\s*")
BEGIN, END = re.compile(r"\s*return\s*\["), re.compile(r"\s*\]\s*;?\s*")
CLOSE, COMMA = re.compile(r"\s*\)"), re.compile(r"\s*,")
DECODER = json.JSONDecoder()


def parse(code: str) -> list[tuple[str, dict[str, str]]]:
    """The calls in their order, arguments as VK reads them.

    Raises:
        VkError: 12 for code of another form, 13 for more than 25 calls.
    """
    place = _after(BEGIN, code, 0)
    calls: list[tuple[str, dict[str, str]]] = []
    while not END.fullmatch(code, place):
        if calls:
            place = _after(COMMA, code, place)
        found = CALL.match(code, place)
        if found is None:
            raise VkError(12)
        arguments, place = _object(code, found.end())
        place = _after(CLOSE, code, place)
        calls.append((found.group(1), arguments))
        if len(calls) > MOST_CALLS:
            raise VkError(13, "too many API calls")
    return calls


def _after(pattern: re.Pattern[str], code: str, place: int) -> int:
    found = pattern.match(code, place)
    if found is None:
        raise VkError(12)
    return found.end()


def _object(code: str, place: int) -> tuple[dict[str, str], int]:
    if code[place : place + 1] == ")":
        return {}, place
    try:
        value, end = DECODER.raw_decode(code, place)
    except (ValueError, RecursionError):
        raise VkError(12) from None
    if not isinstance(value, dict):
        raise VkError(12)
    return {name: _argument(part) for name, part in value.items()}, end


def _argument(value: object) -> str:
    match value:
        case bool():
            return str(int(value))
        case list():
            return ",".join(map(_argument, value))
        case str() | int() | float():
            return str(value)
        case _:
            raise VkError(12)
