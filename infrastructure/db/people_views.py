"""The reads of people, classes, groups and lessons on Postgres: one statement a page, no transaction."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from application.people_views import (
    ChatDefaultsView,
    ChildView,
    FoundPersonView,
    LessonsWanted,
    LessonView,
    PeopleWanted,
    PersonView,
    StudyGroupsWanted,
    StudyGroupView,
)
from application.views import Page, ParticipantView, SchoolClassView, SubjectView, Window
from domain.access import (
    MetaRole,
    OrganizationAction,
    Permission,
    Viewer,
    may_pick_people,
    organization_actions,
    sees_registry,
)
from domain.ids import ClassId, GroupId, LessonId, OrganizationId, ParticipantId, SubjectId
from domain.participant import Capacity, PositionKind
from infrastructure.db import people_statements as statements
from infrastructure.db.search import patterns

T = TypeVar("T")
Rows = Sequence[Row[Any]]

MOST_CHARACTERS = 200
_WANT_ALL_GROUPS = {
    Permission.REGISTRY_VIEW,
    Permission.CHAT_CREATE,
    Permission.CHAT_EDIT,
    Permission.CONFERENCE_CREATE,
}


class PostgresPeopleViews:
    """Implements `application.people_views.PeopleViews`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def persons(self, ids: Sequence[ParticipantId]) -> Mapping[ParticipantId, PersonView]:
        return {row.id: _person(row) for row in await self._rows(statements.PERSONS, ids=list(ids))}

    async def people(
        self, viewer: Viewer, organization: OrganizationId, wanted: PeopleWanted, window: Window
    ) -> Page[ParticipantView]:
        if may_pick_people(viewer, organization):
            statement = statements.PEOPLE.format(capable=_capable(wanted), conditions=_conditions(wanted))
        elif viewer.works_in(organization) and viewer.present_participant is not None:
            statement = _acquaintances(wanted)
        else:
            return Page((), 0)
        rows = await self._rows(
            statement,
            organization=organization,
            me=viewer.participant_id,
            registry=sees_registry(viewer, organization),
            capacity=wanted.capacity and str(wanted.capacity),
            patterns=_patterns(wanted.name_contains),
            school_class=wanted.school_class,
            blocked=wanted.blocked,
            not_in_chat=wanted.not_in_chat,
            **_of(window),
        )
        return _page(rows, _participant)

    async def people_by_id(
        self, viewer: Viewer, ids: Sequence[ParticipantId]
    ) -> Mapping[ParticipantId, FoundPersonView]:
        own = viewer.own_organization
        picks = _works_everywhere(viewer) or (own is not None and may_pick_people(viewer, own))
        rows = await self._rows(
            statements.PEOPLE_BY_ID if picks else statements.ACQUAINTANCES_BY_ID,
            ids=list(ids),
            me=viewer.participant_id,
            **_reach(viewer),
        )
        return {row.id: FoundPersonView(_participant(row), picks) for row in rows}

    async def administrators(
        self, organizations: Sequence[OrganizationId], name_contains: str | None, window: Window
    ) -> Mapping[OrganizationId, Page[ParticipantView]]:
        words = _patterns(name_contains)
        statement = statements.ADMINISTRATORS.format(conditions=statements.NAME_CONTAINS if words else "")
        rows = await self._rows(statement, organizations=list(organizations), patterns=words, **_of(window))
        by_organization = _by(rows, "organization_id")
        return {organization: _page(found, _participant) for organization, found in by_organization.items()}

    async def school_classes(
        self, viewer: Viewer, organization: OrganizationId, window: Window
    ) -> Page[SchoolClassView]:
        everything = may_pick_people(viewer, organization) or sees_registry(viewer, organization)
        if not everything and not _is_someone_in(viewer, organization):
            return Page((), 0)
        statement = statements.CLASSES.format(conditions="" if everything else statements.CLASS_OF_THEIRS)
        rows = await self._rows(statement, organization=organization, me=viewer.participant_id, **_of(window))
        return _page(rows, _school_class)

    async def school_classes_by_id(self, viewer: Viewer, ids: Sequence[ClassId]) -> Mapping[ClassId, SchoolClassView]:
        rows = await self._by_id(statements.CLASSES_BY_ID, viewer, ids, _picks_or_sees_registry(viewer))
        return {row.id: _school_class(row) for row in rows}

    async def subjects_by_id(self, viewer: Viewer, ids: Sequence[SubjectId]) -> Mapping[SubjectId, SubjectView]:
        rows = await self._by_id(statements.SUBJECTS_BY_ID, viewer, ids, _picks_or_sees_registry(viewer))
        return {row.id: SubjectView(row.id, row.name) for row in rows}

    async def study_groups(
        self, viewer: Viewer, organization: OrganizationId, wanted: StudyGroupsWanted, window: Window
    ) -> Page[StudyGroupView]:
        everything = viewer.works_in(organization) and _sees_all_groups(viewer)
        if not everything and not _is_someone_in(viewer, organization):
            return Page((), 0)
        words = _patterns(wanted.name_contains)
        conditions = [
            statements.GROUP_OF_THEIRS if not everything else "",
            statements.GROUP_NAME_CONTAINS if words else "",
            statements.GROUP_OF_CLASS if wanted.school_class is not None else "",
            statements.GROUP_OF_SUBJECT if wanted.subject is not None else "",
            statements.GROUP_TAUGHT if wanted.mine else "",
        ]
        rows = await self._rows(
            statements.GROUPS.format(conditions=" ".join(conditions)),
            organization=organization,
            me=viewer.present_participant,
            patterns=words,
            school_class=wanted.school_class,
            subject=wanted.subject,
            **_of(window),
        )
        return _page(rows, _study_group)

    async def study_groups_by_id(self, viewer: Viewer, ids: Sequence[GroupId]) -> Mapping[GroupId, StudyGroupView]:
        rows = await self._by_id(statements.GROUPS_BY_ID, viewer, ids, _sees_all_groups(viewer))
        return {row.id: _study_group(row) for row in rows}

    async def teachers(self, groups: Sequence[GroupId]) -> Mapping[GroupId, Sequence[ParticipantView]]:
        found = _by(await self._rows(statements.TEACHERS, groups=list(groups)), "group_id")
        return {group: [_participant(row) for row in found.get(group, ())] for group in groups}

    async def classes_of_groups(self, groups: Sequence[GroupId]) -> Mapping[GroupId, Sequence[SchoolClassView]]:
        found = _by(await self._rows(statements.CLASSES_OF_GROUPS, groups=list(groups)), "group_id")
        return {group: [_school_class(row) for row in found.get(group, ())] for group in groups}

    async def lessons(
        self, viewer: Viewer, organization: OrganizationId, wanted: LessonsWanted, window: Window
    ) -> Page[LessonView]:
        registry = sees_registry(viewer, organization)
        if not registry and not _is_someone_in(viewer, organization):
            return Page((), 0)
        conditions = [
            statements.LESSON_OF_THEIRS if not registry else "",
            statements.LESSON_FROM if wanted.first_day is not None else "",
            statements.LESSON_TO if wanted.last_day is not None else "",
            statements.LESSON_OF_GROUP if wanted.study_group is not None else "",
            statements.LESSON_OF_CLASS if wanted.school_class is not None else "",
            statements.LESSON_FOR_CHAT if wanted.chat is not None else "",
        ]
        rows = await self._rows(
            statements.LESSONS.format(conditions=" ".join(conditions)),
            organization=organization,
            me=viewer.present_participant,
            registry=registry,
            first_day=wanted.first_day,
            last_day=wanted.last_day,
            study_group=wanted.study_group,
            school_class=wanted.school_class,
            chat=wanted.chat,
            **_of(window),
        )
        return _page(rows, _lesson)

    async def lessons_by_id(self, viewer: Viewer, ids: Sequence[LessonId]) -> Mapping[LessonId, LessonView]:
        sees_all = Permission.REGISTRY_VIEW in viewer.permissions
        rows = await self._by_id(statements.LESSONS_BY_ID, viewer, ids, sees_all)
        return {row.id: _lesson(row) for row in rows}

    async def chat_defaults(self, viewer: Viewer, group: GroupId) -> ChatDefaultsView | None:
        rows = await self._rows(statements.CHAT_DEFAULTS, group=group)
        if not rows or OrganizationAction.CREATE_CHAT not in organization_actions(viewer, rows[0].organization_id):
            return None
        people = [row for row in rows if row.id is not None]
        return ChatDefaultsView(
            subject=rows[0].subject_name,
            group=rows[0].group_name,
            teachers=tuple(_participant(row) for row in people if row.teaches),
            pupils=tuple(_participant(row) for row in people if not row.teaches),
        )

    async def _by_id(self, statement: str, viewer: Viewer, ids: Sequence[Any], all_of_them: bool) -> Rows:
        """`all_of_them`: whether everything of the organizations in which the viewer works is open to them."""
        me = viewer.present_participant
        return await self._rows(statement, ids=list(ids), me=me, all_of_them=all_of_them, **_reach(viewer))

    async def _rows(self, statement: str, **parameters: object) -> Rows:
        async with self._engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).all()


def _capable(wanted: PeopleWanted) -> str:
    kinds = statements.CAPABLE if wanted.school_class is None else statements.CAPABLE_IN_CLASS
    return kinds[wanted.capacity] if wanted.capacity else " union ".join(kinds.values())


def _conditions(wanted: PeopleWanted) -> str:
    conditions = [
        statements.NAME_CONTAINS if _patterns(wanted.name_contains) else "",
        statements.BLOCKED if wanted.blocked is not None else "",
        statements.NOT_IN_CHAT if wanted.not_in_chat is not None else "",
    ]
    return " ".join(conditions)


def _acquaintances(wanted: PeopleWanted) -> str:
    in_capacity, of_class = wanted.capacity is not None, wanted.school_class is not None
    themselves = statements.THEMSELVES
    if in_capacity or of_class:
        themselves = statements.THEMSELVES_AMONG.format(capable=_capable(wanted))
    return statements.ACQUAINTANCES.format(
        as_member=statements.AS_MEMBER if in_capacity else "",
        as_participant=statements.AS_PARTICIPANT if in_capacity else "",
        of_class=statements.OF_CLASS if of_class else "",
        themselves=themselves,
        conditions=_conditions(wanted),
    )


def _patterns(name_contains: str | None) -> list[str]:
    return patterns((name_contains or "")[:MOST_CHARACTERS])


def _works_everywhere(viewer: Viewer) -> bool:
    return viewer.meta_role is MetaRole.SUPERADMINISTRATOR


def _is_someone_in(viewer: Viewer, organization: OrganizationId) -> bool:
    return viewer.works_in(organization) and viewer.present_participant is not None


def _picks_or_sees_registry(viewer: Viewer) -> bool:
    own = viewer.own_organization
    return _works_everywhere(viewer) or (
        own is not None and (may_pick_people(viewer, own) or sees_registry(viewer, own))
    )


def _sees_all_groups(viewer: Viewer) -> bool:
    return bool(_WANT_ALL_GROUPS & viewer.permissions)


def _reach(viewer: Viewer) -> dict[str, object]:
    return {"everywhere": _works_everywhere(viewer), "organization": viewer.own_organization}


def _of(window: Window) -> dict[str, object]:
    return {"first": window.first, "offset": window.offset}


def _page(rows: Rows, show: Callable[[Row[Any]], T]) -> Page[T]:
    """A row without an id says only how long the list is."""
    return Page([show(row) for row in rows if row.id is not None], rows[0].total)


def _by(rows: Rows, owner: str) -> dict[Any, list[Row[Any]]]:
    found = defaultdict[Any, list[Row[Any]]](list)
    for row in rows:
        found[row._mapping[owner]].append(row)
    return found


def _participant(row: Row[Any]) -> ParticipantView:
    return ParticipantView(row.id, row.full_name, row.blocked)


def _person(row: Row[Any]) -> PersonView:
    has = {
        Capacity.EMPLOYEE: row.positions is not None,
        Capacity.PUPIL: row.pupil,
        Capacity.PARENT: row.children is not None,
    }
    return PersonView(
        capacities=tuple(capacity for capacity in Capacity if has[capacity]),
        positions=tuple(PositionKind(kind) for kind in row.positions or ()),
        class_name=row.class_name,
        children=tuple(ChildView(*child) for child in row.children or ()),
        linked=row.linked,
    )


def _school_class(row: Row[Any]) -> SchoolClassView:
    teacher = None
    if row.teacher_id is not None:
        teacher = ParticipantView(row.teacher_id, row.teacher_name, row.teacher_blocked)
    return SchoolClassView(row.id, row.name, teacher)


def _study_group(row: Row[Any]) -> StudyGroupView:
    return StudyGroupView(row.id, row.name, SubjectView(row.subject_id, row.subject_name))


def _lesson(row: Row[Any]) -> LessonView:
    substitute = None
    if row.substitute_id is not None:
        substitute = ParticipantView(row.substitute_id, row.substitute_name, row.substitute_blocked)
    return LessonView(
        id=row.id,
        organization_id=row.organization_id,
        group=StudyGroupView(row.group_id, row.group_name, SubjectView(row.subject_id, row.subject_name)),
        time_zone=row.time_zone,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        cancelled=row.cancelled,
        substitute=substitute,
        to_come=row.to_come,
        viewer_leads=row.viewer_leads,
    )
