"""VK ID's windows from the first one to the data check (manual, figures 7–23), one form each."""

import sqlite3
from html import escape
from urllib.parse import quote

from starlette.responses import HTMLResponse

from infrastructure.sandbox.layout import fault_line, page

SEXES = {1: "Женский", 2: "Мужской"}
ROLES = {"employee": "Сотрудник", "teacher": "Учитель", "pupil": "Ученик", "parent": "Родитель"}
AGREEMENT = (
    '<p class="soft">Нажимая «Продолжить», вы принимаете пользовательское соглашение и политику конфиденциальности.</p>'
)


def phone(attempt: sqlite3.Row, fault: str | None) -> HTMLResponse:
    """The first window; the field takes an e-mail address too."""
    fields = (
        '<p>С сервисом «Электронная школа» можно связать свой учебный профиль.</p><ul class="soft">'
        "<li>Вход в учебный профиль по VK ID</li><li>Общение в защищённом от посторонних пространстве</li>"
        "<li>Если аккаунт уже есть, его никто не увидит</li></ul>"
        + _input("phone", "Телефон или почта", autocomplete="username", value=attempt["phone"])
    )
    after = (
        AGREEMENT + _transferred(attempt["scope"], shown=False) + '<p class="soft">Номера людей песочницы: '
        '<a href="/control/people">/control/people</a></p>'
    )
    return _form("Вход в VK ID", attempt, fields, fault, after)


def password(attempt: sqlite3.Row, fault: str | None) -> HTMLResponse:
    """The window for the password."""
    fields = "<p>Введите пароль, привязанный к вашему аккаунту.</p>" + _input(
        "password", "Пароль", kind="password", autocomplete="current-password"
    )
    return _form("Введите пароль", attempt, fields, fault)


def code(attempt: sqlite3.Row, fault: str | None) -> HTMLResponse:
    """The window for the code from the SMS, which can be sent again."""
    number = attempt["phone"]
    where = f"/control/sms/{quote(number)}"
    fields = f"<p>Мы отправили SMS с кодом на номер +{escape(number[:4])} *** {escape(number[-2:])}.</p>" + _input(
        "code", "Код из SMS", autocomplete="one-time-code", mode="numeric"
    )
    again = '<button class="quiet" name="again" value="1" formnovalidate>Отправить код ещё раз</button>'
    after = f'<p class="soft">Код для этой песочницы: <a href="{where}">{where}</a></p>'
    return _form("Введите код", attempt, fields, fault, after, more=again)


def profile(attempt: sqlite3.Row, profiles: list[sqlite3.Row], fault: str | None) -> HTMLResponse:
    """The choice among the education profiles, or the offer to make the first."""
    if not profiles:
        fields = '<p>У вас ещё нет учебного профиля.</p><input type="hidden" name="profile" value="new">'
        return _form("Учебный профиль", attempt, fields, fault, action="Создать учебный профиль")
    choices = "".join(_choice(row, checked=place == 0) for place, row in enumerate(profiles))
    return _form("Выберите профиль", attempt, f"<p>Он будет связан с «Электронной школой».</p>{choices}", fault)


def _choice(row: sqlite3.Row, *, checked: bool) -> str:
    role = escape(ROLES.get(row["role"], ""))
    return (
        f'<label class="choice"><input type="radio" name="profile" value="{row["id"]}"{" checked" if checked else ""} '
        f'required><span>{escape(full_name(row))}<br><span class="soft">{role}</span></span></label>'
    )


def personal(attempt: sqlite3.Row, fault: str | None) -> HTMLResponse:
    """«Информация о себе» (figures 16, 20)."""
    options = "".join(
        f'<option value="{value}"{" selected" if attempt["sex"] == value else ""}>{name}</option>'
        for value, name in SEXES.items()
    )
    fields = (
        _input("last_name", "Фамилия", autocomplete="family-name", value=attempt["last_name"])
        + _input("first_name", "Имя", autocomplete="given-name", value=attempt["first_name"])
        + _input("patronymic", "Отчество (если есть)", autocomplete="off", value=attempt["patronymic"], needed=False)
        + _input("birthday", "День рождения, ДД.ММ.ГГГГ", autocomplete="bday", value=attempt["birthday"])
        + f'<label for="sex">Пол</label><select id="sex" name="sex" required><option value="">Выберите</option>'
        f"{options}</select>"
    )
    return _form("Информация о себе", attempt, fields, fault)


def check(attempt: sqlite3.Row, person: sqlite3.Row, fault: str | None) -> HTMLResponse:
    """The last window: what the platform will show, what is handed over, and the agreement (figure 11)."""
    shown = {
        "Фамилия, имя, отчество": full_name(person),
        "День рождения": person["birthday"],
        "Пол": SEXES[person["sex"]],
    }
    data = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in shown.items())
    fields = f"<p>Так вас увидят на платформе.</p><dl>{data}</dl>" + _transferred(attempt["scope"], shown=True)
    return _form("Проверьте данные", attempt, fields, fault, AGREEMENT)


def over(title: str, text: str, status: int = 200) -> HTMLResponse:
    """The end of a way that leads nowhere: what happened and what to do."""
    return page(title, f'<p class="fault" role="alert">{escape(text)}</p>', brand="VK ID", status=status)


def full_name(row: sqlite3.Row) -> str:
    """Last name, first name and, where there is one, the patronymic."""
    return " ".join(row[part] for part in ("last_name", "first_name", "patronymic") if row[part])


def _transferred(scope: str, *, shown: bool) -> str:
    asked = scope.split()
    items = ["Имя и фамилия", "Пол", "Дата рождения"]
    items += [name for key, name in (("phone", "Номер телефона"), ("email", "Адрес почты")) if key in asked]
    items += ["Учебный профиль"]
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<details{' open' if shown else ''}><summary>Передаваемые данные</summary><ul>{listed}</ul></details>"


def _input(
    name: str,
    label: str,
    *,
    autocomplete: str,
    kind: str = "text",
    mode: str = "text",
    value: str | None = None,
    needed: bool = True,
) -> str:
    return (
        f'<label for="{name}">{escape(label)}</label><input id="{name}" name="{name}" type="{kind}" inputmode="{mode}" '
        f'autocomplete="{autocomplete}" maxlength="200" value="{escape(value or "")}" aria-describedby=fault'
        f"{' required' if needed else ''}>"
    )


def _form(
    title: str,
    attempt: sqlite3.Row,
    fields: str,
    fault: str | None,
    after: str = "",
    *,
    action: str = "Продолжить",
    more: str = "",
) -> HTMLResponse:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in (("attempt", attempt["id"]), ("step", attempt["step"]))
    )
    body = (
        f'{fault_line(fault)}<form method="post" action="/id/authorize">{hidden}{fields}'
        f"<button>{escape(action)}</button>{more}"
        f'<button class="quiet" name="cancel" value="1" formnovalidate>Отмена</button></form>{after}'
    )
    return page(title, body, brand="VK ID")
