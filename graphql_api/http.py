"""GraphQL over HTTP, as its specification has it: media types, status codes, GET for queries alone (P1, P3)."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from graphql_api.access import Authenticate, IssuerUnavailable, Origins, Unauthenticated
from graphql_api.context import Context, Identity
from graphql_api.execution import Answer, Engine, RequestRefused
from graphql_api.messages import Language, language_of
from graphql_api.requests import MOST_BYTES, BadRequest, GraphQLRequest, read_json, read_request

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
BODY_WITHIN_SECONDS = 10.0
MOST_URL_CHARACTERS = 8 * 1024

MakeContext = Callable[[Identity, Language], Context]


class GraphQLEndpoint:
    """What `/graphql` does over HTTP. `page` answers a browser that comes without a query."""

    def __init__(
        self,
        engine: Engine,
        authenticate: Authenticate,
        make_context: MakeContext,
        origins: Origins,
        page: Callable[[], Response] | None,
    ) -> None:
        self._engine = engine
        self._authenticate = authenticate
        self._make_context = make_context
        self._origins = origins
        self._page = page

    async def answer(self, request: Request) -> Response:
        """Starlette's endpoint for GET and POST."""
        if self._page is not None and _is_browser(request):
            return self._page()
        media_type = _media_type(request.headers.get("accept"))
        if media_type is None:
            return _failure(406, f"Accept {RESPONSE_JSON} or {JSON}.", JSON)
        try:
            return await self._operate(request, media_type)
        except BadRequest as error:
            return _failure(error.status, str(error), media_type)
        except Unauthenticated:
            answer = _failure(401, "A valid bearer token is needed.", media_type, "UNAUTHENTICATED")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        except IssuerUnavailable:
            answer = _failure(503, "The service is not available for the moment: try again.", media_type, "UNAVAILABLE")
            answer.headers["Retry-After"] = "1"
            return answer
        except ClientDisconnect:
            return Response(status_code=499)

    async def _operate(self, request: Request, media_type: str) -> Response:
        if not self._origins.allow(request.headers.get("origin"), request.headers.get("host")):
            raise BadRequest("This origin is not allowed.", status=403)
        given = _from_url(request) if request.method == "GET" else await _from_body(request)
        identity = await self._authenticate(request.headers.get("authorization"))
        try:
            document = self._engine.document(given.query, given.operation_name, given.variables)
        except RequestRefused as refused:
            return _respond(self._engine.errors(*refused.errors), media_type)
        if document.type is OperationType.SUBSCRIPTION:
            raise BadRequest("Subscriptions go over WebSocket (graphql-transport-ws).")
        if request.method == "GET" and document.type is not OperationType.QUERY:
            refusal = _failure(405, "Only queries go by GET: send mutations by POST.", media_type)
            refusal.headers["Allow"] = "POST"
            return refusal
        context = self._make_context(identity, language_of(request.headers.get("accept-language", "")))
        work = self._engine.execute(document, given.variables, context)
        # A mutation is carried out whether or not its client waits for the answer.
        given_up_by_leaving = document.type is OperationType.QUERY
        return _respond(await (_unless_left(request, work) if given_up_by_leaving else work), media_type)


def _is_browser(request: Request) -> bool:
    wants_page = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and wants_page and "query" not in request.query_params


def _media_type(accept: str | None) -> str | None:
    """The media type to answer in; None when the client takes neither."""
    if not accept:
        return JSON
    ranges = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for media_type in ranges:
        if media_type == RESPONSE_JSON:
            return RESPONSE_JSON
        if media_type in {JSON, "application/*", "*/*"}:
            return JSON
    return None


def _from_url(request: Request) -> GraphQLRequest:
    query_string = request.scope["query_string"]
    if len(query_string) > MOST_URL_CHARACTERS:
        raise BadRequest("The address is too long: send the query by POST.", status=414)
    try:
        given: dict[str, object] = dict(parse_qsl(query_string.decode("ascii"), errors="strict", max_num_fields=20))
    except ValueError:
        raise BadRequest("The address is not a query string in UTF-8.") from None
    for name in ("variables", "extensions"):
        if isinstance(text := given.get(name), str):
            given[name] = read_json(text)
    return read_request(given)


async def _from_body(request: Request) -> GraphQLRequest:
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if media_type.strip() != JSON or ("charset=" in parameters and "utf-8" not in parameters):
        raise BadRequest(f"The body must be {JSON} in UTF-8.", status=415)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadRequest("Send the body without a content encoding.", status=415)
    if _too_long(request.headers.get("content-length", "0")):
        raise BadRequest(f"The body is larger than {MOST_BYTES} bytes.", status=413)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise BadRequest(f"The body is larger than {MOST_BYTES} bytes.", status=413)
    except TimeoutError:
        raise BadRequest("The body did not come in time.", status=408) from None
    return read_request(read_json(bytes(body)))


async def _unless_left(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """The answer of the work, which ends when nobody waits for it any more. Raises ClientDisconnect."""

    async def until_left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(until_left())
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


def _too_long(content_length: str) -> bool:
    return not content_length.isdecimal() or len(content_length) > 12 or int(content_length) > MOST_BYTES


def _respond(answer: Answer, media_type: str) -> Response:
    # A request at fault has no `data`; by JSON's old media type it is answered with 200 all the same.
    status = 400 if "data" not in answer and media_type == RESPONSE_JSON else 200
    return _json(answer, status, media_type)


def _failure(status: int, message: str, media_type: str, code: str = "BAD_REQUEST") -> Response:
    return _json({"errors": [{"message": message, "extensions": {"code": code}}]}, status, media_type)


def _json(body: Answer, status: int, media_type: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(orjson.dumps(body), status, headers, media_type=f"{media_type}; charset=utf-8")
