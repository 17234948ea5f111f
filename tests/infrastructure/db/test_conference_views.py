"""The registry of conferences and the journal on Postgres: to each viewer what is theirs to see, and no more read."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from application.ports import Begin
from application.views import (
    ALL_CONFERENCES,
    LATEST_FIRST,
    Page,
    TakingPartFilter,
    TakingPartView,
    VideoconferenceFilter,
    VideoconferenceOrder,
    VideoconferenceOrderField,
    VideoconferenceView,
    Window,
)
from domain.access import MetaRole, Permission, VideoconferenceAction, Viewer
from domain.audit import SCHEDULE
from domain.chat import Chat, ChatKind, OtherChat
from domain.ids import CallId, ChatId, LessonId, OrganizationId
from domain.lesson import Lesson
from domain.organization import Organization
from domain.participant import Capacity, PositionKind
from domain.participation import default_participants
from domain.roster import Roster
from domain.videoconference import (
    Active,
    Failed,
    FailureReason,
    Finished,
    FinishedBy,
    Videoconference,
    VideoconferenceType,
)
from domain.videoconference import VideoconferenceStatus as Status
from infrastructure.db import conference_statements, tables
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.db.videoconferences import to_row
from infrastructure.db.views import PostgresViews
from infrastructure.settings import load_settings
from tests.builders import (
    LINK,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    OTHER_SCHOOL,
    SCHOOL,
    a_chat,
    a_lesson,
    a_roster,
    a_videoconference,
    a_viewer,
    class_chat,
    class_of,
    parents_chat,
    participant,
    put,
    subject_chat,
)

ALL = Window(100, 0)
EMPLOYEE, PUPIL, PARENT = Capacity
ONLINE_LESSON, VIDEO_CALL = VideoconferenceType
TEACHING = (PositionKind.PEDAGOGICAL,)
DAY = timedelta(days=1)

READER = a_viewer("secretary", granted={Permission.REGISTRY_VIEW})
EVERYWHERE = a_viewer("superadmin", organization=None, meta_role=MetaRole.SUPERADMINISTRATOR)
STRANGER = a_viewer("stranger", organization=OTHER_SCHOOL, meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR)


def the_school(organization: OrganizationId = SCHOOL) -> Roster:
    """8 К with a half that learns algebra, 9 with a group of both classes, and people of every capacity."""
    return a_roster(
        organization=organization,
        blocked=["truant"],
        employees=dict.fromkeys(("secretary", "class-teacher", "algebraist", "substitute", "gone", "idle"), TEACHING),
        pupils={"anna": "8 К", "boris": "8 К", "truant": "8 К", "vera": "9"},
        parents={"father": ["anna"], "class-teacher": ["vera"]},
        class_teachers={"8 К": "class-teacher"},
        groups={"8 К алгебра": ["anna", "truant"], "химия": ["boris", "vera"]},
        group_teachers={"8 К алгебра": ["algebraist"], "химия": ["gone"]},
    )


@dataclass
class School:
    """The school in its database, beside another one that is the same."""

    views: PostgresViews
    begin: Begin
    engine: AsyncEngine
    chats: dict[str, Chat]

    async def hold(self, *conferences: Videoconference, lessons: Iterable[Lesson] = ()) -> None:
        await put(self.begin, lessons=list(lessons), conferences=conferences)

    async def names(self, viewer: Viewer, organization: OrganizationId = SCHOOL, **wanted: Any) -> list[str]:
        """What the viewer finds, in the order found."""
        return [view.name for view in (await self.page(viewer, organization, **wanted)).items]

    async def page(
        self,
        viewer: Viewer,
        organization: OrganizationId = SCHOOL,
        *,
        order: VideoconferenceOrder = LATEST_FIRST,
        window: Window = ALL,
        **which: Any,
    ) -> Page[VideoconferenceView]:
        return await self.views.videoconferences(
            viewer, organization, window, which=VideoconferenceFilter(**which), order=order
        )


@pytest.fixture
async def school(database_url: str) -> AsyncIterator[School]:
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    begin = units_of_work(engine, Cipher(Fernet.generate_key().decode()))
    for organization, school_id in ((OTHER_SCHOOL, "other school"), (SCHOOL, "school")):
        roster = the_school(organization)
        kinds: dict[str, ChatKind] = {
            "8 К": class_chat("8 К"),
            "8 К Родители": parents_chat("8 К"),
            "Алгебра": subject_chat("8 К алгебра"),
            "Химия": subject_chat("химия"),
            "Кружок": OtherChat(),
        }
        if organization == OTHER_SCHOOL:
            kinds = {"Кружок": OtherChat()}
        chats = {
            name: a_chat(kind, roster=roster, name=name, organization=organization) for name, kind in kinds.items()
        }
        await put(
            begin,
            organization=Organization(school_id=school_id, name="Школа", time_zone="Europe/Moscow"),
            roster=roster,
            chats=list(chats.values()),
        )
    yield School(PostgresViews(engine), begin, engine, chats)
    await engine.dispose()


def held(name: str, chat: Chat, *, day: int = 0, **more: Any) -> Videoconference:
    """A conference of that name, so many days after Monday."""
    conference = a_videoconference(chat=chat, start=MONDAY_0830 + day * DAY, end=MONDAY_0915 + day * DAY, **more)
    conference.name = name
    return conference


def finished(conference: Videoconference, *people: tuple[str, Capacity]) -> Videoconference:
    """The same, over, with those people at its end (CONF-25)."""
    conference.phase = Finished(conference.slot.start, conference.slot.end, FinishedBy.SCHEDULE)
    conference.freeze(frozenset((participant(person), capacity) for person, capacity in people))
    return conference


def active(conference: Videoconference) -> Videoconference:
    """The same, while it runs."""
    conference.phase = Active(conference.slot.start, CallId(uuid4()), LINK)
    return conference


def as_(person: str, **more: Any) -> Viewer:
    return a_viewer(person, **more)


async def fill(school: School) -> dict[str, Videoconference]:
    """One of each status and type, in several chats, on several days."""
    chats = school.chats
    algebra, chemistry = a_lesson("a"), a_lesson("c", group="химия", starts_at=MONDAY_0830 + DAY)
    conferences = [
        held("Урок 10", chats["Алгебра"], type=ONLINE_LESSON, lesson=algebra, day=2),
        finished(held("Урок 9", chats["Химия"], type=ONLINE_LESSON, lesson=chemistry, day=-3), ("boris", PUPIL)),
        held("Собрание: 100% «а_б»", chats["8 К Родители"], day=1),
        active(held("Классный час", chats["8 К"])),
        held("Ёлка", chats["Кружок"], day=2, added={"idle": EMPLOYEE}),
        held("Не было", chats["8 К"], day=-1, phase=Failed(MONDAY_0900, FailureReason.SERVICE_DOWN)),
    ]
    deleted = held("Удалённая", chats["8 К"])
    await school.hold(*conferences, deleted, lessons=[algebra, replace(chemistry, ends_at=MONDAY_0915 + DAY)])
    async with school.begin(SCHEDULE) as uow:
        found = await uow.videoconferences.find(deleted.id, lock=True)
        assert found is not None
        found.delete(at=MONDAY_0900)
        await uow.videoconferences.save(found)
    return {conference.name: conference for conference in conferences}


@pytest.mark.rule("CONF-01")
@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({}, {"Урок 10", "Ёлка", "Собрание: 100% «а_б»", "Классный час", "Не было", "Урок 9"}),
        ({"name_contains": "УРОК"}, {"Урок 10", "Урок 9"}),
        ({"name_contains": "час классн"}, {"Классный час"}),
        ({"name_contains": "елка"}, {"Ёлка"}),
        ({"name_contains": "%"}, {"Собрание: 100% «а_б»"}),
        ({"name_contains": "Удалённая"}, set()),
        ({"statuses": (Status.ACTIVE,)}, {"Классный час"}),
        ({"statuses": (Status.FINISHED, Status.FAILED)}, {"Урок 9", "Не было"}),
        ({"statuses": ()}, set()),
        ({"types": (ONLINE_LESSON,)}, {"Урок 10", "Урок 9"}),
        ({"types": (VIDEO_CALL,), "statuses": (Status.SCHEDULED,)}, {"Ёлка", "Собрание: 100% «а_б»"}),
        ({"start": MONDAY_0915 + DAY}, {"Урок 10", "Ёлка"}),
        ({"start": MONDAY_0915 - timedelta(seconds=1), "end": MONDAY_0830 + DAY}, {"Классный час"}),
        ({"start": MONDAY_0900, "end": MONDAY_0900}, {"Классный час"}),
        ({"end": MONDAY_0830}, {"Урок 9", "Не было"}),
        ({"chat": ChatId(uuid4())}, set()),
    ],
)
async def test_the_registry_is_narrowed_by_name_status_type_and_period(
    school: School, which: Mapping[str, Any], found: set[str]
) -> None:
    await fill(school)

    assert set(await school.names(READER, **which)) == found
    assert set(await school.names(EVERYWHERE, **which)) == found
    assert await school.names(STRANGER, **which) == []


@pytest.mark.rule("CONF-01")
async def test_the_registry_is_narrowed_to_a_chat_and_to_a_lesson(school: School) -> None:
    conferences = await fill(school)
    lesson = conferences["Урок 10"].lesson_id

    assert set(await school.names(READER, chat=school.chats["8 К"].id)) == {"Классный час", "Не было"}
    assert await school.names(READER, lesson=lesson) == ["Урок 10"]
    assert await school.names(READER, lesson=lesson, chat=school.chats["8 К"].id) == []


@pytest.mark.rule("CONF-01")
@pytest.mark.parametrize(
    ("field", "ascending"),
    [
        ("STARTS_AT", ["Урок 9", "Не было", "Классный час", "Собрание: 100% «а_б»", {"Урок 10", "Ёлка"}]),
        ("ENDS_AT", ["Урок 9", "Не было", "Классный час", "Собрание: 100% «а_б»", {"Урок 10", "Ёлка"}]),
        ("NAME", ["Ёлка", "Классный час", "Не было", "Собрание: 100% «а_б»", "Урок 9", "Урок 10"]),
        ("TYPE", [{"Урок 9", "Урок 10"}, {"Ёлка", "Классный час", "Не было", "Собрание: 100% «а_б»"}]),
        ("CHAT", [{"Классный час", "Не было"}, "Собрание: 100% «а_б»", "Урок 10", "Ёлка", "Урок 9"]),
        ("STATUS", [{"Урок 10", "Ёлка", "Собрание: 100% «а_б»"}, "Классный час", "Урок 9", "Не было"]),
    ],
)
async def test_the_registry_is_sorted_by_each_column_both_ways_and_what_is_equal_by_id(
    school: School, field: str, ascending: list[str | set[str]]
) -> None:
    conferences = await fill(school)
    column = VideoconferenceOrderField(field)
    ids = {name: conference.id.bytes for name, conference in conferences.items()}

    up = await school.names(READER, order=VideoconferenceOrder(column))
    down = await school.names(READER, order=VideoconferenceOrder(column, descending=True))

    assert up == list(spread(ascending, ids))
    assert down == list(spread(reversed(ascending), ids))


def spread(groups: Iterable[str | set[str]], ids: Mapping[str, bytes]) -> Iterator[str]:
    for group in groups:
        yield from [group] if isinstance(group, str) else sorted(group, key=ids.__getitem__)


@pytest.mark.rule("CONF-01")
async def test_by_lesson_it_is_sorted_by_group_and_start_and_those_without_one_come_last_either_way(
    school: School,
) -> None:
    later, sooner = a_lesson("later", starts_at=MONDAY_0830 + DAY, ends_at=MONDAY_0915 + DAY), a_lesson("sooner")
    chemistry = a_lesson("chemistry", group="химия")
    algebra, none = school.chats["Алгебра"], school.chats["Кружок"]
    await school.hold(
        held("later", algebra, type=ONLINE_LESSON, lesson=later, day=-5),
        held("sooner", algebra, type=ONLINE_LESSON, lesson=sooner),
        held("chemistry", school.chats["Химия"], type=ONLINE_LESSON, lesson=chemistry, day=3),
        held("none", none, type=ONLINE_LESSON),
        lessons=[later, sooner, chemistry],
    )
    by_lesson = VideoconferenceOrder(VideoconferenceOrderField.LESSON)

    assert await school.names(READER, order=by_lesson) == ["sooner", "later", "chemistry", "none"]
    assert await school.names(READER, order=replace(by_lesson, descending=True)) == [
        *("chemistry", "later", "sooner", "none")
    ]


@pytest.mark.rule("CONF-01")
async def test_pages_put_together_are_the_whole_list_and_tell_its_length(school: School) -> None:
    await fill(school)

    for viewer in (READER, as_("class-teacher")):
        whole = await school.names(viewer)
        pages = [await school.page(viewer, window=Window(2, offset)) for offset in range(0, 8, 2)]
        assert [view.name for page in pages for view in page.items] == whole
        assert {page.total for page in pages} == {len(whole)}


PEOPLE = {
    "anna": {"Урок 10", "Классный час", "Не было"},
    "boris": {"Классный час", "Не было", "Урок 9"},
    "vera": set[str](),
    "father": {"Собрание: 100% «а_б»"},
    "class-teacher": {"Классный час", "Не было", "Собрание: 100% «а_б»"},
    "algebraist": {"Урок 10"},
    "gone": {"Урок 9"},
    "idle": {"Ёлка"},
    "truant": {"Урок 10", "Классный час", "Не было"},
    "secretary": set[str](),
}


@pytest.mark.rule("RIGHT-06")
@pytest.mark.parametrize("person", PEOPLE)
async def test_who_may_not_view_the_registry_sees_what_they_take_part_in_administer_or_teach(
    school: School, person: str
) -> None:
    conferences = await fill(school)
    viewer = as_(person)

    listed = await school.page(viewer)
    one_by_one = await school.views.videoconferences_by_id(viewer, [each.id for each in conferences.values()])

    assert {view.name for view in listed.items} == PEOPLE[person]
    # The same by id, and looking the same.
    assert {view.id: view for view in listed.items} == one_by_one


@pytest.mark.rule("RIGHT-06", "CONF-25")
async def test_the_list_and_the_single_reads_agree_whatever_brings_the_people_in(school: School) -> None:
    lessons = [a_lesson("s", substitute="substitute"), a_lesson("g"), a_lesson("old", substitute="substitute")]
    lessons.append(a_lesson("two", group="химия"))
    of_group = held("группа", school.chats["8 К"], type=ONLINE_LESSON, lesson=lessons[1])
    # Vera is in the group and not in the class's chat, as one who has changed classes.
    of_two = held("двое", school.chats["8 К"], type=ONLINE_LESSON, lesson=lessons[3])
    of_group.of_group = of_two.of_group = True
    await school.hold(
        held("замена", school.chats["8 К"], type=ONLINE_LESSON, lesson=lessons[0]),
        of_group,
        of_two,
        finished(held("прошла", school.chats["8 К"], type=ONLINE_LESSON, lesson=lessons[2]), ("vera", PUPIL)),
        held("без Анны", school.chats["8 К"], removed=["anna"]),
        held("с Верой", school.chats["8 К Родители"], added={"vera": PUPIL, "idle": EMPLOYEE}, removed=["idle"]),
        lessons=lessons,
    )
    ids = [view.id for view in (await school.page(READER)).items]
    seen = {}

    for person in ("anna", "boris", "vera", "father", "substitute", "algebraist", "class-teacher", "idle"):
        by_id = await school.views.videoconferences_by_id(as_(person), ids)
        assert {view.id: view for view in (await school.page(as_(person))).items} == by_id
        seen[person] = {view.name for view in by_id.values()}

    assert seen == {
        "anna": {"замена", "группа"},
        "boris": {"замена", "двое", "без Анны"},
        "vera": {"прошла", "двое", "с Верой"},
        "father": {"с Верой"},
        "substitute": {"замена", "прошла"},
        "algebraist": {"замена", "группа", "прошла"},
        "class-teacher": {"замена", "группа", "двое", "прошла", "без Анны", "с Верой"},
        "idle": set(),
    }


@pytest.mark.rule("RIGHT-08")
async def test_nobody_sees_anything_of_another_school(school: School) -> None:
    conferences = await fill(school)
    ids, lessons = [each.id for each in conferences.values()], [lesson_of(conferences["Урок 10"])]
    chat = school.chats["8 К"].id

    assert (await school.page(STRANGER)).total == 0
    assert (await school.page(replace(READER, organization_id=OTHER_SCHOOL))).total == 0
    assert await school.views.videoconferences_by_id(STRANGER, ids) == {}
    assert await school.views.online_lessons(STRANGER, lessons) == {}
    assert await school.views.videoconference_defaults(STRANGER, VIDEO_CALL, chat, None) is None


def lesson_of(conference: Videoconference) -> LessonId:
    assert conference.lesson_id is not None
    return conference.lesson_id


@pytest.mark.rule("RIGHT-06")
async def test_a_pupils_page_reads_their_conferences_and_not_those_of_the_whole_school(school: School) -> None:
    mine = [finished(held("Моя", school.chats["8 К"], day=-day), ("anna", PUPIL)) for day in range(1, 31)]
    await school.hold(*mine)
    others = [a_chat() for _ in range(200)]
    await put(school.begin, chats=others)
    rows = [to_row(finished(held("Чужая", chat, day=-9))) | {"revision": 1} for chat in others]
    async with school.engine.begin() as connection:
        await connection.execute(
            insert(tables.videoconferences), [row | {"id": uuid4()} for row in rows for _ in range(100)]
        )
    asked = {"organization": SCHOOL, "me": participant("anna"), "first": 24, "offset": 0}

    async with school.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("vacuum analyze"))
        plans = []
        for order in VideoconferenceOrderField:
            statement = conference_statements.conferences(
                ALL_CONFERENCES, VideoconferenceOrder(order), registry=False, is_participant=True
            )
            explained = await connection.execute(text(f"explain (analyze, format json) {statement}"), asked)
            plans.append(explained.scalar_one()[0]["Plan"])

    assert (await school.page(as_("anna"))).total == 30
    # Each of the thirty is looked up some times; the twenty thousand are not.
    assert max(rows_read(plan, "videoconferences") for plan in plans) < 500


def rows_read(plan: Any, table: str) -> int:
    """How many rows of the table the plan's scans looked at."""
    own = 0
    if plan.get("Relation Name") == table:
        own = int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    return own + sum(rows_read(inner, table) for inner in plan.get("Plans", ()))


async def people(school: School, viewer: Viewer, conference: Videoconference, **which: Any) -> list[str]:
    pages = await school.views.taking_part(viewer, [conference.id], TakingPartFilter(**which), ALL)
    assert pages[conference.id].total == len(pages[conference.id].items)
    return called(pages[conference.id])


def called(page: Page[TakingPartView]) -> list[str]:
    names = {id: person.person_id for id, person in the_school().people.items()}
    return [names[view.participant.id] for view in page.items]


PICKER = as_("secretary", granted={Permission.CONFERENCE_EDIT})


@pytest.mark.rule("CONF-08")
@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({}, {"anna", "boris", "truant", "vera", "class-teacher", "idle"}),
        ({"capacity": PUPIL}, {"anna", "boris", "truant", "vera"}),
        ({"capacity": EMPLOYEE}, {"class-teacher", "idle"}),
        ({"capacity": PARENT}, set()),
        ({"name_contains": "ann"}, {"anna"}),
        ({"name_contains": "nobody"}, set()),
        ({"blocked": True}, {"truant"}),
        ({"blocked": False, "capacity": PUPIL}, {"anna", "boris", "vera"}),
        ({"school_class": class_of("9")}, {"vera", "class-teacher"}),
        ({"school_class": class_of("9"), "capacity": PUPIL}, {"vera"}),
        ({"school_class": class_of("9"), "capacity": EMPLOYEE}, set()),
        ({"school_class": class_of("8 К"), "capacity": EMPLOYEE}, {"class-teacher"}),
        ({"school_class": class_of("8 К"), "name_contains": "b"}, {"boris"}),
    ],
)
async def test_the_participants_are_narrowed_by_each_field_of_the_filter(
    school: School, which: Mapping[str, Any], found: set[str]
) -> None:
    conference = held("Час", school.chats["8 К"], added={"vera": PUPIL, "idle": EMPLOYEE})
    await school.hold(conference)

    assert set(await people(school, PICKER, conference, **which)) == found


async def test_the_participants_are_narrowed_to_those_who_are_no_members_of_a_chat_that_the_viewer_may_see(
    school: School,
) -> None:
    conference = held("Час", school.chats["8 К"], added={"vera": PUPIL, "idle": EMPLOYEE})
    await school.hold(conference)
    chemistry = school.chats["Химия"].id

    assert await people(school, READER, conference, not_in_chat=school.chats["8 К"].id) == ["idle", "vera"]
    assert "vera" not in await people(school, as_("vera"), conference, not_in_chat=chemistry)
    # A chat that is not theirs to know is as one without members.
    everybody = await people(school, as_("anna"), conference)
    assert await people(school, as_("anna"), conference, not_in_chat=chemistry) == everybody


@pytest.mark.rule("RIGHT-10")
async def test_for_who_picks_nobody_a_class_is_that_of_the_conferences_chat(school: School) -> None:
    conference = held("Час", school.chats["8 К"], added={"vera": PUPIL})
    await school.hold(conference)

    assert "vera" in await people(school, as_("anna"), conference, school_class=class_of("8 К"))
    assert await people(school, as_("anna"), conference, school_class=class_of("9")) == []


async def test_the_participants_of_many_conferences_come_in_pages_by_name_each_with_its_own_length(
    school: School,
) -> None:
    two = [held("Час", school.chats["8 К"]), held("Собрание", school.chats["8 К Родители"])]
    empty = finished(held("Никого", school.chats["Кружок"]))
    await school.hold(*two, empty)
    ids = [conference.id for conference in (*two, empty)]

    first = await school.views.taking_part(READER, ids, TakingPartFilter(), Window(1, 0))
    second = await school.views.taking_part(READER, ids, TakingPartFilter(), Window(1, 1))
    beyond = await school.views.taking_part(READER, ids, TakingPartFilter(), Window(1, 9))

    assert [called(first[id]) for id in ids] == [["anna"], ["class-teacher"], []]
    assert [called(second[id]) for id in ids] == [["boris"], ["father"], []]
    assert [page[id].total for page in (first, second, beyond) for id in ids] == [4, 2, 0] * 3


@pytest.mark.rule("CONF-24")
async def test_the_joins_come_newest_first_in_pages(school: School) -> None:
    two = [active(held("Час", school.chats["8 К"])), active(held("Другой", school.chats["Кружок"]))]
    await school.hold(*two)
    async with school.begin(SCHEDULE) as uow:
        for minute, person in enumerate(["anna", "boris", "anna"]):
            at = MONDAY_0830 + timedelta(minutes=minute)
            await uow.videoconferences.record_join(two[0].id, participant(person), at=at)
    ids = [conference.id for conference in two]

    whole = await school.views.joins(ids, ALL)
    second = await school.views.joins(ids, Window(1, 1))

    told = [(join.participant.id, join.at) for join in whole[ids[0]].items]
    assert told == [
        (participant("anna"), MONDAY_0830 + timedelta(minutes=2)),
        (participant("boris"), MONDAY_0830 + timedelta(minutes=1)),
        (participant("anna"), MONDAY_0830),
    ]
    assert second[ids[0]] == Page(whole[ids[0]].items[1:2], 3)
    assert whole[ids[1]] == Page([], 0)


@pytest.mark.rule("CONF-16")
async def test_a_lesson_shows_its_online_lesson_that_is_not_over_else_the_last_one_that_is(school: School) -> None:
    lessons = [a_lesson("now"), a_lesson("past"), a_lesson("none"), a_lesson("hidden")]
    algebra = school.chats["Алгебра"]

    def of(lesson: int, name: str, **more: Any) -> Videoconference:
        return held(name, algebra, type=ONLINE_LESSON, lesson=lessons[lesson], **more)

    await school.hold(
        finished(of(0, "before", day=5), ("anna", PUPIL)),
        of(0, "now"),
        finished(of(1, "first", day=-2), ("anna", PUPIL)),
        finished(of(1, "last", day=-1), ("anna", PUPIL)),
        of(3, "without anna", removed=["anna"]),
        lessons=lessons,
    )
    ids = [lesson.id for lesson in lessons]

    found = await school.views.online_lessons(as_("anna"), ids)
    by_teacher = await school.views.online_lessons(as_("algebraist"), ids)

    assert {id: view.videoconference and view.videoconference.name for id, view in found.items()} == {
        ids[0]: "now",
        ids[1]: "last",
        ids[3]: None,
    }
    assert [found[id].unfinished for id in (ids[0], ids[1], ids[3])] == [True, False, True]
    teachers = by_teacher[ids[3]].videoconference
    assert teachers is not None
    assert VideoconferenceAction.EDIT in teachers.actions


CREATOR = as_("secretary", granted={Permission.CONFERENCE_CREATE, Permission.REGISTRY_VIEW})


@pytest.mark.rule("CONF-08", "CONF-09")
@pytest.mark.parametrize("type", VideoconferenceType)
@pytest.mark.parametrize("chat", ["8 К", "8 К Родители", "Алгебра", "Кружок"])
async def test_by_default_take_part_whom_the_rules_bring_in_and_nobody_else(
    school: School, type: VideoconferenceType, chat: str
) -> None:
    of = school.chats[chat]
    defaults = await school.views.videoconference_defaults(CREATOR, type, of.id, None)
    assert defaults is not None

    page = await school.views.default_participants(CREATOR, defaults, TakingPartFilter(), ALL)

    shown = {view.participant.id: frozenset(view.capacities) for view in page.items}
    assert shown == default_participants(type, of)
    assert page.total == len(shown)


@pytest.mark.rule("CONF-03", "CONF-06", "CONF-08")
async def test_a_lesson_gives_its_name_times_and_substitute_where_the_chat_may_have_it(school: School) -> None:
    lesson, foreign = a_lesson("a", substitute="substitute"), a_lesson("c", group="химия")
    await school.hold(lessons=[lesson, foreign])
    algebra = school.chats["Алгебра"].id
    read = school.views.videoconference_defaults

    found = await read(CREATOR, ONLINE_LESSON, algebra, lesson.id)
    elsewhere = await read(CREATOR, ONLINE_LESSON, algebra, foreign.id)
    call = await read(CREATOR, VIDEO_CALL, algebra, lesson.id)

    assert found is not None
    assert found.defaults.name == "Алгебра, 8 К алгебра, 07.09.2026 11:30"
    assert (found.defaults.starts_at, found.defaults.ends_at) == (MONDAY_0830, MONDAY_0915)
    page = await school.views.default_participants(CREATOR, found, TakingPartFilter(capacity=EMPLOYEE), ALL)
    assert called(page) == ["algebraist", "substitute"]
    for other in (elsewhere, call):
        assert other is not None
        assert (other.lesson, other.defaults.starts_at) == (None, None)


@pytest.mark.rule("CONF-05")
@pytest.mark.parametrize(
    ("viewer", "chat", "group", "chosen"),
    [
        (CREATOR, "Алгебра", "8 К алгебра", True),
        (CREATOR, "Алгебра", "химия", False),
        (CREATOR, "8 К", "8 К алгебра", True),
        (CREATOR, "8 К", "химия", True),
        (CREATOR, "Кружок", "химия", True),
        (replace(CREATOR, granted=frozenset({Permission.CONFERENCE_CREATE})), "Кружок", "химия", None),
        (as_("algebraist", teaches=True), "Алгебра", "8 К алгебра", True),
        (as_("class-teacher", teaches=True), "8 К", "химия", True),
        (as_("class-teacher", teaches=True), "Алгебра", "8 К алгебра", None),
        (as_("anna"), "Алгебра", "8 К алгебра", None),
        (as_("algebraist", teaches=True, blocked=True), "Алгебра", "8 К алгебра", None),
    ],
)
async def test_defaults_take_a_lesson_that_may_be_chosen_and_are_for_who_may_create_there(
    school: School, viewer: Viewer, chat: str, group: str, chosen: bool | None
) -> None:
    lesson = a_lesson(group=group)
    await school.hold(lessons=[lesson])

    found = await school.views.videoconference_defaults(viewer, ONLINE_LESSON, school.chats[chat].id, lesson.id)

    assert (None if found is None else found.lesson == lesson.id) is chosen


async def test_an_archived_and_a_deleted_chat_have_no_defaults(school: School) -> None:
    chats = [school.chats[name].id for name in ("Алгебра", "Кружок", "8 К")]
    async with school.engine.begin() as connection:
        of = tables.chats.c.id
        await connection.execute(update(tables.chats).where(of == chats[0]).values(archived=True))
        await connection.execute(update(tables.chats).where(of == chats[1]).values(deleted_at=datetime.now(UTC)))

    found = [await school.views.videoconference_defaults(EVERYWHERE, VIDEO_CALL, chat, None) for chat in chats]

    assert [view is not None for view in found] == [False, False, True]


async def test_the_default_participants_are_narrowed_as_participants_are(school: School) -> None:
    defaults = await school.views.videoconference_defaults(CREATOR, VIDEO_CALL, school.chats["8 К"].id, None)
    assert defaults is not None

    async def found(**which: Any) -> list[str]:
        return called(await school.views.default_participants(CREATOR, defaults, TakingPartFilter(**which), ALL))

    assert await found(capacity=PUPIL, blocked=False) == ["anna", "boris"]
    assert await found(name_contains="bor") == ["boris"]
    assert await found(school_class=class_of("9")) == ["class-teacher"]
    assert await found(not_in_chat=school.chats["Алгебра"].id) == ["boris", "class-teacher"]
