"""People link their school account in a real browser, each page at a phone's and a desktop's width (LINK-02 … 05)."""

import pytest

from infrastructure.sandbox.people import PASSWORD
from tests.browser.chromium import VARIABLE, find_chromium
from tests.browser.person import Person

SEVERAL_PROFILES = "70000000008"
NO_PROFILE = "70000000009"
NO_VK_ID = "70000000010"
LINKED = "Учебный профиль привязан"
NOT_LINKED = "Привязать не получилось"

pytestmark = pytest.mark.skipif(
    find_chromium() is None,
    reason=f"There is no Chromium on this machine: install Debian's package chromium, or name one in {VARIABLE}.",
)


async def types_the_personal_data(person: Person) -> None:
    await person.types("Фамилия", "Кедрова")
    await person.types("Имя", "Анна")
    await person.types("Отчество", "Ильинична")
    await person.types("День рождения", "12.12.1978")
    await person.page.get_by_label("Пол").select_option("Женский")


async def is_linked_and_returns(person: Person) -> None:
    await person.sees(LINKED, "linked")
    assert "Елена Владимировна" in await person.reads("main")
    assert await person.status() == "LINKED"
    async with person.page.expect_navigation():
        await person.page.get_by_role("link").click()
    assert person.page.url == f"{person.sandbox.url}/school/token"


@pytest.mark.rule("LINK-02", "LINK-05")
async def test_who_has_a_profile_links_with_phone_password_code_choice_and_check(person: Person) -> None:
    await person.sees("Вход в VK ID", "phone")
    await person.types("Телефон", "+7 000 000-00-08")
    await person.presses()
    await person.sees("Введите пароль", "password")
    await person.types("Пароль", PASSWORD)
    await person.presses()
    await person.sees("Введите код", "code")
    await person.types_the_code(SEVERAL_PROFILES)
    await person.sees("Выберите профиль", "profile")
    await person.page.get_by_label("Родитель").check()
    await person.presses()
    await person.sees("Проверьте данные", "check")
    await person.presses()

    await is_linked_and_returns(person)
    ours, theirs = person.sent_to(person.api.url), person.sent_to(person.sandbox.url)
    assert PASSWORD in theirs
    assert PASSWORD not in ours
    assert "0000008" not in ours


@pytest.mark.rule("LINK-03")
async def test_who_has_vk_id_and_no_profile_creates_one_and_links(person: Person) -> None:
    await person.types("Телефон", NO_PROFILE)
    await person.presses()
    await person.types("Пароль", PASSWORD)
    await person.presses()
    await person.types_the_code(NO_PROFILE)
    await person.sees("Учебный профиль", "no-profile")
    await person.presses("Создать учебный профиль")
    await person.sees("Информация о себе", "personal")
    await types_the_personal_data(person)
    await person.presses()
    await person.sees("Проверьте данные", "check-new")
    await person.presses()

    await is_linked_and_returns(person)


@pytest.mark.rule("LINK-04")
async def test_who_has_no_vk_id_gets_one_with_a_profile_and_links(person: Person) -> None:
    await person.types("Телефон", NO_VK_ID)
    await person.presses()
    await person.sees("Введите код")
    await person.types_the_code(NO_VK_ID)
    await person.sees("Информация о себе")
    await types_the_personal_data(person)
    await person.types("День рождения", "31.02.1978")
    await person.presses()
    await person.sees("Информация о себе", "personal-wrong")
    assert "день рождения" in await person.reads("[role=alert]")
    await person.types("День рождения", "12.12.1978")
    await person.presses()
    await person.sees("Учебный профиль", "create")
    await person.presses("Создать учебный профиль")
    await person.sees("Учебный профиль создан", "created")
    await person.presses()
    await person.sees("Проверьте данные")
    await person.presses()

    await is_linked_and_returns(person)


async def test_who_cancels_is_told_that_nothing_is_linked(person: Person) -> None:
    await person.types("Телефон", SEVERAL_PROFILES)
    await person.presses()

    await person.presses("Отмена")

    await person.sees(NOT_LINKED, "cancelled")
    assert person.page.url.startswith(person.api.url)
    assert await person.status() == "NOT_LINKED"


async def test_a_wrong_code_too_many_of_them_and_a_late_one_are_told_and_a_new_one_helps(person: Person) -> None:
    await person.types("Телефон", NO_VK_ID)
    await person.presses()
    right = person.sandbox.control(f"sms/{NO_VK_ID}")["code"]
    told = []
    for picture in ("code-wrong", None, "code-too-many"):
        await person.types("Код из SMS", f"{(int(right) + 1) % 1_000_000:06}")
        await person.presses()
        await person.sees("Введите код", picture)
        told.append(await person.reads("[role=alert]"))
    person.sandbox.change(sms_s=0)
    await person.presses("Отправить код ещё раз")
    await person.types_the_code(NO_VK_ID)
    await person.sees("Введите код", "code-late")
    told.append(await person.reads("[role=alert]"))

    assert "Неверный код" in told[0]
    assert "Неверный код" in told[1]
    assert "Слишком много попыток" in told[2]
    assert "Срок действия кода истёк" in told[3]
    person.sandbox.change(sms_s=300)
    await person.presses("Отправить код ещё раз")
    await person.sees("Введите код", "code-new")
    await person.types_the_code(NO_VK_ID)
    await person.sees("Информация о себе")


async def test_a_forgotten_password_is_replaced_on_the_way(person: Person) -> None:
    await person.types("Телефон", SEVERAL_PROFILES)
    await person.presses()
    await person.types("Пароль", "not this one")
    await person.presses()
    await person.sees("Введите пароль", "password-wrong")

    await person.presses("Забыли или не установили пароль?")
    await person.sees("Новый пароль", "password-new")
    await person.types("Код из SMS", person.sandbox.control(f"sms/{SEVERAL_PROFILES}")["code"])
    await person.types("Новый пароль", "correct horse")
    await person.presses("Сохранить пароль")

    await person.sees("Выберите профиль", "password-changed")
    await person.presses()
    await person.presses()
    await person.sees(LINKED)


async def test_who_tries_too_many_passwords_is_led_back(person: Person) -> None:
    await person.types("Телефон", SEVERAL_PROFILES)
    await person.presses()
    for _ in range(5):
        await person.types("Пароль", "not this one")
        await person.presses()
    await person.sees("Вход прерван", "password-too-many")

    await person.presses("Вернуться в электронную школу")

    await person.sees(NOT_LINKED)


async def test_the_browsers_back_leads_to_a_window_that_works(person: Person) -> None:
    await person.types("Телефон", SEVERAL_PROFILES)
    await person.presses()
    await person.types("Пароль", PASSWORD)
    await person.presses()

    await person.page.go_back()
    await person.sees("Введите пароль")
    await person.page.go_back()
    await person.sees("Вход в VK ID")

    await person.types("Телефон", NO_VK_ID)
    await person.presses()
    await person.types_the_code(NO_VK_ID)
    await person.sees("Информация о себе")


async def test_the_code_is_looked_up_in_another_tab_and_the_window_stays(person: Person) -> None:
    await person.types("Телефон", NO_VK_ID)
    await person.presses()

    async with person.page.context.expect_page() as opened:
        await person.page.get_by_role("link").click()

    other = await opened.value
    assert '"code"' in await other.inner_text("body")
    await person.page.bring_to_front()
    await person.sees("Введите код")


@pytest.mark.rule("LINK-02")
async def test_the_keyboard_alone_links_and_the_callback_may_come_as_payload(person: Person) -> None:
    person.sandbox.change(callback_form="payload")
    keys = person.page.keyboard

    async def enter() -> None:
        async with person.page.expect_navigation():
            await keys.press("Enter")

    await keys.press("Tab")
    await keys.type("8 (000) 000-00-08")
    await enter()
    await person.is_in("password")
    await keys.type(PASSWORD)
    await enter()
    await person.is_in("code")
    await keys.type(person.sandbox.control(f"sms/{SEVERAL_PROFILES}")["code"])
    await enter()
    await keys.press("Tab")
    await keys.press("ArrowDown")
    assert await person.page.get_by_label("Родитель").is_checked()
    await enter()
    for _ in range(2):
        await keys.press("Tab")
    await enter()

    await person.sees(LINKED)
    assert "payload=" in person.page.url
    assert await person.status() == "LINKED"
