"""GraphiQL, in development only: a page whose every file is ours, so that no other host is asked."""

import re
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

STATIC = Path(__file__).parent / "static"
STATIC_PATH = "/graphql/static/"
TYPES = {".js": "text/javascript", ".css": "text/css"}
YEAR_S = 365 * 24 * 3600

# Inline styles: the dialogs of GraphiQL add a style element to lock the page's scrolling.
# ws: and wss: not every browser takes a page's own socket for 'self'.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page() -> Response:
    """The page for `GET /graphql` from a browser."""
    return HTMLResponse(
        _html(),
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


def graphiql_routes() -> list[Route]:
    """`/graphql/static/{file}`; the address that the page names carries the content's hash and is kept for ever."""

    async def static(request: Request) -> Response:
        file = _files().get(request.path_params["file"])
        if file is None:
            return PlainTextResponse("Not found", status_code=404)
        content, media_type, version = file
        lasting = request.query_params.get("v") == version
        return Response(
            content,
            media_type=media_type,
            headers={
                "Cache-Control": f"public, max-age={YEAR_S}, immutable" if lasting else "no-cache",
                "X-Content-Type-Options": "nosniff",
            },
        )

    return [Route(STATIC_PATH + "{file}", static)]


@cache
def _files() -> dict[str, tuple[bytes, str, str]]:
    """Content, media type and version of each file that the page may ask for, by its name."""
    files = {}
    for path in sorted(STATIC.iterdir()):
        if path.suffix in TYPES:
            content = path.read_bytes()
            files[path.name] = content, TYPES[path.suffix], sha256(content).hexdigest()[:16]
    return files


@cache
def _html() -> str:
    def with_version(address: re.Match[str]) -> str:
        return f"{address[0]}?v={_files()[address[1]][2]}"

    html = (STATIC / "graphiql.html").read_text(encoding="utf-8")
    return re.sub(re.escape(STATIC_PATH) + r"([\w.-]+)", with_version, html)
