"""Bearer tokens of the school system: who asks, as its issuer signed it, and nothing more believed."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from application.views import Claims
from domain.ids import PersonId

ALGORITHMS = ["RS256", "ES256"]
KEEP_KEYS_SECONDS = 600.0
ASK_AGAIN_AFTER_SECONDS = 5.0
ASK_AGAIN_AFTER_FAILURE_SECONDS = 1.0
LEEWAY_SECONDS = 5
MOST_JUDGED = 10_000

log = structlog.get_logger()


class BadToken(Exception):
    """The token is absent, forged, expired, or of another issuer or audience."""


class KeysUnavailable(Exception):
    """The issuer's keys could not be had, so that no token can be judged."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A valid token's claims and its end."""

    claims: Claims
    expires_at: datetime


class TokenVerifier:
    """Verifies bearer tokens against the issuer's JWK set (RFC 7517), which it keeps and asks for anew when it must."""

    def __init__(self, http: httpx.AsyncClient, *, issuer: str, audience: str, jwks_url: str) -> None:
        self._http = http
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._keys: KeySet | None = None
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        # A signature costs more than all else of a small request; it is good as long as the keys that it was judged by.
        self._judged: dict[str, tuple[KeySet, Bearer]] = {}

    async def __call__(self, authorization: str | None) -> Bearer:
        """The claims of an `Authorization` header. Raises BadToken, KeysUnavailable."""
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise BadToken
        keys = await self._fresh_keys(KEEP_KEYS_SECONDS)
        known = self._judged.get(token)
        if known is not None and known[0] is keys and known[1].expires_at > datetime.now(UTC):
            return known[1]
        bearer = await self._judge_by_newest_keys(token.strip(), keys)
        if len(self._judged) >= MOST_JUDGED:
            self._judged.clear()
        self._judged[token] = (keys, bearer)
        return bearer

    async def _judge_by_newest_keys(self, token: str, keys: KeySet) -> Bearer:
        try:
            return self._judge(token, keys)
        except (JoseError, ValueError):
            # The issuer may have a new key.
            again = await self._fresh_keys(ASK_AGAIN_AFTER_SECONDS)
            if again is keys:
                raise BadToken from None
        try:
            return self._judge(token, again)
        except (JoseError, ValueError):
            raise BadToken from None

    def _judge(self, token: str, keys: KeySet) -> Bearer:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        audience = claims.get("aud")
        expires, sub = claims.get("exp"), claims.get("sub")
        if claims.get("iss") != self._issuer or self._audience not in (
            audience if isinstance(audience, list) else [audience]
        ):
            raise BadToken
        if not isinstance(sub, str) or not sub or not isinstance(expires, int | float):
            raise BadToken
        now = time.time()
        if expires + LEEWAY_SECONDS <= now or _number(claims.get("nbf")) > now + LEEWAY_SECONDS:
            raise BadToken
        organization, scope = claims.get("org"), claims.get("scope")
        return Bearer(
            Claims(
                person_id=PersonId(sub),
                organization_school_id=organization if isinstance(organization, str) else None,
                superadministrator=claims.get("superadministrator") is True and organization is None,
                roster_service=isinstance(scope, str) and "roster" in scope.split(),
            ),
            datetime.fromtimestamp(expires, UTC),
        )

    async def _fresh_keys(self, seconds: float) -> KeySet:
        """The issuer's keys, no older than so many seconds unless it does not answer."""
        async with self._asking:
            now = time.monotonic()
            # Also after a failure: an issuer that does not answer is not waited for by each request anew.
            pause = seconds if self._keys is not None else ASK_AGAIN_AFTER_FAILURE_SECONDS
            if now - self._asked_at > pause:
                self._asked_at = now
                try:
                    answer = await self._http.get(self._jwks_url, timeout=5)
                    self._keys = KeySet.import_key_set(answer.raise_for_status().json())
                except (httpx.HTTPError, ValueError, JoseError, KeyError) as error:
                    log.warning("issuer_away", error=type(error).__name__)
            if self._keys is None:
                raise KeysUnavailable
            return self._keys


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
