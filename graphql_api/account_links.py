"""Linking the viewer's account to VK ID, and unlinking it."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

import strawberry

from application.account_links import read_callback
from graphql_api.context import Info
from graphql_api.messages import unlink_message
from graphql_api.organizations import AccountLink
from graphql_api.problems import Refusal, RefusalsAsData

START_PATH = "/vk-id/start"


@strawberry.type(description="The way to VK ID is open.")
class AuthorizationRequest:
    """Success."""

    url: str = strawberry.field(description="Where the user's browser goes; works once.")
    expires_at: datetime = strawberry.field(description="Until when it works.")


BeginAccountLinkResult = Annotated[
    AuthorizationRequest | Refusal,
    strawberry.union("BeginAccountLinkResult", description="What came of beginning to link an account."),
]


@strawberry.input(description="What VK ID sent back with the browser, in either of its forms.")
class CompleteAccountLinkInput:
    """The parameters of the callback as they came."""

    code: str | None = strawberry.field(default=None, description="The parameter `code`.")
    state: str | None = strawberry.field(default=None, description="The parameter `state`.")
    device_id: str | None = strawberry.field(default=None, description="The parameter `device_id`.")
    payload: str | None = strawberry.field(
        default=None,
        description="The parameter `payload`, if VK ID sent all of them in this one; it alone counts then.",
    )
    error: str | None = strawberry.field(default=None, description="The parameter `error`.")


@strawberry.type(description="The account is linked.")
class AccountLinked:
    """Success."""

    account_link: AccountLink = strawberry.field(description="The link.")


CompleteAccountLinkResult = Annotated[
    AccountLinked | Refusal,
    strawberry.union("CompleteAccountLinkResult", description="What came of linking an account."),
]


@strawberry.type(description="The account is not linked any more.")
class AccountUnlinked:
    """Success."""

    account_link: AccountLink = strawberry.field(description="NOT_LINKED.")


@strawberry.type(description="Nothing has changed: the viewer owns chats in Sferum, and is to confirm.")
class UnlinkWarning:
    """Before a chat administrator unlinks."""

    message: str = strawberry.field(description="The question for the user.")
    chat_count: int = strawberry.field(description="How many chats they are in.")
    owned_chat_count: int = strawberry.field(
        description="How many chats lose their owner in Sferum: those of the organizations whose chats they administer."
    )


UnlinkAccountResult = Annotated[
    AccountUnlinked | UnlinkWarning | Refusal,
    strawberry.union("UnlinkAccountResult", description="What came of unlinking an account."),
]


@strawberry.type
class AccountLinkMutations:
    """Mutations of this module."""

    @strawberry.mutation(
        description="Begins to link the viewer's account to an education profile of VK ID.",
        extensions=[RefusalsAsData()],
    )
    async def begin_account_link(
        self,
        info: Info,
        return_to: Annotated[
            str | None,
            strawberry.argument(description="Where the browser goes afterwards: one of the allowed return addresses."),
        ] = None,
    ) -> BeginAccountLinkResult:
        """The address is ours and goes on to VK ID."""
        parts = info.context.parts
        attempt = await parts.use_cases.begin_account_link(await info.context.viewer(), return_to)
        url = f"{parts.public_url}{START_PATH}?{urlencode({'attempt': attempt.id})}"
        return AuthorizationRequest(url=url, expires_at=attempt.expires_at)

    @strawberry.mutation(
        description="Completes what `beginAccountLink` began, by a client that caught VK ID's callback itself.",
        extensions=[RefusalsAsData()],
    )
    async def complete_account_link(
        self,
        info: Info,
        input: Annotated[CompleteAccountLinkInput, strawberry.argument(description="The callback.")],
    ) -> CompleteAccountLinkResult:
        """Only the user who began."""
        given = {
            "code": input.code,
            "state": input.state,
            "device_id": input.device_id,
            "payload": input.payload,
            "error": input.error,
        }
        callback = read_callback({name: value for name, value in given.items() if value is not None})
        await info.context.parts.use_cases.complete_account_link(callback, viewer=await info.context.viewer())
        return AccountLinked(account_link=await _link_now(info))

    @strawberry.mutation(
        description="Unlinks the viewer's account from Sferum; they stay in their chats in the school system.",
        extensions=[RefusalsAsData()],
    )
    async def unlink_account(
        self,
        info: Info,
        confirmed: Annotated[
            bool, strawberry.argument(description="Whether the user said yes; without it nothing changes.")
        ],
    ) -> UnlinkAccountResult:
        """Asks a chat administrator first."""
        left = await info.context.parts.use_cases.unlink_account(await info.context.viewer(), confirmed=confirmed)
        if left is None:
            return AccountUnlinked(account_link=await _link_now(info))
        owned = left.owned or 0
        message = unlink_message(left.all, owned, info.context.language)
        return UnlinkWarning(message=message, chat_count=left.all, owned_chat_count=owned)


async def _link_now(info: Info) -> AccountLink:
    # The operation's own view of the viewer is from before the change.
    return AccountLink.of(await info.context.parts.views.viewer(info.context.identity.claims))
