"""People as pickers show them, and what they learn and teach in: plain pictures of the stored state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from application.views import Page, ParticipantView, SchoolClassView, SubjectView, Window
from domain.access import Viewer
from domain.ids import ChatId, ClassId, GroupId, LessonId, OrganizationId, ParticipantId, SubjectId
from domain.participant import Capacity, PositionKind


@dataclass(frozen=True, slots=True)
class ChildView:
    """A pupil, as the caption of a parent names them."""

    last_name: str
    first_name: str
    class_name: str | None


@dataclass(frozen=True, slots=True)
class PersonView:
    """What a person is at the school now: what tells namesakes apart (RIGHT-10)."""

    capacities: tuple[Capacity, ...]
    positions: tuple[PositionKind, ...]
    class_name: str | None
    children: tuple[ChildView, ...]
    linked: bool


@dataclass(frozen=True, slots=True)
class FoundPersonView:
    """A person of whom the viewer may know; `detailed`: also what they are at the school."""

    participant: ParticipantView
    detailed: bool


@dataclass(frozen=True, slots=True)
class StudyGroupView:
    """A study group."""

    id: GroupId
    name: str
    subject: SubjectView


@dataclass(frozen=True, slots=True)
class LessonView:
    """A lesson of the timetable. `to_come`: neither over nor cancelled, nor of a closed group.

    `viewer_leads`: whether the viewer teaches its group or substitutes in it.
    """

    id: LessonId
    organization_id: OrganizationId
    group: StudyGroupView
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    cancelled: bool
    substitute: ParticipantView | None
    to_come: bool
    viewer_leads: bool


@dataclass(frozen=True, slots=True)
class ChatDefaultsView:
    """What the window of a new chat begins with, once its study group is chosen."""

    subject: str
    group: str
    teachers: tuple[ParticipantView, ...]
    pupils: tuple[ParticipantView, ...]


@dataclass(frozen=True, slots=True)
class PeopleWanted:
    """Which people; the parents of a class's pupils and its class teacher are of that class too."""

    capacity: Capacity | None = None
    name_contains: str | None = None
    school_class: ClassId | None = None
    blocked: bool | None = None
    not_in_chat: ChatId | None = None


@dataclass(frozen=True, slots=True)
class StudyGroupsWanted:
    """Which study groups; `mine`: those that the viewer teaches."""

    name_contains: str | None = None
    school_class: ClassId | None = None
    subject: SubjectId | None = None
    mine: bool = False


@dataclass(frozen=True, slots=True)
class LessonsWanted:
    """Which lessons; the days are of the organization's calendar, both included."""

    first_day: date | None = None
    last_day: date | None = None
    study_group: GroupId | None = None
    school_class: ClassId | None = None
    chat: ChatId | None = None


class PeopleViews(Protocol):
    """What the viewer may see of people, classes, groups and lessons, which may be nothing (RIGHT-08, RIGHT-10)."""

    async def persons(self, ids: Sequence[ParticipantId]) -> Mapping[ParticipantId, PersonView]:
        """What each is at the school; the caller has made sure that the viewer may know it."""

    async def people(
        self, viewer: Viewer, organization: OrganizationId, wanted: PeopleWanted, window: Window
    ) -> Page[ParticipantView]:
        """By name: all who have a capacity now; for who picks nobody, those with whom they share a chat or conference.

        For these, `capacity` and `school_class` mean what they share: in that capacity, in that class's chats.
        """

    async def people_by_id(
        self, viewer: Viewer, ids: Sequence[ParticipantId]
    ) -> Mapping[ParticipantId, FoundPersonView]:
        """Those of the people of whom the viewer may know."""

    async def administrators(
        self, organizations: Sequence[OrganizationId], name_contains: str | None, window: Window
    ) -> Mapping[OrganizationId, Page[ParticipantView]]:
        """The «Администраторы» registries, by name (RIGHT-02); the caller has made sure that the viewer may see it."""

    async def school_classes(
        self, viewer: Viewer, organization: OrganizationId, window: Window
    ) -> Page[SchoolClassView]:
        """The open classes, by number and letter; for who sees no registry and picks nobody, their own."""

    async def school_classes_by_id(self, viewer: Viewer, ids: Sequence[ClassId]) -> Mapping[ClassId, SchoolClassView]:
        """Those of the classes of which the viewer may know: their own, and those of chats that they see."""

    async def subjects_by_id(self, viewer: Viewer, ids: Sequence[SubjectId]) -> Mapping[SubjectId, SubjectView]:
        """Those of the subjects of which the viewer may know: of their groups, and of chats that they see."""

    async def study_groups(
        self, viewer: Viewer, organization: OrganizationId, wanted: StudyGroupsWanted, window: Window
    ) -> Page[StudyGroupView]:
        """The open study groups, by name; for who neither views the registry nor fills in its forms, their own."""

    async def study_groups_by_id(self, viewer: Viewer, ids: Sequence[GroupId]) -> Mapping[GroupId, StudyGroupView]:
        """Those of the study groups, closed ones too, that the viewer may see."""

    async def teachers(self, groups: Sequence[GroupId]) -> Mapping[GroupId, Sequence[ParticipantView]]:
        """Who teaches each group, in the group's order."""

    async def classes_of_groups(self, groups: Sequence[GroupId]) -> Mapping[GroupId, Sequence[SchoolClassView]]:
        """The open classes of each group's pupils, by number and letter."""

    async def lessons(
        self, viewer: Viewer, organization: OrganizationId, wanted: LessonsWanted, window: Window
    ) -> Page[LessonView]:
        """The lessons, in order of time; for who views no registry, of their groups, and as a substitute."""

    async def lessons_by_id(self, viewer: Viewer, ids: Sequence[LessonId]) -> Mapping[LessonId, LessonView]:
        """Those of the lessons that the viewer may see."""

    async def chat_defaults(self, viewer: Viewer, group: GroupId) -> ChatDefaultsView | None:
        """For who may create chats in the group's organization; None for anybody else, and for a closed group."""
