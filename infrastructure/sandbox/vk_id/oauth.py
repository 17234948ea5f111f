"""VK ID's token endpoints (vk.md 1.4–1.8): every failure is an HTTP 200 whose body has `error`."""

import base64
import functools
import hashlib
import hmac
from collections.abc import Callable

from joserfc import jwt
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infrastructure.sandbox.exchange import exchange, parameters
from infrastructure.sandbox.vk_id import sessions
from infrastructure.sandbox.world import World

Given = dict[str, str]


class OAuthError(Exception):
    """A refusal in the words of vk.md 1.6; nothing was done, unless the raiser says so."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


def routes(world: World) -> list[Route]:
    """The endpoints below `/id/oauth2`."""
    endpoints = {"auth": auth, "user_info": user_info, "public_info": public_info, "revoke": revoke, "logout": logout}
    return [
        Route(f"/oauth2/{name}", functools.partial(_endpoint, world, f"oauth2/{name}", act), methods=["POST"])
        for name, act in endpoints.items()
    ]


async def _endpoint(
    world: World, name: str, act: Callable[[World, Given], dict[str, object]], request: Request
) -> Response:
    given = await parameters(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        given.setdefault("access_token", token)

    def failure(error: str, description: str) -> Response:
        state = {"state": given["state"]} if "state" in given else {}
        return JSONResponse({"error": error, "error_description": description} | state)

    async def answer() -> Response:
        with world.store.change():
            try:
                if given.get("client_id") != world.settings.vk_client_id:
                    raise OAuthError("invalid_client", "client_id is missing or invalid")
                return JSONResponse(act(world, given))
            except OAuthError as refusal:
                # Caught inside the transaction: a refusal may have ended a session, and that must stay.
                return failure(refusal.error, str(refusal))

    return await exchange(
        world,
        request,
        name=name,
        given=given,
        answer=answer,
        refuse=lambda fault: failure(fault.code or "server_error", "ordered by a test"),
    )


def auth(world: World, given: Given) -> dict[str, object]:
    """Exchanges a code, or a refresh token, for a pair of tokens (vk.md 1.4); `state` comes back as given."""
    match given.get("grant_type"):
        case "authorization_code":
            session = _session_of_code(world, given)
            extra: dict[str, object] = {"id_token": sessions.id_token(world, session)}
        case "refresh_token":
            found = sessions.use_refresh_token(
                world,
                given.get("refresh_token", ""),
                client_id=given["client_id"],
                device_id=given.get("device_id", ""),
            )
            if isinstance(found, str):
                raise OAuthError("invalid_request" if "device_id" in found else "invalid_grant", found)
            session, extra = found, {}
        case _:
            raise OAuthError("invalid_request", "grant_type is missing or invalid")
    state = {"state": given["state"]} if "state" in given else {}
    return sessions.issue_pair(world, session) | extra | state


def _session_of_code(world: World, given: Given) -> sessions.Session:
    code = given.get("code", "")
    row = world.store.row("select * from codes where code = ?", code)
    if not code:
        raise OAuthError("invalid_request", "code is missing or invalid")
    if row is None or row["client_id"] != given["client_id"]:
        raise OAuthError("invalid_grant", "code is invalid or expired")
    if row["used"]:
        raise OAuthError("invalid_grant", "code was already used")
    if row["expires_at"] <= world.now():
        raise OAuthError("invalid_grant", "code is invalid or expired")
    if row["device_id"] != given.get("device_id"):
        raise OAuthError("invalid_request", "device_id is invalid")
    if row["redirect_uri"] != given.get("redirect_uri"):
        raise OAuthError("invalid_request", "redirect_uri is missing or invalid")
    verifier = given.get("code_verifier", "")
    if not 43 <= len(verifier) <= 128:
        raise OAuthError("invalid_request", "code_verifier is missing or invalid")
    if not hmac.compare_digest(_challenge(verifier), row["challenge"].encode()):
        raise OAuthError("invalid_grant", "code_challenge does not match code_verifier")
    world.store.write("update codes set used = 1 where code = ?", code)
    return sessions.begin(
        world,
        client_id=row["client_id"],
        user_id=row["user_id"],
        device_id=row["device_id"],
        scope=row["scope"],
    )


def _challenge(verifier: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")


def _session(world: World, given: Given) -> sessions.Session:
    bearer = sessions.bearer(world, given.get("access_token", ""))
    if bearer is None or bearer.expired or bearer.session.client_id != given["client_id"]:
        raise OAuthError("invalid_token", "access_token is missing or invalid")
    return bearer.session


def user_info(world: World, given: Given) -> dict[str, object]:
    """The profile's owner as far as the scope goes (vk.md 1.5, 1.9); here `user_id` is a string."""
    session = _session(world, given)
    scope = session.scope.split()
    person = _person(world, session.user_id)
    # `vkid.personal_info` is given to every application, asked for or not.
    shown: list[str] = ["user_id", "first_name", "last_name", "sex", "verified", "birthday"]
    shown += [name for name in ("phone", "email") if name in scope and person[name]]
    return {"user": {name: person[name] for name in shown}}


def public_info(world: World, given: Given) -> dict[str, object]:
    """The same person with the surname's initial, and phone and e-mail starred (vk.md 1.5)."""
    try:
        claims = jwt.decode(given.get("id_token", ""), world.vk_id_key, algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        raise OAuthError("invalid_token", "id_token is missing or invalid") from None
    if claims["exp"] <= world.now() or str(claims["app"]) != given["client_id"]:
        raise OAuthError("invalid_token", "id_token is missing or invalid")
    person = _person(world, claims["sub"])
    masked = {"last_name": f"{str(person['last_name'])[:1]}.", "phone": _starred(str(person["phone"]), 2)}
    if person["email"]:
        name, _, host = str(person["email"]).partition("@")
        masked["email"] = f"{_starred(name, 1)}@{host}"
    return {"user": {"user_id": person["user_id"], "first_name": person["first_name"]} | masked}


def _starred(text: str, kept: int) -> str:
    return text[:kept] + "*" * max(len(text) - 2 * kept, 3) + text[-kept:]


def _person(world: World, user_id: int) -> dict[str, object]:
    row = world.store.row(
        "select f.*, p.phone, p.email from profiles f join people p on p.number = f.number where f.id = ?", user_id
    )
    if row is None:
        raise OAuthError("invalid_token", "access_token is missing or invalid")
    names = ("first_name", "last_name", "birthday", "sex", "phone", "email")
    return {"user_id": str(user_id), "verified": False} | {name: row[name] for name in names}


def revoke(world: World, given: Given) -> dict[str, object]:
    """Withdraws everything that the user granted to the application (vk.md 1.5)."""
    session = _session(world, given)
    sessions.withdraw(world, client_id=session.client_id, user_id=session.user_id)
    return {"response": 1}


def logout(world: World, given: Given) -> dict[str, object]:
    """Ends this one session (vk.md 1.5)."""
    sessions.end(world, _session(world, given).id)
    return {"response": 1}
