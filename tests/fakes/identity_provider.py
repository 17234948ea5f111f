"""VK ID in memory: it checks what the real one checks, and no token of it lives longer than there."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

from application.account_links import Callback
from application.ports import AuthorizationFailed, IdentityProviderUnavailable
from domain.account_link import EducationProfile, Tokens
from tests.fakes.storage import Clock

ADDRESS = "https://id.example/authorize"
ACCESS_LIFE = timedelta(hours=1)


@dataclass
class Code:
    """What a user allowed at VK ID; serves once."""

    state: str
    challenge: str
    device_id: str
    profile: EducationProfile


@dataclass
class Pair:
    """Tokens that were issued to a device for a profile in a session; of a refreshed pair nothing works any more."""

    tokens: Tokens
    profile: EducationProfile
    session: int
    alive: bool = True


class FakeIdentityProvider:
    """Implements `application.ports.IdentityProvider`.

    While `unavailable`, it answers nothing, and does nothing. `meanwhile` happens before its next answer, once.
    """

    def __init__(self, clock: Clock) -> None:
        self.unavailable = False
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.exchanges = 0
        self.refreshes = 0
        self.revocations = 0
        self._clock = clock
        self._codes: dict[str, Code] = {}
        self._pairs: list[Pair] = []

    def allow(self, url: str, profile: EducationProfile) -> Callback:
        """The user goes to `url`, chooses the profile, and comes back with this."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        number = len(self._codes) + 1
        self._codes[f"code {number}"] = Code(asked["state"], asked["code_challenge"], f"device {number}", profile)
        return Callback(state=asked["state"], code=f"code {number}", device_id=f"device {number}")

    def issue(self, profile: EducationProfile, *, device_id: str = "device") -> Tokens:
        """A pair as if the user had just allowed it."""
        return self._issue(profile, device_id, session=len(self._pairs))

    def _issue(self, profile: EducationProfile, device_id: str, *, session: int) -> Tokens:
        name = len(self._pairs) + 1
        tokens = Tokens(f"access {name}", f"refresh {name}", device_id, self._clock.now + ACCESS_LIFE)
        self._pairs.append(Pair(tokens, profile, session))
        return tokens

    def withdraw(self, profile: EducationProfile) -> None:
        """No token of the profile is honoured any more."""
        for pair in self._pairs:
            pair.alive = pair.alive and pair.profile != profile

    def works(self, tokens: Tokens) -> bool:
        """Whether the pair could still be used, its access token now or its refresh token for another."""
        return any(pair.alive and pair.tokens == tokens for pair in self._pairs)

    def authorization_url(self, *, state: str, verifier: str) -> str:
        return f"{ADDRESS}?{urlencode({'state': state, 'code_challenge': challenge_of(verifier)})}"

    async def exchange(self, *, code: str, verifier: str, device_id: str, state: str) -> Tokens:
        await self._answer()
        self.exchanges += 1
        allowed = self._codes.pop(code, None)
        if allowed is None or (allowed.state, allowed.challenge, allowed.device_id) != (
            state,
            challenge_of(verifier),
            device_id,
        ):
            raise AuthorizationFailed
        return self.issue(allowed.profile, device_id=device_id)

    async def profile(self, access_token: str) -> EducationProfile:
        await self._answer()
        return self._pair_of(access_token).profile

    async def refresh(self, tokens: Tokens) -> Tokens:
        await self._answer()
        self.refreshes += 1
        for pair in self._pairs:
            same = (pair.tokens.refresh, pair.tokens.device_id) == (tokens.refresh, tokens.device_id)
            if pair.alive and same:
                pair.alive = False
                return self._issue(pair.profile, tokens.device_id, session=pair.session)
        raise AuthorizationFailed

    async def revoke(self, tokens: Tokens) -> None:
        await self._answer()
        self.revocations += 1
        self.withdraw(self._pair_of(tokens.access).profile)

    async def log_out(self, tokens: Tokens) -> None:
        await self._answer()
        ended = self._pair_of(tokens.access).session
        for pair in self._pairs:
            pair.alive = pair.alive and pair.session != ended

    def _pair_of(self, access_token: str) -> Pair:
        for pair in self._pairs:
            if pair.alive and pair.tokens.access == access_token and pair.tokens.access_expires_at > self._clock.now:
                return pair
        raise AuthorizationFailed

    async def _answer(self) -> None:
        # Others go on meanwhile, as they do while the real one is asked.
        await asyncio.sleep(0)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        if self.unavailable:
            raise IdentityProviderUnavailable


def challenge_of(verifier: str) -> str:
    """RFC 7636, S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
