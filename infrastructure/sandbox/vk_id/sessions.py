"""A VK ID session is one consent on one device: its refresh tokens form a chain, and using an old link ends it."""

import secrets
from dataclasses import dataclass

from joserfc import jwt

from infrastructure.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Session:
    """Whose session it is and what it may see; `user_id` is the education profile's."""

    id: int
    client_id: str
    user_id: int
    device_id: str
    scope: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """What an access token proves."""

    session: Session
    expired: bool


def begin(world: World, *, client_id: str, user_id: int, device_id: str, scope: str) -> Session:
    """Starts a session; its tokens are still to be issued."""
    number = world.store.insert(
        "insert into sessions (client_id, user_id, device_id, scope) values (?, ?, ?, ?)",
        *(client_id, user_id, device_id, scope),
    )
    return Session(number, client_id, user_id, device_id, scope)


def issue_pair(world: World, session: Session) -> dict[str, object]:
    """A new access and refresh token as `/oauth2/auth` answers them (vk.md 1.4); an older access token lives on."""
    rules = world.rules
    now = world.now()
    tokens = {}
    for kind, life in (("access", rules.access_token_s), ("refresh", rules.refresh_token_s)):
        tokens[kind] = f"vk2.a.{secrets.token_urlsafe(48)}"
        world.store.write(
            "insert into tokens (token, session, kind, expires_at) values (?, ?, ?, ?)",
            *(tokens[kind], session.id, kind, now + life),
        )
    # A day's margin keeps a dead token known as such, and the file small.
    world.store.write("delete from tokens where kind = 'access' and expires_at < ?", now - 86_400)
    return {
        "access_token": tokens["access"],
        "refresh_token": tokens["refresh"],
        "token_type": "Bearer",
        "expires_in": int(rules.access_token_s),
        "user_id": session.user_id,
        "scope": session.scope,
    }


def id_token(world: World, session: Session) -> str:
    """An RS256 token with the claims of vk.md 1.8; only `/oauth2/public_info` can judge it."""
    now = int(world.now())
    claims: dict[str, object] = {"iss": "VK", "sub": session.user_id, "app": session.client_id, "jti": 21, "iat": now}
    life = int(world.rules.access_token_s)
    return jwt.encode({"alg": "RS256"}, claims | {"exp": now + life}, world.vk_id_key, algorithms=["RS256"])


def bearer(world: World, token: str) -> Bearer | None:
    """Whose access token this is, None if it never was one, or its session has ended."""
    row = world.store.row(
        "select s.*, t.expires_at from tokens t join sessions s on s.id = t.session "
        "where t.token = ? and t.kind = 'access' and not s.ended",
        token,
    )
    if row is None:
        return None
    session = Session(row["id"], row["client_id"], row["user_id"], row["device_id"], row["scope"])
    return Bearer(session, expired=row["expires_at"] <= world.now())


def use_refresh_token(world: World, token: str, *, client_id: str, device_id: str) -> Session | str:
    """Turns the chain one link on; answers the session, or why not as VK ID's `error_description`.

    A link that was used before ends the whole session (vk.md 1.7), a wrong device or client changes nothing.
    """
    row = world.store.row(
        "select s.*, t.expires_at, t.used from tokens t join sessions s on s.id = t.session "
        "where t.token = ? and t.kind = 'refresh'",
        token,
    )
    if row is None or row["ended"] or row["client_id"] != client_id:
        return "refresh_token is missing or invalid"
    if row["device_id"] != device_id:
        return "device_id is invalid"
    if row["used"]:
        end(world, row["id"])
        return "refresh_token is missing or invalid"
    if row["expires_at"] <= world.now():
        return "refresh_token is missing or invalid"
    world.store.write("update tokens set used = 1 where token = ?", token)
    return Session(row["id"], row["client_id"], row["user_id"], row["device_id"], row["scope"])


def end(world: World, session: int) -> None:
    """Both tokens of the session are dead from now on; ending twice is harmless."""
    world.store.write("update sessions set ended = 1 where id = ?", session)


def withdraw(world: World, *, client_id: str, user_id: int) -> None:
    """Ends every session that the user has with the application; repeating it is harmless."""
    world.store.write("update sessions set ended = 1 where client_id = ? and user_id = ?", client_id, user_id)
