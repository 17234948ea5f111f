"""The VK API's envelope: HTTP 200 for refusals too, arguments echoed without the token (vk.md 2.1)."""

import asyncio
import functools
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infrastructure.sandbox import faults
from infrastructure.sandbox.exchange import exchange, parameters
from infrastructure.sandbox.vk_api import calls, chats, execute, users
from infrastructure.sandbox.vk_api.errors import VkError
from infrastructure.sandbox.vk_api.limits import Limits
from infrastructure.sandbox.vk_id import sessions
from infrastructure.sandbox.world import World

Given = dict[str, str]
METHODS: dict[str, Callable[[World, int, Given], object]] = chats.METHODS | calls.METHODS | users.METHODS


def routes(world: World) -> list[Route]:
    """`/method/{name}`, GET and POST."""
    endpoint = functools.partial(_endpoint, world, Limits())
    return [Route("/method/{name}", endpoint, methods=["GET", "POST"])]


async def _endpoint(world: World, limits: Limits, request: Request) -> Response:
    name: str = request.path_params["name"]
    given = await parameters(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = given.get("access_token") or (token if scheme.lower() == "bearer" else "")
    bearer = sessions.bearer(world, token)

    async def answer() -> Response:
        try:
            _ensure_admitted(limits, given, token, bearer)
            caller = bearer.session.user_id if bearer else 0
            if world.rules.latency_ms:
                await asyncio.sleep(world.rules.latency_ms / 1000)
            if name == "execute":
                return JSONResponse(await _execute(world, caller, given))
            return JSONResponse({"response": call(world, caller, name, given)})
        except VkError as error:
            return _refusal(error, name, given)

    def ordered(fault: faults.Fault) -> Response:
        return _refusal(_ordered_error(fault), name, given)

    return await exchange(
        world,
        request,
        name=name,
        given=given,
        answer=answer,
        refuse=ordered,
        user_id=bearer.session.user_id if bearer else None,
    )


def _ensure_admitted(limits: Limits, given: Given, token: str, bearer: sessions.Bearer | None) -> None:
    if not given.get("v"):
        raise VkError(100, "v is required")
    if bearer is None:
        raise VkError(5)
    if bearer.expired:
        raise VkError(5, "access_token has expired.")
    if not limits.admits(token):
        raise VkError(6)


def call(world: World, caller: int, name: str, given: Given) -> object:
    """Does one method for the account `caller`: wholly, or not at all.

    Raises:
        VkError
    """
    method = METHODS.get(name)
    if method is None:
        raise VkError(3)
    with world.store.change():
        return method(world, caller, given)


async def _execute(world: World, caller: int, given: Given) -> dict[str, object]:
    """Each call is done by itself; one that fails gives `false` and a line in `execute_errors`, in order."""
    answers: list[object] = []
    errors: list[dict[str, object]] = []
    for name, arguments in execute.parse(given.get("code", "")):
        try:
            answers.append(await _one_of_several(world, caller, name, arguments))
        except VkError as error:
            answers.append(False)
            errors.append({"method": name, "error_code": error.code, "error_msg": str(error)})
    return {"response": answers} | ({"execute_errors": errors} if errors else {})


async def _one_of_several(world: World, caller: int, name: str, arguments: Given) -> object:
    fault = faults.take(world.store, name, faults.INSIDE_EXECUTE, any_name=False)
    match fault:
        case faults.Fault(kind="error"):
            raise _ordered_error(fault)
        case faults.Fault(kind="refused"):
            raise faults.Cut
        case faults.Fault(kind="lost"):
            call(world, caller, name, arguments)
            raise faults.Cut
        case faults.Fault(kind="delay"):
            await asyncio.sleep(fault.ms / 1000)
        case _:
            pass
    return call(world, caller, name, arguments)


def _ordered_error(fault: faults.Fault) -> VkError:
    code = fault.code or "10"
    return VkError(int(code) if code.isdecimal() else 10, subcode=fault.subcode)


def _refusal(error: VkError, method: str, given: Given) -> Response:
    echoed = {"method": method, "oauth": "1"} | {key: value for key, value in given.items() if key != "access_token"}
    body: dict[str, object] = {"error_code": error.code}
    if error.subcode is not None:
        body["error_subcode"] = error.subcode
    body["error_msg"] = str(error)
    body["request_params"] = [{"key": key, "value": value} for key, value in echoed.items()]
    return JSONResponse({"error": body})
