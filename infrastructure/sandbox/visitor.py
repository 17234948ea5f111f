"""A person before VK ID's windows, as the demonstration and the tests need one (LINK-02 … LINK-04)."""

from collections.abc import Awaitable, Callable, Mapping
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

from infrastructure.sandbox.people import PASSWORD

MOST_WINDOWS = 10


class WayBlocked(Exception):
    """VK ID did not lead on; the message is what its window says."""


async def walk_through(
    client: httpx.AsyncClient,
    url: str,
    *,
    phone: str,
    sms: Callable[[str], Awaitable[str]],
    profile: str | None = None,
    password: str = PASSWORD,
    personal: Mapping[str, str] | None = None,
) -> str:
    """Follows an authorize address and fills the forms in; answers where VK ID then sends the browser.

    That address is not opened. `phone` may be an e-mail address; `sms` is asked for the code of the number typed;
    `profile` is an education profile's id, the first on the list without it; `personal` has the fields of a new
    profile (`last_name`, `first_name`, `patronymic`, `birthday`, `sex`).

    Raises:
        WayBlocked: a window came again, or had no form.
        httpx.HTTPError
    """
    answer = await client.get(url, follow_redirects=False)
    seen: set[str] = set()
    known = {"phone": phone, "password": password} | dict(personal or {})
    for _ in range(MOST_WINDOWS):
        if answer.is_redirect:
            return urljoin(str(answer.url), answer.headers["location"])
        window = _Window(answer.text)
        if window.action is None or window.fault or window.fields.get("step", "") in seen:
            raise WayBlocked(window.fault or f"VK ID answered {answer.status_code} without a new form.")
        seen.add(window.fields.get("step", ""))
        filled = dict(window.fields) | {name: value for name, value in known.items() if name in window.fields}
        if "code" in filled:
            filled["code"] = await sms(phone)
        if profile is not None and window.fields.get("profile", "new") != "new":
            filled["profile"] = profile
        answer = await client.post(urljoin(str(answer.url), window.action), data=filled, follow_redirects=False)
    raise WayBlocked("VK ID shows window after window.")


def sms_reader(client: httpx.AsyncClient, sandbox_url: str) -> Callable[[str], Awaitable[str]]:
    """What reads the last code of a number, or of an e-mail's owner, from the sandbox, at any address on its port."""

    async def last_code(phone: str) -> str:
        if "@" in phone:
            people = (await client.get(urljoin(sandbox_url, "/control/people"))).raise_for_status().json()
            phone = next(person["phone"] for person in people if person["email"] == phone.lower())
        answer = await client.get(urljoin(sandbox_url, f"/control/sms/{phone}"))
        answer.raise_for_status()
        code: str = answer.json()["code"]
        return code

    return last_code


class _Window(HTMLParser):
    """The only form of a page, with what a browser would send, and the page's message about what went wrong."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.fault = ""
        self._in_fault = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        name = values.get("name")
        if tag == "form":
            self.action = values.get("action") or ""
        elif tag in {"input", "select"} and name and (values.get("type") != "radio" or "checked" in values):
            self.fields[name] = values.get("value") or ""
        self._in_fault = values.get("role") == "alert"

    def handle_endtag(self, tag: str) -> None:
        self._in_fault = False

    def handle_data(self, data: str) -> None:
        if self._in_fault:
            self.fault += data
