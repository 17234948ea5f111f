"""The reads of the public face on Postgres: one statement a page, each on a connection of its own, no transaction."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from application.views import (
    ALL_CONFERENCES,
    ALL_OPEN_CHATS,
    AS_CREATED,
    LATEST_FIRST,
    ChatFilter,
    ChatOrder,
    ChatView,
    Claims,
    GroundView,
    JoinView,
    MemberFilter,
    MembershipView,
    OnlineLessonView,
    OrganizationView,
    Page,
    ParticipantView,
    SchoolClassView,
    SubjectView,
    TakingPartFilter,
    TakingPartView,
    VideoconferenceDefaultsView,
    VideoconferenceFilter,
    VideoconferenceOrder,
    VideoconferenceView,
    ViewerView,
    Window,
)
from domain.access import (
    MetaRole,
    Permission,
    PlaceInChat,
    PlaceInConference,
    Viewer,
    conference_actions,
    may_create_conference,
    may_pick_people,
    may_see_chat,
    may_see_conference,
    may_see_link,
    sees_registry,
)
from domain.account_link import AccountLinkStatus
from domain.chat import Chat, ChatType, GroundKind, MembershipRole
from domain.ids import ChatId, LessonId, OrganizationId, ParticipantId, PersonId, VideoconferenceId
from domain.lesson import Lesson
from domain.mirror import SferumState
from domain.participant import Capacity
from domain.participation import kinds_that_take_part
from domain.roster import StudyGroup
from domain.videoconference import FailureReason, FinishedBy, VideoconferenceStatus, VideoconferenceType
from domain.videoconference_form import defaults
from infrastructure.db import chat_statements, conference_statements, statements
from infrastructure.db.chats import kind_from_row
from infrastructure.db.search import patterns

T = TypeVar("T")
Rows = Sequence[Row[Any]]


class PostgresViews:
    """Implements `application.views.Views`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def viewer(self, claims: Claims) -> ViewerView:
        row = (
            await self._rows(statements.VIEWER, organization=claims.organization_school_id, person=claims.person_id)
        )[0]
        return _viewer(claims, row)

    async def name_of_account(self, person: PersonId) -> str | None:
        rows = await self._rows(statements.NAME_OF_ACCOUNT, person=person)
        return rows[0].name if rows else None

    async def organizations(
        self, viewer: Viewer, window: Window, *, name_contains: str | None = None
    ) -> Page[OrganizationView]:
        return await self._organizations(viewer, None, name_contains, window)

    async def organization(self, viewer: Viewer, id: OrganizationId) -> OrganizationView | None:
        return next(iter((await self._organizations(viewer, id, None, Window(1, 0))).items), None)

    async def chats(
        self,
        viewer: Viewer,
        organization: OrganizationId,
        window: Window,
        *,
        which: ChatFilter = ALL_OPEN_CHATS,
        order: ChatOrder = AS_CREATED,
    ) -> Page[ChatView]:
        if not viewer.works_in(organization):
            return Page((), 0)
        registry = viewer.may(Permission.REGISTRY_VIEW, organization)
        rows = await self._rows(
            chat_statements.chats(which, order, registry=registry),
            organization=organization,
            me=viewer.participant_id,
            patterns=patterns(which.name_contains),
            types=[str(type) for type in which.types or ()],
            school_class=which.school_class,
            subject=which.subject,
            first=window.first,
            offset=window.offset,
        )
        return Page([_chat(row) for row in rows if row.id is not None], rows[0].total)

    async def chats_by_id(self, viewer: Viewer, ids: Sequence[ChatId]) -> Mapping[ChatId, ChatView]:
        rows = await self._rows(
            chat_statements.CHATS_BY_ID,
            ids=list(ids),
            me=viewer.participant_id,
            registry=Permission.REGISTRY_VIEW in viewer.permissions,
            **_reach(viewer),
        )
        return {row.id: _chat(row) for row in rows}

    async def members(
        self, chats: Sequence[ChatId], which: MemberFilter, window: Window
    ) -> Mapping[ChatId, Page[MembershipView]]:
        rows = await self._rows(
            chat_statements.members(which),
            chats=list(chats),
            capacity=which.capacity and str(which.capacity),
            patterns=patterns(which.name_contains),
            sferum_state=which.sferum_state and str(which.sferum_state),
            asked_of=which.asked_of,
            first=window.first,
            offset=window.offset,
        )
        return _pages(rows, "chat_id", _membership)

    async def videoconferences(
        self,
        viewer: Viewer,
        organization: OrganizationId,
        window: Window,
        *,
        which: VideoconferenceFilter = ALL_CONFERENCES,
        order: VideoconferenceOrder = LATEST_FIRST,
    ) -> Page[VideoconferenceView]:
        registry, me = sees_registry(viewer, organization), viewer.participant_id
        if not viewer.works_in(organization) or not (registry or me):
            return Page((), 0)
        rows = await self._rows(
            conference_statements.conferences(which, order, registry=registry, is_participant=me is not None),
            organization=organization,
            me=me,
            patterns=patterns(which.name_contains),
            statuses=[str(status) for status in which.statuses or ()],
            types=[str(type) for type in which.types or ()],
            chat=which.chat,
            lesson=which.lesson,
            start=which.start,
            end=which.end,
            first=window.first,
            offset=window.offset,
        )
        return Page([_for_viewer(viewer, row) for row in rows if row.id is not None], rows[0].total)

    async def videoconference(self, viewer: Viewer, id: VideoconferenceId) -> VideoconferenceView | None:
        return (await self.videoconferences_by_id(viewer, [id])).get(id)

    async def videoconferences_by_id(
        self, viewer: Viewer, ids: Sequence[VideoconferenceId]
    ) -> Mapping[VideoconferenceId, VideoconferenceView]:
        rows = await self._rows(
            conference_statements.CONFERENCES_BY_ID, ids=list(ids), me=viewer.participant_id, **_reach(viewer)
        )
        return {
            row.id: _for_viewer(viewer, row) for row in rows if may_see_conference(viewer, _place_in_conference(row))
        }

    async def taking_part(
        self, viewer: Viewer, videoconferences: Sequence[VideoconferenceId], which: TakingPartFilter, window: Window
    ) -> Mapping[VideoconferenceId, Page[TakingPartView]]:
        statement = conference_statements.taking_part(which, picks=_picks(viewer))
        return await self._taking_part(statement, viewer, videoconferences, which, window)

    async def joins(
        self, videoconferences: Sequence[VideoconferenceId], window: Window
    ) -> Mapping[VideoconferenceId, Page[JoinView]]:
        rows = await self._rows(
            conference_statements.JOINS,
            videoconferences=list(videoconferences),
            first=window.first,
            offset=window.offset,
        )
        return _pages(rows, "videoconference_id", _join)

    async def online_lessons(self, viewer: Viewer, lessons: Sequence[LessonId]) -> Mapping[LessonId, OnlineLessonView]:
        rows = await self._rows(
            conference_statements.ONLINE_LESSONS, lessons=list(lessons), me=viewer.participant_id, **_reach(viewer)
        )
        found: dict[LessonId, OnlineLessonView] = {}
        for row in rows:
            sees = may_see_conference(viewer, _place_in_conference(row))
            found[row.lesson_id] = OnlineLessonView(row.unfinished, _for_viewer(viewer, row) if sees else None)
        return found

    async def videoconference_defaults(
        self, viewer: Viewer, type: VideoconferenceType, chat: ChatId, lesson: LessonId | None
    ) -> VideoconferenceDefaultsView | None:
        rows = await self._rows(
            conference_statements.DEFAULTS,
            chat=chat,
            lesson=lesson,
            me=viewer.present_participant,
            registry=Permission.REGISTRY_VIEW in viewer.permissions,
            **_reach(viewer),
        )
        if not rows or rows[0].archived:
            return None
        place = _place_in_chat(rows[0])
        if not (may_see_chat(viewer, place) and may_create_conference(viewer, place)):
            return None
        return _defaults(type, rows[0])

    async def default_participants(
        self, viewer: Viewer, defaults: VideoconferenceDefaultsView, which: TakingPartFilter, window: Window
    ) -> Page[TakingPartView]:
        statement = conference_statements.taking_part(which, picks=True, by_default=True)
        kinds = [str(kind) for kind in kinds_that_take_part(defaults.type, defaults.chat_type)]
        pages = await self._taking_part(
            statement, viewer, [defaults.chat], which, window, kinds=kinds, lesson=defaults.lesson
        )
        return pages[defaults.chat]

    async def _organizations(
        self, viewer: Viewer, id: OrganizationId | None, name_contains: str | None, window: Window
    ) -> Page[OrganizationView]:
        rows = await self._rows(
            statements.ORGANIZATIONS,
            everything=viewer.meta_role is MetaRole.SUPERADMINISTRATOR,
            own=viewer.own_organization,
            id=id,
            patterns=patterns(name_contains),
            first=window.first,
            offset=window.offset,
        )
        return Page([_organization(row) for row in rows if row.id is not None], rows[0].total)

    async def _taking_part(
        self,
        statement: str,
        viewer: Viewer,
        owners: Sequence[UUID],
        which: TakingPartFilter,
        window: Window,
        **more: object,
    ) -> dict[Any, Page[TakingPartView]]:
        rows = await self._rows(
            statement,
            owners=list(owners),
            me=viewer.participant_id,
            registry=Permission.REGISTRY_VIEW in viewer.permissions,
            capacity=which.capacity and str(which.capacity),
            patterns=patterns(which.name_contains),
            school_class=which.school_class,
            blocked=which.blocked,
            not_in_chat=which.not_in_chat,
            first=window.first,
            offset=window.offset,
            **_reach(viewer),
            **more,
        )
        return _pages(rows, "owner", _takes_part)

    async def _rows(self, statement: str, **parameters: object) -> Rows:
        async with self._engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).all()


def conference_view(row: Mapping[str, Any], viewer: Viewer, place: PlaceInConference) -> VideoconferenceView:
    """The picture of a conference for a viewer in that place; a link exists while it is active (CONF-12)."""
    status = VideoconferenceStatus(row["status"])
    shows_link = status is VideoconferenceStatus.ACTIVE and may_see_link(viewer, place)
    return VideoconferenceView(
        id=row["id"],
        organization_id=row["organization_id"],
        time_zone=row["time_zone"],
        name=row["name"],
        type=VideoconferenceType(row["type"]),
        chat_id=row["chat_id"],
        chat_name=row["chat_name"],
        lesson_id=row["lesson_id"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        status=status,
        active_since=row["active_since"],
        finished_at=row["finished_at"],
        finished_by=FinishedBy(row["finished_by"]) if row["finished_by"] else None,
        failure=FailureReason(row["failure"]) if row["failure"] else None,
        start_problem=FailureReason(row["start_problem"]) if row["start_problem"] else None,
        link=row["link"] if shows_link else None,
        version=row["version"],
        actions=conference_actions(viewer, place, status),
        minutes_left_notice=row["minutes_left_notice"],
    )


def read_image(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a conference as an entry of the outbox keeps it, with ids and instants again."""

    def value(name: str, plain: Any) -> Any:
        if plain is None:
            return None
        if name == "id" or name.endswith("_id") or name == "made_by":
            return UUID(plain)
        return datetime.fromisoformat(plain) if name.endswith("_at") or name == "active_since" else plain

    return {name: value(name, plain) for name, plain in payload.items()}


def _pages(rows: Rows, whose: str, show: Callable[[Row[Any]], T]) -> dict[Any, Page[T]]:
    """A page for each value of the column `whose`; a row without an id says only how long a list is."""
    items, totals = defaultdict[Any, list[T]](list), dict[Any, int]()
    for row in rows:
        owner = row._mapping[whose]
        totals[owner] = row.total
        if row.id is not None:
            items[owner].append(show(row))
    return {owner: Page(items[owner], total) for owner, total in totals.items()}


def _reach(viewer: Viewer) -> dict[str, object]:
    return {"everywhere": viewer.meta_role is MetaRole.SUPERADMINISTRATOR, "own": viewer.own_organization}


def _picks(viewer: Viewer) -> bool:
    """Whether the pickers show them the people of every organization in which they work."""
    own = viewer.own_organization
    return viewer.meta_role is MetaRole.SUPERADMINISTRATOR or (own is not None and may_pick_people(viewer, own))


def _for_viewer(viewer: Viewer, row: Row[Any]) -> VideoconferenceView:
    return conference_view(dict(row._mapping), viewer, _place_in_conference(row))


def _place_in_conference(row: Row[Any]) -> PlaceInConference:
    chat = PlaceInChat(
        organization_id=row.organization_id,
        type=ChatType(row.chat_type),
        archived=row.chat_archived,
        role=MembershipRole(row.viewer_role) if row.viewer_role else None,
        teaches=bool(row.viewer_teaches),
    )
    return PlaceInConference(bool(row.viewer_takes_part), chat, bool(row.viewer_leads_lesson))


def _viewer(claims: Claims, row: Row[Any]) -> ViewerView:
    # A Superadministrator works in all organizations, a service account is no person (api.md, HTTP).
    if claims.superadministrator:
        meta_role: MetaRole | None = MetaRole.SUPERADMINISTRATOR
    elif claims.roster_service or not row.employee:
        meta_role = None
    elif row.organization_administrator:
        meta_role = MetaRole.ORGANIZATION_ADMINISTRATOR
    elif row.chat_administrator_id == row.participant_id:
        meta_role = MetaRole.CHAT_ADMINISTRATOR
    else:
        meta_role = None
    is_person = row.participant_id is not None and not claims.roster_service
    known = row.organization_id is not None and not claims.roster_service
    status = AccountLinkStatus.NOT_LINKED
    if row.linked:
        status = AccountLinkStatus.LINKED if row.link_works else AccountLinkStatus.BROKEN
    return ViewerView(
        viewer=Viewer(
            person_id=claims.person_id,
            organization_id=row.organization_id,
            participant_id=row.participant_id if is_person else None,
            blocked=bool(row.blocked),
            meta_role=meta_role,
            granted=frozenset(Permission(name) for name in row.permissions) if is_person else frozenset(),
            teaches_somewhere=is_person and row.teaches_somewhere,
            roster_service=claims.roster_service,
        ),
        participant=ParticipantView(row.participant_id, row.full_name, row.blocked) if is_person else None,
        organization=OrganizationView(
            row.organization_id, row.organization_name, row.time_zone, _person(row, "chat_administrator_id")
        )
        if known
        else None,
        link_status=status,
        profile_name=row.display_name,
        linked_at=row.linked_at,
    )


def _organization(row: Row[Any]) -> OrganizationView:
    return OrganizationView(row.id, row.name, row.time_zone, _person(row, "chat_administrator_id"))


def _person(row: Row[Any], id_column: str, prefix: str = "administrator") -> ParticipantView | None:
    columns = row._mapping
    id: ParticipantId | None = columns[id_column]
    if id is None:
        return None
    return ParticipantView(id, columns[f"{prefix}_name"], columns[f"{prefix}_blocked"])


def _chat(row: Row[Any]) -> ChatView:
    school_class = None
    if row.class_id is not None:
        school_class = SchoolClassView(row.class_id, row.class_name, _person(row, "teacher_id", "teacher"))
    return ChatView(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        type=ChatType(row.type),
        school_class=school_class,
        subject=SubjectView(row.subject_id, row.subject_name) if row.subject_id is not None else None,
        study_group=row.group_id,
        member_count=row.member_count,
        administrator=_person(row, "administrator_id"),
        archived=row.archived,
        version=row.version,
        place=_place_in_chat(row),
    )


def _place_in_chat(row: Row[Any]) -> PlaceInChat:
    return PlaceInChat(
        organization_id=row.organization_id,
        type=ChatType(row.type),
        archived=row.archived,
        role=MembershipRole(row.viewer_role) if row.viewer_role else None,
        teaches=bool(row.viewer_teaches),
    )


def _membership(row: Row[Any]) -> MembershipView:
    pupils = row.pupils or {}
    return MembershipView(
        participant=ParticipantView(row.id, row.full_name, row.blocked),
        role=MembershipRole(row.role),
        capacities=tuple(Capacity(capacity) for capacity in row.capacities),
        grounds=tuple(
            GroundView(
                kind=GroundKind(ground["kind"]),
                capacity=Capacity(ground["capacity"]),
                pupil=ParticipantView(
                    ParticipantId(UUID(ground["pupil"])),
                    pupils[ground["pupil"]]["name"],
                    pupils[ground["pupil"]]["blocked"],
                )
                if ground["pupil"]
                else None,
                since=datetime.fromisoformat(ground["since"]),
            )
            for ground in row.grounds
        ),
        sferum_state=SferumState(row.sferum_state),
        invite_link=row.invite_link,
    )


def _takes_part(row: Row[Any]) -> TakingPartView:
    person = ParticipantView(row.id, row.full_name, row.blocked)
    return TakingPartView(person, tuple(Capacity(kind) for kind in row.kinds))


def _join(row: Row[Any]) -> JoinView:
    return JoinView(ParticipantView(row.id, row.full_name, row.blocked), row.at)


def _defaults(type: VideoconferenceType, row: Row[Any]) -> VideoconferenceDefaultsView:
    chat = Chat(id=row.id, organization_id=row.organization_id, kind=kind_from_row(row), name=row.name)
    lesson = group = None
    if row.lesson_id is not None and type is VideoconferenceType.ONLINE_LESSON:
        organization, starts_at, ends_at = row.organization_id, row.starts_at, row.ends_at
        lesson = Lesson(organization, row.lesson_school_id, row.lesson_group_id, starts_at, ends_at)
        group = StudyGroup(organization, row.school_group_id, row.group_name, row.subject_name)
    return VideoconferenceDefaultsView(
        type=type,
        chat=row.id,
        chat_type=chat.type,
        lesson=None if lesson is None else row.lesson_id,
        time_zone=row.time_zone,
        defaults=defaults(type, chat, lesson, group, ZoneInfo(row.time_zone)),
    )
