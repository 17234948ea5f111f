"""Organizations come to be, and choose who administers their chats."""

from dataclasses import dataclass

from application.ports import Begin
from application.roster import bring_in_step
from domain.access import MetaRole, Viewer
from domain.chat import TeachersChat, create_default_chat
from domain.errors import ProblemCode, refuse
from domain.ids import OrganizationId, ParticipantId
from domain.organization import Organization


@dataclass(frozen=True, slots=True)
class FoundOrganization:
    """Makes an organization known, with its one chat of teachers (CHAT-02). Idempotent."""

    begin: Begin

    async def __call__(self, *, school_id: str, name: str, time_zone: str) -> OrganizationId:
        organization = Organization(school_id=school_id, name=name, time_zone=time_zone)
        async with self.begin() as uow:
            if known := await uow.organizations.find(organization.id, lock=True):
                known.name, known.time_zone = name, time_zone
                await uow.organizations.save(known)
                return known.id
            await uow.organizations.save(organization)
            await uow.chats.save_all([create_default_chat(organization.id, TeachersChat(), "Учительская")])
            return organization.id


@dataclass(frozen=True, slots=True)
class SetChatAdministrator:
    """The choice of the organization's settings; the ground moves in every chat (RIGHT-02, RIGHT-03)."""

    begin: Begin

    async def __call__(self, viewer: Viewer, organization_id: OrganizationId, employee: ParticipantId) -> None:
        may_choose = {MetaRole.SUPERADMINISTRATOR, MetaRole.ORGANIZATION_ADMINISTRATOR}
        async with self.begin() as uow:
            organization = await uow.organizations.find(organization_id, lock=True)
            if organization is None or not viewer.works_in(organization_id):
                raise refuse(ProblemCode.NOT_FOUND, "organizationId")
            if viewer.meta_role not in may_choose or viewer.blocked:
                raise refuse(ProblemCode.FORBIDDEN)
            roster = await uow.rosters.get(organization_id)
            organization.choose_chat_administrator(employee, roster)
            await uow.organizations.save(organization)
            chats = await uow.chats.following(organization_id, None)
            at = await uow.now()
            for chat in chats:
                bring_in_step(chat, roster, organization.chat_administrator, at=at)
            await uow.chats.save_all(chats)
