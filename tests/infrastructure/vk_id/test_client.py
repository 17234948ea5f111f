"""The adapter of VK ID, over HTTP against the sandbox."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from application.account_links import Callback, read_callback
from application.ports import AuthorizationFailed, IdentityProviderUnavailable
from domain.account_link import Tokens
from infrastructure.sandbox.visitor import sms_reader, walk_through
from infrastructure.vk_id.client import VkId

NOW = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)
VERIFIER = "v" * 64
STATE = "s" * 48


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=1, trust_env=False) as client:
        yield client


@pytest.fixture
def vk_id(http: httpx.AsyncClient, sandbox: Any) -> VkId:
    return VkId(
        http,
        base_url=sandbox.settings.vk_id_url,
        client_id=sandbox.settings.vk_client_id,
        redirect_uri=sandbox.callback,
        now=lambda: NOW,
    )


async def came_back(vk_id: VkId, http: httpx.AsyncClient, sandbox: Any) -> Callback:
    url = vk_id.authorization_url(state=STATE, verifier=VERIFIER)
    phone = sandbox.login("teacher")["phone"]
    back = await walk_through(http, url, phone=phone, sms=sms_reader(http, sandbox.url))
    return read_callback({name: values[0] for name, values in parse_qs(urlsplit(back).query).items()})


async def linked(vk_id: VkId, http: httpx.AsyncClient, sandbox: Any) -> Tokens:
    came = await came_back(vk_id, http, sandbox)
    assert came.code is not None
    assert came.device_id is not None
    return await vk_id.exchange(code=came.code, verifier=VERIFIER, device_id=came.device_id, state=STATE)


async def test_the_browser_is_sent_with_the_challenge_and_never_with_the_verifier(vk_id: VkId) -> None:
    query = parse_qs(urlsplit(vk_id.authorization_url(state=STATE, verifier=VERIFIER)).query)

    assert query["code_challenge_method"] == ["s256"]
    assert VERIFIER not in str(query)
    assert query["state"] == [STATE]


async def test_a_code_becomes_tokens_that_tell_whose_they_are(
    vk_id: VkId, http: httpx.AsyncClient, sandbox: Any
) -> None:
    tokens = await linked(vk_id, http, sandbox)
    profile = await vk_id.profile(tokens.access)

    assert tokens.access_expires_at == NOW + timedelta(hours=1)
    teacher = sandbox.login("teacher")
    assert profile.id in {str(teacher["user_id"]), *(str(each["id"]) for each in teacher["profiles"])}
    assert profile.display_name.split()


async def test_a_code_is_exchanged_only_once(vk_id: VkId, http: httpx.AsyncClient, sandbox: Any) -> None:
    came = await came_back(vk_id, http, sandbox)
    assert came.code is not None
    assert came.device_id is not None
    await vk_id.exchange(code=came.code, verifier=VERIFIER, device_id=came.device_id, state=STATE)

    with pytest.raises(AuthorizationFailed):
        await vk_id.exchange(code=came.code, verifier=VERIFIER, device_id=came.device_id, state=STATE)


@pytest.mark.parametrize("wrong", ["verifier", "device_id"])
async def test_a_code_with_a_wrong_companion_is_refused(
    vk_id: VkId, http: httpx.AsyncClient, sandbox: Any, wrong: str
) -> None:
    came = await came_back(vk_id, http, sandbox)
    right = {"verifier": VERIFIER, "device_id": came.device_id or ""}

    with pytest.raises(AuthorizationFailed):
        await vk_id.exchange(code=came.code or "", state=STATE, **(right | {wrong: "w" * 64}))


async def test_a_refresh_gives_a_new_pair_and_kills_the_old(vk_id: VkId, http: httpx.AsyncClient, sandbox: Any) -> None:
    tokens = await linked(vk_id, http, sandbox)

    fresh = await vk_id.refresh(tokens)

    assert fresh.access != tokens.access
    assert fresh.refresh != tokens.refresh
    assert (await vk_id.profile(fresh.access)).id == (await vk_id.profile(fresh.access)).id
    with pytest.raises(AuthorizationFailed):
        await vk_id.refresh(tokens)


async def test_a_refresh_from_another_device_is_refused(vk_id: VkId, http: httpx.AsyncClient, sandbox: Any) -> None:
    tokens = await linked(vk_id, http, sandbox)

    with pytest.raises(AuthorizationFailed):
        await vk_id.refresh(replace(tokens, device_id="another"))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("invalid_request", AuthorizationFailed),
        ("invalid_grant", AuthorizationFailed),
        ("invalid_token", AuthorizationFailed),
        ("access_denied", AuthorizationFailed),
        ("login_required", AuthorizationFailed),
        ("interaction_required", AuthorizationFailed),
        ("invalid_client", IdentityProviderUnavailable),
        ("invalid_scope", IdentityProviderUnavailable),
        ("slow_down", IdentityProviderUnavailable),
        ("server_error", IdentityProviderUnavailable),
        ("temporarily_unavailable", IdentityProviderUnavailable),
        ("a_code_nobody_knows", IdentityProviderUnavailable),
    ],
)
async def test_each_error_code_means_that_it_is_over_or_that_it_may_pass(
    vk_id: VkId, sandbox: Any, code: str, expected: type[Exception]
) -> None:
    sandbox.order(method="/id/oauth2/user_info", kind="error", code=code, times=1)

    with pytest.raises(expected):
        await vk_id.profile("any")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "html"},
        {"kind": "truncated"},
        {"kind": "status", "code": 503},
        {"kind": "refused"},
        {"kind": "lost"},
        {"kind": "delay", "ms": 3000},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_an_answer_that_is_none_is_never_taken_for_a_refusal_or_a_success(
    vk_id: VkId, http: httpx.AsyncClient, sandbox: Any, fault: dict[str, object]
) -> None:
    tokens = await linked(vk_id, http, sandbox)
    sandbox.order(method="/id/oauth2/user_info", times=1, **fault)

    with pytest.raises(IdentityProviderUnavailable):
        await vk_id.profile(tokens.access)


async def test_nobody_there_is_an_outage(http: httpx.AsyncClient, free_port: int) -> None:
    vk_id = VkId(
        http, base_url=f"http://127.0.0.1:{free_port}", client_id="1", redirect_uri="http://here", now=lambda: NOW
    )

    with pytest.raises(IdentityProviderUnavailable):
        await vk_id.profile("any")


async def test_a_revocation_ends_every_pair_of_the_profile(vk_id: VkId, http: httpx.AsyncClient, sandbox: Any) -> None:
    first, second = [await linked(vk_id, http, sandbox) for _ in range(2)]

    await vk_id.revoke(first)

    for tokens in (first, second):
        with pytest.raises(AuthorizationFailed):
            await vk_id.refresh(tokens)
    with pytest.raises(AuthorizationFailed):
        await vk_id.revoke(first)


async def test_logging_out_ends_one_pair_and_leaves_the_others(
    vk_id: VkId, http: httpx.AsyncClient, sandbox: Any
) -> None:
    first, second = [await linked(vk_id, http, sandbox) for _ in range(2)]

    await vk_id.log_out(first)

    with pytest.raises(AuthorizationFailed):
        await vk_id.refresh(first)
    assert (await vk_id.profile(second.access)).id
