"""VK ID's windows and token endpoints keep to the wire format that real applications meet."""

import json
import re
from typing import Any

import pytest

from infrastructure.sandbox.visitor import WayBlocked


def fields(html: str) -> dict[str, str]:
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html)
    return dict(hidden)


def submit(sandbox: Any, html: str, **typed: str) -> Any:
    return sandbox.http.post("/id/authorize", data=fields(html) | typed)


def open_code_window(sandbox: Any, person: dict[str, Any]) -> str:
    first = sandbox.http.get(sandbox.authorize().url).text
    second = submit(sandbox, first, phone=person["phone"]).text
    return str(submit(sandbox, second, password=person["password"]).text)


def test_a_person_with_a_profile_walks_through_and_gets_tokens(sandbox: Any) -> None:
    teacher = sandbox.login("teacher")
    authorization = sandbox.authorize()

    came = sandbox.walk(authorization.url, teacher["phone"])
    answer = sandbox.exchange(authorization, came)

    assert came["state"] == authorization.state == answer["state"]
    assert came["type"] == "code_v2"
    assert came["expires_in"] == "600"
    assert answer["user_id"] == teacher["user_id"] == teacher["profiles"][0]["id"]
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600
    user = sandbox.oauth("user_info", access_token=answer["access_token"])["user"]
    assert user["user_id"] == str(teacher["user_id"])
    assert user["phone"] == teacher["phone"]
    assert "email" not in user


def test_a_person_is_found_by_mail_and_the_sms_goes_to_their_phone(sandbox: Any) -> None:
    person = sandbox.person(lambda person: person["email"])
    first = sandbox.http.get(sandbox.authorize().url).text
    second = submit(sandbox, first, phone=person["email"].upper()).text

    third = submit(sandbox, second, password=person["password"]).text

    assert 'name="code"' in third
    assert re.fullmatch(r"\d{6}", sandbox.control(f"sms/{person['phone']}")["code"])


def test_each_profile_of_a_person_is_an_account_of_its_own(sandbox: Any) -> None:
    person = sandbox.person(lambda person: len(person["profiles"]) > 1)
    first, second = (str(profile["id"]) for profile in person["profiles"])

    chosen = [sandbox.sign_in(person["phone"], profile=profile)["user_id"] for profile in (first, second)]

    assert chosen == [int(first), int(second)]


PERSONAL = {
    "last_name": "Петрова-Водкина",
    "first_name": "Инна",
    "patronymic": "",
    "birthday": "12.12.1978",
    "sex": "1",
}


def test_a_person_without_a_profile_creates_one_and_finds_it_the_next_time(sandbox: Any) -> None:
    person = sandbox.person(lambda person: person["user_id"] and not person["profiles"])

    created = sandbox.sign_in(person["phone"], personal=PERSONAL)
    again = sandbox.sign_in(person["phone"])

    assert created["user_id"] == again["user_id"] == person["user_id"]
    user = sandbox.oauth("user_info", access_token=again["access_token"])["user"]
    assert (user["last_name"], user["birthday"], user["sex"]) == ("Петрова-Водкина", "12.12.1978", 1)


@pytest.mark.parametrize("phone", ["seeded", "8 (000) 777-66-55"])
def test_a_phone_without_a_vk_id_gets_one_without_a_password(sandbox: Any, phone: str) -> None:
    if phone == "seeded":
        phone = sandbox.person(lambda person: person["user_id"] is None)["phone"]

    answer = sandbox.sign_in(phone, personal=PERSONAL)

    assert sandbox.vk("users.get", answer["access_token"])["response"][0]["id"] == answer["user_id"]


def test_a_bad_birthday_is_told_and_the_rest_of_the_form_is_kept(sandbox: Any) -> None:
    first = sandbox.http.get(sandbox.authorize().url).text
    second = submit(sandbox, first, phone="70001112233").text
    third = submit(sandbox, second, code=sandbox.control("sms/70001112233")["code"]).text

    answer = submit(sandbox, third, **(PERSONAL | {"birthday": "31.02.2001"})).text

    assert "Укажите день рождения" in answer
    assert "Петрова-Водкина" in answer


@pytest.mark.parametrize("windows", [0, 1, 2, 3, 4])
def test_cancel_in_any_window_returns_access_denied_with_the_state(sandbox: Any, windows: int) -> None:
    person = sandbox.login("parent")
    authorization = sandbox.authorize()
    html = sandbox.http.get(authorization.url).text
    for field in ("phone", "password", "code", "profile")[:windows]:
        code = sandbox.control(f"sms/{person['phone']}")["code"] if field == "code" else ""
        typed = {"phone": person["phone"], "password": person["password"], "code": code, "profile": ""}
        html = submit(sandbox, html, **{field: typed[field]}).text

    answer = submit(sandbox, html, cancel="1")

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(sandbox.callback + "?error=access_denied")
    assert authorization.state in answer.headers["location"]


def test_a_wrong_code_is_told_and_too_many_tries_end_the_code(sandbox: Any) -> None:
    person = sandbox.login("pupil")
    html = open_code_window(sandbox, person)
    right = sandbox.control(f"sms/{person['phone']}")["code"]
    wrong = f"{(int(right) + 1) % 1_000_000:06}"

    told = [submit(sandbox, html, code=code).text for code in (wrong, wrong, wrong, right)]

    assert "Осталось попыток: 2" in told[0]
    assert "Осталось попыток: 1" in told[1]
    assert "Слишком много попыток" in told[2]
    assert "Слишком много попыток" in told[3]
    fresh = submit(sandbox, html, again="1").text
    answer = submit(sandbox, fresh, code=sandbox.control(f"sms/{person['phone']}")["code"]).text
    assert 'name="profile"' in answer


def test_an_expired_code_is_told(sandbox: Any) -> None:
    person = sandbox.login("pupil")
    sandbox.change(sms_s=0)
    html = open_code_window(sandbox, person)

    answer = submit(sandbox, html, code=sandbox.control(f"sms/{person['phone']}")["code"]).text

    assert "Срок действия кода истёк" in answer


def test_a_wrong_password_is_told_and_the_fifth_ends_the_attempt(sandbox: Any) -> None:
    first = sandbox.http.get(sandbox.authorize().url).text
    html = submit(sandbox, first, phone=sandbox.login("pupil")["phone"]).text

    told = [submit(sandbox, html, password="wrong").text for _ in range(6)]

    assert "Неверный пароль" in told[0]
    assert "Слишком много попыток" in told[4]
    assert told[5] == told[4]


def test_no_window_can_be_skipped(sandbox: Any) -> None:
    person = sandbox.login("pupil")
    first = sandbox.http.get(sandbox.authorize().url).text
    second = submit(sandbox, first, phone=person["phone"]).text

    answer = submit(sandbox, second, step="check")

    assert answer.status_code == 200
    assert 'name="password"' in answer.text


def test_the_back_button_leads_to_another_number(sandbox: Any) -> None:
    first = sandbox.http.get(sandbox.authorize().url).text
    submit(sandbox, first, phone=sandbox.login("pupil")["phone"])

    answer = submit(sandbox, first, phone=sandbox.login("parent")["phone"])

    assert 'name="password"' in answer.text


@pytest.mark.parametrize(
    "change", [{"client_id": "1"}, {"redirect_uri": "https://evil.example/"}, {"redirect_uri": ""}]
)
def test_an_unknown_application_or_address_is_never_redirected_to(sandbox: Any, change: dict[str, str]) -> None:
    answer = sandbox.http.get(sandbox.authorize(**change).url)

    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_another_address_can_be_registered(sandbox: Any) -> None:
    sandbox.change(redirect_uris=["https://school.example/back?from=vk"])
    first = sandbox.http.get(sandbox.authorize(redirect_uri="https://school.example/back?from=vk").url).text

    answer = submit(sandbox, first, cancel="1")

    assert answer.headers["location"].startswith("https://school.example/back?from=vk&error=access_denied&")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"state": "a" * 31}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_faulty_request_returns_to_the_application_with_an_error(
    sandbox: Any, change: dict[str, str], error: str
) -> None:
    answer = sandbox.http.get(sandbox.authorize(**change).url)

    assert answer.status_code == 303
    assert f"error={error}&" in answer.headers["location"]


def test_the_method_of_the_challenge_is_read_in_any_case(sandbox: Any) -> None:
    authorization = sandbox.authorize(code_challenge_method="S256")

    came = sandbox.walk(authorization.url, sandbox.login("parent")["phone"])

    assert "access_token" in sandbox.exchange(authorization, came)


def test_the_callback_comes_as_payload_without_device_or_with_a_wrong_state_when_told_so(sandbox: Any) -> None:
    phone = sandbox.login("parent")["phone"]
    sandbox.change(callback_form="payload", callback_omits_device_id=True, callback_wrong_state=True)
    authorization = sandbox.authorize()

    came = sandbox.walk(authorization.url, phone)

    payload = json.loads(came["payload"])
    assert payload["code"].startswith("vk2.a.")
    assert "device_id" not in payload
    assert payload["state"] != authorization.state


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code": "vk2.a.unknown"}, "invalid_grant"),
        ({"device_id": "other"}, "invalid_request"),
        ({"device_id": ""}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "x" * 64}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"client_id": "1"}, "invalid_client"),
        ({"grant_type": "password"}, "invalid_request"),
    ],
)
def test_a_faulty_exchange_is_refused_with_http_200(sandbox: Any, change: dict[str, str], error: str) -> None:
    authorization = sandbox.authorize()
    came = sandbox.walk(authorization.url, sandbox.login("parent")["phone"])

    answer = sandbox.exchange(authorization, came, **change)

    assert answer["error"] == error
    assert answer["state"] == authorization.state


def test_a_code_works_once(sandbox: Any) -> None:
    authorization = sandbox.authorize()
    came = sandbox.walk(authorization.url, sandbox.login("parent")["phone"])

    first, second = (sandbox.exchange(authorization, came) for _ in range(2))

    assert second["error"] == "invalid_grant"
    assert "user" in sandbox.oauth("user_info", access_token=first["access_token"])


def test_a_code_expires(sandbox: Any) -> None:
    sandbox.change(code_s=0)
    authorization = sandbox.authorize()
    came = sandbox.walk(authorization.url, sandbox.login("parent")["phone"])

    assert sandbox.exchange(authorization, came)["error"] == "invalid_grant"


def test_parameters_of_the_exchange_may_stand_in_the_query(sandbox: Any) -> None:
    authorization = sandbox.authorize()
    came = sandbox.walk(authorization.url, sandbox.login("parent")["phone"])
    query = {
        "grant_type": "authorization_code",
        "client_id": sandbox.settings.vk_client_id,
        "code_verifier": authorization.verifier,
        "device_id": came["device_id"],
        "redirect_uri": sandbox.callback,
    }

    answer = sandbox.http.post("/id/oauth2/auth", params=query, data={"code": came["code"]}).json()

    assert "access_token" in answer


def refresh(sandbox: Any, pair: dict[str, Any], **changes: str) -> Any:
    form = {"refresh_token": pair["refresh_token"], "device_id": pair["device_id"], "state": "s"} | changes
    return sandbox.oauth("auth", grant_type="refresh_token", **form)


def test_a_refresh_gives_a_new_pair_and_using_the_old_one_ends_the_session(sandbox: Any) -> None:
    pair = sandbox.sign_in(sandbox.login("parent")["phone"])

    fresh = refresh(sandbox, pair)
    replayed = refresh(sandbox, pair)

    assert fresh["refresh_token"] != pair["refresh_token"]
    assert "id_token" not in fresh
    assert replayed["error"] == "invalid_grant"
    assert sandbox.oauth("user_info", access_token=fresh["access_token"])["error"] == "invalid_token"
    assert refresh(sandbox, pair | fresh)["error"] == "invalid_grant"


def test_a_refresh_from_another_device_changes_nothing(sandbox: Any) -> None:
    pair = sandbox.sign_in(sandbox.login("parent")["phone"])

    assert refresh(sandbox, pair, device_id="other")["error"] == "invalid_request"
    assert "access_token" in refresh(sandbox, pair)


def test_tokens_live_as_long_as_the_settings_say(sandbox: Any) -> None:
    sandbox.change(access_token_s=0, refresh_token_s=0)
    pair = sandbox.sign_in(sandbox.login("parent")["phone"])

    assert pair["expires_in"] == 0
    assert sandbox.oauth("user_info", access_token=pair["access_token"])["error"] == "invalid_token"
    assert refresh(sandbox, pair)["error"] == "invalid_grant"


@pytest.mark.parametrize(("endpoint", "others_end"), [("logout", False), ("revoke", True)])
def test_logout_ends_one_session_and_revoke_all(sandbox: Any, endpoint: str, others_end: bool) -> None:
    phone = sandbox.login("parent")["phone"]
    one, other = sandbox.sign_in(phone), sandbox.sign_in(phone)

    answer = sandbox.oauth(endpoint, access_token=one["access_token"])

    assert answer == {"response": 1}
    assert sandbox.oauth("user_info", access_token=one["access_token"])["error"] == "invalid_token"
    assert ("error" in sandbox.oauth("user_info", access_token=other["access_token"])) == others_end


def test_public_info_is_masked(sandbox: Any) -> None:
    parent = sandbox.login("parent")
    pair = sandbox.sign_in(parent["phone"])

    user = sandbox.oauth("public_info", id_token=pair["id_token"])["user"]

    assert user["last_name"] == "М."
    assert "*" in user["phone"]
    assert sandbox.oauth("public_info", id_token="nonsense")["error"] == "invalid_token"


def test_the_visitor_says_what_blocked_the_way(sandbox: Any) -> None:
    url = sandbox.authorize().url
    phone = sandbox.login("parent")["phone"]

    with pytest.raises(WayBlocked, match="Неверный пароль"):
        sandbox.walk(url, phone, password="wrong")


def test_the_ledger_holds_no_password_no_phone_and_no_token(sandbox: Any) -> None:
    parent = sandbox.login("parent")
    pair = sandbox.sign_in(parent["phone"])
    sandbox.vk("users.get", pair["access_token"])

    ledger = json.dumps(sandbox.control("requests"))

    for secret in (parent["phone"], parent["password"], pair["access_token"], pair["refresh_token"]):
        assert secret not in ledger
