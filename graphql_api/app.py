"""The API as one ASGI application, put together from the container."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from graphql_api.access import IssuerUnavailable, Origins, Unauthenticated
from graphql_api.context import Context, Identity, Parts
from graphql_api.execution import Engine
from graphql_api.graphiql import graphiql_routes, page
from graphql_api.http import GraphQLEndpoint
from graphql_api.messages import Language
from graphql_api.metrics import OVERDUE, UNDELIVERED
from graphql_api.schema import schema
from graphql_api.vk_id_pages import vk_id_routes
from graphql_api.websocket import WebSocketEndpoint
from graphql_api.wires import ServersOwn
from infrastructure.container import Container
from infrastructure.db.engine import is_outage
from infrastructure.health import Health
from infrastructure.school.tokens import BadToken, KeysUnavailable


def create_app(container: Container) -> Starlette:
    """The application; while its lifespan lasts, it hears of changes and hands its own on."""
    settings = container.settings()
    parts = Parts(
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
    verify = container.token_verifier()

    async def authenticate(authorization: str | None) -> Identity:
        try:
            bearer = await verify(authorization)
        except BadToken:
            raise Unauthenticated from None
        except KeysUnavailable:
            raise IssuerUnavailable from None
        return Identity(bearer.claims, bearer.expires_at)

    def make_context(identity: Identity, language: Language) -> Context:
        return Context(parts, identity, language)

    development = settings.environment == "development"
    engine = Engine(schema, introspection=development, is_outage=is_outage)
    origins = Origins(settings.public_url, settings.allowed_origins)
    over_http = GraphQLEndpoint(engine, authenticate, make_context, origins, page if development else None)
    over_websocket = WebSocketEndpoint(
        engine, authenticate, make_context, origins, sockets_per_user=settings.sockets_per_user
    )
    return Starlette(
        routes=[
            Route("/graphql", over_http.answer, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", over_websocket.serve),
            *(graphiql_routes() if development else []),
            *vk_id_routes(parts.use_cases, parts.views, public_url=settings.public_url),
            *_operators_routes(Health(container.engine(), container.redis())),
        ],
        middleware=[
            Middleware(ServersOwn),
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.allowed_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "accept-language"],
                max_age=600,
            ),
        ],
        lifespan=lambda _: _background(container),
    )


@asynccontextmanager
async def _background(container: Container) -> AsyncIterator[None]:
    running: list[Coroutine[Any, Any, None]] = [
        container.announcements().run(),
        container.mirror_news().run(),
        container.relay().run(),
    ]
    if container.settings().demo:
        # Only where the demonstration is wanted are its parts, which include the sandbox's, installed.
        from infrastructure.demo.load import keep_timetable

        running.append(keep_timetable(container))
    tasks = [asyncio.create_task(each) for each in running]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _operators_routes(health: Health) -> list[Route]:
    async def live(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        backlog, redis = await asyncio.gather(health.backlog(), health.redis_answers())
        body = {
            "status": "unavailable" if backlog is None else "ok",
            "postgres": "away" if backlog is None else "ok",
            "redis": "ok" if redis else "away",
        }
        return JSONResponse(body, status_code=503 if backlog is None else 200)

    async def metrics(request: Request) -> Response:
        if backlog := await health.backlog():
            OVERDUE.set(backlog.overdue)
            UNDELIVERED.set(backlog.undelivered)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)]
