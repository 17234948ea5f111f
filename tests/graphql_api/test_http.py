"""GraphQL over HTTP: media types, status codes, and every strange request told what is wrong with it (P1, P3, P5)."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from infrastructure.sandbox.school import issue_token
from tests.graphql_api.conftest import Api

RESPONSE_JSON = "application/graphql-response+json"
VIEWER = "{ viewer { metaRole } }"
FINISH = 'mutation { finishVideoconference(id: "x") { __typename } }'


def code(answer: httpx.Response) -> str:
    body: Any = answer.json()
    assert "data" not in body
    return str(body["errors"][0]["extensions"]["code"])


async def test_a_query_is_answered_by_post_and_by_get(api: Api) -> None:
    posted = await api.post({"query": VIEWER})
    got = await api.get(VIEWER)

    assert posted.json() == got.json() == {"data": {"viewer": {"metaRole": "CHAT_ADMINISTRATOR"}}}
    assert posted.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("document", "status"),
    [(VIEWER, 200), ("{ viewer {", 400), ("{ nothing }", 400), ("query ($id: ID!) { chat(id: $id) { id } }", 400)],
)
async def test_a_request_at_fault_is_a_client_error_in_the_new_media_type_and_200_in_the_old(
    api: Api, document: str, status: int
) -> None:
    new = await api.post({"query": document}, accept=RESPONSE_JSON)
    old = await api.post({"query": document}, accept="application/json")

    assert (new.status_code, new.headers["content-type"]) == (status, f"{RESPONSE_JSON}; charset=utf-8")
    assert old.status_code == 200
    assert ("data" in new.json()) is (status == 200)


async def test_who_takes_neither_media_type_is_told_which_there_are(api: Api) -> None:
    answer = await api.post({"query": VIEWER}, accept="text/plain")

    assert answer.status_code == 406
    assert RESPONSE_JSON in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer nonsense", "Basic dXNlcjpwYXNz", "Bearer a.b.c", "bearer ."],
)
async def test_without_a_valid_token_nothing_is_answered(api: Api, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = await api.http.post(f"{api.url}/graphql", json={"query": VIEWER}, headers=headers)

    assert answer.status_code == 401
    assert code(answer) == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("change", [{"lifetime_s": -10}, {"iss": "another"}, {"aud": "another"}])
async def test_a_token_that_is_expired_or_meant_for_others_is_refused(api: Api, change: dict[str, Any]) -> None:
    settings = api.container.settings()
    renamed = {"iss": "token_issuer", "aud": "token_audience"}
    changed = settings.model_copy(update={renamed[name]: value for name, value in change.items() if name in renamed})
    life = {"lifetime_s": change["lifetime_s"]} if "lifetime_s" in change else {}
    token = issue_token(changed, sub="manual-vorontsova", org="school-manual", **life)

    answer = await api.http.post(
        f"{api.url}/graphql", json={"query": VIEWER}, headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == 401


async def test_a_mutation_by_get_is_refused_and_changes_nothing(api: Api) -> None:
    answer = await api.get(FINISH, login="director")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql", ""],
)
async def test_what_a_page_of_another_site_could_post_unasked_is_refused(api: Api, content_type: str) -> None:
    answer = await api.http.post(
        f"{api.url}/graphql",
        content=json.dumps({"query": FINISH}),
        headers=api.authorization("director") | {"Content-Type": content_type},
    )

    assert answer.status_code == 415


async def test_a_page_of_another_site_is_refused_and_our_own_is_not(api: Api) -> None:
    foreign = await api.post({"query": VIEWER}, origin="https://evil.example")
    own = await api.post({"query": VIEWER}, origin=api.url)

    assert foreign.status_code == 403
    assert own.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b'[{"query": "{ viewer { metaRole } }"}]',
        b"{}",
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": " "}',
        b'{"query": "{ viewer { metaRole } }", "variables": []}',
        b'{"query": "{ viewer { metaRole } }", "operationName": 5}',
        b'{"query": "{ viewer { metaRole } }", "extensions": "x"}',
        b'{"query": "{ viewer { metaRole } }", "variables": {"x": "\\u0000"}}',
        b'{"query": "{ viewer { metaRole } }", "variables": {"x": "\\ud800"}}',
        b'{"query": "{ viewer { metaRole } }", "variables": {"x": NaN}}',
        b'{"query": "\xff"}',
        b"[" * 100_000,
        b'{"query": "{ viewer { metaRole } }", "variables": {"x": ' + b"[" * 500 + b"]" * 500 + b"}}",
        b'{"query": "{ viewer { metaRole } }"} trailing',
    ],
)
async def test_a_body_that_is_no_request_is_refused(api: Api, body: bytes) -> None:
    answer = await api.http.post(
        f"{api.url}/graphql",
        content=body,
        headers=api.authorization("vorontsova") | {"Content-Type": "application/json"},
    )

    assert answer.status_code == 400
    assert code(answer) == "BAD_REQUEST"


async def test_a_number_of_five_thousand_digits_is_answered(api: Api) -> None:
    body = b'{"query": "query ($first: Int) { chats(first: $first) { totalCount } }", "variables": {"first": '

    answer = await api.http.post(
        f"{api.url}/graphql",
        content=body + b"9" * 5000 + b"}}",
        headers=api.authorization("vorontsova") | {"Content-Type": "application/json"},
    )

    assert answer.status_code in {200, 400}
    assert code(answer) == "BAD_REQUEST"


@pytest.mark.parametrize("size", [256 * 1024 + 1, 20 * 1024 * 1024])
async def test_a_body_above_256_kib_is_refused(api: Api, size: int) -> None:
    async def chunks() -> Any:
        yield b'{"query": "'
        for _ in range(size // 65536 + 1):
            yield b" " * 65536

    declared = await api.http.post(
        f"{api.url}/graphql",
        content=b" " * size,
        headers=api.authorization("vorontsova") | {"Content-Type": "application/json"},
    )
    headers = api.authorization("vorontsova") | {"Content-Type": "application/json"}
    try:
        endless: int | None = (await api.http.post(f"{api.url}/graphql", content=chunks(), headers=headers)).status_code
    except httpx.TransportError:
        # The answer came and the connection was closed while we were still sending.
        endless = None

    assert declared.status_code == 413
    assert endless in {413, None}


async def test_an_encoded_body_and_a_long_address_are_refused(api: Api) -> None:
    zipped = await api.post({"query": VIEWER}, content_encoding="gzip")
    long = await api.http.get(f"{api.url}/graphql?query={'x' * 9000}", headers=api.authorization("vorontsova"))

    assert (zipped.status_code, long.status_code) == (415, 414)


async def test_messages_come_in_the_language_of_the_client(api: Api) -> None:
    document = 'mutation { finishVideoconference(id: "x") { ... on Refusal { problems { code message } } } }'

    russian = await api.post({"query": document})
    english = await api.post({"query": document}, accept_language="de, en;q=0.8, ru;q=0.5")

    problems = [answer.json()["data"]["finishVideoconference"]["problems"][0] for answer in (russian, english)]
    assert [problem["code"] for problem in problems] == ["NOT_FOUND", "NOT_FOUND"]
    assert [problem["message"] for problem in problems] == ["Не найдено.", "Not found."]


async def test_subscriptions_are_sent_to_the_websocket(api: Api) -> None:
    answer = await api.post({"query": 'subscription { videoconference(id: "x") { id } }'})

    assert answer.status_code == 400
    assert "graphql-transport-ws" in answer.json()["errors"][0]["message"]


async def test_an_allowed_origin_may_ask_from_a_browser(api: Api) -> None:
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    foreign = await api.http.options(f"{api.url}/graphql", headers=preflight)

    assert "access-control-allow-origin" not in foreign.headers


async def test_who_sends_a_body_drop_by_drop_is_cut_off_and_others_are_served(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphql_api.http.BODY_WITHIN_SECONDS", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.container.settings().port)
    token = api.token("vorontsova")
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    writer.write(head.encode() + b"Content-Length: 100\r\n\r\n{")
    await writer.drain()
    began = time.monotonic()

    meanwhile = await api.post({"query": VIEWER})
    first_line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()

    assert meanwhile.status_code == 200
    assert b" 408 " in first_line
    assert time.monotonic() - began < 3


async def test_while_all_is_well_it_is_live_and_ready(api: Api) -> None:
    ready = await api.http.get(f"{api.url}/health/ready")
    live = await api.http.get(f"{api.url}/health/live")

    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "postgres": "ok", "redis": "ok"})
    assert live.json() == {"status": "ok"}


async def test_the_operators_see_what_the_process_measures(api: Api) -> None:
    await api.data("vorontsova", VIEWER)

    metrics = (await api.http.get(f"{api.url}/metrics")).text

    assert 'sferum_graphql_operation_seconds_count{outcome="data",type="query"}' in metrics
    assert "sferum_overdue_videoconferences 0.0" in metrics
