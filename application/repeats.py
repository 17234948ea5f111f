"""A request that carries a key may be repeated: for 24 hours it answers with what it made the first time (api.md)."""

from datetime import datetime

from application.ports import KEYS_ARE_KEPT_FOR, Answered, UnitOfWork
from domain.errors import ProblemCode, refuse

LONGEST_KEY = 64


async def remembered(uow: UnitOfWork, scope: str, key: str | None, digest: str, *, at: datetime) -> str | None:
    """What the same request made before; None if it is new. Raises Refused for a key of another request."""
    if key is None:
        return None
    if len(key) > LONGEST_KEY:
        raise refuse(ProblemCode.TOO_LONG, "idempotencyKey", most=str(LONGEST_KEY))
    known = await uow.answers.find(scope, [key], since=at - KEYS_ARE_KEPT_FOR)
    if key not in known:
        return None
    if known[key].digest != digest:
        raise refuse(ProblemCode.IDEMPOTENCY_KEY_REUSED, "idempotencyKey")
    return known[key].result


async def remember(uow: UnitOfWork, scope: str, key: str | None, digest: str, result: str, *, at: datetime) -> None:
    """Keeps what the request made under its key, if it has one."""
    if key is not None:
        await uow.answers.keep(scope, {key: Answered(digest, result)}, at=at)
