"""Each request to VK ID or the VK API leaves a line in the sandbox's ledger, whatever became of it."""

import hashlib
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from infrastructure.sandbox.faults import Cut, Fault, cut, respond, take
from infrastructure.sandbox.world import World

LEDGER_LINES = 10_000
SECRETS = frozenset({"access_token", "refresh_token", "id_token", "service_token", "code_verifier", "attempt"})
PERSONAL = frozenset({"phone", "password", "code", "last_name", "first_name", "patronymic", "birthday"})


async def parameters(request: Request) -> dict[str, str]:
    """Query and form together, the form first (vk.md 1.4); a JSON body is not read (vk.md 2.1)."""
    values = dict(request.query_params)
    if request.method == "POST":
        async with request.form() as form:
            values.update({name: value for name, value in form.items() if isinstance(value, str)})
    return values


async def exchange(
    world: World,
    request: Request,
    *,
    name: str,
    given: dict[str, str],
    answer: Callable[[], Awaitable[Response]],
    refuse: Callable[[Fault], Response],
    user_id: int | None = None,
) -> Response:
    """Answers one request under the fault ordered for `name`, and writes it down; a cut one has the status null."""
    fault = take(world.store, name)
    at = world.now()
    status: int | None = None
    try:
        response = await respond(fault, answer, refuse(fault) if fault else Response())
        status = response.status_code
    except Cut:
        response = await cut(request)
    finally:
        _note(world, at, request.url.path, given, status, fault, user_id)
    return response


def _note(
    world: World,
    at: float,
    path: str,
    given: dict[str, str],
    status: int | None,
    fault: Fault | None,
    user_id: int | None,
) -> None:
    # In the API `code` is a program, which a checker wants to read; only VK ID's is a secret.
    hidden = SECRETS if path.startswith("/api/") else SECRETS | PERSONAL
    shown = {key: _fingerprint(value) if key in hidden else value for key, value in given.items()}
    line = world.store.insert(
        "insert into requests (at, path, parameters, status, fault, user_id) values (?, ?, ?, ?, ?, ?)",
        *(at, path, json.dumps(shown, ensure_ascii=False), status, fault.kind if fault else None, user_id),
    )
    world.store.write("delete from requests where number <= ?", line - LEDGER_LINES)


def _fingerprint(secret: str) -> str:
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:16]
