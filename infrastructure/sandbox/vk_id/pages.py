"""VK ID's windows from the first one to the data check (manual, figures 7–23), one form each."""

import sqlite3
from html import escape
from urllib.parse import quote

from starlette.responses import HTMLResponse

from infrastructure.sandbox.layout import fault_line, note_line, page
from infrastructure.sandbox.vk_id import profiles, sms, steps
from infrastructure.sandbox.vk_id.steps import Wrong

SEXES = {1: "Женский", 2: "Мужской"}
ROLES = {"employee": "Сотрудник", "teacher": "Учитель", "pupil": "Ученик", "parent": "Родитель"}
AGREEMENT = (
    '<p class="soft">Нажимая «Продолжить», вы принимаете пользовательское соглашение и политику конфиденциальности.</p>'
)
AGAIN = '<button class="quiet" name="again" value="1" formnovalidate>Отправить код ещё раз</button>'


def phone(attempt: sqlite3.Row, fault: Wrong | None, typed: str) -> HTMLResponse:
    """The first window; the field takes an e-mail address too, and keeps what was `typed`."""
    fields = (
        '<p>С сервисом «Электронная школа» можно связать свой учебный профиль.</p><ul class="soft">'
        "<li>Вход в учебный профиль по VK ID</li><li>Общение в защищённом от посторонних лиц пространстве</li>"
        "<li>Регистрация ВКонтакте не нужна, а если аккаунт уже есть, его никто не увидит</li></ul>"
        + _input("phone", "Телефон или почта", fault, autocomplete="username", value=typed)
    )
    after = AGREEMENT + _transferred(attempt["scope"], shown=False) + _hint("Номера людей песочницы", "/control/people")
    return _form("Вход в VK ID", attempt, fields, fault, after)


def password(attempt: sqlite3.Row, fault: Wrong | None) -> HTMLResponse:
    """The window for the password (figures 8, 13)."""
    fields = f"<p>Введите пароль, привязанный к номеру {escape(sms.masked(attempt['phone']))}.</p>" + _input(
        "password", "Пароль", fault, kind="password", autocomplete="current-password", focused=True
    )
    more = (
        '<button class="quiet" name="forgot" value="1" formnovalidate>Забыли или не установили пароль?</button>'
        + _back("phone", "Другой номер или почта")
    )
    return _form("Введите пароль", attempt, fields, fault, more=more)


def reset(attempt: sqlite3.Row, fault: Wrong | None, note: str | None) -> HTMLResponse:
    """The form for a new password, which an SMS permits."""
    fields = (
        "<p>Чтобы задать новый пароль, введите код, который мы отправили в SMS на номер "
        f"{escape(sms.masked(attempt['phone']))}.</p>"
        + _code_input(fault)
        + _input("password", "Новый пароль", fault, kind="password", autocomplete="new-password")
        + f'<p class="soft">Не короче {steps.LEAST_PASSWORD} знаков.</p>'
    )
    more = AGAIN + _back("password", "Вернуться к вводу пароля")
    return _form(
        "Новый пароль", attempt, fields, fault, _sms_hint(attempt), action="Сохранить пароль", more=more, note=note
    )


def code(attempt: sqlite3.Row, fault: Wrong | None, note: str | None) -> HTMLResponse:
    """The window for the code from the SMS, which can be sent again (figures 9, 14, 19)."""
    fields = f"<p>Мы отправили SMS с кодом на номер {escape(sms.masked(attempt['phone']))}.</p>" + _code_input(fault)
    more = AGAIN + _back("phone", "Другой номер или почта")
    return _form("Введите код", attempt, fields, fault, _sms_hint(attempt), more=more, note=note)


def profile(attempt: sqlite3.Row, known: list[sqlite3.Row], fault: Wrong | None, note: str | None) -> HTMLResponse:
    """The choice among the education profiles (figure 10), or the offer to make the first (figures 15, 22)."""
    if known:
        choices = "".join(_choice(row, checked=place == 0) for place, row in enumerate(known))
        fields = (
            "<fieldset><legend>Выбранный профиль будет связан с «Электронной школой».</legend>"
            + choices
            + "</fieldset>"
        )
        return _form("Выберите профиль", attempt, fields, fault, note=note)
    fields = '<input type="hidden" name="profile" value="new">'
    if not attempt["last_name"]:
        fields += "<p>У вас есть VK ID, но ещё нет учебного профиля. Создайте его, чтобы общаться в Сферуме.</p>"
        return _form("Учебный профиль", attempt, fields, fault, action="Создать учебный профиль", note=note)
    fields += (
        f"<p>Теперь создайте учебный профиль. Его имя: <b>{escape(full_name(attempt))}</b>.</p>"
        '<p class="soft">В нём общаются в Сферуме. Посторонние его не увидят.</p>'
    )
    more = _back("personal", "Исправить данные")
    return _form("Учебный профиль", attempt, fields, fault, action="Создать учебный профиль", more=more, note=note)


def _choice(row: sqlite3.Row, *, checked: bool) -> str:
    role = escape(ROLES.get(row["role"], ""))
    return (
        f'<label class="choice"><input type="radio" name="profile" value="{row["id"]}"{" checked" if checked else ""} '
        f'required><span>{escape(full_name(row))}<br><span class="soft">{role}</span></span></label>'
    )


def personal(attempt: sqlite3.Row, fault: Wrong | None) -> HTMLResponse:
    """«Информация о себе» (figures 16, 20)."""
    options = "".join(
        f'<option value="{value}"{" selected" if attempt["sex"] == value else ""}>{name}</option>'
        for value, name in SEXES.items()
    )
    fields = (
        _input("last_name", "Фамилия", fault, autocomplete="family-name", value=attempt["last_name"], focused=True)
        + _input("first_name", "Имя", fault, autocomplete="given-name", value=attempt["first_name"])
        + _input(
            "patronymic",
            "Отчество (если есть)",
            fault,
            autocomplete="additional-name",
            value=attempt["patronymic"],
            needed=False,
        )
        + _input("birthday", "День рождения, ДД.ММ.ГГГГ", fault, autocomplete="bday", value=attempt["birthday"])
        + f'<label for="sex">Пол</label><select id="sex" name="sex" required{_at_fault("sex", fault)}>'
        f'<option value="">Выберите</option>{options}</select>'
    )
    return _form("Информация о себе", attempt, fields, fault)


def created(attempt: sqlite3.Row) -> HTMLResponse:
    """What variant 3 shows when the profile has been made (figure 23)."""
    fields = (
        f"<p><b>{escape(full_name(attempt))}</b>, теперь у вас есть VK ID и учебный профиль.</p>"
        "<p>Осталось проверить данные и связать профиль с «Электронной школой».</p>"
    )
    return _form("Учебный профиль создан", attempt, fields, None)


def check(attempt: sqlite3.Row, person: sqlite3.Row, *, among_several: bool) -> HTMLResponse:
    """The last window: what the platform will show, what is handed over, and the agreement (figure 11)."""
    shown = {
        "Фамилия, имя, отчество": full_name(person),
        "День рождения": person["birthday"],
        "Пол": SEXES[person["sex"]],
    }
    data = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in shown.items())
    fields = f"<p>Так вас увидят на платформе.</p><dl>{data}</dl>" + _transferred(attempt["scope"], shown=True)
    more = ""
    if attempt["last_name"] is not None:
        more = _back("personal", "Исправить данные")
    elif among_several:
        more = _back("profile", "Выбрать другой профиль")
    return _form("Проверьте данные", attempt, fields, None, AGREEMENT, more=more)


def over(title: str, text: str, *, attempt: str | None = None, status: int = 200) -> HTMLResponse:
    """The end of a way: what happened and what to do, with the way back to the application of a known attempt."""
    back = ""
    if attempt is not None:
        back = (
            f'<form method="post" action="/id/authorize"><input type="hidden" name="attempt" value="{escape(attempt)}">'
            '<button name="cancel" value="1">Вернуться в электронную школу</button></form>'
        )
    return page(title, fault_line(text) + back, brand="VK ID", status=status)


def full_name(row: sqlite3.Row) -> str:
    """Last name, first name and, where there is one, the patronymic."""
    return " ".join(row[part] for part in profiles.PARTS[:3] if row[part])


def _transferred(scope: str, *, shown: bool) -> str:
    asked = scope.split()
    items = ["Имя и фамилия", "Пол", "Дата рождения"]
    items += [name for key, name in (("phone", "Номер телефона"), ("email", "Адрес почты")) if key in asked]
    items += ["Учебный профиль"]
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<details{' open' if shown else ''}><summary>Передаваемые данные</summary><ul>{listed}</ul></details>"


def _hint(text: str, path: str) -> str:
    # In a tab of its own, so that the window stays as it is.
    return f'<p class="soft">{text}: <a href="{path}" target="_blank" rel="noopener noreferrer">{path}</a></p>'


def _sms_hint(attempt: sqlite3.Row) -> str:
    return _hint("Код для этой песочницы", f"/control/sms/{quote(attempt['phone'])}")


def _back(target: str, label: str) -> str:
    return f'<button class="quiet" name="back" value="{target}" formnovalidate>{label}</button>'


def _code_input(fault: Wrong | None) -> str:
    return _input("code", "Код из SMS", fault, autocomplete="one-time-code", mode="numeric", focused=True)


def _at_fault(name: str, fault: Wrong | None) -> str:
    return ' aria-invalid="true" aria-describedby="fault" autofocus' if fault and fault.field == name else ""


def _input(
    name: str,
    label: str,
    fault: Wrong | None,
    *,
    autocomplete: str,
    kind: str = "text",
    mode: str = "text",
    value: str | None = None,
    needed: bool = True,
    focused: bool = False,
) -> str:
    state = _at_fault(name, fault) or (" autofocus" if focused and not fault else "")
    return (
        f'<label for="{name}">{escape(label)}</label><input id="{name}" name="{name}" type="{kind}" inputmode="{mode}" '
        f'autocomplete="{autocomplete}" maxlength="200" value="{escape(value or "")}"{state}'
        f"{' required' if needed else ''}>"
    )


def _form(
    title: str,
    attempt: sqlite3.Row,
    fields: str,
    fault: Wrong | None,
    after: str = "",
    *,
    action: str = "Продолжить",
    more: str = "",
    note: str | None = None,
) -> HTMLResponse:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in (("attempt", attempt["id"]), ("step", attempt["step"]))
    )
    # The first button is the one that Enter presses.
    body = (
        f'{fault_line(str(fault) if fault else None)}{note_line(note)}<form method="post" action="/id/authorize">'
        f"{hidden}{fields}<button>{escape(action)}</button>{more}"
        f'<button class="quiet" name="cancel" value="1" formnovalidate>Отмена</button></form>{after}'
    )
    return page(title, body, brand="VK ID", may_be_kept=True, is_fault=fault is not None)
