"""Sferum as a messenger with chats and calls, over the VK API (reference vk.md, section 2)."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import httpx
import orjson
import structlog

from application.ports import AccessToken, MessengerFailed, OpenCall, Trouble
from domain.ids import PersonId
from infrastructure.sferum.errors import DONE_ALREADY, MEANINGS, UNKNOWN, Meaning, Remedy
from infrastructure.sferum.pace import SECOND, Pace, let_rest, take_turn

VERSION = "5.199"
LONGEST_SECONDS = 7.0
"""From being asked until we answer: the longest that a conference waits for what may never come."""
CALL_ID_LENGTH = 36

T = TypeVar("T")

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
        pace: Pace,
        timeout_seconds: float,
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._access_token = access_token
        self._renewed = renewed
        self._pace = pace
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

    async def start_calls(self, account: PersonId, names: Sequence[str]) -> list[OpenCall | MessengerFailed]:
        if len(names) > 1:
            answers = await self._execute(account, "calls.start", [{"name": name} for name in names])
            if answers is not None:
                return [_started(answer, name) for answer, name in zip(answers, names, strict=True)]
        return [await _or_failure(self.start_call(account, name)) for name in names]

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

    async def end_calls(self, account: PersonId, ids: Sequence[str]) -> list[MessengerFailed | None]:
        if len(ids) > 1:
            answers = await self._execute(account, "calls.forceFinish", [{"call_id": id} for id in ids])
            if answers is not None:
                return [answer if isinstance(answer, MessengerFailed) else None for answer in answers]
        return [await _or_failure(self.end_call(account, id)) for id in ids]

    async def _execute(
        self, account: PersonId, method: str, calls: Sequence[dict[str, str]]
    ) -> list[Any | MessengerFailed] | None:
        """What each of at most 25 calls of a method answers, or how it failed; None if `execute` itself is refused.

        They count as one request (vk.md 2.3): an inner failure is `false` and, in their order, a line of
        `execute_errors`.
        """
        if (rests := await self._pace.resting(f"{account}:{method}")) > 0:
            raise MessengerFailed(Trouble.RATE_LIMITED, certain=True, pause=timedelta(seconds=rests))
        # JSON is VKScript; U+2028 and U+2029 are the exceptions, and ASCII has neither.
        code = ",".join(f"API.{method}({json.dumps(parameters)})" for parameters in calls)
        try:
            answer = await self._envelope(account, "execute", code=f"return [{code}];")
        except MessengerFailed as failure:
            if failure.certain and failure.trouble is Trouble.REFUSED:
                return None
            raise
        answers, errors = answer["response"], answer.get("execute_errors", [])
        if not isinstance(answers, list) or len(answers) != len(calls) or not isinstance(errors, list):
            raise _unusable("execute", "not an answer for each")
        codes = [_code({"error": error}) for error in errors]
        if len(codes) != sum(each is False for each in answers):
            # Which one failed how is not known, but which ones did.
            codes = [0] * len(answers)
        left = iter(codes)
        return [await self._refusal(account, method, next(left)) if each is False else each for each in answers]

    async def _refusal(self, account: PersonId, method: str, code: int) -> MessengerFailed | None:
        """What the code of one call of several means; None: what was asked for is so."""
        if code in DONE_ALREADY.get(method, ()):
            return None
        meaning = MEANINGS.get(code, UNKNOWN)
        log.warning("sferum_refused", method=method, code=code, known=code in MEANINGS)
        await self._heed(account, method, meaning)
        return _failed(meaning)

    async def _heed(self, account: PersonId, method: str, meaning: Meaning) -> None:
        if meaning.trouble is Trouble.RATE_LIMITED and meaning.pause is not None:
            await let_rest(self._pace, account, meaning.pause, method=method)

    async def _call(self, account: PersonId, method: str, **parameters: str) -> Any:
        """The `response` of a method, or None if its refusal says that what was asked for is so."""
        return (await self._envelope(account, method, **parameters))["response"]

    async def _envelope(self, account: PersonId, method: str, **parameters: str) -> dict[str, Any]:
        latest = time.monotonic() + LONGEST_SECONDS
        token = await self._access_token(account)
        renewed = False
        while True:
            answer = await self._post(account, token, method, parameters, latest)
            if "response" in answer:
                return answer
            code = _code(answer)
            if code in DONE_ALREADY.get(method, ()):
                return {"response": None}
            meaning = MEANINGS.get(code, UNKNOWN)
            log.warning("sferum_refused", method=method, code=code, known=code in MEANINGS)
            if meaning.remedy is Remedy.SLOW_DOWN:
                await let_rest(self._pace, account, timedelta(seconds=SECOND))
            elif meaning.remedy is Remedy.RENEW_TOKEN and not renewed:
                token, renewed = await self._renewed(account, token), True
            else:
                await self._heed(account, method, meaning)
                raise _failed(meaning)

    async def _post(
        self, account: PersonId, token: str, method: str, parameters: dict[str, str], latest: float
    ) -> dict[str, Any]:
        """One request. Raises MessengerFailed unless the answer is an envelope: `response` or `error`."""
        left = latest - time.monotonic() - self._timeout_seconds / 2
        if (waits := await take_turn(self._pace, account, method, within=left)) is not None:
            raise MessengerFailed(Trouble.RATE_LIMITED, certain=True, pause=waits)
        try:
            # Several calls take longer than one.
            longest = LONGEST_SECONDS if method == "execute" else self._timeout_seconds
            async with asyncio.timeout(min(longest, latest - time.monotonic())):
                response = await self._http.post(
                    f"{self._base_url}/{method}",
                    data={**parameters, "v": VERSION},
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=longest,
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            # It was never sent.
            log.warning("sferum_unreachable", method=method, error=type(error).__name__)
            raise MessengerFailed(Trouble.UNAVAILABLE, certain=True) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unusable(method, type(error).__name__) from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            pause = _retry_after(response)
            await let_rest(self._pace, account, pause)
            raise MessengerFailed(Trouble.RATE_LIMITED, certain=True, pause=pause)
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


async def _or_failure(answer: Awaitable[T]) -> T | MessengerFailed:
    try:
        return await answer
    except MessengerFailed as failure:
        return failure


def _started(answer: Any | MessengerFailed, name: str) -> OpenCall | MessengerFailed:
    """One of several: who cannot read its answer looks for it by its name."""
    if isinstance(answer, MessengerFailed):
        return answer
    try:
        started = _object(answer)
        return OpenCall(_call_id(started.get("call_id")), _text(started.get("join_link")), name)
    except MessengerFailed as failure:
        return failure


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
