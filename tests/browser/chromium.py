"""The Chromium of this machine, if it has one."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

VARIABLE = "SFERUM_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def find_chromium() -> str | None:
    """The path of the program, None where there is none; what the variable names must be there."""
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise FileNotFoundError(f"{VARIABLE} names {named}, which cannot be run.")
        return found
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@asynccontextmanager
async def running_chromium(path: str) -> AsyncIterator[Browser]:
    """A headless Chromium with a profile of its own, which is thrown away afterwards."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=path, args=list(FLAGS), headless=True) as browser,
    ):
        yield browser
