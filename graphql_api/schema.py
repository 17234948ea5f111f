"""The whole schema, put together once a process."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from domain.ids import (
    ChatId,
    ClassId,
    GroupId,
    LessonId,
    OrganizationId,
    ParticipantId,
    RoleId,
    SubjectId,
    VideoconferenceId,
)
from graphql_api.account_links import AccountLinkMutations
from graphql_api.administration import AdministrationMutations
from graphql_api.audit import AuditEntry, AuditQueries, audit_entry_by_id
from graphql_api.chat_forms import ChatMutations
from graphql_api.chats import Chat, ChatQueries, chat_by_id
from graphql_api.context import Info
from graphql_api.global_ids import read_global_id
from graphql_api.lessons import Lesson, LessonQueries, lesson_by_id
from graphql_api.nodes import Node
from graphql_api.organizations import Organization, OrganizationQueries
from graphql_api.participants import Participant
from graphql_api.people import (
    PeopleQueries,
    SchoolClass,
    StudyGroup,
    Subject,
    participant_by_id,
    school_class_by_id,
    study_group_by_id,
    subject_by_id,
)
from graphql_api.roles import Role, RoleQueries, role_by_id
from graphql_api.roster import RosterMutations
from graphql_api.scalars import DateTime
from graphql_api.subscriptions import MirrorSubscriptions, VideoconferenceSubscriptions
from graphql_api.videoconference_forms import VideoconferenceMutations
from graphql_api.videoconferences import (
    Videoconference,
    VideoconferenceQueries,
    videoconference_by_id,
)


@strawberry.type
class NodeQueries:
    """Whatever has a global id."""

    @strawberry.field(description="Whatever has that global id; null if there is nothing that the viewer may know of.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The global id.")]
    ) -> Node | None:
        """One node, by the same rights as through its own field."""
        match read_global_id(id):
            case ("Organization", inside):
                viewer = await info.context.viewer()
                view = await info.context.parts.views.organization(viewer, OrganizationId(inside))
                return None if view is None else Organization.of(view)
            case ("Chat", inside):
                return await chat_by_id(info, ChatId(inside))
            case ("Videoconference", inside):
                return await videoconference_by_id(info, VideoconferenceId(inside))
            case ("Participant", inside):
                return await participant_by_id(info, ParticipantId(inside))
            case ("SchoolClass", inside):
                return await school_class_by_id(info, ClassId(inside))
            case ("Subject", inside):
                return await subject_by_id(info, SubjectId(inside))
            case ("StudyGroup", inside):
                return await study_group_by_id(info, GroupId(inside))
            case ("Lesson", inside):
                return await lesson_by_id(info, LessonId(inside))
            case ("Role", inside):
                return await role_by_id(info, RoleId(inside))
            case ("AuditEntry", inside):
                return await audit_entry_by_id(info, inside)
            case _:
                return None


Query = merge_types(
    "Query",
    (
        OrganizationQueries,
        ChatQueries,
        VideoconferenceQueries,
        PeopleQueries,
        LessonQueries,
        RoleQueries,
        AuditQueries,
        NodeQueries,
    ),
)
Mutation = merge_types(
    "Mutation",
    (AccountLinkMutations, ChatMutations, VideoconferenceMutations, AdministrationMutations, RosterMutations),
)
Subscription = merge_types("Subscription", (VideoconferenceSubscriptions, MirrorSubscriptions))

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[
        Organization,
        Chat,
        Videoconference,
        Participant,
        SchoolClass,
        Subject,
        StudyGroup,
        Lesson,
        Role,
        AuditEntry,
    ],
    config=StrawberryConfig(scalar_map={datetime: DateTime}),
)
