"""The sandbox's levers and windows for tests and operators (api.md, Sandbox); VK has nothing like them."""

import functools
import json

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infrastructure.sandbox.faults import Kind, plain_name
from infrastructure.sandbox.vk_api import calls, conversations
from infrastructure.sandbox.vk_id import pages, sms
from infrastructure.sandbox.world import World


class Order(BaseModel):
    """A fault to come: `code` is a VK error code, an OAuth error name, or an HTTP status for `status`."""

    model_config = ConfigDict(extra="forbid")

    method: str = Field(min_length=1)
    kind: Kind
    times: int = Field(default=1, ge=1)
    code: int | str | None = None
    subcode: int | None = None
    ms: int | None = Field(default=None, ge=0, le=600_000)


def routes(world: World) -> list[Route]:
    """Everything below `/control`; each answer is JSON, moments are Unix seconds."""
    part = functools.partial
    return [
        Route("/sms/{phone}", part(_sms, world), methods=["GET"]),
        Route("/chats", part(_chats, world), methods=["GET"]),
        Route("/calls", part(_calls, world), methods=["GET"]),
        Route("/requests", part(_requests, world), methods=["GET"]),
        Route("/faults", part(_faults, world), methods=["GET"]),
        Route("/faults", part(_order_fault, world), methods=["POST"]),
        Route("/faults", part(_end_faults, world), methods=["DELETE"]),
        Route("/settings", part(_settings, world), methods=["GET"]),
        Route("/settings", part(_change_settings, world), methods=["POST"]),
        Route("/people", part(_people, world), methods=["GET"]),
    ]


async def _sms(world: World, request: Request) -> Response:
    code = sms.last(world, sms.digits(request.path_params["phone"]) or "")
    return JSONResponse({"code": code}) if code else JSONResponse({"error": "no SMS"}, status_code=404)


async def _chats(world: World, request: Request) -> Response:
    members: dict[int, list[dict[str, object]]] = {}
    for row in world.store.rows("select * from members order by joined_at, rowid"):
        member = {"member_id": row["member_id"], "is_admin": bool(row["is_admin"])}
        members.setdefault(row["chat"], []).append(member)
    return JSONResponse(
        [
            {
                "owner_id": row["owner_id"],
                "chat_id": conversations.number_for(world, row["id"], row["owner_id"]),
                "title": row["title"],
                "members": members.get(row["id"], []),
            }
            for row in world.store.rows("select * from chats order by id")
        ]
    )


async def _calls(world: World, request: Request) -> Response:
    calls.lapse(world)
    return JSONResponse(
        [
            {
                "call_id": row["call_id"],
                "owner_id": row["owner_id"],
                "join_link": calls.join_link(row["hash"]),
                "name": row["name"],
                "started_at": row["started_at"],
                "finished_at": row["finished_at"],
            }
            for row in world.store.rows("select * from calls order by started_at, rowid")
        ]
    )


async def _requests(world: World, request: Request) -> Response:
    lines = [
        {
            "at": row["at"],
            "path": row["path"],
            "parameters": json.loads(row["parameters"]),
            "status": row["status"],
            "fault": row["fault"],
            "user_id": row["user_id"],
        }
        for row in world.store.rows("select * from requests order by number")
    ]
    return JSONResponse(lines)


async def _faults(world: World, request: Request) -> Response:
    return JSONResponse([dict(row) for row in world.store.rows("select * from faults order by number")])


async def _order_fault(world: World, request: Request) -> Response:
    try:
        order = Order.model_validate_json(await request.body())
    except ValidationError as error:
        return _bad(error)
    if order.kind == "status" and not str(order.code or 503).isdecimal():
        return JSONResponse({"error": ["code: must be an HTTP status"]}, status_code=400)
    world.store.write(
        "insert into faults (method, kind, times, code, subcode, ms) values (?, ?, ?, ?, ?, ?)",
        *(plain_name(order.method), order.kind, order.times),
        *(None if order.code is None else str(order.code), order.subcode, order.ms),
    )
    return await _faults(world, request)


async def _end_faults(world: World, request: Request) -> Response:
    world.store.write("delete from faults")
    return JSONResponse([])


async def _settings(world: World, request: Request) -> Response:
    return JSONResponse(world.rules.model_dump())


async def _change_settings(world: World, request: Request) -> Response:
    # Calls that have lapsed so far stay lapsed under the new settings.
    calls.lapse(world)
    try:
        changes = json.loads(await request.body())
        if not isinstance(changes, dict):
            raise ValueError("must be an object")
        return JSONResponse(world.change_rules(changes).model_dump())
    except ValidationError as error:
        return _bad(error)
    except ValueError as error:
        return JSONResponse({"error": [str(error)]}, status_code=400)


async def _people(world: World, request: Request) -> Response:
    profiles: dict[int, list[dict[str, object]]] = {}
    for row in world.store.rows("select * from profiles order by id"):
        profiles.setdefault(row["number"], []).append({"id": row["id"], "name": pages.full_name(row)})
    people = [
        {name: row[name] for name in ("login", "person", "user_id", "phone", "email", "password")}
        | {"profiles": profiles.get(row["number"], [])}
        for row in world.store.rows("select * from people order by number")
    ]
    return JSONResponse(people)


def _bad(error: ValidationError) -> Response:
    lines = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return JSONResponse({"error": lines}, status_code=400)
