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
from infrastructure.sandbox.vk_id import pages, profiles, steps
from infrastructure.sandbox.world import World

Given = dict[str, str]
STATE = re.compile(r"[A-Za-z0-9_-]{32,}")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
ATTEMPT_S = 3600
KEPT_S = 86_400
"""For a day a dead attempt still knows the way back, and a dead code that it was one."""
UNUSED = "challenge = ? and user_id = ? and not used"
DONE, CANCELLED, OVER = "done", "cancelled", "over"
ANEW = "Вернитесь в электронную школу и начните заново."


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
    world.store.write("delete from attempts where begun_at < ?", now - KEPT_S)
    attempt_id = secrets.token_urlsafe(24)
    world.store.write(
        "insert into attempts (id, client_id, redirect_uri, state, challenge, scope, begun_at) "
        "values (?, ?, ?, ?, ?, ?, ?)",
        *(attempt_id, given["client_id"], given["redirect_uri"], given["state"], given["code_challenge"]),
        *(given.get("scope") or "vkid.personal_info", now),
    )
    return _window(world, attempt_id)


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
    attempt = world.store.row("select * from attempts where id = ?", given.get("attempt", ""))
    if attempt is None:
        return pages.over("Время вышло", f"Прошло слишком много времени. {ANEW}")
    if given.get("cancel"):
        return _cancel(world, attempt)
    if attempt["step"] == DONE:
        return _granted(world, attempt)
    if attempt["step"] == CANCELLED:
        return pages.over("Вход отменён", f"Вы нажали «Отмена». {ANEW}", attempt=attempt["id"])
    if attempt["begun_at"] < world.now() - ATTEMPT_S:
        return pages.over("Время вышло", f"Прошло слишком много времени. {ANEW}", attempt=attempt["id"])
    if attempt["step"] == OVER:
        return _over(attempt)
    return _take(world, attempt, given)


def _take(world: World, attempt: sqlite3.Row, given: Given) -> Response:
    if given.get("back"):
        steps.go_back(world, attempt, given["back"])
        return _window(world, attempt["id"])
    step = given.get("step", attempt["step"])
    try:
        note = steps.take(world, attempt, step, given)
    except steps.Wrong as wrong:
        # The form that was sent is shown again, also when it belongs to a window before the present one.
        _put_at(world, attempt, step)
        return _window(world, attempt["id"], fault=wrong, typed=given.get("phone", ""))
    except steps.Over:
        _put_at(world, attempt, OVER)
        return _over(_attempt(world, attempt["id"]))
    changed = _attempt(world, attempt["id"])
    if attempt["step"] == step == changed["step"] == "check":
        return _grant(world, changed)
    return _window(world, attempt["id"], note=note)


def _over(attempt: sqlite3.Row) -> Response:
    what = "ввести пароль" if attempt["faults"] >= steps.PASSWORD_TRIES else "получить код"
    return pages.over("Вход прерван", f"Слишком много попыток {what}. {ANEW}", attempt=attempt["id"])


def _cancel(world: World, attempt: sqlite3.Row) -> Response:
    _put_at(world, attempt, CANCELLED)
    world.store.write(f"delete from codes where {UNUSED}", attempt["challenge"], attempt["profile"])
    reason = {"error": "access_denied", "error_description": "the user pressed Cancel"}
    return _back(attempt["redirect_uri"], reason, attempt["state"])


def _put_at(world: World, attempt: sqlite3.Row, step: str) -> None:
    world.store.write("update attempts set step = ? where id = ?", step, attempt["id"])


def _attempt(world: World, attempt_id: str) -> sqlite3.Row:
    found = world.store.row("select * from attempts where id = ?", attempt_id)
    assert found is not None
    return found


def _window(
    world: World, attempt_id: str, *, fault: steps.Wrong | None = None, note: str | None = None, typed: str = ""
) -> Response:
    attempt = _attempt(world, attempt_id)
    match attempt["step"]:
        case "phone":
            return pages.phone(attempt, fault, typed)
        case "password":
            return pages.password(attempt, fault)
        case "reset":
            return pages.reset(attempt, fault, note)
        case "code":
            return pages.code(attempt, fault, note)
        case "profile":
            return pages.profile(attempt, profiles.of_number(world, attempt["phone"]), fault, note)
        case "personal":
            return pages.personal(attempt, fault)
        case "created":
            return pages.created(attempt)
        case _:
            known = profiles.of_number(world, attempt["phone"])
            chosen = next((row for row in known if row["id"] == attempt["profile"]), attempt)
            # What the form says replaces what the profile that was made from it says so far.
            person = chosen if attempt["last_name"] is None else attempt
            return pages.check(attempt, person, among_several=len(known) > 1)


def _grant(world: World, attempt: sqlite3.Row) -> Response:
    """One code for one attempt, whose end this is."""
    device_id = secrets.token_urlsafe(32)
    _put_at(world, attempt, DONE)
    world.store.write("delete from codes where expires_at < ?", world.now() - KEPT_S)
    world.store.write(
        "insert into codes (code, client_id, redirect_uri, challenge, scope, user_id, device_id, expires_at) "
        "values (?, ?, ?, ?, ?, ?, ?, ?)",
        *(f"vk2.a.{secrets.token_urlsafe(32)}", attempt["client_id"], attempt["redirect_uri"], attempt["challenge"]),
        *(attempt["scope"], attempt["profile"], device_id, world.now() + world.rules.code_s),
    )
    return _granted(world, attempt)


def _granted(world: World, attempt: sqlite3.Row) -> Response:
    """Hands the code over, in the plain form of the callback or in `payload` (vk.md 1.3).

    The same code again while it is unused, because a button that is pressed twice sends the browser twice.
    """
    row = world.store.row(
        f"select * from codes where {UNUSED} order by rowid desc", attempt["challenge"], attempt["profile"]
    )
    if row is None:
        return pages.over("Вход уже выполнен", "Профиль передан электронной школе. Вернитесь в неё.")
    rules = world.rules
    answer: dict[str, object] = {"type": "code_v2", "code": row["code"], "expires_in": int(rules.code_s)}
    if not rules.callback_omits_device_id:
        answer["device_id"] = row["device_id"]
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
