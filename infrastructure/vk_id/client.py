"""VK ID over HTTP: OAuth 2.1 with PKCE, and who it is that came (reference vk.md, section 1)."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import structlog

from application.ports import AuthorizationFailed, IdentityProviderUnavailable
from domain.account_link import EducationProfile, Tokens

SCOPE = "vkid.personal_info"
NEVER = timedelta(days=3650)

_REFUSED_FOR_GOOD = {
    "invalid_request",
    "invalid_grant",
    "invalid_token",
    "access_denied",
    "login_required",
    "interaction_required",
}
"""The code, the token or the person is at fault (vk.md 1.6). Every other code is a state of VK ID or of our settings:
tried again later it may pass, so that nobody's link is broken by it."""

log = structlog.get_logger()


class VkId:
    """Implements `application.ports.IdentityProvider` for the application `client_id`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        client_id: str,
        redirect_uri: str,
        now: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._client_id = client_id
        self._redirect_uri = redirect_uri
        self._now = now

    def authorization_url(self, *, state: str, verifier: str) -> str:
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "state": state,
            "code_challenge": challenge,
            # VK's own clients write it in small letters (vk.md 1.2).
            "code_challenge_method": "s256",
            "scope": SCOPE,
        }
        return f"{self._base_url}/authorize?{urlencode(query)}"

    async def exchange(self, *, code: str, verifier: str, device_id: str, state: str) -> Tokens:
        answer = await self._post(
            "oauth2/auth",
            grant_type="authorization_code",
            code=code,
            code_verifier=verifier,
            device_id=device_id,
            redirect_uri=self._redirect_uri,
            state=state,
        )
        if answer.get("state", state) != state:
            raise AuthorizationFailed
        return self._tokens(answer, device_id)

    async def refresh(self, tokens: Tokens) -> Tokens:
        answer = await self._post(
            "oauth2/auth",
            grant_type="refresh_token",
            refresh_token=tokens.refresh,
            device_id=tokens.device_id,
            state=sha256(tokens.refresh.encode()).hexdigest(),
        )
        return self._tokens(answer, tokens.device_id)

    async def profile(self, access_token: str) -> EducationProfile:
        user = (await self._post("oauth2/user_info", access_token=access_token)).get("user")
        if not isinstance(user, dict):
            raise IdentityProviderUnavailable
        # A number from one endpoint, a string from the other (vk.md 1.5); all but this may be missing.
        id = str(user.get("user_id") or "")
        if not id.isdecimal():
            raise IdentityProviderUnavailable
        names = [name for part in ("first_name", "last_name") if isinstance(name := user.get(part), str) and name]
        return EducationProfile(id=id, display_name=" ".join(names) or f"id{id}")

    async def revoke(self, tokens: Tokens) -> None:
        await self._post("oauth2/revoke", access_token=tokens.access)

    async def log_out(self, tokens: Tokens) -> None:
        await self._post("oauth2/logout", access_token=tokens.access, device_id=tokens.device_id)

    def _tokens(self, answer: Mapping[str, Any], device_id: str) -> Tokens:
        access, refresh, life = (answer.get(name) for name in ("access_token", "refresh_token", "expires_in"))
        if not (isinstance(access, str) and access and isinstance(refresh, str) and refresh):
            raise IdentityProviderUnavailable
        if isinstance(life, bool) or not isinstance(life, int):
            raise IdentityProviderUnavailable
        given = answer.get("device_id")
        return Tokens(
            access=access,
            refresh=refresh,
            device_id=given if isinstance(given, str) and given else device_id,
            # VK's own clients read zero and less as «never» (vk.md 1.4).
            access_expires_at=self._now() + (min(timedelta(seconds=life), NEVER) if life > 0 else NEVER),
        )

    async def _post(self, endpoint: str, **parameters: str) -> Mapping[str, Any]:
        """The answer of an endpoint. An `error` in it is a failure whatever the status (vk.md 1.6)."""
        try:
            response = await self._http.post(
                f"{self._base_url}/{endpoint}", data={"client_id": self._client_id, **parameters}
            )
            answer = orjson.loads(response.content)
        except (httpx.HTTPError, ValueError) as error:
            log.warning("vk_id_unusable_answer", endpoint=endpoint, error=type(error).__name__)
            raise IdentityProviderUnavailable from None
        if not isinstance(answer, dict):
            log.warning("vk_id_unusable_answer", endpoint=endpoint, error="not an object")
            raise IdentityProviderUnavailable
        if "error" in answer:
            name = answer["error"] if isinstance(answer["error"], str) else "not a text"
            log.warning("vk_id_refused", endpoint=endpoint, error=name[:50])
            raise AuthorizationFailed if name in _REFUSED_FOR_GOOD else IdentityProviderUnavailable
        if response.status_code != httpx.codes.OK:
            log.warning("vk_id_unusable_answer", endpoint=endpoint, error=f"status {response.status_code}")
            raise IdentityProviderUnavailable
        return answer
