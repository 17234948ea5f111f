"""Organizations come to be, and choose who administers their chats; roles get their permissions."""

from collections.abc import Collection
from dataclasses import dataclass

from application.membership import bring_all_in_step
from application.ports import Begin
from domain.access import OrganizationAction, Permission, Viewer, by, organization_actions
from domain.audit import ROSTER
from domain.chat import TeachersChat, create_default_chat
from domain.errors import ProblemCode, refuse
from domain.ids import OrganizationId, ParticipantId, RoleId
from domain.organization import Organization
from domain.role import may_edit_roles


@dataclass(frozen=True, slots=True)
class FoundOrganization:
    """Makes an organization known, with its one chat of teachers (CHAT-02). Idempotent."""

    begin: Begin

    async def __call__(self, *, school_id: str, name: str, time_zone: str) -> OrganizationId:
        organization = Organization(school_id=school_id, name=name, time_zone=time_zone)
        async with self.begin(ROSTER) as uow:
            if known := await uow.organizations.find(organization.id, lock=True):
                if known.time_zone != time_zone and known.register_day is not None:
                    # Another midnight: what the register says of today is looked at anew.
                    known.register_due_at = await uow.now()
                known.name, known.time_zone = name, time_zone
                await uow.organizations.save(known)
                return known.id
            organization.without_chat_administrator_since = await uow.now()
            await uow.organizations.save(organization)
            await uow.chats.save_all([create_default_chat(organization.id, TeachersChat(), "Учительская")])
            return organization.id


@dataclass(frozen=True, slots=True)
class SetChatAdministrator:
    """The choice of the organization's settings; the ground moves in every chat and conference (RIGHT-02, RIGHT-03)."""

    begin: Begin

    async def __call__(self, viewer: Viewer, organization_id: OrganizationId, employee: ParticipantId) -> None:
        async with self.begin(by(viewer)) as uow:
            organization = await uow.organizations.find(organization_id, lock=True)
            if organization is None or not viewer.works_in(organization_id):
                raise refuse(ProblemCode.NOT_FOUND, "organizationId")
            if OrganizationAction.SET_CHAT_ADMINISTRATOR not in organization_actions(viewer, organization_id):
                raise refuse(ProblemCode.FORBIDDEN)
            roster = await uow.rosters.get(organization_id)
            if employee not in roster.people:
                raise refuse(ProblemCode.NOT_FOUND, "employeeId")
            organization.choose_chat_administrator(employee, roster)
            await uow.organizations.save(organization)
            chats = await uow.chats.following(organization_id, None)
            for chat in chats:
                chat.by_hand = chat.by_hand.readmitting(employee)
            await bring_all_in_step(uow, chats, roster, employee, await uow.now())
            conferences = await uow.videoconferences.unfinished_of([chat.id for chat in chats])
            out = [conference for conference in conferences if employee in conference.removals]
            for conference in out:
                conference.readmit(employee)
            await uow.videoconferences.save_all(out)


@dataclass(frozen=True, slots=True)
class SetRolePermissions:
    """Switches a role's permissions on and off, in the whole installation (RIGHT-04)."""

    begin: Begin

    async def __call__(self, viewer: Viewer, id: RoleId, permissions: Collection[Permission]) -> None:
        if not may_edit_roles(viewer):
            raise refuse(ProblemCode.FORBIDDEN)
        async with self.begin(by(viewer)) as uow:
            role = await uow.roles.find(id)
            if role is None:
                raise refuse(ProblemCode.NOT_FOUND, "roleId")
            role.permit(frozenset(permissions))
            await uow.roles.save(role)
