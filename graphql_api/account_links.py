"""Linking the viewer's account to VK ID."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

import strawberry

from graphql_api.context import Info
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
