"""The protocol graphql-transport-ws (graphql-ws, PROTOCOL.md), with every close code that it names (P2, P5)."""

import asyncio
from collections import Counter
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from graphql import OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from application.views import FellBehind
from graphql_api.access import Authenticate, IssuerUnavailable, Origins, Unauthenticated
from graphql_api.context import Context, Identity
from graphql_api.execution import Answer, Document, Engine, RequestRefused
from graphql_api.fan_out import FanOut, Subscriber
from graphql_api.http import MakeContext
from graphql_api.messages import language_of
from graphql_api.metrics import SOCKETS, SUBSCRIPTIONS
from graphql_api.requests import MOST_BYTES, BadRequest, read_json, read_request
from graphql_api.wires import Message, TooSlow, wire_of

PROTOCOL = "graphql-transport-ws"
INIT_WITHIN_SECONDS = 5.0
MOST_SUBSCRIPTIONS = 50
MOST_ID_CHARACTERS = 128
MOST_REASON_BYTES = 123

BAD_MESSAGE = 4400
NOT_YET_ADMITTED = 4401
FORBIDDEN = 4403
BAD_PROTOCOL = 4406
INIT_TOO_LATE = 4408
ID_IN_USE = 4409
INIT_TWICE = 4429
COME_BACK = 1013
"""RFC 6455's «try again later»: graphql-ws clients connect anew."""

log = structlog.get_logger()


class Close(Exception):
    """The socket is to be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:MOST_REASON_BYTES].decode(errors="ignore")


class WebSocketEndpoint:
    """What `/graphql` does over WebSocket."""

    def __init__(
        self,
        engine: Engine,
        authenticate: Authenticate,
        make_context: MakeContext,
        origins: Origins,
        *,
        sockets_per_user: int,
    ) -> None:
        self.engine = engine
        self.authenticate = authenticate
        self.make_context = make_context
        self.fan_out = FanOut(engine, make_context)
        self._origins = origins
        self._sockets_per_user = sockets_per_user
        self._sockets: Counter[str] = Counter()

    async def serve(self, websocket: WebSocket) -> None:
        """Starlette's endpoint: serves one socket until its end."""
        if not self._origins.allow(websocket.headers.get("origin"), websocket.headers.get("host")):
            # Before it is accepted, a close is answered with HTTP 403.
            await websocket.close()
            return
        if PROTOCOL not in websocket.scope.get("subprotocols", ()):
            await websocket.accept()
            await websocket.close(BAD_PROTOCOL, "Subprotocol not acceptable")
            return
        await websocket.accept(subprotocol=PROTOCOL)
        with SOCKETS.track_inprogress():
            await _Connection(self, websocket).serve()

    def admit(self, identity: Identity) -> None:
        """Counts one more socket of the user. Raises Close."""
        if self._sockets[identity.user] >= self._sockets_per_user:
            raise Close(FORBIDDEN, "Too many sockets of this user")
        self._sockets[identity.user] += 1

    def dismiss(self, identity: Identity) -> None:
        """One less."""
        self._sockets[identity.user] -= 1
        if self._sockets[identity.user] <= 0:
            del self._sockets[identity.user]


class _Operation:
    """One operation of a socket: a task, or a subscription whose news are pushed. Implements `fan_out.Receiver`."""

    __slots__ = ("_connection", "_head", "_id", "work")

    def __init__(self, connection: "_Connection", id: str) -> None:
        self._connection = connection
        self._id = id
        self._head = b'{"id":' + orjson.dumps(id) + b',"type":"next","payload":'
        self.work: asyncio.Task[None] | Subscriber | None = None

    def stop(self) -> None:
        match self.work:
            case Subscriber() as subscriber:
                subscriber.stop()
            case asyncio.Task() as task:
                task.cancel()
            case None:
                pass

    def next(self, message: Message) -> None:
        self._connection.push(message, self._head)

    def failed(self, answer: Answer) -> None:
        self._connection.forget(self._id, self)
        self._connection.push_message({"id": self._id, "type": "error", "payload": answer["errors"]})

    def completed(self) -> None:
        self._connection.forget(self._id, self)
        self._connection.push_message({"id": self._id, "type": "complete"})

    def fell_behind(self) -> None:
        self._connection.too_slow()


class _Connection:
    """One socket: who it is, and the operations that run on it."""

    __slots__ = (
        "_ending", "_endpoint", "_identity", "_language", "_operations", "_websocket", "_wire"
    )  # fmt: skip

    def __init__(self, endpoint: WebSocketEndpoint, websocket: WebSocket) -> None:
        self._endpoint = endpoint
        self._websocket = websocket
        self._wire = wire_of(websocket, self.too_slow)
        self._language = language_of(websocket.headers.get("accept-language", ""))
        self._identity: Identity | None = None
        self._operations: dict[str, _Operation] = {}
        self._ending: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        try:
            await self._read()
        except Close as close:
            await self._close(close)
        except TooSlow:
            self.too_slow()
        except WebSocketDisconnect:
            pass
        except Exception as error:
            log.error("socket_broke", exc_info=error)
            await self._close(Close(1011, "Internal error"))
        finally:
            tasks = self._stop_operations()
            if self._identity is not None:
                self._endpoint.dismiss(self._identity)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(INIT_WITHIN_SECONDS):
                while self._identity is None:
                    await self._before_admission(await self._receive())
        except TimeoutError:
            raise Close(INIT_TOO_LATE, "Connection initialisation timeout") from None
        left = self._identity.expires_at - datetime.now(UTC)
        try:
            async with asyncio.timeout(left.total_seconds()):
                while True:
                    await self._take(await self._receive())
        except TimeoutError:
            raise Close(FORBIDDEN, "Token expired") from None

    async def _before_admission(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_init":
                await self._admit(message.get("payload"))
            case "ping":
                await self._pong(message)
            case "pong" | "complete":
                pass
            case "subscribe":
                raise Close(NOT_YET_ADMITTED, "Unauthorized")
            case _:
                raise Close(BAD_MESSAGE, "Invalid message: unknown type")

    async def _admit(self, payload: Any) -> None:
        if payload is not None and not isinstance(payload, dict):
            raise Close(BAD_MESSAGE, "Invalid message: «payload» must be an object")
        authorization = (payload or {}).get("authorization", (payload or {}).get("Authorization"))
        try:
            identity = await self._endpoint.authenticate(authorization if isinstance(authorization, str) else None)
        except Unauthenticated:
            raise Close(FORBIDDEN, "Forbidden") from None
        except IssuerUnavailable:
            raise Close(COME_BACK, "Try again later") from None
        self._endpoint.admit(identity)
        self._identity = identity
        await self._send({"type": "connection_ack"})

    async def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "subscribe"}:
                await self._subscribe(_id(message), message.get("payload"))
            case {"type": "complete"}:
                if operation := self._operations.pop(_id(message), None):
                    SUBSCRIPTIONS.dec()
                    operation.stop()
            case {"type": "ping"}:
                await self._pong(message)
            case {"type": "pong"}:
                pass
            case {"type": "connection_init"}:
                raise Close(INIT_TWICE, "Too many initialisation requests")
            case _:
                raise Close(BAD_MESSAGE, "Invalid message: unknown type")

    async def _subscribe(self, id: str, payload: Any) -> None:
        if id in self._operations:
            raise Close(ID_IN_USE, f"Subscriber for {id} already exists")
        if not isinstance(payload, dict):
            raise Close(BAD_MESSAGE, "Invalid message: «payload» must be an object")
        if len(self._operations) >= MOST_SUBSCRIPTIONS:
            await self._refuse(id, f"More than {MOST_SUBSCRIPTIONS} operations on one socket.", "LIMIT_EXCEEDED")
            return
        operation = _Operation(self, id)
        try:
            given = read_request(payload)
            document = self._endpoint.engine.document(given.query, given.operation_name, given.variables)
            if document.type is OperationType.SUBSCRIPTION:
                assert self._identity is not None
                fan_out = self._endpoint.fan_out
                operation.work = fan_out.subscribe(document, given.variables, self._identity, self._language, operation)
        except BadRequest as error:
            await self._refuse(id, str(error), "BAD_REQUEST")
            return
        except RequestRefused as refused:
            await self._send_errors(id, self._endpoint.engine.errors(*refused.errors))
            return
        self._operations[id] = operation
        SUBSCRIPTIONS.inc()
        if operation.work is None:
            task = asyncio.create_task(self._run(id, operation, document, given.variables))
            operation.work = task
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        match task.exception():
            case None | WebSocketDisconnect():
                pass
            case TooSlow() | FellBehind():
                self.too_slow()
            case error:
                log.error("operation_broke", exc_info=error)
                self._close_soon(Close(1011, "Internal error"))

    async def _run(self, id: str, operation: _Operation, document: Document, variables: dict[str, Any] | None) -> None:
        """What is answered once, or whose news have to be pulled."""
        engine = self._endpoint.engine
        try:
            if document.type is OperationType.SUBSCRIPTION:
                async with aclosing(engine.subscribe(document, variables, self._context)) as answers:
                    async for answer in answers:
                        await self._send({"id": id, "type": "next", "payload": answer})
            else:
                answer = await engine.execute(document, variables, self._context())
                if "data" not in answer:
                    # From now on the client may use the id anew.
                    self.forget(id, operation)
                    await self._send_errors(id, answer)
                    return
                await self._send({"id": id, "type": "next", "payload": answer})
        except RequestRefused as refused:
            self.forget(id, operation)
            await self._send_errors(id, engine.errors(*refused.errors))
        else:
            self.forget(id, operation)
            await self._send({"id": id, "type": "complete"})

    def forget(self, id: str, operation: _Operation) -> None:
        """The operation is over; its id is free."""
        if self._operations.get(id) is operation:
            del self._operations[id]
            SUBSCRIPTIONS.dec()

    def _context(self) -> Context:
        assert self._identity is not None
        return self._endpoint.make_context(self._identity, self._language)

    async def _send_errors(self, id: str, answer: Answer) -> None:
        await self._send({"id": id, "type": "error", "payload": answer["errors"]})

    async def _refuse(self, id: str, message: str, code: str) -> None:
        await self._send_errors(id, {"errors": [{"message": message, "extensions": {"code": code}}]})

    async def _pong(self, ping: dict[str, Any]) -> None:
        payload = ping.get("payload")
        if payload is not None and not isinstance(payload, dict):
            raise Close(BAD_MESSAGE, "Invalid message: «payload» must be an object")
        await self._send({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})

    async def _receive(self) -> dict[str, Any]:
        """The next message, an object with a `type`. Raises Close, WebSocketDisconnect."""
        received = await self._websocket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received["code"], received.get("reason"))
        text = received.get("text")
        if text is None:
            raise Close(BAD_MESSAGE, "Invalid message: must be a text")
        if len(text) > MOST_BYTES:
            raise Close(BAD_MESSAGE, "Invalid message: too large")
        try:
            message = read_json(text)
        except BadRequest:
            raise Close(BAD_MESSAGE, "Invalid message: not JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Close(BAD_MESSAGE, "Invalid message: must be an object with «type»")
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        """Waits until the client has read most of what was sent before. Raises TooSlow."""
        await self._wire.room()
        self._wire.push(Message(orjson.dumps(message)))

    def push(self, message: Message, head: bytes) -> None:
        """Sends without waiting; a client that does not read is dropped."""
        try:
            self._wire.push(message, head)
        except TooSlow:
            self.too_slow()

    def push_message(self, message: dict[str, Any]) -> None:
        """The same for a message that is this socket's alone."""
        self.push(Message(orjson.dumps(message)), b"")

    def too_slow(self) -> None:
        """Drops a client that does not read; it comes back and reads the present state."""
        self._stop_operations()
        self._wire.drop(COME_BACK, "Too slow: connect again")

    def _stop_operations(self) -> list[asyncio.Task[None]]:
        operations = list(self._operations.values())
        self._operations.clear()
        SUBSCRIPTIONS.dec(len(operations))
        for operation in operations:
            operation.stop()
        return [operation.work for operation in operations if isinstance(operation.work, asyncio.Task)]

    def _close_soon(self, close: Close) -> None:
        # Whoever reads from the socket is woken by the close, and cleans up.
        if self._ending is None:
            self._ending = asyncio.create_task(self._close(close))

    async def _close(self, close: Close) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(1):
                    await self._websocket.close(close.code, close.reason)


def _id(message: dict[str, Any]) -> str:
    id = message.get("id")
    if not isinstance(id, str) or not 0 < len(id) <= MOST_ID_CHARACTERS:
        raise Close(BAD_MESSAGE, "Invalid message: «id» must be a text")
    return id
