"""What each window of VK ID proves, and which comes next (manual, variants 1–3).

Whoever has a VK ID with a password types it and the code from an SMS; without a password, or without a VK ID, the code
is enough. Then comes the education profile: chosen among several (variant 1), or created, before the personal data is
typed (variant 2) or after it (variant 3).
"""

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime

from infrastructure.sandbox.people import FEMALE, MALE
from infrastructure.sandbox.vk_id import profiles, sms
from infrastructure.sandbox.world import World

Given = dict[str, str]
KNOWN_PERSON = ("phone", "password", "reset", "code", "profile", "personal", "check")
NEW_PERSON = ("phone", "code", "personal", "profile", "created", "check")
PROOFS = ("password", "reset", "code")
PASSWORD_TRIES = 5
LEAST_PASSWORD = 8
SMS_AN_ATTEMPT = 5

SEX_WORDS = {
    **dict.fromkeys(("1", "f", "female", "ж", "женский"), FEMALE),
    **dict.fromkeys(("2", "m", "male", "м", "мужской"), MALE),
}
NAME = re.compile(r"[^\W\d_]+(?:[ '’.-]+[^\W\d_]+)*\.?")
NAMES = {
    "last_name": ("Укажите фамилию.", "В фамилии могут быть только буквы, дефис и апостроф, не больше 64 знаков."),
    "first_name": ("Укажите имя.", "В имени могут быть только буквы, дефис и апостроф, не больше 64 знаков."),
    "patronymic": ("", "В отчестве могут быть только буквы, дефис и апостроф, не больше 64 знаков."),
}


class Wrong(Exception):
    """What was typed into `field` cannot be taken; the message tells the person what to do."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class Over(Exception):
    """This way has ended; the person has to begin anew."""


def owner(world: World, attempt: sqlite3.Row) -> sqlite3.Row | None:
    """The person whose number the attempt named, None for a number without a person."""
    return world.store.row("select * from people where phone = ?", attempt["phone"])


def way(world: World, attempt: sqlite3.Row) -> tuple[str, ...]:
    """The windows of the attempt in their order."""
    person = owner(world, attempt)
    is_new = person is None or person["user_id"] is None or profiles.is_created_by(attempt)
    return NEW_PERSON if attempt["phone"] and is_new else KNOWN_PERSON


def take(world: World, attempt: sqlite3.Row, step: str, given: Given) -> str | None:
    """Takes the form of one step and moves the attempt on; answers what the next window should tell, if anything.

    A form of an earlier window is taken again (the browser's «back», a button pressed twice), but for the proofs of
    a number that is proven; one of a later window changes nothing.

    Raises:
        Wrong, Over
    """
    windows = way(world, attempt)
    reached = windows[: windows.index(attempt["step"]) + 1]
    if step not in reached or (step in PROOFS and "code" in reached[:-1]):
        return None
    following, note = STEPS[step](world, attempt, given)
    _move(world, attempt, following)
    return note


def go_back(world: World, attempt: sqlite3.Row, target: str) -> None:
    """Leads to an earlier window that may be filled in anew; any other target changes nothing."""
    windows = way(world, attempt)
    earlier = windows[: windows.index(attempt["step"])]
    reopened = ("phone", "password") if "code" not in earlier else ("profile", "personal")
    is_typed = target != "personal" or attempt["last_name"] is not None
    if target in earlier and target in reopened and is_typed:
        _move(world, attempt, target)


def _move(world: World, attempt: sqlite3.Row, step: str) -> None:
    world.store.write("update attempts set step = ? where id = ?", step, attempt["id"])


Next = tuple[str, str | None]
"""The window that follows, and what it should tell."""


def _phone(world: World, attempt: sqlite3.Row, given: Given) -> Next:
    typed = given.get("phone", "").strip()
    if "@" in typed:
        person = world.store.row("select * from people where email = ?", typed.lower())
        if person is None:
            raise Wrong("Аккаунта с такой почтой нет. Проверьте адрес или введите номер телефона.", "phone")
        phone = person["phone"]
    else:
        phone = sms.digits(typed)
        if phone is None:
            raise Wrong("Введите номер полностью, например +7 912 345-67-89, или адрес почты.", "phone")
        person = world.store.row("select * from people where phone = ?", phone)
    world.store.write(
        "update attempts set phone = ?, profile = null, last_name = null, first_name = null, patronymic = null, "
        "birthday = null, sex = null where id = ?",
        *(phone, attempt["id"]),
    )
    if person is not None and person["password"] is not None:
        return "password", None
    _send_sms(world, attempt, phone)
    return "code", None


def _password(world: World, attempt: sqlite3.Row, given: Given) -> Next:
    person = owner(world, attempt)
    if person is None or person["password"] is None:
        return "phone", None
    if given.get("forgot"):
        _send_sms(world, attempt, attempt["phone"])
        return "reset", None
    if not given.get("password"):
        raise Wrong("Введите пароль.", "password")
    if given["password"] != person["password"]:
        world.store.write("update attempts set faults = faults + 1 where id = ?", attempt["id"])
        if attempt["faults"] + 1 >= PASSWORD_TRIES:
            raise Over
        raise Wrong("Неверный пароль. Попробуйте ещё раз или установите новый пароль.", "password")
    _send_sms(world, attempt, attempt["phone"])
    return "code", None


def _reset(world: World, attempt: sqlite3.Row, given: Given) -> Next:
    if given.get("again"):
        return "reset", _send_again(world, attempt)
    password = given.get("password", "")
    # Before the code, which is good only once.
    if not LEAST_PASSWORD <= len(password) <= 200:
        raise Wrong(f"Придумайте пароль не короче {LEAST_PASSWORD} знаков.", "password")
    fault = sms.fault_of(world, attempt["phone"], given.get("code", ""))
    if fault:
        raise Wrong(fault, "code")
    world.store.write("update people set password = ? where phone = ?", password, attempt["phone"])
    return "profile", "Пароль изменён."


def _send_sms(world: World, attempt: sqlite3.Row, phone: str) -> None:
    # A form that was sent twice must not make the SMS void that the person is just reading.
    if attempt["step"] in ("code", "reset") and attempt["phone"] == phone and sms.is_awaited(world, phone):
        return
    _send_again(world, attempt, phone)


def _send_again(world: World, attempt: sqlite3.Row, phone: str | None = None) -> str:
    if attempt["sms_sent"] >= SMS_AN_ATTEMPT:
        raise Over
    world.store.write("update attempts set sms_sent = sms_sent + 1 where id = ?", attempt["id"])
    sms.send(world, phone or attempt["phone"])
    return "Мы отправили новый код. Прежний больше не действует."


def _code(world: World, attempt: sqlite3.Row, given: Given) -> Next:
    if given.get("again"):
        return "code", _send_again(world, attempt)
    fault = sms.fault_of(world, attempt["phone"], given.get("code", ""))
    if fault:
        raise Wrong(fault, "code")
    return ("personal" if way(world, attempt) == NEW_PERSON else "profile"), None


def _profile(world: World, attempt: sqlite3.Row, given: Given) -> Next:
    if profiles.is_created_by(attempt):
        return "created", None
    known = [row["id"] for row in profiles.of_number(world, attempt["phone"])]
    chosen = given.get("profile", "")
    if not known and way(world, attempt) == NEW_PERSON:
        _choose(world, attempt, profiles.create(world, attempt))
        return "created", None
    if not known:
        _choose(world, attempt, profiles.NEW)
        return "personal", None
    if not chosen and len(known) == 1:
        chosen = str(known[0])
    if chosen not in map(str, known):
        raise Wrong("Выберите профиль из списка.", "profile")
    _choose(world, attempt, int(chosen))
    # What an unused form said must not pass for what this profile was made from.
    world.store.write("update attempts set last_name = null where id = ?", attempt["id"])
    return "check", None


def _choose(world: World, attempt: sqlite3.Row, profile: int) -> None:
    world.store.write("update attempts set profile = ? where id = ?", profile, attempt["id"])


def _personal(world: World, attempt: sqlite3.Row, given: Given) -> Next:
    if attempt["profile"] not in (None, profiles.NEW) and not profiles.is_created_by(attempt):
        return "check", None
    names = {part: " ".join(given.get(part, "").split()) for part in NAMES}
    # What was typed stays in the form, right or wrong, so that one slip does not cost the whole form.
    sex = SEX_WORDS.get(given.get("sex", "").strip().lower())
    typed = (*names.values(), given.get("birthday", "").strip(), sex)
    _fill_in(world, attempt, *typed)
    for part, (missing, wrong) in NAMES.items():
        if not names[part] and missing:
            raise Wrong(missing, part)
        if names[part] and not (len(names[part]) <= 64 and NAME.fullmatch(names[part])):
            raise Wrong(wrong, part)
    born = _birthday(given.get("birthday", "").strip(), datetime.fromtimestamp(world.now(), UTC).date())
    if born is None:
        raise Wrong("Укажите день рождения, например 12.12.1978.", "birthday")
    if sex is None:
        raise Wrong("Выберите пол.", "sex")
    _fill_in(world, attempt, *names.values(), f"{born:%d.%m.%Y}", sex)
    return ("profile" if attempt["profile"] is None else "check"), None


def _fill_in(world: World, attempt: sqlite3.Row, *values: str | int | None) -> None:
    """Keeps the personal data in the order of `profiles.PARTS`."""
    world.store.write(
        "update attempts set last_name = ?, first_name = ?, patronymic = ?, birthday = ?, sex = ? where id = ?",
        *(*values, attempt["id"]),
    )


def _birthday(typed: str, today: date) -> date | None:
    """Day, month, year, or the year first; in any signs, or as eight digits without any."""
    together = re.fullmatch(r"(\d\d)(\d\d)(\d{4})", typed)
    parts = [int(part) for part in (together.groups() if together else re.findall(r"\d+", typed))]
    if len(parts) != 3:
        return None
    year, month, day = parts if parts[0] > 31 else reversed(parts)
    try:
        born = date(year, month, day)
    except (ValueError, OverflowError):
        return None
    return born if date(1900, 1, 1) <= born <= today else None


def _created(world: World, attempt: sqlite3.Row, given: Given) -> Next:
    return "check", None


def _check(world: World, attempt: sqlite3.Row, given: Given) -> Next:
    if attempt["profile"] is None:
        return "profile", None
    if attempt["profile"] == profiles.NEW:
        _choose(world, attempt, profiles.create(world, attempt))
    elif profiles.is_created_by(attempt):
        profiles.correct(world, attempt)
    return "check", None


STEPS: dict[str, Callable[[World, sqlite3.Row, Given], Next]] = {
    "phone": _phone,
    "password": _password,
    "reset": _reset,
    "code": _code,
    "profile": _profile,
    "personal": _personal,
    "created": _created,
    "check": _check,
}
