"""Sferum as a messenger with chats and calls, over the VK API (reference vk.md, section 2)."""

from collections.abc import Awaitable, Callable
from functools import partial

import httpx

from application.ports import AccessToken
from domain.ids import PersonId
from infrastructure.sferum.calls import CallsOverVk
from infrastructure.sferum.chats import ChatsOverVk
from infrastructure.sferum.client import CALLS, CHATS, Client
from infrastructure.sferum.pace import Pace


class Sferum(ChatsOverVk, CallsOverVk):
    """Implements `application.ports.Messenger`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        access_token: AccessToken,
        renewed: Callable[[PersonId, str], Awaitable[str]],
        pace: Pace,
        timeout_seconds: float,
    ) -> None:
        client = partial(
            Client,
            http=http,
            base_url=base_url,
            access_token=access_token,
            renewed=renewed,
            pace=pace,
            timeout_seconds=timeout_seconds,
        )
        self._calls = client(lane=CALLS)
        self._chats = client(lane=CHATS)
