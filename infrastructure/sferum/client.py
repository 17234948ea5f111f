"""Requests to the VK API: each at its account's pace, and each answered or failed (reference vk.md, 2.1-2.5)."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, TypeVar

import httpx
import orjson
import structlog

from application.ports import AccessToken, MessengerFailed, Trouble
from domain.ids import PersonId
from infrastructure.sferum.errors import MEANINGS, Meaning, Remedy, meaning_of
from infrastructure.sferum.pace import SECOND, Pace, let_rest, part_of, take_turn

VERSION = "5.199"
"""A later one changes what addChatUser answers (vk.md, 2.1)."""

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lane:
    """A kind of requests. `longest_seconds`: from being asked until we answer.

    What yields leaves turns to the rest, and is left alone for a while after failures in a row; nothing else is then
    held up by it.
    """

    name: str
    longest_seconds: float
    yields: bool


CALLS = Lane("calls", longest_seconds=7.0, yields=False)
"""A conference waits no longer for what may never come."""
CHATS = Lane("chats", longest_seconds=20.0, yields=True)
LONGEST_EXECUTE_SECONDS = 7.0
"""Several calls take longer than one."""
_HOST_IS_ILL = {Trouble.UNAVAILABLE, Trouble.RATE_LIMITED, Trouble.RELINK_NEEDED, Trouble.HUMAN_CHECK_NEEDED}
"""What the next call would meet too."""


class Already(Enum):
    """Instead of an answer: the refusal says that what was asked for is so."""

    SO = auto()


@dataclass(frozen=True, slots=True)
class Call:
    """One method and what it is given."""

    method: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Makes the requests of one lane."""

    http: httpx.AsyncClient
    base_url: str
    access_token: AccessToken
    renewed: Callable[[PersonId, str], Awaitable[str]]
    """Another access token instead of one that was refused."""
    pace: Pace
    timeout_seconds: float
    lane: Lane

    async def call(self, account: PersonId, method: str, **parameters: str) -> Any:
        """The `response` of a method. Raises MessengerFailed."""
        return (await self._envelope(account, Call(method, parameters)))["response"]

    async def each(self, account: PersonId, calls: Sequence[Call]) -> list[Any | MessengerFailed]:
        """What each of at most 25 calls answers, or how it failed; they are done in order, in one request if possible.

        Raises MessengerFailed if nothing is known of any of several.
        """
        if len(calls) > 1 and (answers := await self.execute(account, calls)) is not None:
            return answers
        latest = time.monotonic() + self.lane.longest_seconds
        answers = []
        ill: MessengerFailed | None = None
        for call in calls:
            if ill is None and time.monotonic() > latest:
                ill = MessengerFailed(Trouble.RATE_LIMITED, certain=True)
            if ill is not None:
                answers.append(MessengerFailed(ill.trouble, certain=True, pause=ill.pause))
                continue
            answer = await or_failure(self.call(account, call.method, **call.parameters))
            answers.append(answer)
            if isinstance(answer, MessengerFailed) and answer.trouble in _HOST_IS_ILL:
                ill = answer
        return answers

    async def execute(self, account: PersonId, calls: Sequence[Call]) -> list[Any | MessengerFailed] | None:
        """What each of at most 25 calls answers, or how it failed; None if `execute` itself is refused.

        They count as one request (vk.md 2.3): an inner failure is `false` and, in their order, a line of
        `execute_errors`. Methods that are left alone for the present are not asked; if that is all of them, it raises.
        """
        resting = {
            method: MessengerFailed(Trouble.RATE_LIMITED, certain=True, pause=timedelta(seconds=rests))
            for method in {call.method for call in calls}
            if (rests := await self.pace.resting(part_of(account, method))) > 0
        }
        asked = [call for call in calls if call.method not in resting]
        if not asked:
            raise resting[calls[0].method]
        # JSON is VKScript; U+2028 and U+2029 are the exceptions, and ASCII has neither.
        code = ",".join(f"API.{call.method}({json.dumps(call.parameters)})" for call in asked)
        try:
            answer = await self._envelope(account, Call("execute", {"code": f"return [{code}];"}))
        except MessengerFailed as failure:
            if failure.certain and failure.trouble in {Trouble.REFUSED, Trouble.NO_PERMISSION}:
                return None
            raise
        answers, errors = answer["response"], answer.get("execute_errors", [])
        if not isinstance(answers, list) or len(answers) != len(asked) or not isinstance(errors, list):
            raise unusable("execute", "not an answer for each")
        if len(errors) != sum(each is False for each in answers):
            # Which one failed how is not known, but which ones did.
            errors = [None] * len(answers)
        left = iter(errors)
        told = iter(
            [
                await self._refusal(account, call.method, next(left)) if each is False else each
                for call, each in zip(asked, answers, strict=True)
            ]
        )
        return [resting[call.method] if call.method in resting else next(told) for call in calls]

    async def _refusal(self, account: PersonId, method: str, error: Any) -> MessengerFailed | Already:
        """What the error of one call of several means."""
        meaning = _meaning_of(method, error)
        if meaning.remedy is Remedy.NOTHING:
            return Already.SO
        await self._heed(account, method, meaning)
        return _failed(meaning)

    async def _heed(self, account: PersonId, method: str, meaning: Meaning) -> None:
        if meaning.trouble is Trouble.RATE_LIMITED and meaning.pause is not None:
            await let_rest(self.pace, account, meaning.pause, method=method)

    async def _envelope(self, account: PersonId, call: Call) -> dict[str, Any]:
        """The answer with its `response`. Raises MessengerFailed."""
        token = await self.access_token(account)
        if not self.lane.yields:
            return await self._answered(account, token, call)
        whole = part_of(account, self.lane.name)
        if (rests := await self.pace.may_try(whole)) > 0:
            raise MessengerFailed(Trouble.UNAVAILABLE, certain=True, pause=timedelta(seconds=rests))
        try:
            answer = await self._answered(account, token, call)
        except MessengerFailed as failure:
            if failure.trouble is Trouble.UNAVAILABLE:
                await self.pace.failed(whole)
            elif failure.trouble is not Trouble.RATE_LIMITED:
                await self.pace.worked(whole)
            raise
        await self.pace.worked(whole)
        return answer

    async def _answered(self, account: PersonId, token: str, call: Call) -> dict[str, Any]:
        latest = time.monotonic() + self.lane.longest_seconds
        renewed = False
        while True:
            answer = await self._post(account, token, call, latest)
            if "response" in answer:
                return answer
            meaning = _meaning_of(call.method, answer["error"])
            if meaning.remedy is Remedy.NOTHING:
                return {"response": Already.SO}
            if meaning.remedy is Remedy.SLOW_DOWN:
                await let_rest(self.pace, account, timedelta(seconds=SECOND))
            elif meaning.remedy is Remedy.RENEW_TOKEN and not renewed:
                token, renewed = await self.renewed(account, token), True
            else:
                await self._heed(account, call.method, meaning)
                raise _failed(meaning)

    async def _post(self, account: PersonId, token: str, call: Call, latest: float) -> dict[str, Any]:
        """One request. Raises MessengerFailed unless the answer is an envelope: `response` or `error`."""
        method = call.method
        left = latest - time.monotonic() - self.timeout_seconds / 2
        behind = self.lane.name if self.lane.yields else None
        if (waits := await take_turn(self.pace, account, method, within=left, behind=behind)) is not None:
            raise MessengerFailed(Trouble.RATE_LIMITED, certain=True, pause=waits)
        try:
            longest = LONGEST_EXECUTE_SECONDS if method == "execute" else self.timeout_seconds
            async with asyncio.timeout(min(longest, latest - time.monotonic())):
                response = await self.http.post(
                    f"{self.base_url}/{method}",
                    data={**call.parameters, "v": VERSION},
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=longest,
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            # It was never sent.
            log.warning("sferum_unreachable", method=method, error=type(error).__name__)
            raise MessengerFailed(Trouble.UNAVAILABLE, certain=True) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise unusable(method, type(error).__name__) from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            pause = _retry_after(response)
            await let_rest(self.pace, account, pause)
            raise MessengerFailed(Trouble.RATE_LIMITED, certain=True, pause=pause)
        if response.status_code >= httpx.codes.BAD_REQUEST:
            failure = unusable(method, f"status {response.status_code}")
            if self.lane.yields and "retry-after" in response.headers:
                failure.pause = _retry_after(response)
                await let_rest(self.pace, account, failure.pause, method=self.lane.name)
            raise failure
        try:
            answer = orjson.loads(response.content)
        except ValueError:
            raise unusable(method, "not JSON") from None
        # An error beside a response is still an error.
        if isinstance(answer, dict) and "error" in answer:
            return {"error": answer["error"]}
        if not isinstance(answer, dict) or "response" not in answer:
            raise unusable(method, "no envelope")
        return answer


async def or_failure(answer: Awaitable[T]) -> T | MessengerFailed:
    """The answer, or how it failed."""
    try:
        return await answer
    except MessengerFailed as failure:
        return failure


def unusable(method: str, reason: str) -> MessengerFailed:
    """An answer that is none: what was asked for may have been done."""
    log.warning("sferum_unusable_answer", method=method, error=reason)
    return MessengerFailed(Trouble.UNAVAILABLE, certain=False)


def undone(answer: Any | MessengerFailed, method: str) -> MessengerFailed | None:
    """None if the answer says that what was asked for is so: 1, or `true` (vk.md, 2.1); else how it failed."""
    if isinstance(answer, MessengerFailed):
        return answer
    if answer is Already.SO or answer is True or (type(answer) is int and answer == 1):
        return None
    return unusable(method, "not 1")


def entries(answer: Any) -> dict[str, Any]:
    """An object. Raises MessengerFailed, as do the readers below."""
    if not isinstance(answer, dict):
        raise unusable("answer", "not an object")
    return answer


def items(answer: Any) -> list[dict[str, Any]]:
    """The `items` of an object, which are objects."""
    found = entries(answer).get("items")
    if not isinstance(found, list):
        raise unusable("answer", "no items")
    return [entries(item) for item in found]


def text(value: Any, *, least: int = 1) -> str:
    """A text of so many characters at least."""
    if not isinstance(value, str) or len(value) < least:
        raise unusable("answer", "not a text")
    return value


def number(value: Any, *, least: int | None = None) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        raise unusable("answer", "not a number")
    return value


def flag(value: Any) -> bool:
    """Truth as VK writes it: JSON's, or 1 and 0; what is absent is false (vk.md, 2.1, 2.6)."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if number(value) not in {0, 1}:
        raise unusable("answer", "not a flag")
    return bool(value)


def _meaning_of(method: str, error: Any) -> Meaning:
    told = error if isinstance(error, dict) else {}
    code, words = told.get("error_code"), told.get("error_msg")
    code = code if isinstance(code, int) else 0
    meaning = meaning_of(method, code, words if isinstance(words, str) else "")
    if meaning.remedy is not Remedy.NOTHING:
        log.warning("sferum_refused", method=method, code=code, known=code in MEANINGS)
    return meaning


def _failed(meaning: Meaning) -> MessengerFailed:
    return MessengerFailed(meaning.trouble, certain=meaning.certain, pause=meaning.pause)


def _retry_after(response: httpx.Response) -> timedelta:
    """RFC 9110, 10.2.3, in seconds; its other form, a date, counts as a minute."""
    value = response.headers.get("retry-after", "")
    return timedelta(seconds=min(int(value), 3600)) if value.isdecimal() and len(value) < 10 else timedelta(minutes=1)
