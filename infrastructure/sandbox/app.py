"""The sandbox: VK ID, the VK API and the school system's token issuer behind one port (api.md, Sandbox)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

from infrastructure.sandbox import control, people, school
from infrastructure.sandbox.layout import page
from infrastructure.sandbox.vk_api import envelope
from infrastructure.sandbox.vk_id import authorize, oauth
from infrastructure.sandbox.world import open_world
from infrastructure.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """An ASGI application for uvicorn (its cut connections need uvicorn), with the state of `settings.data_dir`."""
    world = open_world(settings)
    people.seed(world.store)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        world.store.close()

    return Starlette(
        routes=[
            Route("/", _contents, methods=["GET"]),
            Mount("/id", routes=[*authorize.routes(world), *oauth.routes(world)]),
            Mount("/api", routes=envelope.routes(world)),
            Mount("/school", routes=school.routes(world)),
            Mount("/control", routes=control.routes(world)),
        ],
        lifespan=lifespan,
    )


async def _contents(request: Request) -> HTMLResponse:
    links = {
        "/school/token": "Войти в электронную школу",
        "/control/people": "Люди песочницы",
        "/control/chats": "Чаты",
        "/control/calls": "Звонки",
        "/control/requests": "Журнал запросов",
    }
    listed = "".join(f'<li><a href="{path}">{name}</a></li>' for path, name in links.items())
    return page("Песочница Сферума", f"<ul>{listed}</ul>", brand="VK ID · VK API · Электронная школа")
