"""The school system as a token issuer: its key set, and its log-in for the demonstration schools (api.md, HTTP)."""

import functools
import time
from html import escape

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from infrastructure.sandbox.exchange import parameters
from infrastructure.sandbox.keys import signing_key
from infrastructure.sandbox.layout import fault_line, page
from infrastructure.sandbox.logins import LOGINS, SCHOOLS, school_of
from infrastructure.sandbox.world import World, sandbox_dir
from infrastructure.settings import Settings

LIFETIME_S = 12 * 3600
BRAND = "Электронная школа"


class NobodyHere(Exception):
    """No demonstration user has this name; the message is for whoever asked."""


def issue_token(
    settings: Settings,
    *,
    sub: str,
    org: str | None = None,
    scope: str | None = None,
    superadministrator: bool = False,
    lifetime_s: int = LIFETIME_S,
) -> str:
    """An RS256 bearer token with the claims of api.md, signed with the key that the sandbox publishes.

    `sub` and `org` are ids of the school system. Needs no running sandbox: the key is made where it is missing.
    """
    key = _key(settings)
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": settings.token_issuer,
        "aud": settings.token_audience,
        "sub": sub,
        "iat": now,
        "exp": now + lifetime_s,
    }
    if superadministrator:
        claims["superadministrator"] = True
    if org is not None:
        claims["org"] = org
    if scope is not None:
        claims["scope"] = scope
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key, algorithms=["RS256"])


def token_of(
    settings: Settings,
    *,
    login: str | None = None,
    person: str | None = None,
    organization: str | None = None,
    lifetime_s: int = LIFETIME_S,
) -> str:
    """The token of a demonstration user, or of any person of a demonstration school by the id there.

    Raises:
        NobodyHere
    """
    if login is not None:
        known = LOGINS.get(login)
        if known is None:
            raise NobodyHere(f"Нет такого пользователя. Есть: {', '.join(LOGINS)}.")
        return issue_token(
            settings,
            sub=known.sub,
            org=known.org,
            scope=known.scope,
            superadministrator=known.superadministrator,
            lifetime_s=lifetime_s,
        )
    school = school_of(person or "")
    if person is None or school is None or (organization or school) not in SCHOOLS.values():
        raise NobodyHere(f"Нет такого человека. Номер начинается с {' или '.join(SCHOOLS)}.")
    return issue_token(settings, sub=person, org=organization or school, lifetime_s=lifetime_s)


def _key(settings: Settings) -> RSAKey:
    return signing_key(sandbox_dir(settings) / "school-key.json")


def routes(world: World) -> list[Route]:
    """Everything below `/school`."""
    settings = world.settings
    return [
        Route("/.well-known/jwks.json", functools.partial(_key_set, settings), methods=["GET"]),
        Route("/token", functools.partial(_log_in, settings), methods=["GET", "POST"]),
    ]


async def _key_set(settings: Settings, request: Request) -> Response:
    key = _key(settings).as_dict(private=False) | {"use": "sig", "alg": "RS256"}
    return JSONResponse({"keys": [key]})


async def _log_in(settings: Settings, request: Request) -> Response:
    if request.method == "GET":
        return _choice()
    given = await parameters(request)
    as_json = "application/json" in request.headers.get("accept", "")
    lifetime = given.get("lifetime") or str(LIFETIME_S)
    try:
        if not lifetime.isdecimal():
            raise NobodyHere("lifetime — целое число секунд.")
        token = token_of(
            settings,
            login=given.get("login"),
            person=given.get("person"),
            organization=given.get("organization"),
            lifetime_s=int(lifetime),
        )
    except NobodyHere as nobody:
        return JSONResponse({"error": str(nobody)}, status_code=400) if as_json else _choice(str(nobody))
    if as_json:
        return JSONResponse({"token": token}, headers={"Cache-Control": "no-store"})
    shown = f'<label for="token">Ваш токен</label><textarea id="token" rows="8" readonly>{escape(token)}</textarea>'
    return page("Вы вошли", f'{shown}<p><a href="/school/token">Войти за другого</a></p>', brand=BRAND)


def _choice(fault: str | None = None) -> HTMLResponse:
    buttons = "".join(
        f'<button class="quiet" name="login" value="{login.name}">{escape(login.title)} — {login.name}</button>'
        for login in LOGINS.values()
    )
    by_id = (
        '<form method="post"><label for="person">Или номер человека в школе</label>'
        '<input id="person" name="person" required maxlength="200" autocomplete="off"><button>Войти</button></form>'
    )
    return page(
        "За кого войти?",
        f'{fault_line(fault)}<form method="post">{buttons}</form>{by_id}',
        brand=BRAND,
        status=400 if fault else 200,
    )
