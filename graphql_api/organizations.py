"""Organizations, and who asks."""

from datetime import datetime
from typing import Annotated, Self
from zoneinfo import ZoneInfo

import strawberry

from application.audit_views import AttentionView
from application.mirror_views import OrganizationMirrorView
from application.views import OrganizationView, Page, ParticipantView, ViewerView
from domain.access import MetaRole, OrganizationAction, Permission, organization_actions, sees_registry
from domain.account_link import AccountLinkStatus
from domain.ids import OrganizationId
from graphql_api.attention import AttentionItem
from graphql_api.context import Info
from graphql_api.errors import PublicError
from graphql_api.global_ids import global_id, id_of
from graphql_api.nodes import Node
from graphql_api.pagination import After, Connection, First, Offset, window
from graphql_api.participants import Participant

OrganizationArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="The organization; a Superadministrator names it, others leave it out."),
]


@strawberry.type(description="How many of the organization's chats have a mirror in Sferum in which state.")
class OrganizationMirror:
    """Counters over the chats; those without a mirror, and archived ones, are in none."""

    in_step: int = strawberry.field(description="As they should be.")
    behind: int = strawberry.field(description="Something is still to be done; it goes on by itself.")
    waiting: int = strawberry.field(description="They go on when the chat administrator has linked.")
    broken: int = strawberry.field(description="Somebody has to do something first.")
    oldest_behind_since: datetime | None = strawberry.field(
        description="Since when the oldest of those is not in step, in the organization's offset."
    )

    @classmethod
    def of(cls, view: OrganizationMirrorView, time_zone: str) -> Self:
        """The counters of a view."""
        since = view.oldest_behind_since
        return cls(
            in_step=view.in_step,
            behind=view.behind,
            waiting=view.waiting,
            broken=view.broken,
            oldest_behind_since=None if since is None else since.astimezone(ZoneInfo(time_zone)),
        )


@strawberry.type(description="One school.")
class Organization(Node):
    """An organization."""

    name: str = strawberry.field(description="Its name.")
    time_zone: str = strawberry.field(description="Its IANA time zone, in which front ends show and enter times.")
    chat_administrator: Participant | None = strawberry.field(
        description="The employee who administers its chats in Sferum."
    )
    view: strawberry.Private[OrganizationView]

    @strawberry.field(description="What the viewer may do in it.")
    async def viewer_can(self, info: Info) -> list[OrganizationAction]:
        """By the rights of this moment."""
        allowed = organization_actions(await info.context.viewer(), self.view.id)
        return [action for action in OrganizationAction if action in allowed]

    @strawberry.field(description="The «Администраторы» registry, by name: of whom the chat administrator is chosen.")
    async def administrators(
        self,
        info: Info,
        name_contains: Annotated[
            str | None, strawberry.argument(description="Those whose full name has each of these words, in any order.")
        ] = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Participant]:
        """Nobody for who neither chooses nor views the registry (RIGHT-02)."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        chooses = OrganizationAction.SET_CHAT_ADMINISTRATOR in organization_actions(viewer, self.view.id)
        page: Page[ParticipantView] = Page((), 0)
        if chooses or sees_registry(viewer, self.view.id):

            async def load(ids: list[OrganizationId]) -> list[Page[ParticipantView]]:
                pages = await info.context.parts.people.administrators(ids, name_contains, part)
                return [pages[id] for id in ids]

            page = await info.context.loader(("administrators", name_contains, part), load).load(self.view.id)
        return Connection[Participant].of(page, part, lambda view: Participant.of(view, detailed=chooses))

    @strawberry.field(description="How its chats' mirrors in Sferum are, for who may view the registry.")
    async def mirror(self, info: Info) -> OrganizationMirror | None:
        """Read in one statement for all organizations of the operation."""
        if not sees_registry(await info.context.viewer(), self.view.id):
            return None
        views = info.context.parts.mirrors

        async def load(ids: list[OrganizationId]) -> list[OrganizationMirrorView]:
            found = await views.organization_mirrors(ids)
            return [found[id] for id in ids]

        view = await info.context.loader("organization mirrors", load).load(self.view.id)
        return OrganizationMirror.of(view, self.view.time_zone)

    @strawberry.field(description="What waits for somebody, for who may view the registry; the longest first.")
    async def attention(self, info: Info, first: First = None, after: After = None) -> Connection[AttentionItem]:
        """Read in one statement for all organizations of the operation."""
        part, viewer, language = window(first, after, None), await info.context.viewer(), info.context.language

        async def load(ids: list[OrganizationId]) -> list[Page[AttentionView]]:
            pages = await info.context.parts.audit.attention(viewer, ids, part)
            return [pages[id] for id in ids]

        page = await info.context.loader(("attention", part), load).load(self.view.id)
        zone = self.view.time_zone
        return Connection[AttentionItem].of(page, part, lambda item: AttentionItem.of(item, zone, language))

    @classmethod
    def of(cls, view: OrganizationView) -> Self:
        """The organization of a view."""
        return cls(
            id=global_id("Organization", view.id),
            name=view.name,
            time_zone=view.time_zone,
            chat_administrator=Participant.maybe(view.chat_administrator),
            view=view,
        )


@strawberry.type(description="An education profile of VK ID.")
class EducationProfile:
    """All that is kept of it."""

    display_name: str = strawberry.field(description="The name to show.")


@strawberry.type(description="The link between the school account and an education profile.")
class AccountLink:
    """The viewer's link."""

    status: AccountLinkStatus = strawberry.field(description="Whether it is there, and works.")
    profile: EducationProfile | None = strawberry.field(description="The linked profile.")
    linked_at: datetime | None = strawberry.field(description="When it was linked.")

    @classmethod
    def of(cls, view: ViewerView) -> Self:
        """The link of whom the view is of, in the time of their organization."""
        zone = ZoneInfo(view.organization.time_zone) if view.organization else None
        linked = view.link_status is not AccountLinkStatus.NOT_LINKED
        return cls(
            status=view.link_status,
            profile=EducationProfile(display_name=view.profile_name) if linked and view.profile_name else None,
            linked_at=view.linked_at.astimezone(zone) if view.linked_at else None,
        )


@strawberry.type(name="Viewer", description="Who asks, with the rights they have now.")
class ViewerType:
    """The viewer."""

    participant: Participant | None = strawberry.field(description="As whom they take part, if the roster knows them.")
    organization: Organization | None = strawberry.field(description="Their organization.")
    meta_role: MetaRole | None = strawberry.field(description="What gives them all rights, if anything does.")
    permissions: list[Permission] = strawberry.field(description="Their permissions of the module «Сферум».")
    account_link: AccountLink = strawberry.field(description="Their link to VK ID; without it, offer linking.")
    sferum_url: str | None = strawberry.field(description="Where «Go to Sferum» leads, once linked.")


async def chosen_organization(info: Info, organization_id: strawberry.ID | None) -> OrganizationId | None:
    """The organization that a list is of: the one named, else the viewer's; None if there is none for them.

    Raises:
        PublicError: ORGANIZATION_REQUIRED, when a Superadministrator names none.
    """
    viewer = await info.context.viewer()
    if organization_id is not None:
        id = id_of("Organization", organization_id)
        return None if id is None else OrganizationId(id)
    if viewer.own_organization is None and viewer.meta_role is MetaRole.SUPERADMINISTRATOR:
        raise PublicError("Name the organization (organizationId).", code="ORGANIZATION_REQUIRED")
    return viewer.own_organization


@strawberry.type
class OrganizationQueries:
    """Queries of this module."""

    @strawberry.field(description="Who asks.")
    async def viewer(self, info: Info) -> ViewerType:
        """The viewer with the rights of this moment."""
        view = await info.context.viewer_view()
        linked = view.link_status is not AccountLinkStatus.NOT_LINKED
        return ViewerType(
            participant=Participant.maybe(view.participant),
            organization=None if view.organization is None else Organization.of(view.organization),
            meta_role=view.viewer.meta_role,
            permissions=[permission for permission in Permission if permission in view.viewer.permissions],
            account_link=AccountLink.of(view),
            sferum_url=info.context.parts.sferum_url if linked else None,
        )

    @strawberry.field(description="An organization; without an id the viewer's own.")
    async def organization(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The organization.")] = None,
    ) -> Organization | None:
        """Null for whatever is not the viewer's to know."""
        viewer = await info.context.viewer()
        wanted = viewer.own_organization if id is None else id_of("Organization", id)
        if wanted is None:
            return None
        view = await info.context.parts.views.organization(viewer, OrganizationId(wanted))
        return None if view is None else Organization.of(view)

    @strawberry.field(description="The organizations in which the viewer works, by name.")
    async def organizations(
        self,
        info: Info,
        name_contains: Annotated[
            str | None, strawberry.argument(description="Those whose name has each of these words, in any order.")
        ] = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Organization]:
        """One, or for a Superadministrator all."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        page = await info.context.parts.views.organizations(viewer, part, name_contains=name_contains)
        return Connection[Organization].of(page, part, Organization.of)
