"""Sferum as a messenger with chats and calls, over the VK API (reference vk.md, section 2)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import orjson
import structlog

from application.ports import AccessToken, MessengerFailed, OpenCall, Trouble
from domain.ids import PersonId
from infrastructure.sferum.errors import DONE_ALREADY, MEANINGS, UNKNOWN, Meaning, Remedy
from infrastructure.sferum.pace import Pace

VERSION = "5.199"
LONGEST_SECONDS = 7.0
"""From being asked until we answer: below `application.calls.ANSWER_WITHIN`, so that nobody looks for a call that is
still being asked for."""
CALL_ID_LENGTH = 36

log = structlog.get_logger()


class Sferum:
    """Implements `application.ports.Messenger`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        access_token: AccessToken,
        renewed: Callable[[PersonId, str], Awaitable[str]],
        calls_per_second: int,
        timeout_seconds: float,
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._access_token = access_token
        self._renewed = renewed
        self._pace = Pace(calls_per_second)
        self._timeout_seconds = timeout_seconds

    async def create_chat(self, owner: PersonId, title: str) -> str:
        answer = await self._call(owner, "messages.createChat", title=title)
        chat = answer.get("chat_id") if isinstance(answer, dict) else answer
        return str(_number(chat))

    async def add_member(self, owner: PersonId, chat: str, profile_id: str) -> None:
        # Zero old messages, because the chat's past is not the newcomer's (CHAT-34).
        await self._call(owner, "messages.addChatUser", chat_id=chat, user_id=profile_id, visible_messages_count="0")

    async def start_call(self, account: PersonId, name: str) -> OpenCall:
        answer = _object(await self._call(account, "calls.start", name=name))
        link, id = _text(answer.get("join_link")), answer.get("call_id")
        if id is not None:
            return OpenCall(_call_id(id), link, name)
        # Its id may be missing (vk.md 2.8), but without it the call can never be ended.
        for call in await self.open_calls(account):
            if call.link == link:
                return call
        raise _unusable("calls.start", "no call_id")

    async def open_calls(self, account: PersonId) -> tuple[OpenCall, ...]:
        # CONTRACT: the method's name is seen in the field, its shape is agreed with us (api.md, Sandbox).
        items = _object(await self._call(account, "messages.getCurrentCalls")).get("items")
        if not isinstance(items, list):
            raise _unusable("messages.getCurrentCalls", "no items")
        return tuple(
            OpenCall(_call_id(item.get("call_id")), _text(item.get("join_link")), _text(item.get("name"), least=0))
            for item in map(_object, items)
        )

    async def end_call(self, account: PersonId, id: str) -> None:
        await self._call(account, "calls.forceFinish", call_id=id)

    async def _call(self, account: PersonId, method: str, **parameters: str) -> Any:
        """The `response` of a method, or None if its refusal says that what was asked for is so."""
        latest = time.monotonic() + LONGEST_SECONDS
        token = await self._access_token(account)
        renewed = False
        while True:
            answer = await self._post(account, token, method, parameters, latest)
            if "response" in answer:
                return answer["response"]
            code = _code(answer)
            if code in DONE_ALREADY.get(method, ()):
                return None
            meaning = MEANINGS.get(code, UNKNOWN)
            log.warning("sferum_refused", method=method, code=code, known=code in MEANINGS)
            if meaning.remedy is Remedy.SLOW_DOWN:
                self._pace.rest(account)
            elif meaning.remedy is Remedy.RENEW_TOKEN and not renewed:
                token, renewed = await self._renewed(account, token), True
            else:
                raise _failed(meaning)

    async def _post(
        self, account: PersonId, token: str, method: str, parameters: dict[str, str], latest: float
    ) -> dict[str, Any]:
        """One request. Raises MessengerFailed unless the answer is an envelope: `response` or `error`."""
        left = latest - time.monotonic() - self._timeout_seconds / 2
        if not await self._pace.turn(account, within=left):
            raise MessengerFailed(Trouble.RATE_LIMITED, certain=True, pause=timedelta(seconds=1))
        try:
            async with asyncio.timeout(min(self._timeout_seconds, latest - time.monotonic())):
                response = await self._http.post(
                    f"{self._base_url}/{method}",
                    data={**parameters, "v": VERSION},
                    headers={"Authorization": f"Bearer {token}"},
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            # It was never sent.
            log.warning("sferum_unreachable", method=method, error=type(error).__name__)
            raise MessengerFailed(Trouble.UNAVAILABLE, certain=True) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unusable(method, type(error).__name__) from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise MessengerFailed(Trouble.RATE_LIMITED, certain=True, pause=_retry_after(response))
        if response.status_code >= httpx.codes.BAD_REQUEST:
            raise _unusable(method, f"status {response.status_code}")
        try:
            answer = orjson.loads(response.content)
        except ValueError:
            raise _unusable(method, "not JSON") from None
        # An error beside a response is still an error.
        if isinstance(answer, dict) and "error" in answer:
            return {"error": answer["error"]}
        if not isinstance(answer, dict) or "response" not in answer:
            raise _unusable(method, "no envelope")
        return answer


def _failed(meaning: Meaning) -> MessengerFailed:
    return MessengerFailed(meaning.trouble, certain=meaning.certain, pause=meaning.pause)


def _unusable(method: str, reason: str) -> MessengerFailed:
    """An answer that is none: what was asked for may have been done."""
    log.warning("sferum_unusable_answer", method=method, error=reason)
    return MessengerFailed(Trouble.UNAVAILABLE, certain=False)


def _code(answer: dict[str, Any]) -> int:
    error = answer["error"]
    code = error.get("error_code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 0


def _retry_after(response: httpx.Response) -> timedelta:
    """RFC 9110, 10.2.3, in seconds; its other form, a date, counts as a minute."""
    value = response.headers.get("retry-after", "")
    return timedelta(seconds=min(int(value), 3600)) if value.isdecimal() else timedelta(minutes=1)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unusable("answer", "not an object")
    return value


def _text(value: Any, *, least: int = 1) -> str:
    if not isinstance(value, str) or len(value) < least:
        raise _unusable("answer", "not a text")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unusable("answer", "not a number")
    return value


def _call_id(value: Any) -> str:
    if len(text := _text(value)) != CALL_ID_LENGTH:
        raise _unusable("answer", "not a call's id")
    return text
