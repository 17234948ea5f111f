"""How VK reads arguments: all are text, lists are comma-joined, what does not parse is error 100 (vk.md 2.1)."""

import re

from infrastructure.sandbox.vk_api.errors import VkError

Given = dict[str, str]
INTEGER = re.compile(r"-?\d{1,18}")
CHAT_PEER = 2_000_000_000


def text(given: Given, name: str) -> str:
    """A text that must be there and not be empty."""
    value = given.get(name, "").strip()
    if not value:
        raise VkError(100, f"{name} is undefined")
    return value


def integer(given: Given, name: str, *, least: int, most: int, default: int | None = None) -> int:
    """A whole number within its bounds, or the default where the argument is missing."""
    value = given.get(name, "").strip()
    if not value and default is not None:
        return default
    if not INTEGER.fullmatch(value) or not least <= int(value) <= most:
        raise VkError(100, f"{name} should be from {least} to {most}")
    return int(value)


def integers(given: Given, name: str, *, most: int) -> list[int]:
    """Whole numbers in their order, without repetition; none where the argument is missing."""
    words = [word.strip() for word in given.get(name, "").split(",") if word.strip()]
    if len(words) > most or not all(INTEGER.fullmatch(word) for word in words):
        raise VkError(100, f"{name} is a list of up to {most} integers")
    return list(dict.fromkeys(map(int, words)))


def flag(given: Given, name: str) -> bool:
    """`1` and `true` are true, all else is false."""
    return given.get(name, "").lower() in {"1", "true"}


def chat_id(given: Given) -> int:
    """`chat_id`, the caller's own number of the chat."""
    return integer(given, "chat_id", least=0, most=100_000_000)


def chat_of_peer(peer_id: int) -> int:
    """The caller's own number of the chat behind a peer id; 936 for a peer that is no chat."""
    if peer_id <= CHAT_PEER:
        raise VkError(936)
    return peer_id - CHAT_PEER
