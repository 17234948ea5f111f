"""A person who links their account in a real browser, and what they see there."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Page, Request

from tests.graphql_api.conftest import Api
from tests.sandbox import Client

PICTURES = "SFERUM_PICTURES"
"""The variable with the folder that the pictures of the pages go to; without it none are taken."""
PHONE, DESKTOP = (390, 844), (1280, 800)
LOOKS: tuple[tuple[Literal["light", "dark"], tuple[int, int]], ...] = (
    ("light", DESKTOP),
    ("dark", PHONE),
    ("light", PHONE),
)
"""How each page is looked at: colours, and the window's width and height in pixels. The last is what stays."""

BEGIN = """
mutation ($returnTo: String) {
  beginAccountLink(returnTo: $returnTo) {
    ... on AuthorizationRequest { url }
    ... on Refusal { problems { code message } }
  }
}"""

WHAT_IS_WRONG = """
() => {
  const wrong = [];
  const root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth) wrong.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);
  if (document.documentElement.lang !== 'ru') wrong.push('is not said to be in Russian');
  if (document.querySelectorAll('h1').length !== 1) wrong.push('has not one heading');
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
    if (!field.labels.length) wrong.push(`no label: ${field.name}`);
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const luminance = color => {
    const [r, g, b] = numbers(color).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if ((numbers(color)[3] ?? 1) > 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  for (const element of document.body.querySelectorAll('*')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    if (!element.checkVisibility()) continue;
    const pair = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  for (const control of document.querySelectorAll('button, a[href]:not(p a), input:not([type=hidden], [type=radio])'))
    if (control.getBoundingClientRect().height < 40) wrong.push(`too low for a finger: ${control.textContent}`);
  return wrong;
}"""

LISTEN_FOR_FOCUS = """
() => {
  const kinds = 'a[href], button, input:not([type=hidden]), select, summary, textarea';
  const controls = [...document.querySelectorAll(kinds)]
    .filter(control => control.checkVisibility() && !(control.type === 'radio' && !control.checked));
  window.missed = new Set(controls);
  document.addEventListener('focusin', event => window.missed.delete(event.target));
  return controls.length;
}"""

MISSED = "() => [...window.missed].map(control => control.outerHTML)"


@dataclass
class Person:
    """The page before them, and what their browser sent and complained of."""

    page: Page
    api: Api
    sandbox: Client
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def sees(self, heading: str, picture: str | None = None) -> None:
        """The page has this heading, and is one that a person can use at a phone's width and at a desktop's.

        A picture of it is kept where that is asked for.
        """
        shown = await self.page.locator("h1").inner_text()
        assert shown == heading, await self.page.locator("body").inner_text()
        folder = os.environ.get(PICTURES)
        if picture is not None and folder:
            await self.page.locator("main").screenshot(path=f"{folder}/{picture}.png", caret="hide")
        await self._are_all_reached(heading)
        for scheme, size in LOOKS:
            await self.page.emulate_media(color_scheme=scheme)
            await self.page.set_viewport_size({"width": size[0], "height": size[1]})
            wrong = await self.page.evaluate(WHAT_IS_WRONG)
            assert wrong == [], f"{heading}, {scheme}, {size}: {wrong}"
        assert self.complaints == [], f"{heading}: {self.complaints}"

    async def _are_all_reached(self, heading: str) -> None:
        """The Tab key leads to every control, wherever it begins."""
        controls = await self.page.evaluate(LISTEN_FOR_FOCUS)
        # Behind the last control comes the browser itself.
        for _ in range(controls + 2):
            await self.page.keyboard.press("Tab")
        missed = await self.page.evaluate(MISSED)
        assert missed == [], f"{heading}: Tab does not lead to {missed}"

    async def types(self, label: str, text: str) -> None:
        """Fills the field with this label."""
        await self.page.get_by_label(label, exact=False).fill(text)

    async def is_in(self, name: str) -> None:
        """Waits until the cursor is in the field with this name."""
        await self.page.wait_for_function("name => document.activeElement.name === name", arg=name)

    async def presses(self, button: str = "Продолжить") -> None:
        """Presses the button and waits for the next page."""
        async with self.page.expect_navigation():
            await self.page.get_by_role("button", name=button, exact=True).click()

    async def types_the_code(self, phone: str) -> None:
        """From the last SMS."""
        await self.types("Код из SMS", self.sandbox.control(f"sms/{phone}")["code"])
        await self.presses()

    async def reads(self, selector: str) -> str:
        """The text of the one element."""
        return await self.page.locator(selector).inner_text()

    async def status(self) -> str:
        """Of the account link, as the API tells its owner."""
        data = await self.api.data("vorontsova", "{ viewer { accountLink { status } } }")
        status: str = data["viewer"]["accountLink"]["status"]
        return status

    def sent_to(self, url: str) -> str:
        """Everything that the browser sent to the origin of the address: addresses and forms."""
        origin = urlsplit(url).netloc
        return "\n".join(
            f"{request.url} {request.post_data or ''}"
            for request in self.requests
            if urlsplit(request.url).netloc == origin
        )


@asynccontextmanager
async def linking(browser: Browser, api: Api, sandbox: Client) -> AsyncIterator[Person]:
    """At a phone, after `beginAccountLink`."""
    begun = await api.data("vorontsova", BEGIN, returnTo=f"{sandbox.url}/school/token")
    width, height = PHONE
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="light", locale="ru-RU"
    )
    context.set_default_timeout(10_000)
    person = Person(await context.new_page(), api, sandbox)
    person.page.on("request", lambda request: person.requests.append(request))

    def complain(message: ConsoleMessage) -> None:
        # That a page came with a status such as 400 is no fault of the page.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            person.complaints.append(message.text)

    person.page.on("console", complain)
    await person.page.goto(begun["beginAccountLink"]["url"])
    yield person
    await context.close()
