"""A code from an SMS is good once, for a while, and for three tries."""

import secrets

from infrastructure.sandbox.world import World

TRIES = 3
EXPIRED = "Срок действия кода истёк. Запросите новый код."
TOO_MANY = "Слишком много попыток. Запросите новый код."


def send(world: World, phone: str) -> None:
    """Makes a new code of six digits for the number; an older one is void."""
    world.store.write(
        "insert or replace into sms (phone, code, expires_at) values (?, ?, ?)",
        *(phone, f"{secrets.randbelow(1_000_000):06}", world.now() + world.rules.sms_s),
    )


def is_awaited(world: World, phone: str) -> bool:
    """Whether the number has a code that can still be typed."""
    row = world.store.row("select * from sms where phone = ?", phone)
    return row is not None and row["expires_at"] > world.now() and row["tries"] < TRIES


def fault_of(world: World, phone: str, typed: str) -> str | None:
    """Uses the code up; answers what is wrong with it as a person should read it, or None.

    Blanks and hyphens in `typed` do not matter; an empty one is no try.
    """
    code = "".join(typed.split()).replace("-", "")
    if not code:
        return "Введите код из SMS."
    row = world.store.row("select * from sms where phone = ?", phone)
    if row is None or row["expires_at"] <= world.now():
        return EXPIRED
    if row["tries"] >= TRIES:
        return TOO_MANY
    if not secrets.compare_digest(row["code"].encode(), code.encode()):
        world.store.write("update sms set tries = tries + 1 where phone = ?", phone)
        left = TRIES - row["tries"] - 1
        return f"Неверный код. Проверьте SMS и введите код ещё раз. Осталось попыток: {left}." if left else TOO_MANY
    world.store.write("delete from sms where phone = ?", phone)
    return None


def last(world: World, phone: str) -> str | None:
    """The code that the number got last and has not used."""
    row = world.store.row("select code from sms where phone = ?", phone)
    return row["code"] if row else None


def digits(phone: str) -> str | None:
    """A Russian number as eleven digits that begin with 7, however it was typed; None if it is not one."""
    found = "".join(sign for sign in phone if sign.isdecimal())
    if len(found) == 10:
        found = "7" + found
    return "7" + found[1:] if len(found) == 11 and found[0] in "78" else None


def masked(phone: str) -> str:
    """Eleven digits as a person knows their own number by, and nobody else learns it."""
    return f"+{phone[0]} {phone[1:4]} ***-**-{phone[-2:]}"
