"""The browser's way to VK ID and back (vk.md 1.2, 1.3); nothing is sent to an address that is not registered."""

import functools
import json
import re
import secrets
import sqlite3
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from infrastructure.sandbox.exchange import exchange, parameters
from infrastructure.sandbox.vk_id import pages, steps
from infrastructure.sandbox.world import World

Given = dict[str, str]
STATE = re.compile(r"[A-Za-z0-9_-]{32,}")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
ATTEMPT_S = 3600


def routes(world: World) -> list[Route]:
    """`/authorize`: GET begins an attempt, POST takes one window's form."""
    return [Route("/authorize", functools.partial(_endpoint, world), methods=["GET", "POST"])]


async def _endpoint(world: World, request: Request) -> Response:
    given = await parameters(request)

    async def answer() -> Response:
        with world.store.change():
            return _begin(world, given) if request.method == "GET" else _go_on(world, given)

    return await exchange(
        world,
        request,
        name="authorize",
        given=given,
        answer=answer,
        refuse=lambda fault: JSONResponse({"error": fault.code or "server_error"}),
    )


def _begin(world: World, given: Given) -> Response:
    registered = {f"{world.settings.public_url}/vk-id/callback", *world.rules.redirect_uris}
    if given.get("client_id") != world.settings.vk_client_id:
        return pages.over("Вход невозможен", "VK ID не знает приложения, из которого вы пришли.", status=400)
    if given.get("redirect_uri") not in registered:
        return pages.over("Вход невозможен", "Адрес возврата не зарегистрирован у этого приложения.", status=400)
    fault = _protocol_fault(given)
    if fault:
        return _back(given["redirect_uri"], {"error": fault[0], "error_description": fault[1]}, given.get("state"))
    now = world.now()
    world.store.write("delete from attempts where begun_at < ?", now - ATTEMPT_S)
    attempt_id = secrets.token_urlsafe(24)
    world.store.write(
        "insert into attempts (id, client_id, redirect_uri, state, challenge, scope, begun_at) "
        "values (?, ?, ?, ?, ?, ?, ?)",
        *(attempt_id, given["client_id"], given["redirect_uri"], given["state"], given["code_challenge"]),
        *(given.get("scope") or "vkid.personal_info", now),
    )
    return _window(world, attempt_id, None)


def _protocol_fault(given: Given) -> tuple[str, str] | None:
    if given.get("response_type") != "code":
        return "invalid_request", "response_type is missing or invalid"
    if not STATE.fullmatch(given.get("state", "")):
        return "invalid_request", "state is missing or invalid"
    if given.get("code_challenge_method", "").lower() != "s256":
        return "invalid_request", "Invalid code_challenge_method"
    if not CHALLENGE.fullmatch(given.get("code_challenge", "")):
        return "invalid_request", "Invalid code_challenge"
    if given.get("prompt") == "none":
        return "login_required", "the user is not signed in"
    return None


def _go_on(world: World, given: Given) -> Response:
    attempt = world.store.row(
        "select * from attempts where id = ? and begun_at >= ?", given.get("attempt", ""), world.now() - ATTEMPT_S
    )
    if attempt is None:
        return pages.over("Время вышло", "Вернитесь в электронную школу и начните заново.")
    if given.get("cancel"):
        world.store.write("delete from attempts where id = ?", attempt["id"])
        reason = {"error": "access_denied", "error_description": "the user pressed Cancel"}
        return _back(attempt["redirect_uri"], reason, attempt["state"])
    step = given.get("step", attempt["step"])
    try:
        steps.take(world, attempt, step, given)
    except steps.Wrong as wrong:
        # The form that was sent is shown again, also when it belongs to a window before the present one.
        world.store.write("update attempts set step = ? where id = ?", step, attempt["id"])
        return _window(world, attempt["id"], str(wrong))
    except steps.Over as over:
        world.store.write("delete from attempts where id = ?", attempt["id"])
        return pages.over("Вход прерван", str(over))
    agreed = attempt["step"] == step == "check"
    changed = _attempt(world, attempt["id"])
    return _grant(world, changed) if agreed and changed["step"] == "check" else _window(world, attempt["id"], None)


def _attempt(world: World, attempt_id: str) -> sqlite3.Row:
    found = world.store.row("select * from attempts where id = ?", attempt_id)
    assert found is not None
    return found


def _window(world: World, attempt_id: str, fault: str | None) -> Response:
    attempt = _attempt(world, attempt_id)
    match attempt["step"]:
        case "phone":
            return pages.phone(attempt, fault)
        case "password":
            return pages.password(attempt, fault)
        case "code":
            return pages.code(attempt, fault)
        case "profile":
            return pages.profile(attempt, steps.profiles(world, attempt), fault)
        case "personal":
            return pages.personal(attempt, fault)
        case _:
            profile = world.store.row("select * from profiles where id = ?", attempt["profile"])
            return pages.check(attempt, profile or attempt, fault)


def _grant(world: World, attempt: sqlite3.Row) -> Response:
    """One code for one attempt, in the plain form of the callback or in `payload` (vk.md 1.3)."""
    rules = world.rules
    code, device_id = f"vk2.a.{secrets.token_urlsafe(32)}", secrets.token_urlsafe(32)
    world.store.write("delete from attempts where id = ?", attempt["id"])
    world.store.write("delete from codes where expires_at < ?", world.now() - 86_400)
    world.store.write(
        "insert into codes (code, client_id, redirect_uri, challenge, scope, user_id, device_id, expires_at) "
        "values (?, ?, ?, ?, ?, ?, ?, ?)",
        *(code, attempt["client_id"], attempt["redirect_uri"], attempt["challenge"], attempt["scope"]),
        *(attempt["profile"], device_id, world.now() + rules.code_s),
    )
    answer: dict[str, object] = {"type": "code_v2", "code": code, "expires_in": int(rules.code_s)}
    if not rules.callback_omits_device_id:
        answer["device_id"] = device_id
    state = secrets.token_urlsafe(36) if rules.callback_wrong_state else attempt["state"]
    if rules.callback_form == "payload":
        return _back(attempt["redirect_uri"], {"payload": json.dumps(answer | {"state": state})}, None)
    return _back(attempt["redirect_uri"], answer, state)


def _back(redirect_uri: str, answer: dict[str, object] | dict[str, str], state: str | None) -> Response:
    parts = urlsplit(redirect_uri)
    values = [*parse_qsl(parts.query, keep_blank_values=True), *answer.items()]
    if state is not None:
        values.append(("state", state))
    # 303, so that a browser never repeats a password to the application (RFC 9700, 4.12).
    return RedirectResponse(urlunsplit(parts._replace(query=urlencode(values))), status_code=303)
