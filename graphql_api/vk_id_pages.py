"""The two pages on the way to VK ID and back, for a person at a phone; in Russian."""

from html import escape
from string import Template

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from application.account_links import LinkRefused, read_callback
from application.use_cases import UseCases
from application.views import Views
from domain.errors import Refused
from graphql_api.account_links import START_PATH
from graphql_api.messages import message_of

CALLBACK_PATH = "/vk-id/callback"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}

_PAGE = Template("""<!doctype html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f0f2f5;
         font: 17px/1.45 system-ui, sans-serif; color: #1b1f24; }
  main { box-sizing: border-box; width: min(26rem, calc(100vw - 2rem)); padding: 2rem 1.5rem; border-radius: 1rem;
         background: #fff; box-shadow: 0 1px 12px #0001; }
  h1 { margin: 0 0 .75rem; font-size: 1.35rem; }
  p { margin: 0 0 1rem; overflow-wrap: anywhere; }
  a { display: block; padding: .8rem; border-radius: .6rem; background: #0063d6; color: #fff; text-align: center;
      text-decoration: none; }
</style>
</head>
<body><main><h1>$title</h1>$body</main></body>
</html>
""")


def vk_id_routes(use_cases: UseCases, views: Views, *, public_url: str) -> list[Route]:
    """`/vk-id/start`, which binds the attempt to its browser, and `/vk-id/callback` (LINK-05, LINK-10)."""
    # `__Host-` wants Secure, which a browser keeps over plain HTTP on no host but loopback.
    secure = public_url.startswith("https://")
    cookie = "__Host-sferum-link" if secure else "sferum-link"

    async def start(request: Request) -> Response:
        try:
            departure = await use_cases.depart_for_vk_id(request.query_params.get("attempt", ""))
        except Refused as refused:
            return _refused(refused)
        answer = RedirectResponse(departure.url, status_code=303, headers=HEADERS)
        answer.set_cookie(
            cookie, departure.browser, max_age=3600, path="/", httponly=True, secure=secure, samesite="lax"
        )
        return answer

    async def callback(request: Request) -> Response:
        try:
            linked = await use_cases.complete_account_link(
                read_callback(_once(request)), browser=request.cookies.get(cookie)
            )
        except Refused as refused:
            return _refused(refused)
        name = await views.name_of_account(linked.person_id)
        whose = f"Учётная запись: <b>{escape(name)}</b>" if name else ""
        body = (
            f"<p>Теперь чаты и видеоконференции Сферума доступны вам в электронной школе. {whose}</p>"
            "<p>Если это не ваша учётная запись, откройте в электронной школе вкладку «Чаты» "
            "и нажмите «Отвязать учётную запись».</p>"
        )
        answer = _page("Учебный профиль привязан", body + _way_back(linked.return_to), 200)
        answer.delete_cookie(cookie, path="/", httponly=True, secure=secure, samesite="lax")
        return answer

    return [Route(START_PATH, start), Route(CALLBACK_PATH, callback)]


def _once(request: Request) -> dict[str, str]:
    """The parameters that were given once: what is there twice is nobody's (RFC 6749, 3.1)."""
    given = request.query_params
    return {name: value for name, value in given.items() if len(given.getlist(name)) == 1}


def _refused(refused: Refused) -> HTMLResponse:
    sentences = " ".join(message_of(problem, "ru") for problem in refused.problems)
    return_to = refused.return_to if isinstance(refused, LinkRefused) else None
    return _page("Привязать не получилось", f"<p>{escape(sentences)}</p>{_way_back(return_to)}", 400)


def _way_back(return_to: str | None) -> str:
    return "" if return_to is None else f'<a href="{escape(return_to)}">Вернуться</a>'


def _page(title: str, body: str, status: int) -> HTMLResponse:
    return HTMLResponse(_PAGE.substitute(title=escape(title), body=body), status_code=status, headers=HEADERS)
