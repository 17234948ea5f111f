"""How messages get onto a WebSocket: past ASGI when the server is the one we know, else through it.

Written to the transport, a message to thousands of sockets costs little more than the system call for each.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.protocol import State

try:
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
except ImportError:  # Another server is at work.
    WebSocketsSansIOProtocol = None  # type: ignore[assignment,misc]

SEND_WITHIN_SECONDS = 10.0
"""A client that does not read for so long is dropped."""
MOST_UNREAD_BYTES = 128 * 1024
"""A client that leaves more unread is dropped at once."""
FAREWELL_SECONDS = 10.0
"""So long a client that is dropped may still read what was sent to it, the close code at its end."""
MOST_FRAMES = 16

_SEND = "sferum.send"


class TooSlow(Exception):
    """The client does not read."""


class Message:
    """A text for one socket or many: the same bytes for all whose `head` is the same."""

    __slots__ = ("_frames", "_rest")

    def __init__(self, rest: bytes) -> None:
        self._rest = rest
        self._frames: dict[bytes, bytes] = {}

    def text(self, head: bytes) -> bytes:
        """The message that begins with `head`."""
        return head + self._rest

    def frame(self, head: bytes) -> bytes:
        """The same as a WebSocket frame (RFC 6455, 5.2)."""
        frame = self._frames.get(head)
        if frame is None:
            frame = text_frame(head + self._rest)
            if len(self._frames) < MOST_FRAMES:
                self._frames[head] = frame
        return frame


def text_frame(text: bytes) -> bytes:
    """A whole text message of a server as one frame."""
    length = len(text)
    if length < 126:
        return bytes((0x81, length)) + text
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big") + text
    return b"\x81\x7f" + length.to_bytes(8, "big") + text


class Wire(Protocol):
    """One socket's way out. Messages arrive in the order in which they are pushed."""

    def push(self, message: Message, head: bytes = b"") -> None:
        """Sends without waiting; to a socket that is closed, nothing. Raises TooSlow."""

    async def room(self) -> None:
        """Waits until the client has read most of what was sent. Raises TooSlow."""

    def drop(self, code: int, reason: str) -> None:
        """Closes, and cuts the connection if the client does not even read that."""


class ServersOwn:
    """The outermost middleware: keeps the server's own `send` where `wire_of` finds it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "websocket":
            scope[_SEND] = send
        return self._app(scope, receive, send)


def wire_of(websocket: WebSocket, too_slow: Callable[[], None]) -> Wire:
    """The quickest wire that this server has; `too_slow` is called when the client has not read for too long."""
    server = getattr(websocket.scope.get(_SEND), "__self__", None)
    if WebSocketsSansIOProtocol is not None and isinstance(server, WebSocketsSansIOProtocol):
        return UvicornWire(server, too_slow)
    return AsgiWire(websocket, too_slow)


class UvicornWire:
    """Writes finished frames to the transport that uvicorn's protocol has."""

    __slots__ = ("_server", "_too_slow", "_unread", "_watching")

    def __init__(self, server: Any, too_slow: Callable[[], None]) -> None:
        self._server = server
        self._too_slow = too_slow
        self._unread = 0
        self._watching: asyncio.TimerHandle | None = None

    def push(self, message: Message, head: bytes = b"") -> None:
        server = self._server
        transport = server.transport
        if server.conn.state is not State.OPEN or transport.is_closing():
            return
        frame = message.frame(head)
        if self._watching is not None:
            if transport.get_write_buffer_size() == 0:
                self._watching.cancel()
                self._watching = None
                self._unread = 0
            elif self._unread > MOST_UNREAD_BYTES:
                raise TooSlow
            else:
                self._unread += len(frame)
        transport.write(frame)
        if self._watching is None and transport.get_write_buffer_size() > 0:
            self._watching = asyncio.get_running_loop().call_later(SEND_WITHIN_SECONDS, self._look)

    def _look(self) -> None:
        self._watching = None
        transport = self._server.transport
        if transport.get_write_buffer_size() > 0 and not transport.is_closing():
            self._too_slow()

    async def room(self) -> None:
        if self._server.writable.is_set():
            return
        try:
            async with asyncio.timeout(SEND_WITHIN_SECONDS):
                await self._server.writable.wait()
        except TimeoutError:
            raise TooSlow from None
        self._unread = 0

    def drop(self, code: int, reason: str) -> None:
        server = self._server
        if server.conn.state is State.OPEN and not server.transport.is_closing():
            server.conn.send_close(code, reason)
            server.transport.write(b"".join(server.conn.data_to_send()))
        server.transport.close()
        asyncio.get_running_loop().call_later(FAREWELL_SECONDS, server.transport.abort)


class AsgiWire:
    """Sends through ASGI, one message after the other; what waits is bounded."""

    def __init__(self, websocket: WebSocket, too_slow: Callable[[], None]) -> None:
        self._websocket = websocket
        self._too_slow = too_slow
        self._waiting: deque[str] = deque()
        self._unread = 0
        self._sending: asyncio.Task[None] | None = None

    def push(self, message: Message, head: bytes = b"") -> None:
        text = message.text(head)
        if self._waiting and self._unread > MOST_UNREAD_BYTES:
            raise TooSlow
        self._waiting.append(text.decode())
        self._unread += len(text)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._waiting:
                text = self._waiting[0]
                async with asyncio.timeout(SEND_WITHIN_SECONDS):
                    await self._websocket.send_text(text)
                self._waiting.popleft()
                self._unread = self._unread - len(text.encode()) if self._waiting else 0
        except TimeoutError:
            self._too_slow()
        except (RuntimeError, WebSocketDisconnect):
            # Closed already; who reads from it is told so.
            self._waiting.clear()
        finally:
            self._sending = None

    async def room(self) -> None:
        while self._sending is not None:
            await asyncio.wait([self._sending])

    def drop(self, code: int, reason: str) -> None:
        async def close() -> None:
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await self._websocket.close(code, reason)

        if self._sending is not None:
            self._sending.cancel()
        self._waiting.clear()
        self._closing = asyncio.create_task(close())
