"""Thousands of sockets that wait for one conference, in a process of their own: bare transports that count frames.

Commands come on stdin, answers go to stdout. At first «ready»; `round`: the monotonic nanoseconds at which each socket
had its next message.
"""

import asyncio
import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

AT_ONCE = 50


class _Socket(asyncio.Protocol):
    """One socket, from its handshake to the first message of its subscription, and then each message's time."""

    def __init__(self, crowd: "_Crowd", token: str) -> None:
        self._crowd = crowd
        self._token = token
        self._unread = b""
        self._open = False
        self._texts = 0
        self.first = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{self._crowd.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self._open:
            head, found, rest = self._unread.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._open, self._unread = True, rest
            self._say({"type": "connection_init", "payload": {"authorization": f"Bearer {self._token}"}})
        while len(self._unread) >= 2:
            length, begin = self._unread[1] & 0x7F, 2
            if length == 126:
                length, begin = int.from_bytes(self._unread[2:4], "big"), 4
            if len(self._unread) < begin + length:
                return
            kind, content = self._unread[0], self._unread[begin : begin + length]
            self._unread = self._unread[begin + length :]
            self._take(kind, content)

    def _take(self, kind: int, content: bytes) -> None:
        if kind == 0x89:
            self._send(0x8A, content)
        elif kind == 0x81:
            self._texts += 1
            if self._texts == 1:
                self._say({"id": "1", "type": "subscribe", "payload": self._crowd.payload})
            elif self._texts == 2:
                assert b'"type":"next"' in content.replace(b" ", b""), content
                self.first.set_result(None)
            else:
                self._crowd.told()
        else:
            raise AssertionError((kind, content))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._crowd.over:
            print(f"lost after {self._texts}: {error!r}", file=sys.stderr, flush=True)

    def _say(self, message: Any) -> None:
        self._send(0x81, json.dumps(message).encode())

    def _send(self, kind: int, content: bytes) -> None:
        # Masked with zeros, which leaves the content as it is.
        length = bytes((0x80 | len(content),)) if len(content) < 126 else b"\xfe" + len(content).to_bytes(2, "big")
        self._transport.write(bytes((kind,)) + length + bytes(4) + content)


class _Crowd:
    def __init__(self, port: int, payload: Any, count: int) -> None:
        self.port = port
        self.payload = payload
        self.times: list[int] = []
        self.over = False
        self._count = count
        self._all = asyncio.Event()

    def told(self) -> None:
        self.times.append(time.monotonic_ns())
        if len(self.times) == self._count:
            self._all.set()

    async def round(self) -> list[int]:
        """When each had the next message; nothing may be on its way at the beginning."""
        async with asyncio.timeout(60):
            await self._all.wait()
        self._all.clear()
        times, self.times = self.times, []
        return times


async def _run(port: int, tokens: list[str], payload: Any) -> None:
    loop = asyncio.get_running_loop()
    crowd = _Crowd(port, payload, len(tokens))
    began = time.monotonic()
    for place in range(0, len(tokens), AT_ONCE):
        some = tokens[place : place + AT_ONCE]
        opened = await asyncio.gather(
            *(loop.create_connection(lambda token=token: _Socket(crowd, token), "127.0.0.1", port) for token in some)  # type: ignore[misc]
        )
        async with asyncio.timeout(30):
            await asyncio.gather(*(socket.first for _, socket in opened))
    print(json.dumps({"ready": time.monotonic() - began}), flush=True)
    while (await loop.run_in_executor(None, sys.stdin.readline)).strip() == "round":
        times = await crowd.round()
        print(json.dumps({"first": min(times), "last": max(times)}), flush=True)
    crowd.over = True


if __name__ == "__main__":
    import uvloop

    given = json.loads(Path(sys.argv[1]).read_text())
    uvloop.run(_run(given["port"], given["tokens"], given["payload"]))
