"""VK API's error codes (vk.md 2.5), with the texts that go with them."""

TEXTS = {
    1: "Unknown error occurred",
    3: "Unknown method passed",
    5: "User authorization failed: invalid access_token (4).",
    6: "Too many requests per second",
    9: "Flood control",
    10: "Internal server error",
    12: "Unable to compile code",
    13: "Runtime error occurred during code invocation",
    15: "Access denied",
    29: "Rate limit reached",
    100: "One of the parameters specified was missing or invalid",
    103: "Out of limits",
    104: "Not found",
    113: "Invalid user id",
    917: "You don't have access to this chat",
    919: "You can't see invite link for this chat",
    925: "You are not admin of this chat",
    927: "Chat does not exist",
    935: "User not found in chat",
    936: "Contact not found",
    951: "Call is already finished",
    981: "User can not be added because of their privacy settings",
}


class VkError(Exception):
    """A method's refusal; nothing was done."""

    def __init__(self, code: int, detail: str | None = None, *, subcode: int | None = None) -> None:
        text = TEXTS.get(code, "Error ordered by a test")
        super().__init__(f"{text}: {detail}" if detail else text)
        self.code = code
        self.subcode = subcode
