"""A person finds their way through VK ID's windows, whichever variant is theirs and whatever they press."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from infrastructure.sandbox.people import PASSWORD
from infrastructure.sandbox.world import sandbox_dir
from tests.sandbox import running_sandbox

PERSONAL = {
    "last_name": "Кедрова",
    "first_name": "Анна-Мария",
    "patronymic": "",
    "birthday": "12.12.1978",
    "sex": "1",
}
SEVERAL = "70000000008"
NO_PROFILE = "70000000009"
NO_VK_ID = "70000000010"
DROZDOV = "70000000011"


@pytest.fixture
def fresh_sandbox(tmp_path: Path) -> Iterator[Any]:
    """A sandbox in which nobody has done anything yet, where passwords and profiles may change."""
    with running_sandbox(tmp_path) as client:
        yield client


class Window:
    """The window that a browser shows, and what its person does there."""

    def __init__(self, sandbox: Any, **asked: str) -> None:
        self.sandbox = sandbox
        self.authorization = sandbox.authorize(**asked)
        self.show(sandbox.http.get(self.authorization.url))

    def show(self, answer: Any) -> "Window":
        self.location: str = answer.headers.get("location", "")
        self.html = answer.text
        return self

    @property
    def title(self) -> str:
        return "".join(re.findall(r"<h1>(.*?)</h1>", self.html))

    @property
    def fault(self) -> str:
        return "".join(re.findall(r'role="alert">(.*?)</p>', self.html))

    @property
    def came(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.location).query))

    @property
    def form(self) -> dict[str, str]:
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.html))

    def send(self, **typed: str) -> "Window":
        return self.resend(self.form, **typed)

    def resend(self, form: dict[str, str], **typed: str) -> "Window":
        return self.show(self.sandbox.http.post("/id/authorize", data=form | typed))

    def sms(self, phone: str) -> str:
        code: str = self.sandbox.control(f"sms/{phone}")["code"]
        return code

    def at_code(self, phone: str) -> "Window":
        self.send(phone=phone)
        return self.send(password=PASSWORD) if self.title == "Введите пароль" else self

    def after_code(self, phone: str) -> "Window":
        return self.at_code(phone).send(code=self.sms(phone))


def walk(window: Window, phone: str, **typed: str) -> list[str]:
    """The titles on the way to the end, every button being «Продолжить»."""
    known = {"phone": phone, "password": PASSWORD} | PERSONAL | typed
    titles: list[str] = []
    while not window.location and len(titles) < 10:
        titles.append(window.title)
        names = re.findall(r'<(?:input|select) (?:id="\w+" name|type="radio" name)="(\w+)"', window.html)
        filled = {name: known[name] for name in names if name in known}
        if "code" in names:
            filled["code"] = window.sms(phone)
        window.send(**filled)
    return titles


@pytest.mark.rule("LINK-02")
def test_a_person_with_education_profiles_types_phone_password_and_code_then_chooses_and_checks(sandbox: Any) -> None:
    window = Window(sandbox)

    titles = walk(window, SEVERAL, profile="1700107")

    assert titles == ["Вход в VK ID", "Введите пароль", "Введите код", "Выберите профиль", "Проверьте данные"]
    assert window.location.startswith(sandbox.callback + "?type=code_v2&code=")


@pytest.mark.rule("LINK-03")
def test_a_person_without_an_education_profile_creates_one_and_then_types_the_personal_data(fresh_sandbox: Any) -> None:
    window = Window(fresh_sandbox)

    titles = walk(window, NO_PROFILE)

    assert titles[2:] == ["Введите код", "Учебный профиль", "Информация о себе", "Проверьте данные"]
    assert window.location.startswith(fresh_sandbox.callback + "?type=code_v2&code=")


@pytest.mark.rule("LINK-04")
@pytest.mark.parametrize("phone", [NO_VK_ID, "70007776655"])
def test_a_person_without_vk_id_types_the_personal_data_and_then_creates_the_profile(
    fresh_sandbox: Any, phone: str
) -> None:
    window = Window(fresh_sandbox)

    titles = walk(window, phone)

    created = ["Информация о себе", "Учебный профиль", "Учебный профиль создан", "Проверьте данные"]
    assert titles == ["Вход в VK ID", "Введите код", *created]
    assert window.location.startswith(fresh_sandbox.callback + "?type=code_v2&code=")


def test_who_came_without_a_password_needs_none_the_next_time(fresh_sandbox: Any) -> None:
    walk(Window(fresh_sandbox), NO_VK_ID)

    titles = walk(Window(fresh_sandbox), NO_VK_ID)

    assert titles == ["Вход в VK ID", "Введите код", "Выберите профиль", "Проверьте данные"]


def test_the_list_of_transferred_data_names_what_was_asked_for(sandbox: Any) -> None:
    modest = Window(sandbox, scope="vkid.personal_info").after_code(DROZDOV).send()

    curious = Window(sandbox, scope="vkid.personal_info phone email").after_code(DROZDOV).send()

    assert modest.title == curious.title == "Проверьте данные"
    assert "принимаете пользовательское соглашение" in modest.html
    assert "Номер телефона" not in modest.html
    assert "Номер телефона" in curious.html
    assert "Адрес почты" in curious.html


def test_a_forgotten_password_is_replaced_with_the_code_of_an_sms(fresh_sandbox: Any) -> None:
    window = Window(fresh_sandbox).send(phone=DROZDOV).send(forgot="1")
    assert window.title == "Новый пароль"

    window.send(code=window.sms(DROZDOV), password="correct horse")

    assert window.title == "Выберите профиль"
    assert "Пароль изменён" in window.html
    old = Window(fresh_sandbox).send(phone=DROZDOV).send(password=PASSWORD)
    new = Window(fresh_sandbox).send(phone=DROZDOV).send(password="correct horse")
    assert "Неверный пароль" in old.fault
    assert new.title == "Введите код"


def test_a_short_new_password_is_told_and_costs_no_code(fresh_sandbox: Any) -> None:
    window = Window(fresh_sandbox).send(phone=DROZDOV).send(forgot="1")
    code = window.sms(DROZDOV)

    fault = window.send(code=code, password="1234567").fault

    assert "не короче 8 знаков" in fault
    assert window.send(code=code, password="12345678").title == "Выберите профиль"


def test_a_new_password_needs_the_right_code(fresh_sandbox: Any) -> None:
    window = Window(fresh_sandbox).send(phone=DROZDOV).send(forgot="1")
    wrong = f"{(int(window.sms(DROZDOV)) + 1) % 1_000_000:06}"

    fault = window.send(code=wrong, password="correct horse").fault

    assert "Неверный код" in fault
    assert window.title == "Новый пароль"
    assert Window(fresh_sandbox).send(phone=DROZDOV).send(password=PASSWORD).title == "Введите код"


def test_the_reset_is_not_reached_without_asking_for_it(fresh_sandbox: Any) -> None:
    window = Window(fresh_sandbox).send(phone=DROZDOV)

    window.send(step="reset", password="correct horse", again="1")

    assert window.title == "Введите пароль"
    assert Window(fresh_sandbox).send(phone=DROZDOV).send(password=PASSWORD).title == "Введите код"


def test_an_unknown_mail_and_a_short_number_are_told_and_stay_in_the_field(sandbox: Any) -> None:
    window = Window(sandbox)

    faults = [window.send(phone=typed).fault for typed in ("nobody@example.test", "8 912 345")]

    assert "Аккаунта с такой почтой нет" in faults[0]
    assert "Введите номер полностью" in faults[1]
    assert 'value="8 912 345"' in window.html


def test_mail_does_not_tell_the_whole_number(sandbox: Any) -> None:
    window = Window(sandbox).send(phone="Drozdov@example.test")

    assert "+7 000 ***-**-11" in window.html
    assert DROZDOV not in window.html


def test_a_new_code_voids_the_one_before_and_the_window_says_so(sandbox: Any) -> None:
    window = Window(sandbox).at_code(DROZDOV)
    first = window.sms(DROZDOV)

    window.send(again="1")

    assert "Мы отправили новый код" in window.html
    second = window.sms(DROZDOV)
    assert window.send(code=first).fault or first == second
    assert window.send(code=f" {second[:3]}-{second[3:]} ").title == "Выберите профиль"


def test_an_empty_code_is_no_try(sandbox: Any) -> None:
    window = Window(sandbox).at_code(DROZDOV)

    faults = [window.send(code=" ").fault for _ in range(4)]

    assert set(faults) == {"Введите код из SMS."}
    assert window.send(code=window.sms(DROZDOV)).title == "Выберите профиль"


def test_who_asks_for_too_many_codes_is_led_back_to_the_school(sandbox: Any) -> None:
    window = Window(sandbox).at_code(DROZDOV)

    for _ in range(5):
        window.send(again="1")

    assert window.title == "Вход прерван"
    assert "Слишком много попыток получить код" in window.fault
    window.send(cancel="1")
    assert window.location.startswith(sandbox.callback + "?error=access_denied")


def test_a_button_pressed_twice_does_what_it_does_once(sandbox: Any) -> None:
    window = Window(sandbox)
    known = {"phone": SEVERAL, "password": PASSWORD, "profile": "700107"}
    shown = []
    for field in ("phone", "password", "code", "profile"):
        form, typed = window.form, known.get(field) or window.sms(SEVERAL)
        codes = []
        for _ in range(2):
            window.resend(form, **{field: typed})
            codes.append(sandbox.http.get(f"/control/sms/{SEVERAL}").text)
        shown.append((window.title, window.fault, len(set(codes))))

    expected = ["Введите пароль", "Введите код", "Выберите профиль", "Проверьте данные"]
    assert shown == [(title, "", 1) for title in expected]
    form = window.form
    assert window.resend(form).location == window.resend(form).location


def test_creating_a_profile_twice_makes_one(fresh_sandbox: Any) -> None:
    window = Window(fresh_sandbox).after_code(NO_VK_ID).send(**PERSONAL)
    form = window.form

    titles = [window.resend(form).title for _ in range(2)]

    assert titles == ["Учебный профиль создан"] * 2
    assert len(fresh_sandbox.person(lambda person: person["phone"] == NO_VK_ID)["profiles"]) == 1


def test_a_code_that_the_school_has_used_is_not_handed_over_again(sandbox: Any) -> None:
    window = Window(sandbox).after_code(DROZDOV).send()
    form = window.form
    came = window.send().came
    sandbox.exchange(window.authorization, came)

    window.resend(form)

    assert not window.location
    assert window.title == "Вход уже выполнен"


def test_cancel_pressed_twice_returns_twice_and_no_form_goes_on_from_there(sandbox: Any) -> None:
    window = Window(sandbox).at_code(DROZDOV)
    form = window.form

    returned = [window.resend(form, cancel="1").location for _ in range(2)]

    assert returned[0] == returned[1]
    assert "error=access_denied" in returned[0]
    assert window.resend(form, code=window.sms(DROZDOV)).title == "Вход отменён"


def test_cancel_after_the_last_window_takes_the_code_away(sandbox: Any) -> None:
    window = Window(sandbox).after_code(DROZDOV).send()
    form = window.form
    came = window.send().came

    window.resend(form, cancel="1")

    assert "error=access_denied" in window.location
    assert sandbox.exchange(window.authorization, came)["error"] == "invalid_grant"


@pytest.mark.parametrize("phone", [NO_PROFILE, NO_VK_ID])
def test_personal_data_is_corrected_at_the_check(fresh_sandbox: Any, phone: str) -> None:
    window = Window(fresh_sandbox)
    walk(window, phone, birthday="nonsense")
    assert window.title == "Информация о себе"
    window.send(**PERSONAL)
    while window.title != "Проверьте данные":
        window.send()

    window.send(back="personal")

    assert window.title == "Информация о себе"
    assert 'value="Кедрова"' in window.html
    window.send(**(PERSONAL | {"last_name": "Соснова"}))
    assert "Соснова" in window.html
    window.send()
    assert fresh_sandbox.person(lambda person: person["phone"] == phone)["profiles"][0]["name"] == "Соснова Анна-Мария"


def test_personal_data_is_corrected_before_the_profile_is_made(fresh_sandbox: Any) -> None:
    window = Window(fresh_sandbox).after_code(NO_VK_ID)
    form = window.form
    window.send(**PERSONAL).send(back="personal")

    window.resend(form, **(PERSONAL | {"first_name": "Инна"}))

    assert window.title == "Учебный профиль"
    assert "Кедрова Инна" in window.html


def test_a_profile_that_was_chosen_is_nobody_s_to_edit_here(fresh_sandbox: Any) -> None:
    window = Window(fresh_sandbox).after_code(SEVERAL).send(profile="700107")
    form = window.form

    titles = [window.send(back="personal").title, window.resend(form | {"step": "personal"}, **PERSONAL).title]

    assert titles == ["Проверьте данные", "Проверьте данные"]
    assert "Рябинина" in window.html
    window.send()
    assert {each["name"] for each in fresh_sandbox.person(lambda each: each["phone"] == SEVERAL)["profiles"]} == {
        "Рябинина Вера Олеговна"
    }


def test_another_profile_is_chosen_after_all(sandbox: Any) -> None:
    window = Window(sandbox).after_code(SEVERAL).send(profile="700107").send(back="profile")
    assert window.title == "Выберите профиль"
    window.send(profile="1700107").send()

    came = window.came

    assert sandbox.exchange(window.authorization, came)["user_id"] == 1700107


@pytest.mark.parametrize(("at", "expected"), [("code", "Введите код"), ("check", "Проверьте данные")])
def test_no_button_leads_back_over_a_proof_or_forward(sandbox: Any, at: str, expected: str) -> None:
    window = Window(sandbox).at_code(SEVERAL)
    if at == "check":
        window.send(code=window.sms(SEVERAL)).send(profile="700107")

    titles = {window.send(back=target).title for target in ("code", "check", "created", "nonsense", "reset")}

    assert titles == {expected}


def test_another_number_is_asked_for_from_the_code(sandbox: Any) -> None:
    window = Window(sandbox).at_code(DROZDOV)
    code_form = window.form

    window.send(back="phone")

    assert window.title == "Вход в VK ID"
    assert DROZDOV not in window.html
    assert window.resend(code_form, code=window.sms(DROZDOV)).title == "Вход в VK ID"


@pytest.mark.parametrize("typed", ["12121978", "1978-12-12", "12/12/1978", "12 12 1978", "12.12.1978"])
def test_a_birthday_is_read_as_people_type_it(fresh_sandbox: Any, typed: str) -> None:
    window = Window(fresh_sandbox).after_code(NO_PROFILE).send()

    window.send(**(PERSONAL | {"birthday": typed}))

    assert "<dd>12.12.1978</dd>" in window.html


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"birthday": "31.02.2001"}, "Укажите день рождения"),
        ({"birthday": "01.01.2999"}, "Укажите день рождения"),
        ({"birthday": "12.12.1978.5"}, "Укажите день рождения"),
        ({"birthday": "99999999999999999999.1.1"}, "Укажите день рождения"),
        ({"last_name": ""}, "Укажите фамилию"),
        ({"first_name": "R2-D2"}, "В имени могут быть только"),
        ({"patronymic": "<b>"}, "В отчестве могут быть только"),
        ({"sex": "7"}, "Выберите пол"),
    ],
)
def test_wrong_personal_data_is_told_at_its_field(fresh_sandbox: Any, wrong: dict[str, str], told: str) -> None:
    window = Window(fresh_sandbox).after_code(NO_PROFILE).send()

    window.send(**(PERSONAL | wrong))

    assert told in window.fault
    field = next(iter(wrong))
    assert re.search(rf'id="{field}"[^>]* aria-invalid="true" aria-describedby="fault"', window.html)
    assert "<b>" not in window.html


def test_an_attempt_ends_after_an_hour_and_leads_back_to_the_school(sandbox: Any) -> None:
    window = Window(sandbox).at_code(DROZDOV)
    with sqlite3.connect(sandbox_dir(sandbox.settings) / "sandbox.sqlite") as store:
        store.execute("update attempts set begun_at = begun_at - 3601")
    store.close()

    window.send(code=window.sms(DROZDOV))

    assert window.title == "Время вышло"
    assert "начните заново" in window.fault
    window.send(cancel="1")
    assert window.location.startswith(sandbox.callback + "?error=access_denied")


def test_an_attempt_that_nobody_knows_is_told(sandbox: Any) -> None:
    window = Window(sandbox)

    window.resend({"attempt": "unknown"}, cancel="1")

    assert window.title == "Время вышло"


def test_the_same_address_opened_twice_ends_at_whoever_came_last_in_each(sandbox: Any) -> None:
    first = Window(sandbox)
    second = Window(sandbox, state=first.authorization.state)
    second.show(sandbox.http.get(first.authorization.url))
    walk(first, DROZDOV)

    walk(second, SEVERAL, profile="700107")

    came = second.came
    assert sandbox.exchange(first.authorization, came)["user_id"] == 700107
