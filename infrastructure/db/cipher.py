"""Encryption at rest: what is sealed is opened by any of the keys, and sealed anew by the first (AUDIT-02)."""

import os
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from infrastructure.settings import PREFIX, BadSettings, Settings


class Cipher:
    """Seals texts with Fernet (AES-128-CBC and HMAC-SHA256) under the first of `keys`."""

    def __init__(self, keys: str) -> None:
        try:
            fernets = [Fernet(key.strip()) for key in keys.split(",")]
        except ValueError as error:
            raise BadSettings(
                f"{PREFIX}TOKEN_KEYS: each key must be 32 url-safe base64-encoded bytes, as Fernet.generate_key() makes"
            ) from error
        self._first, self._fernet = fernets[0], MultiFernet(fernets)

    def seal(self, text: str) -> bytes:
        """The text, unreadable without a key."""
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str | None:
        """The text again; None if the key that sealed it is gone."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None

    def reseal(self, sealed: bytes) -> bytes | None:
        """The same text sealed with the first key; None if the key that sealed it is gone."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            return None

    def is_sealed_with_first_key(self, sealed: bytes) -> bool:
        """Whether the other keys are of no more use to it."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return False
        return True


def token_keys(settings: Settings) -> str:
    """The keys of the settings; in development, without any, one that is made once and kept beside the data."""
    if settings.token_keys is not None:
        return settings.token_keys.get_secret_value()
    if settings.environment == "production":
        raise BadSettings(f"{PREFIX}TOKEN_KEYS must be set in production")
    kept = settings.data_dir / "token.key"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_name(f"token.key.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(Fernet.generate_key())
        with suppress(FileExistsError):
            # Of two processes that start at once, one makes the key and both use it.
            os.link(fresh, kept)
        fresh.unlink()
    return kept.read_text(encoding="ascii")
