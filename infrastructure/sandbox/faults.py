"""Upstream hosts fail in more ways than by answering with an error; tests order those ways here (api.md, Sandbox)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from infrastructure.sandbox.store import Store

Kind = Literal["error", "html", "truncated", "status", "delay", "refused", "lost"]
KINDS: tuple[Kind, ...] = get_args(Kind)
INSIDE_EXECUTE: tuple[Kind, ...] = ("error", "delay", "refused", "lost")
"""One call of several has no answer of its own, so its answer cannot be garbled; the others apply to it alone."""

STUB = "<!doctype html><title>Подождите</title><p>Проверяем, что вы не робот."


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` is an API error code, an OAuth error name or an HTTP status; `ms` milliseconds."""

    kind: Kind
    code: str | None = None
    subcode: int | None = None
    ms: int = 0


class Cut(Exception):
    """The connection is to be cut: the client gets no answer, whatever was done."""


def plain_name(method: str) -> str:
    """How a fault names its target: `messages.createChat`, `*`, and `oauth2/auth` for `/id/oauth2/auth`."""
    return method.removeprefix("/id/").lstrip("/")


def take(store: Store, name: str, kinds: tuple[Kind, ...] = KINDS, *, any_name: bool = True) -> Fault | None:
    """Uses up one time of the oldest fault for `name` (or for `*`, where `any_name`), if there is one."""
    with store.change():
        for row in store.rows("select * from faults where method = ? or method = '*' order by number", name):
            if row["kind"] not in kinds or (row["method"] == "*" and not any_name):
                continue
            store.write("update faults set times = times - 1 where number = ?", row["number"])
            store.write("delete from faults where times <= 0")
            return Fault(row["kind"], row["code"], row["subcode"], row["ms"] or 0)
    return None


async def respond(fault: Fault | None, answer: Callable[[], Awaitable[Response]], refuse: Response) -> Response:
    """The true answer, or what the fault makes of it; `refuse` is the host's error answer.

    Raises:
        Cut: after `refused` (nothing was done) and `lost` (everything was).
    """
    match fault:
        case None:
            return await answer()
        case Fault(kind="error"):
            return refuse
        case Fault(kind="html"):
            return HTMLResponse(STUB)
        case Fault(kind="status"):
            return PlainTextResponse("", status_code=int(fault.code or 503))
        case Fault(kind="delay"):
            await asyncio.sleep(fault.ms / 1000)
            return await answer()
        case Fault(kind="truncated"):
            whole = await answer()
            return Response(bytes(whole.body)[: len(whole.body) // 2], whole.status_code, media_type=whole.media_type)
        case Fault(kind="lost"):
            await answer()
            raise Cut
        case _:
            raise Cut


async def cut(request: Request) -> Response:
    """Aborts the client's connection; what it answers reaches nobody."""
    # ASGI has no word for this. uvicorn's `receive` is a method of the object that holds the transport.
    connection = getattr(request.receive, "__self__", None)
    abort = getattr(getattr(connection, "transport", None), "abort", None)
    if not callable(abort):
        raise RuntimeError("Only under uvicorn can a connection be cut.")
    abort()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()
