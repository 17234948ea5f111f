"""Calls over the VK API (reference vk.md, 2.8)."""

from collections.abc import Sequence
from typing import Any

from application.ports import MessengerFailed, OpenCall
from domain.ids import PersonId
from infrastructure.sferum.client import Call, Client, entries, items, number, or_failure, text, undone, unusable

CALL_ID_LENGTH = 36


class CallsOverVk:
    """The calls of `application.ports.Messenger`."""

    _calls: Client

    async def start_call(self, account: PersonId, name: str) -> OpenCall:
        answer = entries(await self._calls.call(account, "calls.start", name=name))
        link, id = text(answer.get("join_link")), answer.get("call_id")
        if id is not None:
            return OpenCall(_call_id(id), link, name)
        # Its id may be missing (vk.md 2.8), but without it the call can never be ended.
        for call in await self.open_calls(account):
            if call.link == link:
                return call
        raise unusable("calls.start", "no call_id")

    async def start_calls(self, account: PersonId, names: Sequence[str]) -> list[OpenCall | MessengerFailed]:
        if len(names) > 1:
            answers = await self._calls.execute(account, [Call("calls.start", {"name": name}) for name in names])
            if answers is not None:
                return [_started(answer, name) for answer, name in zip(answers, names, strict=True)]
        return [await or_failure(self.start_call(account, name)) for name in names]

    async def open_calls(self, account: PersonId) -> tuple[OpenCall, ...]:
        # CONTRACT: the method's name is seen in the field, its shape is agreed with us (api.md, Sandbox).
        answer = await self._calls.call(account, "messages.getCurrentCalls")
        found = items(answer)
        if number(answer.get("count")) != len(found):
            # Who does not find a call starts another one.
            raise unusable("messages.getCurrentCalls", "not as many as it counts")
        return tuple(
            OpenCall(_call_id(item.get("call_id")), text(item.get("join_link")), text(item.get("name"), least=0))
            for item in found
        )

    async def end_call(self, account: PersonId, id: str) -> None:
        answer = await self._calls.call(account, "calls.forceFinish", call_id=id)
        if (failure := undone(answer, "calls.forceFinish")) is not None:
            raise failure

    async def end_calls(self, account: PersonId, ids: Sequence[str]) -> list[MessengerFailed | None]:
        if len(ids) > 1:
            answers = await self._calls.execute(account, [Call("calls.forceFinish", {"call_id": id}) for id in ids])
            if answers is not None:
                return [undone(answer, "calls.forceFinish") for answer in answers]
        return [await or_failure(self.end_call(account, id)) for id in ids]


def _started(answer: Any | MessengerFailed, name: str) -> OpenCall | MessengerFailed:
    """One of several: who cannot read its answer looks for it by its name."""
    if isinstance(answer, MessengerFailed):
        return answer
    try:
        started = entries(answer)
        return OpenCall(_call_id(started.get("call_id")), text(started.get("join_link")), name)
    except MessengerFailed as failure:
        return failure


def _call_id(value: Any) -> str:
    if len(id := text(value)) != CALL_ID_LENGTH:
        raise unusable("answer", "not a call's id")
    return id
