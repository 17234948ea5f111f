"""What row D is measured against: a bare Starlette endpoint, and Strawberry's own handler with the same schema."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import strawberry.asgi
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.exceptions import ConnectionRejectionError

from graphql_api.context import Context, Identity, Parts
from graphql_api.schema import schema
from infrastructure.container import Container, assembled
from infrastructure.settings import load_settings

PROTOCOL = "graphql-transport-ws"
ACK = '{"type":"connection_ack"}'
FRAME = (
    '{"id":"1","type":"next","payload":{"data":{"videoconference":{"id":"VmlkZW9jb25mZXJlbmNlOjAxOTk","name":"Час 00",'
    '"status":"ACTIVE","startsAt":"2026-09-01T08:30:00+03:00","endsAt":"2026-09-01T09:15:00+03:00",'
    '"link":"https://vk.ru/call/join/0123456789012345678901234567890123456789","version":12}}}}'
)


def floor() -> Starlette:
    """Takes a log-in and a subscription without looking at them; `/tell` sends the ready frame to all."""
    sockets: set[WebSocket] = set()

    async def serve(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol=PROTOCOL)
        try:
            await websocket.receive_text()
            await websocket.send_text(ACK)
            await websocket.receive_text()
            await websocket.send_text(FRAME)
            sockets.add(websocket)
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            sockets.discard(websocket)

    async def tell(request: Request) -> Response:
        for websocket in list(sockets):
            await websocket.send_text(FRAME)
        return Response()

    return Starlette(
        routes=[
            WebSocketRoute("/graphql", serve),
            Route("/tell", tell, methods=["POST"]),
            Route("/health/ready", lambda _: Response()),
        ]
    )


@dataclass
class _Context(Context):
    connection_params: dict[str, Any] = field(default_factory=dict)


class _Stock(strawberry.asgi.GraphQL[Any, None]):
    def __init__(self, container: Container) -> None:
        super().__init__(schema)
        settings = container.settings()
        self._verify = container.token_verifier()
        self._parts = Parts(
            use_cases=container.use_cases(),
            views=container.views(),
            audit=container.audit_views(),
            people=container.people_views(),
            mirrors=container.mirror_views(),
            changes=container.announcements(),
            mirror_changes=container.mirror_news(),
            public_url=settings.public_url,
            sferum_url=settings.sferum_url,
        )

    async def get_context(self, request: Any, response: Any) -> Any:
        nobody: Any = None
        return _Context(self._parts, nobody, nobody)

    async def on_ws_connect(self, context: Any) -> Any:
        try:
            bearer = await self._verify(context.connection_params["authorization"])
        except Exception as error:
            raise ConnectionRejectionError from error
        context.identity = Identity(bearer.claims, bearer.expires_at)
        return await super().on_ws_connect(context)


def stock(container: Container) -> Starlette:
    """Strawberry's handler; changes are announced as in the product."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(container.announcements().run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    graphql: Any = _Stock(container)
    return Starlette(
        routes=[WebSocketRoute("/graphql", graphql), Route("/health/ready", lambda _: Response())], lifespan=lifespan
    )


async def _serve(name: str, port: int) -> None:
    def config(app: Starlette) -> uvicorn.Config:
        # As the product is served.
        return uvicorn.Config(app, port=port, ws="websockets-sansio", log_config=None, access_log=False)

    if name == "floor":
        await uvicorn.Server(config(floor())).serve()
        return
    async with assembled(load_settings()) as container:
        await uvicorn.Server(config(stock(container))).serve()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(sys.argv[1], int(sys.argv[2])))
