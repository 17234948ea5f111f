"""What every resolver has at hand: who asks, in which language, and the system's use cases and views."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import strawberry
from strawberry.dataloader import DataLoader

from application.audit_views import AuditViews
from application.mirror_views import MirrorChanges, MirrorViews
from application.people_views import PeopleViews
from application.use_cases import UseCases
from application.views import Changes, Claims, ViewerView, Views
from domain.access import Viewer
from graphql_api.messages import Language


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose request or socket it is, until when."""

    claims: Claims
    expires_at: datetime

    @property
    def user(self) -> str:
        """What sockets are counted by."""
        return f"{self.claims.organization_school_id or ''}/{self.claims.person_id}"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application hands to the schema."""

    use_cases: UseCases
    views: Views
    audit: AuditViews
    people: PeopleViews
    mirrors: MirrorViews
    changes: Changes
    mirror_changes: MirrorChanges
    public_url: str
    sferum_url: str


@dataclass(slots=True)
class Context:
    """One operation's; nothing in it outlives the operation."""

    parts: Parts
    identity: Identity
    language: Language
    _viewer: ViewerView | None = None
    _loaders: dict[Hashable, DataLoader[Any, Any]] = field(default_factory=dict)

    async def viewer_view(self) -> ViewerView:
        """Who asks, by the rights they have now; read once an operation."""
        if self._viewer is None:
            self._viewer = await self.parts.views.viewer(self.identity.claims)
        return self._viewer

    async def viewer(self) -> Viewer:
        """Their rights."""
        return (await self.viewer_view()).viewer

    def loader(self, key: Hashable, load: Callable[[list[Any]], Awaitable[list[Any]]]) -> DataLoader[Any, Any]:
        """The operation's loader under that key: asked for one by one, read in one statement."""
        if key not in self._loaders:
            self._loaders[key] = DataLoader(load_fn=load)
        return self._loaders[key]


Info = strawberry.Info[Context, None]
