"""The school as its forms pick from it: people, classes and study groups."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Self, TypeVar

import strawberry

from application.people_views import (
    ChatDefaultsView,
    PeopleWanted,
    StudyGroupsWanted,
    StudyGroupView,
)
from application.views import Page, ParticipantView, SchoolClassView, SubjectView
from domain.access import Viewer, may_pick_people
from domain.chat_form import LONGEST_NAME
from domain.ids import ChatId, ClassId, GroupId, ParticipantId, SubjectId
from graphql_api.context import Info
from graphql_api.global_ids import NO_ONE, global_id, id_of
from graphql_api.nodes import Node
from graphql_api.organizations import OrganizationArgument, chosen_organization
from graphql_api.pagination import After, Connection, First, Offset, window
from graphql_api.participants import Participant, ParticipantFilter

K = TypeVar("K")
V = TypeVar("V")


@strawberry.type(description="A class.")
class SchoolClass(Node):
    """A class."""

    name: str = strawberry.field(description="Its name, as «8 К».")
    class_teacher: Participant | None = strawberry.field(description="Its class teacher.")

    @classmethod
    def of(cls, view: SchoolClassView) -> Self:
        """The class of a view."""
        return cls(
            id=global_id("SchoolClass", view.id),
            name=view.name,
            class_teacher=Participant.maybe(view.class_teacher),
        )


@strawberry.type(description="A subject that is taught.")
class Subject(Node):
    """A subject."""

    name: str = strawberry.field(description="Its name.")

    @classmethod
    def of(cls, view: SubjectView) -> Self:
        """The subject of a view."""
        return cls(id=global_id("Subject", view.id), name=view.name)


@strawberry.type(description="A group of pupils that learns one subject: a class, a part of it, or parts of several.")
class StudyGroup(Node):
    """A study group."""

    name: str = strawberry.field(description="Its name.")
    subject: Subject = strawberry.field(description="What it learns.")
    inside: strawberry.Private[GroupId]

    @strawberry.field(description="The first of its teachers.")
    async def teacher(self, info: Info) -> Participant | None:
        """Null while nobody teaches it."""
        return next(iter(await self._teachers(info)), None)

    @strawberry.field(description="Its teachers, in the school system's order.")
    async def teachers(self, info: Info) -> list[Participant]:
        """Those who work at the school now."""
        return await self._teachers(info)

    @strawberry.field(description="The class of its pupils, if they are all of one.")
    async def school_class(self, info: Info) -> SchoolClass | None:
        """Null also for a group without pupils."""
        classes = await self._school_classes(info)
        return classes[0] if len(classes) == 1 else None

    @strawberry.field(description="The classes of its pupils, by number and letter.")
    async def school_classes(self, info: Info) -> list[SchoolClass]:
        """The open ones."""
        return await self._school_classes(info)

    async def _teachers(self, info: Info) -> list[Participant]:
        found = await _one(info, "teachers", info.context.parts.people.teachers, self.inside)
        return [Participant.of(view) for view in found or ()]

    async def _school_classes(self, info: Info) -> list[SchoolClass]:
        read = info.context.parts.people.classes_of_groups
        found = await _one(info, "classes of groups", read, self.inside)
        return [SchoolClass.of(view) for view in found or ()]

    @classmethod
    def of(cls, view: StudyGroupView) -> Self:
        """The study group of a view."""
        return cls(
            id=global_id("StudyGroup", view.id), name=view.name, subject=Subject.of(view.subject), inside=view.id
        )


@strawberry.type(description="What the window of a new chat begins with, once its study group is chosen.")
class ChatDefaults:
    """The name and the people of a new chat of type SUBJECT."""

    name: str = strawberry.field(description="«{subject}, {study group}».")
    employees: list[Participant] = strawberry.field(description="The group's teachers, in the school system's order.")
    pupils: list[Participant] = strawberry.field(description="The group's pupils, by name.")

    @classmethod
    def of(cls, view: ChatDefaultsView) -> Self:
        """The defaults of a view, the name no longer than a chat's may be."""
        return cls(
            name=f"{view.subject}, {view.group}"[:LONGEST_NAME].rstrip(),
            employees=[Participant.of(teacher, detailed=True) for teacher in view.teachers],
            pupils=[Participant.of(pupil, detailed=True) for pupil in view.pupils],
        )


@strawberry.input(description="Which study groups.")
class StudyGroupFilter:
    """What a list of study groups is narrowed to; an id that is none of ours is nobody's."""

    name_contains: str | None = strawberry.field(
        default=None, description="Each of its words anywhere in the name; case, ё/е and spaces aside."
    )
    school_class_id: strawberry.ID | None = strawberry.field(default=None, description="Those with pupils of it.")
    subject_id: strawberry.ID | None = strawberry.field(default=None, description="Those that learn it.")
    mine: bool | None = strawberry.field(default=None, description="True: only those that the viewer teaches.")

    def wanted(self) -> StudyGroupsWanted:
        """The same, its ids read."""
        return StudyGroupsWanted(
            name_contains=self.name_contains,
            school_class=class_id(self.school_class_id),
            subject=None if self.subject_id is None else SubjectId(id_of("Subject", self.subject_id) or NO_ONE),
            mine=bool(self.mine),
        )


async def participant_by_id(info: Info, id: ParticipantId) -> Participant | None:
    """The person, if the viewer may know of them."""
    found = await seen(info, "people", info.context.parts.people.people_by_id, id)
    return None if found is None else Participant.of(found.participant, detailed=found.detailed)


async def school_class_by_id(info: Info, id: ClassId) -> SchoolClass | None:
    """The class, if the viewer may know of it."""
    found = await seen(info, "classes", info.context.parts.people.school_classes_by_id, id)
    return None if found is None else SchoolClass.of(found)


async def subject_by_id(info: Info, id: SubjectId) -> Subject | None:
    """The subject, if the viewer may know of it."""
    found = await seen(info, "subjects", info.context.parts.people.subjects_by_id, id)
    return None if found is None else Subject.of(found)


async def study_group_by_id(info: Info, id: GroupId) -> StudyGroup | None:
    """The study group, if the viewer may see it."""
    found = await seen(info, "study groups", info.context.parts.people.study_groups_by_id, id)
    return None if found is None else StudyGroup.of(found)


@strawberry.type
class PeopleQueries:
    """Queries of this module."""

    @strawberry.field(
        description="People, by name: all of the organization for who fills in its forms, "
        "for anybody else those with whom they share a chat or a videoconference."
    )
    async def participants(
        self,
        info: Info,
        filter: Annotated[ParticipantFilter, strawberry.argument(description="Which people.")],
        organization_id: OrganizationArgument = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Participant]:
        """The pickers (RIGHT-10)."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        organization = await chosen_organization(info, organization_id)
        wanted = PeopleWanted(
            capacity=filter.capacity,
            name_contains=filter.name_contains,
            school_class=class_id(filter.school_class_id),
            blocked=filter.blocked,
            not_in_chat=chat_id(filter.not_in_chat_id),
        )
        page: Page[ParticipantView] = Page((), 0)
        detailed = False
        if organization is not None:
            page = await info.context.parts.people.people(viewer, organization, wanted, part)
            detailed = may_pick_people(viewer, organization)
        return Connection[Participant].of(page, part, lambda view: Participant.of(view, detailed=detailed))

    @strawberry.field(description="The classes that are open, by number and letter.")
    async def school_classes(
        self,
        info: Info,
        organization_id: OrganizationArgument = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[SchoolClass]:
        """Those of which the viewer may know."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        organization = await chosen_organization(info, organization_id)
        page: Page[SchoolClassView] = Page((), 0)
        if organization is not None:
            page = await info.context.parts.people.school_classes(viewer, organization, part)
        return Connection[SchoolClass].of(page, part, SchoolClass.of)

    @strawberry.field(description="The study groups that are open, by name.")
    async def study_groups(
        self,
        info: Info,
        organization_id: OrganizationArgument = None,
        filter: Annotated[StudyGroupFilter | None, strawberry.argument(description="Which study groups.")] = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[StudyGroup]:
        """Those that the viewer may see."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        organization = await chosen_organization(info, organization_id)
        wanted = StudyGroupsWanted() if filter is None else filter.wanted()
        page: Page[StudyGroupView] = Page((), 0)
        if organization is not None:
            page = await info.context.parts.people.study_groups(viewer, organization, wanted, part)
        return Connection[StudyGroup].of(page, part, StudyGroup.of)

    @strawberry.field(description="What a new chat of a study group begins with; null for who may not create one.")
    async def chat_defaults(
        self,
        info: Info,
        study_group_id: Annotated[strawberry.ID, strawberry.argument(description="The study group.")],
    ) -> ChatDefaults | None:
        """Null also for a group that is closed, or that is not the viewer's to know."""
        inside, viewer = id_of("StudyGroup", study_group_id), await info.context.viewer()
        if inside is None:
            return None
        found = await info.context.parts.people.chat_defaults(viewer, GroupId(inside))
        return None if found is None else ChatDefaults.of(found)


def class_id(id: strawberry.ID | None) -> ClassId | None:
    """The class that is meant; an id that is none of ours is nobody's."""
    return None if id is None else ClassId(id_of("SchoolClass", id) or NO_ONE)


def chat_id(id: strawberry.ID | None) -> ChatId | None:
    """The chat that is meant; an id that is none of ours is nobody's."""
    return None if id is None else ChatId(id_of("Chat", id) or NO_ONE)


async def seen(
    info: Info, name: str, read: Callable[[Viewer, Sequence[K]], Awaitable[Mapping[K, V]]], key: K
) -> V | None:
    """One of many that the viewer may see, all that the operation asks for read in one statement."""
    viewer = await info.context.viewer()
    return await _one(info, name, lambda keys: read(viewer, keys), key)


async def _one(info: Info, name: str, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], key: K) -> V | None:
    """One of many that the operation asks for one by one, and that are read in one statement."""

    async def load(keys: list[K]) -> list[V | None]:
        found = await read(keys)
        return [found.get(each) for each in keys]

    value: V | None = await info.context.loader(name, load).load(key)
    return value
