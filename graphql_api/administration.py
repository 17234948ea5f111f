"""What administrators set: the organization's chat administrator, and what each role permits."""

from typing import Annotated

import strawberry

from domain.access import Permission
from domain.errors import ProblemCode, refuse
from domain.ids import OrganizationId, ParticipantId, RoleId
from graphql_api.context import Info
from graphql_api.global_ids import NO_ONE, id_of
from graphql_api.organizations import Organization
from graphql_api.problems import Refusal, RefusalsAsData
from graphql_api.roles import Role, role_by_id


@strawberry.type(description="The organization has this chat administrator.")
class ChatAdministratorSet:
    """Success."""

    organization: Organization = strawberry.field(description="As it is now.")


SetChatAdministratorResult = Annotated[
    ChatAdministratorSet | Refusal,
    strawberry.union("SetChatAdministratorResult", description="What came of choosing the chat administrator."),
]


@strawberry.type(description="The role permits exactly this.")
class RolePermissionsSet:
    """Success."""

    role: Role = strawberry.field(description="As it is now.")


SetRolePermissionsResult = Annotated[
    RolePermissionsSet | Refusal,
    strawberry.union("SetRolePermissionsResult", description="What came of editing a role."),
]


@strawberry.type
class AdministrationMutations:
    """Mutations of this module."""

    @strawberry.mutation(
        description="Chooses the employee of the «Администраторы» registry who administers the organization's chats.",
        extensions=[RefusalsAsData()],
    )
    async def set_chat_administrator(
        self,
        info: Info,
        organization_id: Annotated[strawberry.ID, strawberry.argument(description="The organization.")],
        employee_id: Annotated[strawberry.ID, strawberry.argument(description="The employee.")],
    ) -> SetChatAdministratorResult:
        """For Superadministrators and the organization's administrators."""
        viewer = await info.context.viewer()
        organization = OrganizationId(id_of("Organization", organization_id) or NO_ONE)
        employee = ParticipantId(id_of("Participant", employee_id) or NO_ONE)
        await info.context.parts.use_cases.set_chat_administrator(viewer, organization, employee)
        view = await info.context.parts.views.organization(viewer, organization)
        if view is None:
            raise refuse(ProblemCode.NOT_FOUND, "organizationId")
        return ChatAdministratorSet(organization=Organization.of(view))

    @strawberry.mutation(
        description="Switches a role's permissions on and off, in the whole installation.",
        extensions=[RefusalsAsData()],
    )
    async def set_role_permissions(
        self,
        info: Info,
        role_id: Annotated[strawberry.ID, strawberry.argument(description="The role.")],
        permissions: Annotated[list[Permission], strawberry.argument(description="All that it is to permit.")],
    ) -> SetRolePermissionsResult:
        """For Superadministrators."""
        id = RoleId(id_of("Role", role_id) or NO_ONE)
        await info.context.parts.use_cases.set_role_permissions(await info.context.viewer(), id, permissions)
        role = await role_by_id(info, id)
        if role is None:
            raise refuse(ProblemCode.NOT_FOUND, "roleId")
        return RolePermissionsSet(role=role)
