"""What each window of VK ID proves, and which comes next (manual, variants 1–3)."""

import re
import sqlite3
from collections.abc import Callable
from datetime import date

from infrastructure.sandbox.people import FEMALE, FIRST_USER_ID, MALE
from infrastructure.sandbox.vk_id import sms
from infrastructure.sandbox.world import World

Given = dict[str, str]
ORDER = ("phone", "password", "code", "profile", "personal", "check")
PASSWORD_TRIES = 5
SMS_AN_ATTEMPT = 5
NEW = 0
"""The chosen profile of an attempt that will create one; null is no choice yet."""

SEX_WORDS = {
    **dict.fromkeys(("1", "f", "female", "ж", "женский"), FEMALE),
    **dict.fromkeys(("2", "m", "male", "м", "мужской"), MALE),
}
NAME = re.compile(r"[^\W\d_]+(?:[ '’.-]+[^\W\d_]+)*\.?")


class Wrong(Exception):
    """What was typed cannot be taken; the message tells the person what to do."""


class Over(Exception):
    """This way has ended; the person has to begin anew."""


def owner(world: World, attempt: sqlite3.Row) -> sqlite3.Row | None:
    """The person whose number the attempt named, None for a number without a person."""
    return world.store.row("select * from people where phone = ?", attempt["phone"])


def profiles(world: World, attempt: sqlite3.Row) -> list[sqlite3.Row]:
    """The education profiles among which the attempt may choose."""
    return world.store.rows(
        "select f.* from profiles f join people p on p.number = f.number where p.phone = ? order by f.id",
        attempt["phone"],
    )


def take(world: World, attempt: sqlite3.Row, step: str, given: Given) -> None:
    """Takes the form of one step and moves the attempt on.

    A form of an earlier window is taken again (the browser's «back»); one of a later window changes nothing.

    Raises:
        Wrong, Over
    """
    if step not in ORDER or ORDER.index(step) > ORDER.index(attempt["step"]):
        return
    following = STEPS[step](world, attempt, given)
    world.store.write("update attempts set step = ? where id = ?", following, attempt["id"])


def _phone(world: World, attempt: sqlite3.Row, given: Given) -> str:
    typed = given.get("phone", "").strip()
    if "@" in typed:
        person = world.store.row("select * from people where email = ?", typed.lower())
        if person is None:
            raise Wrong("Аккаунта с такой почтой нет. Введите номер телефона.")
        phone = person["phone"]
    else:
        phone = sms.digits(typed)
        if phone is None:
            raise Wrong("Введите номер полностью, например +7 912 345-67-89.")
        person = world.store.row("select * from people where phone = ?", phone)
    world.store.write(
        "update attempts set phone = ?, profile = null, last_name = null, first_name = null, patronymic = null, "
        "birthday = null, sex = null where id = ?",
        *(phone, attempt["id"]),
    )
    if person is not None and person["user_id"] is not None:
        return "password"
    _send_sms(world, attempt, phone)
    return "code"


def _password(world: World, attempt: sqlite3.Row, given: Given) -> str:
    person = owner(world, attempt)
    if person is None or person["user_id"] is None:
        return "phone"
    if given.get("password", "") != person["password"]:
        world.store.write("update attempts set faults = faults + 1 where id = ?", attempt["id"])
        if attempt["faults"] + 1 >= PASSWORD_TRIES:
            raise Over("Слишком много попыток. Вернитесь в электронную школу и начните заново.")
        raise Wrong("Неверный пароль. Попробуйте ещё раз.")
    _send_sms(world, attempt, attempt["phone"])
    return "code"


def _send_sms(world: World, attempt: sqlite3.Row, phone: str) -> None:
    if attempt["sms_sent"] >= SMS_AN_ATTEMPT:
        raise Over("Слишком много запросов кода. Вернитесь в электронную школу и начните заново.")
    world.store.write("update attempts set sms_sent = sms_sent + 1 where id = ?", attempt["id"])
    sms.send(world, phone)


def _code(world: World, attempt: sqlite3.Row, given: Given) -> str:
    if given.get("again"):
        _send_sms(world, attempt, attempt["phone"])
        return "code"
    fault = sms.fault_of(world, attempt["phone"], given.get("code", "").strip())
    if fault:
        raise Wrong(fault)
    person = owner(world, attempt)
    return "profile" if person is not None and person["user_id"] is not None else "personal"


def _profile(world: World, attempt: sqlite3.Row, given: Given) -> str:
    known = [row["id"] for row in profiles(world, attempt)]
    chosen = given.get("profile", "")
    if not known:
        world.store.write("update attempts set profile = ? where id = ?", NEW, attempt["id"])
        return "check" if attempt["last_name"] else "personal"
    if not chosen and len(known) == 1:
        chosen = str(known[0])
    if chosen not in map(str, known):
        raise Wrong("Выберите профиль из списка.")
    world.store.write("update attempts set profile = ? where id = ?", int(chosen), attempt["id"])
    return "check"


def _personal(world: World, attempt: sqlite3.Row, given: Given) -> str:
    names = {part: " ".join(given.get(part, "").split()) for part in ("last_name", "first_name", "patronymic")}
    # What was typed stays in the form, right or wrong, so that one slip does not cost the whole form.
    sex = SEX_WORDS.get(given.get("sex", "").strip().lower())
    world.store.write(
        "update attempts set last_name = ?, first_name = ?, patronymic = ?, birthday = ?, sex = ? where id = ?",
        *(names["last_name"], names["first_name"], names["patronymic"], given.get("birthday", ""), sex, attempt["id"]),
    )
    for part, value in names.items():
        if (value or part != "patronymic") and not (len(value) <= 64 and NAME.fullmatch(value)):
            raise Wrong("Проверьте фамилию, имя и отчество: в них только буквы, дефис и апостроф.")
    born = _birthday(given.get("birthday", "").strip())
    if born is None:
        raise Wrong("Укажите день рождения, например 12.12.1978.")
    if sex is None:
        raise Wrong("Выберите пол.")
    world.store.write("update attempts set birthday = ? where id = ?", f"{born:%d.%m.%Y}", attempt["id"])
    return "profile" if attempt["profile"] is None else "check"


def _birthday(typed: str) -> date | None:
    parts = [int(part) for part in re.findall(r"\d+", typed)[:3]]
    if len(parts) < 3:
        return None
    year, month, day = parts if parts[0] > 31 else reversed(parts)
    try:
        born = date(year, month, day)
    except ValueError:
        return None
    return born if 1900 <= year <= 2100 else None


def _check(world: World, attempt: sqlite3.Row, given: Given) -> str:
    if attempt["profile"] is None:
        return "profile"
    if attempt["profile"] == NEW:
        created = _create_profile(world, attempt)
        world.store.write("update attempts set profile = ? where id = ?", created, attempt["id"])
    return "check"


def _create_profile(world: World, attempt: sqlite3.Row) -> int:
    data = [attempt[part] for part in ("last_name", "first_name", "patronymic", "birthday", "sex")]
    person = owner(world, attempt)
    if person is None:
        number = world.store.insert(
            "insert into people (phone, last_name, first_name, patronymic, birthday, sex) values (?, ?, ?, ?, ?, ?)",
            *(attempt["phone"], *data),
        )
    else:
        number = person["number"]
    user_id: int = FIRST_USER_ID + number - 1
    world.store.write("update people set user_id = ? where number = ?", user_id, number)
    world.store.write(
        "insert or ignore into profiles values (?, ?, ?, ?, ?, ?, ?, '', '')",
        *(user_id, number, *data),
    )
    return user_id


STEPS: dict[str, Callable[[World, sqlite3.Row, Given], str]] = {
    "phone": _phone,
    "password": _password,
    "code": _code,
    "profile": _profile,
    "personal": _personal,
    "check": _check,
}
