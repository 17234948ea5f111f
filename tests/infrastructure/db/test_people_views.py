"""People, classes, groups and lessons on Postgres: to each viewer what is theirs to know, in the order of CHAT-33."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import update

from application.people_views import ChildView, LessonsWanted, PeopleWanted, PersonView, StudyGroupsWanted
from application.ports import Begin
from application.views import Page, ParticipantView, Window
from domain.access import MetaRole, Permission, Viewer
from domain.audit import SCHEDULE
from domain.chat import Chat, OtherChat
from domain.ids import (
    ChatId,
    ClassId,
    GroupId,
    LessonId,
    OrganizationId,
    ParticipantId,
    SubjectId,
    lesson_id,
    subject_id,
)
from domain.organization import Organization
from domain.participant import Capacity, Name, PositionKind
from domain.roster import ORGANIZATION_ADMINISTRATOR, Roster
from domain.videoconference import VideoconferenceType
from infrastructure.db import tables
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.people_views import PostgresPeopleViews
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from tests.builders import (
    OTHER_SCHOOL,
    SCHOOL,
    a_chat,
    a_lesson,
    a_participant,
    a_roster,
    a_videoconference,
    a_viewer,
    an_account_link,
    class_chat,
    class_of,
    group_of,
    parents_chat,
    participant,
    put,
    subject_chat,
)

ALL = Window(100, 0)
EMPLOYEE, PUPIL, PARENT = Capacity
TEACHING, LEADING, SERVING = (PositionKind.PEDAGOGICAL,), (PositionKind.ADMINISTRATION,), (PositionKind.OTHER,)

PICKER = a_viewer("director", granted={Permission.CHAT_CREATE})
READER = a_viewer("director", granted={Permission.REGISTRY_VIEW})
EVERYWHERE = a_viewer("superadmin", organization=None, meta_role=MetaRole.SUPERADMINISTRATOR)
STRANGER = a_viewer("stranger", organization=OTHER_SCHOOL, meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR)

NAMES = {
    "director": Name("Орлова", "Нина", "Павловна"),
    "masha-8k": Name("Иванова", "Мария"),
    "masha-9": Name("Иванова", "Мария", "Андреевна"),
    "masha-teacher": Name("Иванова", "Мария", "Яковлевна"),
    "petrov": Name("Петров", "Пётр", "Ильич"),
    "petrova": Name("Петрова", "Алла"),
    "petrov-senior": Name("Петров", "Илья"),
    "ёлкин": Name("Ёлкин", "Лев"),
    "егоров": Name("Егоров", "Лев"),
    "жуков": Name("Жуков", "Лев"),
    "cook": Name("Щукин", "Олег"),
    "deputy": Name("Зорин", "Юрий"),
    "odd": Name("О_Нил%", "Ан\\на", "Д'Арк"),
    "alumnus": Name("Старов", "Иван"),
    "homeless": Name("Юдин", "Яков"),
    "gone": Name("Данные", "удалены"),
}


def the_school(organization: OrganizationId = SCHOOL) -> Roster:
    """8 К and 9, a closed 11 А, an algebra group of each, one of both, and people of every capacity."""
    roster = a_roster(
        organization=organization,
        people=["gone"],
        blocked=["cook"],
        employees={
            "director": LEADING,
            "masha-teacher": TEACHING,
            "petrov-senior": TEACHING,
            "cook": SERVING,
            "deputy": (PositionKind.ADMINISTRATION, PositionKind.PEDAGOGICAL),
            "odd": (),
        },
        pupils={"masha-8k": "8 К", "petrov": "8 К", "masha-9": "9", "ёлкин": "9", "егоров": "9", "alumnus": "11 А"},
        parents={"petrova": ["petrov", "masha-9", "alumnus"], "petrov-senior": ["petrov"], "жуков": ["alumnus"]},
        classes=["10 А"],
        class_teachers={"8 К": "masha-teacher"},
        groups={
            "8 К алгебра": ["masha-8k", "petrov"],
            "10 алгебра": ["masha-9", "ёлкин", "alumnus"],
            "9 алгебра": ["masha-9", "petrov"],
            "старая": ["petrov"],
        },
        group_teachers={"8 К алгебра": ["petrov-senior", "masha-teacher", "gone"], "10 алгебра": ["deputy"]},
        closed=["11 А", "старая"],
        roles={"masha-teacher": ORGANIZATION_ADMINISTRATOR, "alumnus": ORGANIZATION_ADMINISTRATOR},
    )
    for person, name in NAMES.items():
        id = participant(person, organization)
        roster.people[id] = a_participant(person, name=name, blocked=person == "cook", organization=organization)
    roster.enrolments[participant("homeless", organization)] = None
    return roster


@dataclass
class School:
    """The school in its database, beside another one with the same people."""

    views: PostgresPeopleViews
    begin: Begin
    engine: Any

    async def names(self, viewer: Viewer, organization: OrganizationId = SCHOOL, **wanted: Any) -> list[str]:
        """Whom the viewer finds, by the names of this module, and in the order found."""
        page = await self.views.people(viewer, organization, PeopleWanted(**wanted), ALL)
        assert page.total == len(page.items)
        return people_of(page.items, organization)

    async def save(self, *chats: Chat, **more: Any) -> None:
        await put(self.begin, chats=chats, **more)


@pytest.fixture
async def school(database_url: str) -> AsyncIterator[School]:
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    begin = units_of_work(engine, Cipher(Fernet.generate_key().decode()))
    for organization, school_id in ((SCHOOL, "school"), (OTHER_SCHOOL, "other school")):
        await put(
            begin,
            organization=Organization(school_id=school_id, name="Школа", time_zone="Asia/Kamchatka"),
            roster=the_school(organization),
        )
    yield School(PostgresPeopleViews(engine), begin, engine)
    await engine.dispose()


def people_of(found: Iterable[ParticipantView], organization: OrganizationId = SCHOOL) -> list[str]:
    called = {participant(person, organization): person for person in NAMES}
    return [called[view.id] for view in found]


def as_(person: str, *, blocked: bool = False) -> Viewer:
    return a_viewer(person, blocked=blocked)


async def test_a_picker_answers_with_everybody_who_has_a_capacity_by_the_russian_alphabet(school: School) -> None:
    found = await school.names(PICKER)

    assert found == [
        *("егоров", "ёлкин", "deputy", "masha-8k", "masha-9", "masha-teacher"),
        *("odd", "director", "petrov-senior", "petrov", "petrova", "cook", "homeless"),
    ]


@pytest.mark.parametrize(
    ("capacity", "school_class", "found"),
    [
        (EMPLOYEE, None, ["deputy", "masha-teacher", "odd", "director", "petrov-senior", "cook"]),
        (PUPIL, None, ["егоров", "ёлкин", "masha-8k", "masha-9", "petrov", "homeless"]),
        (PARENT, None, ["petrov-senior", "petrova"]),
        (None, "8 К", ["masha-8k", "masha-teacher", "petrov-senior", "petrov", "petrova"]),
        (EMPLOYEE, "8 К", ["masha-teacher"]),
        (PUPIL, "8 К", ["masha-8k", "petrov"]),
        (PARENT, "8 К", ["petrov-senior", "petrova"]),
        (EMPLOYEE, "9", []),
        (None, "11 А", []),
        (None, "10 А", []),
    ],
)
async def test_a_picker_is_narrowed_to_a_capacity_and_to_the_people_of_a_class(
    school: School, capacity: Capacity | None, school_class: str | None, found: list[str]
) -> None:
    of = None if school_class is None else class_of(school_class)

    names = await school.names(PICKER, capacity=capacity, school_class=of)

    assert names == found


async def test_a_picker_is_narrowed_to_who_is_blocked_and_to_who_is_not(school: School) -> None:
    blocked = await school.names(PICKER, blocked=True)
    others = await school.names(PICKER, blocked=False)

    assert blocked == ["cook"]
    assert len(others) == 12
    assert "cook" not in others


@pytest.mark.rule("CHAT-33")
@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("мар ив", ["masha-8k", "masha-9", "masha-teacher"]),
        ("  ИВАНОВА   мария ", ["masha-8k", "masha-9", "masha-teacher"]),
        ("Мария Иванова Анд", ["masha-9"]),
        ("елкин", ["ёлкин"]),
        ("ЁГОРОВ", ["егоров"]),
        ("петр петр", ["petrov-senior", "petrov", "petrova"]),
        ("мар петр", []),
        (" ", None),
        ("", None),
    ],
)
async def test_a_search_finds_each_of_its_words_anywhere_in_the_name_in_any_order(
    school: School, sought: str, found: list[str] | None
) -> None:
    names = await school.names(PICKER, name_contains=sought)

    assert names == (found if found is not None else await school.names(PICKER))


@pytest.mark.rule("CHAT-33")
@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("%", ["odd"]),
        ("_", ["odd"]),
        ("\\", ["odd"]),
        ("'", ["odd"]),
        ("%%", []),
        ("\\%", []),
        ("д'арк о_нил%", ["odd"]),
        ("'; drop table participants; --", []),
        ("x" * 10_000, []),
        ("иванова " * 1_300, ["masha-8k", "masha-9", "masha-teacher"]),
        ("ив ва ан но ов ма ар ри ия и " + "нет " * 9, ["masha-8k", "masha-9", "masha-teacher"]),
        (":me {conditions} %(a)s $1", []),
    ],
)
async def test_a_search_takes_every_character_for_itself_and_no_more_than_ten_words(
    school: School, sought: str, found: list[str]
) -> None:
    assert await school.names(PICKER, name_contains=sought) == found


@pytest.mark.rule("CHAT-33")
async def test_pages_of_namesakes_follow_one_another_by_id_and_tell_the_whole_number(school: School) -> None:
    async with school.begin(SCHEDULE) as uow:
        roster = await uow.rosters.get(SCHOOL)
        for number in range(7):
            twin = a_participant(f"twin-{number}", name=Name("Иванова", "Мария"))
            roster.people[twin.id], roster.positions[twin.id] = twin, TEACHING
        await uow.rosters.save(roster)
    wanted = PeopleWanted(name_contains="иванова мария", capacity=EMPLOYEE)

    pages = [await school.views.people(PICKER, SCHOOL, wanted, Window(3, offset)) for offset in range(0, 12, 3)]

    twins = sorted((participant(f"twin-{number}") for number in range(7)), key=lambda id: id.bytes)
    assert [view.id for page in pages for view in page.items] == [*twins, participant("masha-teacher")]
    assert [page.total for page in pages] == [8, 8, 8, 8]


@pytest.mark.rule("CHAT-33")
async def test_the_pages_of_a_picker_put_together_are_the_whole_list(school: School) -> None:
    pages = [await school.views.people(PICKER, SCHOOL, PeopleWanted(), Window(4, offset)) for offset in range(0, 16, 4)]

    assert [name for page in pages for name in people_of(page.items)] == await school.names(PICKER)
    assert {page.total for page in pages} == {13}


async def test_who_is_a_member_of_the_chat_already_is_left_out(school: School) -> None:
    chat = a_chat(class_chat("8 К"), roster=the_school())
    await school.save(chat)
    everybody = await school.names(a_viewer("director", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR))

    found = await school.names(a_viewer("director", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR), not_in_chat=chat.id)

    assert [name for name in everybody if name not in found] == ["masha-8k", "masha-teacher", "petrov"]


@pytest.mark.rule("RIGHT-08")
async def test_a_chat_that_is_not_the_viewers_to_know_is_as_one_without_members(school: School) -> None:
    roster = the_school()
    chat = a_chat(class_chat("8 К"), roster=roster)
    foreign = a_chat(class_chat("8 К"), roster=the_school(OTHER_SCHOOL), organization=OTHER_SCHOOL)
    await school.save(chat, foreign)
    everybody = await school.names(PICKER)

    unseen = await school.names(PICKER, not_in_chat=chat.id)
    elsewhere = await school.names(PICKER, not_in_chat=foreign.id)
    nowhere = await school.names(PICKER, not_in_chat=ChatId(uuid4()))
    by_its_teacher = await school.names(a_viewer("masha-teacher", teaches=True), not_in_chat=chat.id)

    assert unseen == elsewhere == nowhere == everybody
    assert "masha-8k" not in by_its_teacher


@pytest.mark.rule("RIGHT-10")
@pytest.mark.parametrize(
    "viewer",
    [
        a_viewer("director", granted={Permission.CHAT_EDIT}),
        a_viewer("director", granted={Permission.CONFERENCE_CREATE}),
        a_viewer("director", granted={Permission.CONFERENCE_EDIT}),
        a_viewer("masha-teacher", teaches=True),
        EVERYWHERE,
    ],
)
async def test_the_pickers_answer_all_who_may_fill_in_some_form_of_the_organization(
    school: School, viewer: Viewer
) -> None:
    assert await school.names(viewer) == await school.names(PICKER)


@pytest.mark.rule("RIGHT-10")
async def test_anybody_else_finds_only_people_with_whom_they_share_a_chat(school: School) -> None:
    roster = the_school()
    await school.save(
        a_chat(class_chat("8 К"), roster=roster),
        a_chat(class_chat("9"), roster=roster),
        a_chat(parents_chat("8 К"), roster=roster),
        a_chat(subject_chat("10 алгебра"), roster=roster),
    )

    assert await school.names(as_("petrov")) == ["masha-8k", "masha-teacher", "petrov"]
    assert await school.names(as_("masha-9")) == ["егоров", "ёлкин", "deputy", "masha-9"]
    assert await school.names(as_("petrova")) == ["masha-teacher", "petrov-senior", "petrova"]
    assert await school.names(READER) == ["director"]
    assert await school.names(as_("homeless")) == ["homeless"]


@pytest.mark.rule("RIGHT-10")
async def test_what_narrows_the_people_of_ones_chats_tells_no_more_than_these_chats_do(school: School) -> None:
    roster = the_school()
    chat = a_chat(class_chat("8 К"), roster=roster)
    await school.save(
        chat, a_chat(parents_chat("9"), roster=roster), a_chat(subject_chat("8 К алгебра"), roster=roster)
    )
    petrov, petrova = as_("petrov"), as_("petrova")

    # petrov-senior is a parent of 8 К, but petrov knows him as the teacher of his group.
    assert await school.names(petrov, capacity=PARENT) == []
    assert await school.names(petrov, capacity=EMPLOYEE) == ["masha-teacher", "petrov-senior"]
    assert await school.names(petrov, capacity=PUPIL) == ["masha-8k", "petrov"]
    assert await school.names(petrov, school_class=class_of("8 К")) == ["masha-8k", "masha-teacher", "petrov"]
    assert await school.names(petrov, school_class=class_of("9")) == []
    assert await school.names(petrov, not_in_chat=chat.id) == ["petrov-senior"]
    assert await school.names(petrov, name_contains="мар ив") == ["masha-8k", "masha-teacher"]
    # Of themselves they may know everything: petrova is a parent of 8 К, whose parents have no chat.
    assert await school.names(petrova, capacity=PARENT, school_class=class_of("8 К")) == ["petrova"]
    assert await school.names(petrova, capacity=EMPLOYEE) == []


@pytest.mark.rule("RIGHT-10")
async def test_whoever_takes_part_in_the_same_conference_is_found(school: School) -> None:
    roster = the_school()
    chat = a_chat(class_chat("8 К"), roster=roster)
    conference = a_videoconference(
        chat=chat, added={"егоров": PUPIL, "deputy": EMPLOYEE, "director": EMPLOYEE}, removed=["masha-8k", "director"]
    )
    await school.save(chat, conferences=[conference])

    in_the_chat = await school.names(as_("petrov"))
    added = await school.names(as_("егоров"))
    taken_out = await school.names(as_("masha-8k"))

    assert in_the_chat == ["егоров", "deputy", "masha-8k", "masha-teacher", "petrov"]
    assert added == ["егоров", "deputy", "masha-teacher", "petrov"]
    assert await school.names(as_("егоров"), capacity=PUPIL) == ["егоров", "petrov"]
    assert await school.names(as_("егоров"), school_class=class_of("8 К"), capacity=EMPLOYEE) == [
        "deputy",
        "masha-teacher",
    ]
    assert taken_out == ["masha-8k", "masha-teacher", "petrov"]


@pytest.mark.rule("RIGHT-10")
async def test_a_deleted_conference_is_shared_by_nobody(school: School) -> None:
    chat = a_chat(class_chat("8 К"), roster=the_school())
    conference = a_videoconference(chat=chat, added={"deputy": EMPLOYEE})
    await school.save(chat, conferences=[conference])
    shared = await school.names(as_("deputy"))
    async with school.engine.begin() as connection:
        await connection.execute(update(tables.videoconferences).values(deleted_at=datetime.now(UTC)))

    assert shared == ["deputy", "masha-8k", "masha-teacher", "petrov"]
    assert await school.names(as_("deputy")) == ["deputy"]
    assert "deputy" not in await school.names(as_("petrov"))


@pytest.mark.rule("RIGHT-10")
async def test_a_parent_meets_parents_only_in_a_video_call_of_the_parents_chat(school: School) -> None:
    chat = a_chat(parents_chat("8 К"), roster=the_school())
    lesson = a_videoconference(chat=chat, type=VideoconferenceType.ONLINE_LESSON, added={"deputy": EMPLOYEE})
    await school.save(chat, conferences=[lesson])
    with_a_lesson = await school.names(as_("deputy"))
    call = a_videoconference(chat=chat, added={"deputy": EMPLOYEE})
    await school.save(conferences=[call])

    assert with_a_lesson == ["deputy", "masha-teacher"]
    assert await school.names(as_("deputy")) == ["deputy", "masha-teacher", "petrov-senior", "petrova"]
    assert await school.names(as_("deputy"), capacity=PARENT) == ["petrov-senior", "petrova"]


async def test_who_is_blocked_sees_no_pickers_and_no_lists(school: School) -> None:
    roster = the_school()
    await school.save(a_chat(class_chat("8 К"), roster=roster), lessons=[a_lesson()])
    viewer = a_viewer("masha-teacher", teaches=True, blocked=True, granted=frozenset(Permission))

    assert await school.names(viewer) == []
    assert (await school.views.school_classes(viewer, SCHOOL, ALL)).total == 0
    assert (await school.views.study_groups(viewer, SCHOOL, StudyGroupsWanted(), ALL)).total == 0
    assert (await school.views.lessons(viewer, SCHOOL, LessonsWanted(), ALL)).total == 0
    assert await school.views.chat_defaults(viewer, group_of("8 К алгебра")) is None


async def test_by_their_id_a_picker_finds_anybody_of_the_organization_and_others_whom_they_share_something_with(
    school: School,
) -> None:
    await school.save(a_chat(class_chat("8 К"), roster=the_school()))
    wanted = [participant(person) for person in ("masha-8k", "gone", "deputy", "petrov")]

    async def found(viewer: Viewer) -> tuple[set[str], set[bool]]:
        people = await school.views.people_by_id(viewer, [*wanted, ParticipantId(uuid4())])
        return set(people_of(each.participant for each in people.values())), {each.detailed for each in people.values()}

    assert await found(PICKER) == ({"masha-8k", "gone", "deputy", "petrov"}, {True})
    assert await found(EVERYWHERE) == ({"masha-8k", "gone", "deputy", "petrov"}, {True})
    assert await found(as_("petrov")) == ({"masha-8k", "petrov"}, {False})
    assert await found(as_("gone")) == ({"gone"}, {False})
    assert await found(READER) == (set(), set())
    assert await found(STRANGER) == (set(), set())
    assert await found(Viewer(a_viewer().person_id)) == (set(), set())


@pytest.mark.rule("RIGHT-10")
async def test_a_person_is_what_they_are_at_the_school_now(school: School) -> None:
    await school.save(links=[an_account_link("petrov"), an_account_link("petrova", broken=True)])

    found = await school.views.persons([participant(person) for person in NAMES])

    petrov, masha = ChildView("Петров", "Пётр", "8 К"), ChildView("Иванова", "Мария", "9")
    assert {person: found[participant(person)] for person in NAMES if person not in {"егоров", "ёлкин", "masha-9"}} == {
        "director": PersonView((EMPLOYEE,), LEADING, None, (), False),
        "masha-8k": PersonView((PUPIL,), (), "8 К", (), False),
        "masha-teacher": PersonView((EMPLOYEE,), TEACHING, None, (), False),
        "petrov": PersonView((PUPIL,), (), "8 К", (), True),
        "petrova": PersonView((PARENT,), (), None, (masha, petrov), True),
        "petrov-senior": PersonView((EMPLOYEE, PARENT), TEACHING, None, (petrov,), False),
        "cook": PersonView((EMPLOYEE,), SERVING, None, (), False),
        "deputy": PersonView((EMPLOYEE,), (*LEADING, *TEACHING), None, (), False),
        "odd": PersonView((EMPLOYEE,), (), None, (), False),
        "homeless": PersonView((PUPIL,), (), None, (), False),
        # Their class is closed, and so they are no pupil, and their parent no parent.
        "alumnus": PersonView((), (), None, (), False),
        "жуков": PersonView((), (), None, (), False),
        "gone": PersonView((), (), None, (), False),
    }


@pytest.mark.rule("RIGHT-02")
async def test_the_registry_of_administrators_holds_employees_not_blocked_who_lead_or_hold_the_role(
    school: School,
) -> None:
    async with school.engine.begin() as connection:
        await connection.execute(
            update(tables.employees)
            .values(positions=["ADMINISTRATION"])
            .where(tables.employees.c.participant_id == participant("cook"))
        )

    found = await school.views.administrators([SCHOOL, OTHER_SCHOOL], None, ALL)
    sought = await school.views.administrators([SCHOOL], "ори ю", ALL)
    second = await school.views.administrators([SCHOOL], None, Window(1, 1))

    assert people_of(found[SCHOOL].items) == ["deputy", "masha-teacher", "director"]
    assert people_of(found[OTHER_SCHOOL].items, OTHER_SCHOOL) == ["deputy", "masha-teacher", "director"]
    assert (people_of(sought[SCHOOL].items), sought[SCHOOL].total) == (["deputy"], 1)
    assert (people_of(second[SCHOOL].items), second[SCHOOL].total) == (["masha-teacher"], 3)


@pytest.mark.rule("CHAT-33")
@pytest.mark.parametrize(
    ("viewer", "names"),
    [
        (PICKER, ["8 К", "9", "10 А"]),
        (READER, ["8 К", "9", "10 А"]),
        (EVERYWHERE, ["8 К", "9", "10 А"]),
        (as_("masha-teacher"), ["8 К"]),
        (as_("masha-9"), ["9"]),
        (as_("petrova"), ["8 К", "9"]),
        (as_("petrov-senior"), ["8 К"]),
        (as_("deputy"), []),
        (as_("alumnus"), []),
        (STRANGER, []),
    ],
)
async def test_the_open_classes_stand_by_number_and_letter_and_for_who_picks_nobody_their_own(
    school: School, viewer: Viewer, names: list[str]
) -> None:
    page = await school.views.school_classes(viewer, SCHOOL, ALL)

    assert [known.name for known in page.items] == names
    assert page.total == len(names)


async def test_a_class_has_its_class_teacher(school: School) -> None:
    page = await school.views.school_classes(PICKER, SCHOOL, Window(2, 0))

    teachers = [known.class_teacher for known in page.items]
    assert teachers == [ParticipantView(participant("masha-teacher"), "Иванова Мария Яковлевна", False), None]
    assert page.total == 3


async def test_classes_and_subjects_by_id_are_those_of_the_chats_and_groups_that_one_sees(school: School) -> None:
    roster = the_school()
    chat = a_chat(class_chat("9"), roster=roster)
    by_hand = a_chat(OtherChat())
    await school.save(chat, by_hand)
    subject = subject_id(SCHOOL, "Алгебра")

    async def found(viewer: Viewer) -> tuple[set[str], int]:
        ids = [class_of(name) for name in ("8 К", "9", "10 А", "11 А")] + [ClassId(uuid4())]
        classes = await school.views.school_classes_by_id(viewer, ids)
        subjects = await school.views.subjects_by_id(viewer, [subject, SubjectId(uuid4())])
        return {known.name for known in classes.values()}, len(subjects)

    assert await found(PICKER) == ({"8 К", "9", "10 А", "11 А"}, 1)
    assert await found(READER) == ({"8 К", "9", "10 А", "11 А"}, 1)
    assert await found(as_("егоров")) == ({"9"}, 0)
    # Of a group of two classes: its pupils know both.
    assert await found(as_("petrov")) == ({"8 К", "9"}, 1)
    assert await found(as_("alumnus")) == (set(), 0)
    assert await found(STRANGER) == (set(), 0)


@pytest.mark.rule("RIGHT-10")
@pytest.mark.parametrize(
    ("viewer", "names"),
    [
        (READER, ["8 К алгебра", "9 алгебра", "10 алгебра"]),
        (PICKER, ["8 К алгебра", "9 алгебра", "10 алгебра"]),
        (EVERYWHERE, ["8 К алгебра", "9 алгебра", "10 алгебра"]),
        (as_("deputy"), ["10 алгебра"]),
        (as_("masha-8k"), ["8 К алгебра"]),
        (as_("petrov"), ["8 К алгебра", "9 алгебра"]),
        (as_("petrov-senior"), ["8 К алгебра", "9 алгебра"]),
        (as_("petrova"), ["8 К алгебра", "9 алгебра", "10 алгебра"]),
        # Named by a fact of a group, but nobody at the school any more.
        (as_("gone"), []),
        (as_("alumnus"), []),
        (as_("жуков"), []),
        (STRANGER, []),
    ],
)
async def test_a_teacher_a_pupil_and_a_parent_see_their_groups_and_who_fills_in_forms_all(
    school: School, viewer: Viewer, names: list[str]
) -> None:
    page = await school.views.study_groups(viewer, SCHOOL, StudyGroupsWanted(), ALL)

    assert [group.name for group in page.items] == names
    assert {group.subject.name for group in page.items} <= {"Алгебра"}
    assert page.total == len(names)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (StudyGroupsWanted(school_class=class_of("8 К")), ["8 К алгебра", "9 алгебра"]),
        (StudyGroupsWanted(school_class=class_of("11 А")), []),
        (StudyGroupsWanted(name_contains="алг 8"), ["8 К алгебра"]),
        (StudyGroupsWanted(name_contains="%"), []),
        (StudyGroupsWanted(subject=subject_id(SCHOOL, "Алгебра"), name_contains="9"), ["9 алгебра"]),
        (StudyGroupsWanted(subject=subject_id(OTHER_SCHOOL, "Алгебра")), []),
        (StudyGroupsWanted(mine=True), ["10 алгебра"]),
    ],
)
async def test_study_groups_are_narrowed_by_name_class_subject_and_teacher(
    school: School, wanted: StudyGroupsWanted, names: list[str]
) -> None:
    viewer = a_viewer("deputy", granted={Permission.REGISTRY_VIEW})

    page = await school.views.study_groups(viewer, SCHOOL, wanted, ALL)

    assert [group.name for group in page.items] == names


async def test_a_group_has_its_teachers_in_order_and_the_open_classes_of_its_pupils(school: School) -> None:
    groups = [group_of(name) for name in ("8 К алгебра", "9 алгебра", "10 алгебра")]

    teachers = await school.views.teachers(groups)
    classes = await school.views.classes_of_groups(groups)

    assert [people_of(teachers[group]) for group in groups] == [["petrov-senior", "masha-teacher"], [], ["deputy"]]
    assert [[known.name for known in classes[group]] for group in groups] == [["8 К"], ["8 К", "9"], ["9"]]


LESSONS = [
    # Kamchatka is twelve hours ahead: the first begins at its midnight.
    a_lesson("first", starts_at=datetime(2026, 9, 6, 12, tzinfo=UTC), ends_at=datetime(2026, 9, 6, 13, tzinfo=UTC)),
    a_lesson(
        "last",
        group="9 алгебра",
        starts_at=datetime(2026, 9, 7, 11, 59, tzinfo=UTC),
        ends_at=datetime(2026, 9, 7, 13, tzinfo=UTC),
    ),
    a_lesson(
        "next",
        group="10 алгебра",
        substitute="masha-teacher",
        starts_at=datetime(2026, 9, 7, 12, tzinfo=UTC),
        ends_at=datetime(2026, 9, 7, 13, tzinfo=UTC),
    ),
    a_lesson(
        "later",
        group="10 алгебра",
        substitute="gone",
        cancelled=True,
        starts_at=datetime(2026, 9, 8, 12, tzinfo=UTC),
        ends_at=datetime(2026, 9, 8, 13, tzinfo=UTC),
    ),
]


async def lessons_of(
    school: School, viewer: Viewer, organization: OrganizationId = SCHOOL, **wanted: Any
) -> Sequence[str]:
    page = await school.views.lessons(viewer, organization, LessonsWanted(**wanted), ALL)
    called = {lesson.id: lesson.school_id for lesson in LESSONS}
    assert page.total == len(page.items)
    return [called[lesson.id] for lesson in page.items]


@pytest.mark.rule("RIGHT-10")
@pytest.mark.parametrize(
    ("viewer", "lessons"),
    [
        (READER, ["first", "last", "next", "later"]),
        (EVERYWHERE, ["first", "last", "next", "later"]),
        (PICKER, []),
        (as_("petrov-senior"), ["first", "last"]),
        (as_("masha-teacher"), ["first", "next"]),
        (as_("deputy"), ["next", "later"]),
        (as_("masha-8k"), ["first"]),
        (as_("petrova"), ["first", "last", "next", "later"]),
        (as_("gone"), []),
        (as_("alumnus"), []),
        (STRANGER, []),
    ],
)
async def test_those_with_registry_view_see_all_lessons_others_those_they_teach_learn_in_or_a_child_of_theirs(
    school: School, viewer: Viewer, lessons: list[str]
) -> None:
    await school.save(lessons=LESSONS)
    ids = [lesson.id for lesson in LESSONS]

    by_id = await school.views.lessons_by_id(viewer, [*ids, LessonId(uuid4()), lesson_id(OTHER_SCHOOL, "first")])

    assert await lessons_of(school, viewer) == lessons
    assert by_id.keys() == {lesson.id for lesson in LESSONS if lesson.school_id in lessons}


@pytest.mark.parametrize(
    ("wanted", "lessons"),
    [
        ({"first_day": date(2026, 9, 7), "last_day": date(2026, 9, 7)}, ["first", "last"]),
        ({"first_day": date(2026, 9, 8)}, ["next", "later"]),
        ({"last_day": date(2026, 9, 8)}, ["first", "last", "next"]),
        ({"first_day": date(2026, 9, 9), "last_day": date(2026, 9, 8)}, []),
        ({"first_day": date.min, "last_day": date.max}, ["first", "last", "next", "later"]),
        ({"study_group": group_of("10 алгебра")}, ["next", "later"]),
        ({"school_class": class_of("8 К")}, ["first", "last"]),
        ({"school_class": class_of("11 А")}, []),
        ({"study_group": group_of("10 алгебра", OTHER_SCHOOL)}, []),
        ({"chat": ChatId(uuid4())}, []),
    ],
)
async def test_lessons_are_narrowed_to_days_of_the_schools_calendar_to_a_group_and_to_a_class(
    school: School, wanted: dict[str, Any], lessons: list[str]
) -> None:
    await school.save(lessons=LESSONS)

    assert await lessons_of(school, READER, **wanted) == lessons


@pytest.mark.rule("CONF-05")
async def test_lessons_for_a_chat_are_its_groups_or_of_groups_with_pupils_of_its_class_or_else_all(
    school: School,
) -> None:
    roster = the_school()
    of_group, of_class = a_chat(subject_chat("9 алгебра"), roster=roster), a_chat(class_chat("8 К"), roster=roster)
    of_parents, of_nobody = a_chat(parents_chat("8 К"), roster=roster), a_chat()
    foreign = a_chat(organization=OTHER_SCHOOL)
    await school.save(of_group, of_class, of_parents, of_nobody, foreign, lessons=LESSONS)

    async def of(chat: Chat, viewer: Viewer = READER) -> Sequence[str]:
        return await lessons_of(school, viewer, chat=chat.id)

    assert await of(of_group) == ["last"]
    assert await of(of_class) == ["first", "last"]
    assert await of(of_parents) == await of(of_nobody) == ["first", "last", "next", "later"]
    assert await of(foreign) == []
    # A member finds those of their own lessons, somebody else nothing.
    assert await of(of_class, as_("masha-teacher")) == ["first"]
    assert await of(of_class, as_("deputy")) == []


async def test_a_lesson_is_shown_with_its_group_its_zone_and_its_substitute(school: School) -> None:
    await school.save(lessons=LESSONS)

    found = await school.views.lessons_by_id(READER, [LESSONS[2].id])

    lesson = found[LESSONS[2].id]
    assert (lesson.group.name, lesson.group.subject.name, lesson.time_zone) == (
        "10 алгебра",
        "Алгебра",
        "Asia/Kamchatka",
    )
    assert lesson.substitute == ParticipantView(participant("masha-teacher"), "Иванова Мария Яковлевна", False)
    assert lesson.ends_at - lesson.starts_at == timedelta(hours=1)


async def test_a_substitute_sees_the_group_of_their_lesson_by_its_id(school: School) -> None:
    await school.save(lessons=LESSONS)
    ids = [group_of(name) for name in ("8 К алгебра", "9 алгебра", "10 алгебра", "старая")] + [GroupId(uuid4())]

    async def found(viewer: Viewer) -> set[str]:
        return {group.name for group in (await school.views.study_groups_by_id(viewer, ids)).values()}

    assert await found(as_("masha-teacher")) == {"8 К алгебра", "10 алгебра"}
    assert await found(as_("petrov")) == {"8 К алгебра", "9 алгебра", "старая"}
    assert await found(as_("gone")) == set()
    assert len(await found(READER)) == 4
    assert await found(STRANGER) == set()


async def test_a_new_chat_begins_with_the_groups_teachers_and_pupils_who_are_that_now(school: School) -> None:
    found = await school.views.chat_defaults(PICKER, group_of("10 алгебра"))
    other = await school.views.chat_defaults(PICKER, group_of("8 К алгебра"))

    assert found is not None
    assert other is not None
    assert (found.subject, found.group) == ("Алгебра", "10 алгебра")
    assert people_of(found.teachers) == ["deputy"]
    assert people_of(found.pupils) == ["ёлкин", "masha-9"]
    assert people_of(other.teachers) == ["petrov-senior", "masha-teacher"]
    assert people_of(other.pupils) == ["masha-8k", "petrov"]


@pytest.mark.rule("RIGHT-08")
@pytest.mark.parametrize(
    ("viewer", "group"),
    [
        (STRANGER, group_of("8 К алгебра")),
        (PICKER, group_of("8 К алгебра", OTHER_SCHOOL)),
        (READER, group_of("8 К алгебра")),
        (as_("petrov-senior"), group_of("8 К алгебра")),
        (PICKER, group_of("старая")),
        (PICKER, GroupId(uuid4())),
    ],
)
async def test_a_new_chat_has_no_defaults_for_who_may_not_create_one_there(
    school: School, viewer: Viewer, group: GroupId
) -> None:
    assert await school.views.chat_defaults(viewer, group) is None


@pytest.mark.rule("RIGHT-08")
async def test_no_list_of_another_organization_has_anything_in_it(school: School) -> None:
    await school.save(lessons=LESSONS)
    foreign: Collection[dict[str, Any]] = ({}, {"school_class": class_of("8 К", OTHER_SCHOOL)})

    assert await school.names(PICKER, OTHER_SCHOOL) == []
    assert await school.names(STRANGER, SCHOOL) == []
    assert await school.names(PICKER, school_class=class_of("8 К", OTHER_SCHOOL)) == []
    assert await school.names(EVERYWHERE, OrganizationId(uuid4())) == []
    for wanted in foreign:
        assert await lessons_of(school, READER, OTHER_SCHOOL, **wanted) == []
        page = await school.views.study_groups(READER, OTHER_SCHOOL, StudyGroupsWanted(**wanted), ALL)
        assert page == Page((), 0)
    assert (await school.views.school_classes(READER, OTHER_SCHOOL, ALL)).total == 0
