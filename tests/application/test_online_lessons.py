"""The journal's online lesson: who makes it and where, whom it has, and how it follows the timetable."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from application.roster import LessonCancelled, LessonSaved
from application.timetable_import import Days
from domain.access import MetaRole, Permission, Viewer
from domain.audit import SCHEDULE
from domain.call import Asked, Ending, GivenUp, Open
from domain.chat import ChatKind
from domain.chat_form import ChatEdit
from domain.errors import Problem, ProblemCode
from domain.ids import CallId, PersonId, VideoconferenceId
from domain.lesson import Lesson
from domain.participant import Capacity, PositionKind
from domain.roster_events import (
    EmployeeDismissed,
    EmployeePositionsChanged,
    GroupClosed,
    GroupSaved,
    PersonBlocked,
    PersonUnblocked,
    PupilEnrolled,
    PupilExpelled,
    PupilTransferred,
)
from domain.timetable import Stated, Timetable, Where
from domain.videoconference import (
    Active,
    Finished,
    FinishedBy,
    Phase,
    Scheduled,
    Starting,
    TimeSlot,
    Videoconference,
    VideoconferenceStatus,
    VideoconferenceType,
)
from domain.videoconference_form import VideoconferenceEdit, VideoconferenceForm
from tests.application.school import (
    SCHOOL_SYSTEM,
    SUPERADMINISTRATOR,
    only,
    problems_of,
    taking_part,
    tell,
    viewer_of,
)
from tests.builders import (
    LINK,
    MONDAY_0800,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    MONDAY_1000,
    OTHER_SCHOOL,
    SCHOOL,
    a_call,
    a_chat,
    a_lesson,
    a_roster,
    a_videoconference,
    a_viewer,
    an_organization,
    class_chat,
    parents_chat,
    participant,
    participants,
    put,
    subject_chat,
)
from tests.domain.phases import PHASES
from tests.fakes.world import PREPARE_AHEAD, World

ONLINE_LESSON = VideoconferenceType.ONLINE_LESSON
EMPLOYEE, PUPIL = Capacity.EMPLOYEE, Capacity.PUPIL
MINUTE = timedelta(minutes=1)
ALGEBRA, CHESS, CLUB = "8 К алгебра", "Шахматы", "Сборная"
NAME, MOVED_NAME = "Алгебра, 8 К алгебра, 07.09.2026 11:30", "Алгебра, 8 К алгебра, 07.09.2026 12:00"
LESSON = a_lesson(substitute="orlova")
OF_CHESS, OF_CLUB = a_lesson("chess", group=CHESS, substitute="orlova"), a_lesson("club", group=CLUB)

DIRECTOR = viewer_of("director", meta_role=MetaRole.CHAT_ADMINISTRATOR)
TEACHER, SUBSTITUTE, CHESS_TEACHER = viewer_of("klimova"), viewer_of("orlova"), viewer_of("gusev")
PUPIL_PETROV = viewer_of("petrov")


@pytest.fixture
async def world() -> World:
    """A group with a chat of its own, a group of one class without one, and one of two classes without one."""
    world = World()
    roster = a_roster(
        employees={
            "director": [PositionKind.ADMINISTRATION],
            **{name: [PositionKind.PEDAGOGICAL] for name in ("klimova", "orlova", "gusev", "zueva")},
        },
        class_teachers={"8 К": "zueva"},
        pupils={"petrov": "8 К", "belov": "8 К", "somov": "9 А"},
        parents={"petrova": ["petrov"]},
        groups={ALGEBRA: ["petrov"], CHESS: ["petrov"], CLUB: ["petrov", "somov"]},
        group_teachers={ALGEBRA: ["klimova"], CHESS: ["gusev"], CLUB: ["gusev"]},
    )
    names: dict[ChatKind, str] = {
        subject_chat(ALGEBRA): "Алгебра 8 К",
        class_chat("8 К"): "8 К",
        parents_chat("8 К"): "8 К Родители",
        class_chat("9 А"): "9 А",
        parents_chat("9 А"): "9 А Родители",
    }
    chats = [a_chat(kind, roster=roster, chat_administrator="director", name=name) for kind, name in names.items()]
    organization = an_organization(chat_administrator="director")
    lessons = [LESSON, OF_CHESS, OF_CLUB]
    await put(world.storage.begin, organization=organization, roster=roster, lessons=lessons, chats=chats)
    return world


async def journal(world: World, viewer: Viewer = TEACHER, lesson: Lesson = LESSON) -> Videoconference:
    """The online lesson that the journal answers with."""
    return await world.conference(await world.use_cases.create_online_lesson(viewer, lesson.id))


async def unfinished(world: World, lesson: Lesson = LESSON) -> list[Videoconference]:
    """The lesson's online lessons that are neither finished, failed nor deleted."""
    async with world.storage.begin(SCHEDULE) as uow:
        return await uow.videoconferences.unfinished_of_lessons([lesson.id])


async def becomes(world: World, id: VideoconferenceId, phase: Phase) -> None:
    """The conference is in that phase from now on."""
    async with world.storage.begin(SCHEDULE) as uow:
        conference = await uow.videoconferences.find(id, lock=True)
        assert conference is not None
        conference.phase = phase
        await uow.videoconferences.save(conference)


async def is_gone(world: World, id: VideoconferenceId) -> bool:
    """Whether the conference is no more."""
    async with world.storage.begin(SCHEDULE) as uow:
        return await uow.videoconferences.find(id) is None


async def people(world: World, id: VideoconferenceId) -> frozenset[object]:
    """Who takes part now."""
    return frozenset(await taking_part(world, id))


# Who makes it


@pytest.mark.rule("CONF-16")
@pytest.mark.parametrize(
    "viewer",
    [
        TEACHER,
        SUBSTITUTE,
        DIRECTOR,
        SUPERADMINISTRATOR,
        a_viewer("zueva", granted=[Permission.REGISTRY_VIEW, Permission.CONFERENCE_CREATE]),
    ],
    ids=["its teacher", "its substitute", "the chat administrator", "a superadministrator", "who has the permission"],
)
async def test_the_journal_makes_the_online_lesson_as_the_timetable_has_it(world: World, viewer: Viewer) -> None:
    made = await journal(world, viewer)

    chat = await world.chat(subject_chat(ALGEBRA))
    assert (made.type, made.name, made.slot) == (ONLINE_LESSON, NAME, TimeSlot(MONDAY_0830, MONDAY_0915))
    assert (made.chat_id, made.lesson_id, made.organization_id) == (chat.id, LESSON.id, SCHOOL)
    assert (made.made_by, made.phase) == (viewer.participant_id, Scheduled(MONDAY_0830 - PREPARE_AHEAD))
    assert (made.set_by_hand, made.of_group) == (frozenset(), False)


@pytest.mark.rule("CONF-16")
@pytest.mark.parametrize(
    ("viewer", "problems"),
    [
        (PUPIL_PETROV, only(ProblemCode.FORBIDDEN)),
        (viewer_of("petrova"), only(ProblemCode.FORBIDDEN)),
        (a_viewer("zueva", granted=[Permission.REGISTRY_VIEW]), only(ProblemCode.FORBIDDEN)),
        (CHESS_TEACHER, only(ProblemCode.NOT_FOUND, "lessonId")),
        (viewer_of("belov"), only(ProblemCode.NOT_FOUND, "lessonId")),
        (viewer_of("klimova", blocked=True), only(ProblemCode.NOT_FOUND, "lessonId")),
        (viewer_of("orlova", blocked=True), only(ProblemCode.NOT_FOUND, "lessonId")),
        (SCHOOL_SYSTEM, only(ProblemCode.NOT_FOUND, "lessonId")),
        (
            a_viewer("klimova", organization=OTHER_SCHOOL, meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR),
            only(ProblemCode.NOT_FOUND, "lessonId"),
        ),
    ],
    ids=[
        "a pupil",
        "a pupil's mother",
        "a viewer of the registry",
        "another group's teacher",
        "another group's pupil",
        "a blocked teacher",
        "a blocked substitute",
        "a system",
        "another school",
    ],
)
async def test_whoever_has_no_right_to_it_makes_no_online_lesson(
    world: World, viewer: Viewer, problems: tuple[Problem, ...]
) -> None:
    refused = await problems_of(world.use_cases.create_online_lesson(viewer, LESSON.id))

    assert refused == problems
    assert await unfinished(world) == []


@pytest.mark.rule("CHAT-32")
async def test_a_teacher_or_substitute_who_works_here_no_more_makes_none(world: World) -> None:
    await tell(world, EmployeeDismissed(PersonId("klimova")), EmployeeDismissed(PersonId("orlova")))
    make = world.use_cases.create_online_lesson

    teacher, substitute = [await problems_of(make(viewer, LESSON.id)) for viewer in (TEACHER, SUBSTITUTE)]

    assert teacher == substitute == only(ProblemCode.NOT_FOUND, "lessonId")


async def test_an_unknown_lesson_is_not_found(world: World) -> None:
    problems = await problems_of(world.use_cases.create_online_lesson(SUPERADMINISTRATOR, a_lesson("unknown").id))

    assert problems == only(ProblemCode.NOT_FOUND, "lessonId")


# In which chat, with whom


@pytest.mark.rule("CONF-16")
async def test_of_several_chats_of_the_group_the_oldest_is_taken_and_no_archived_or_deleted_one(world: World) -> None:
    oldest = await world.chat(subject_chat(ALGEBRA))
    second, third = [a_chat(subject_chat(ALGEBRA), name=name) for name in ("Алгебра, второй", "А третий")]
    await put(world.storage.begin, chats=[second])
    await put(world.storage.begin, chats=[third])

    first_choice = await journal(world)
    await world.use_cases.delete_videoconference(DIRECTOR, first_choice.id)
    await world.use_cases.delete_chat(SUPERADMINISTRATOR, oldest.id)
    without_the_oldest = await journal(world, SUPERADMINISTRATOR)

    assert (first_choice.chat_id, without_the_oldest.chat_id) == (oldest.id, second.id)


@pytest.mark.rule("CONF-16")
async def test_without_a_chat_of_its_own_the_group_meets_in_the_chat_of_its_only_class_and_not_with_the_class(
    world: World,
) -> None:
    made = await journal(world, CHESS_TEACHER, OF_CHESS)

    assert (made.chat_id, made.of_group) == ((await world.chat(class_chat("8 К"))).id, True)
    assert await taking_part(world, made.id) == {
        participant("petrov"): {PUPIL},
        participant("gusev"): {EMPLOYEE},
        participant("orlova"): {EMPLOYEE},
        participant("director"): {EMPLOYEE},
    }


@pytest.mark.rule("CONF-25")
async def test_there_the_group_s_present_people_take_part(world: World) -> None:
    made = await journal(world, CHESS_TEACHER, OF_CHESS)

    await tell(
        world,
        GroupSaved(CHESS, CHESS, "Шахматы", frozenset({PersonId("belov")}), (PersonId("klimova"),)),
        LessonSaved("chess", CHESS, MONDAY_0830, MONDAY_0915, PersonId("zueva")),
    )

    assert await people(world, made.id) == participants("belov", "klimova", "zueva", "director")


@pytest.mark.rule("RIGHT-03")
async def test_there_too_a_new_chat_administrator_takes_the_old_one_s_place(world: World) -> None:
    made = await journal(world, CHESS_TEACHER, OF_CHESS)
    await tell(world, GroupSaved(CHESS, CHESS, "Шахматы", frozenset(), (PersonId("gusev"),)))
    await tell(world, EmployeePositionsChanged(PersonId("zueva"), (PositionKind.ADMINISTRATION,)))
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("zueva"))

    assert await people(world, made.id) == participants("zueva", "gusev", "orlova")


@pytest.mark.rule("CONF-16")
@pytest.mark.parametrize("pupils", [{"petrov", "somov"}, set()], ids=["two classes", "none"])
async def test_a_group_without_a_chat_that_is_not_of_one_class_alone_is_refused(world: World, pupils: set[str]) -> None:
    list_of = frozenset(PersonId(pupil) for pupil in pupils)
    await tell(world, GroupSaved(CLUB, CLUB, "Сборная", list_of, (PersonId("gusev"),)))

    problems = await problems_of(world.use_cases.create_online_lesson(CHESS_TEACHER, OF_CLUB.id))

    assert problems == only(ProblemCode.SUBJECT_CHAT_NEEDED, "lessonId")
    assert await unfinished(world, OF_CLUB) == []


# Once


@pytest.mark.rule("CONF-16")
async def test_asked_twice_the_journal_answers_with_the_same_one_and_leaves_it_as_it_is(world: World) -> None:
    first = await journal(world)

    again = await journal(world, SUBSTITUTE)

    assert (again.id, again.version, again.made_by) == (first.id, 1, participant("klimova"))
    assert len(await unfinished(world)) == 1


@pytest.mark.rule("CONF-16")
async def test_one_that_was_made_in_the_form_is_the_journal_s_too_and_the_form_refuses_another(world: World) -> None:
    chat = await world.chat(subject_chat(ALGEBRA))
    form = VideoconferenceForm(ONLINE_LESSON, "Повторение", LESSON.id, MONDAY_0900, MONDAY_1000)
    made_in_form = await world.use_cases.create_videoconference(TEACHER, chat.id, form)

    from_journal = await journal(world)
    refused = await problems_of(world.use_cases.create_videoconference(TEACHER, chat.id, form))

    assert from_journal.id == made_in_form
    assert refused == only(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId")


@pytest.mark.rule("CONF-16")
async def test_asked_by_two_at_once_and_by_the_form_there_is_one_conference(world: World) -> None:
    chat = await world.chat(subject_chat(ALGEBRA))
    form = VideoconferenceForm(ONLINE_LESSON, lesson_id=LESSON.id)
    ask = world.use_cases.create_online_lesson

    answers = await asyncio.gather(
        ask(TEACHER, LESSON.id),
        world.use_cases.create_videoconference(DIRECTOR, chat.id, form),
        ask(SUBSTITUTE, LESSON.id),
        return_exceptions=True,
    )

    [only_one] = await unfinished(world)
    assert [answers[0], answers[2]] == [only_one.id, only_one.id]


@pytest.mark.rule("CONF-16")
@pytest.mark.parametrize("phase", PHASES)
async def test_once_its_online_lesson_is_over_the_journal_makes_another(world: World, phase: str) -> None:
    first = await journal(world)
    await becomes(world, first.id, PHASES[phase])

    second = await journal(world)

    assert (second.id == first.id) is (phase not in {"finished", "failed"})


@pytest.mark.rule("CONF-16")
async def test_a_deleted_online_lesson_may_be_made_again(world: World) -> None:
    first = await journal(world)
    await world.use_cases.delete_videoconference(TEACHER, first.id)

    second = await journal(world)

    assert second.id != first.id


@pytest.mark.rule("CONF-16")
async def test_a_lesson_under_way_is_held_at_once_and_one_that_is_over_is_refused(world: World) -> None:
    world.now = MONDAY_0900
    under_way = await journal(world)
    world.now = MONDAY_0915

    over = await problems_of(world.use_cases.create_online_lesson(CHESS_TEACHER, OF_CHESS.id))

    assert under_way.slot == TimeSlot(MONDAY_0830, MONDAY_0915)
    assert over == only(ProblemCode.LESSON_OVER, "lessonId")


@pytest.mark.rule("CONF-16")
@pytest.mark.parametrize("event", [LessonCancelled("lesson"), GroupClosed(ALGEBRA)], ids=["cancelled", "group closed"])
async def test_a_lesson_that_will_not_be_is_refused(world: World, event: LessonCancelled | GroupClosed) -> None:
    await tell(world, event)

    problems = await problems_of(world.use_cases.create_online_lesson(DIRECTOR, LESSON.id))

    assert problems == only(ProblemCode.LESSON_OVER, "lessonId")


# A moved lesson

Move = Callable[[World, datetime, datetime], Awaitable[None]]


async def by_event(world: World, start: datetime, end: datetime) -> None:
    """The school system states the lesson at another time."""
    await tell(world, LessonSaved("lesson", ALGEBRA, start, end, PersonId("orlova")))


async def by_import(world: World, start: datetime, end: datetime) -> None:
    """A file has the lesson at another time."""
    file = Timetable((Stated("lesson", (ALGEBRA,), start, end, Where(2), PersonId("orlova")),))
    await imported(world, file)


async def imported(world: World, file: Timetable) -> None:
    """The file is applied."""
    plan = await world.use_cases.plan_timetable_import(SCHOOL, file, Days())
    await world.use_cases.apply_timetable_import(SCHOOL, file, Days(), plan, allow_removals=True)


moves = pytest.mark.parametrize("move", [by_event, by_import])


async def edited(world: World, conference: Videoconference, **fields: object) -> None:
    """Its teacher edits the conference."""
    edit = VideoconferenceEdit(**fields)  # type: ignore[arg-type]
    await world.use_cases.update_videoconference(TEACHER, conference.id, edit, expected_version=conference.version)


@pytest.mark.rule("CONF-22")
@moves
@pytest.mark.parametrize(
    ("by_hand", "name", "start", "end"),
    [
        ({}, MOVED_NAME, MONDAY_0900, MONDAY_1000),
        ({"name": "Повторение"}, "Повторение", MONDAY_0900, MONDAY_1000),
        ({"starts_at": MONDAY_0830 - MINUTE}, MOVED_NAME, MONDAY_0830 - MINUTE, MONDAY_1000),
        ({"ends_at": MONDAY_0915 + MINUTE}, MOVED_NAME, MONDAY_0900, MONDAY_0915 + MINUTE),
        ({"remove": (participant("petrov"),)}, MOVED_NAME, MONDAY_0900, MONDAY_1000),
    ],
    ids=["nothing", "name", "start", "end", "people"],
)
async def test_a_moved_lesson_moves_its_online_lesson_but_not_what_a_user_set_by_hand(
    world: World, move: Move, by_hand: dict[str, object], name: str, start: datetime, end: datetime
) -> None:
    made = await journal(world)
    await edited(world, made, **by_hand)
    before = await world.conference(made.id)

    await move(world, MONDAY_0900, MONDAY_1000)

    moved = await world.conference(made.id)
    assert (moved.name, moved.slot) == (name, TimeSlot(start, end))
    assert moved.phase == Scheduled(start - PREPARE_AHEAD)
    assert (moved.removals, moved.lesson_id, moved.version) == (before.removals, LESSON.id, before.version + 1)


@pytest.mark.rule("CONF-22")
async def test_what_the_form_was_given_counts_as_set_by_hand(world: World) -> None:
    chat = await world.chat(subject_chat(ALGEBRA))
    form = VideoconferenceForm(ONLINE_LESSON, "Повторение", LESSON.id, MONDAY_0830, MONDAY_0900)
    id = await world.use_cases.create_videoconference(TEACHER, chat.id, form)

    await by_event(world, MONDAY_0830 + 5 * MINUTE, MONDAY_1000)

    moved = await world.conference(id)
    assert (moved.name, moved.slot) == ("Повторение", TimeSlot(MONDAY_0830 + 5 * MINUTE, MONDAY_0900))


@pytest.mark.rule("CONF-22")
@moves
async def test_a_lesson_stated_as_it_is_changes_nothing(world: World, move: Move) -> None:
    made = await journal(world)

    await move(world, MONDAY_0830, MONDAY_0915)

    assert (await world.conference(made.id)).version == 1


@pytest.mark.rule("CONF-22", "CONF-17")
@pytest.mark.parametrize("phase", ["asked", "prepared"])
async def test_a_lesson_moved_away_while_its_online_lesson_starts_ends_the_prepared_call(
    world: World, phase: str
) -> None:
    made = await journal(world)
    call = await starts(world, made, phase)

    await by_event(world, MONDAY_0900, MONDAY_1000)

    assert (await world.conference(made.id)).phase == Scheduled(MONDAY_0900 - PREPARE_AHEAD)
    assert await is_let_go(world, call)


async def starts(world: World, conference: Videoconference, phase: str) -> CallId:
    """The conference is being started: its call is asked for, or there."""
    of_phase = PHASES[phase]
    assert isinstance(of_phase, Starting)
    call = a_call(conference, state=Open("call 1") if of_phase.link else Asked(sent=True))
    await put(world.storage.begin, calls=[call])
    await becomes(world, conference.id, replace(of_phase, call=call.id))
    return call.id


async def is_let_go(world: World, id: CallId) -> bool:
    """Whether somebody ends the call, or watches for it."""
    async with world.storage.begin(SCHEDULE) as uow:
        call = await uow.calls.get(id)
    return isinstance(call.state, Ending | GivenUp)


@pytest.mark.rule("CONF-22")
@moves
async def test_an_active_or_finished_online_lesson_stays_where_it_is(world: World, move: Move) -> None:
    made = await journal(world)
    active = Active(MONDAY_0830, a_call().id, LINK)
    await becomes(world, made.id, active)

    await move(world, MONDAY_0900, MONDAY_1000)
    while_active = await world.conference(made.id)
    await becomes(world, made.id, Finished(MONDAY_0830, MONDAY_0900, FinishedBy.USER))
    await move(world, MONDAY_0915, MONDAY_1000)

    assert (while_active.phase, while_active.slot) == (active, made.slot)
    assert (await world.conference(made.id)).slot == made.slot


async def cancelled_by_event(world: World) -> None:
    """The school system cancels the lesson."""
    await tell(world, LessonCancelled("lesson"))


async def cancelled_by_import(world: World) -> None:
    """A file of that day has another lesson of the group and not this one."""
    await imported(world, Timetable((Stated("another", (ALGEBRA,), MONDAY_1000, MONDAY_1000 + MINUTE, Where(2)),)))


async def moved_into_the_past(world: World) -> None:
    """The lesson is stated at a time that is over."""
    await by_event(world, MONDAY_0800 - 60 * MINUTE, MONDAY_0800)


async def group_closed(world: World) -> None:
    """The lesson's group is closed."""
    await tell(world, GroupClosed(ALGEBRA))


ends = pytest.mark.parametrize("end", [cancelled_by_event, cancelled_by_import, moved_into_the_past, group_closed])


@pytest.mark.rule("CONF-22")
@ends
@pytest.mark.parametrize("phase", ["scheduled", "put off"])
async def test_a_lesson_that_will_not_be_deletes_an_online_lesson_that_has_not_started(
    world: World, end: Callable[[World], Awaitable[None]], phase: str
) -> None:
    made = await journal(world)
    await becomes(world, made.id, PHASES[phase])

    await end(world)

    assert await is_gone(world, made.id)


@pytest.mark.rule("CONF-22")
@ends
@pytest.mark.parametrize("phase", ["asked", "prepared"])
async def test_a_lesson_that_will_not_be_deletes_an_online_lesson_that_is_being_started_with_its_call(
    world: World, end: Callable[[World], Awaitable[None]], phase: str
) -> None:
    made = await journal(world)
    call = await starts(world, made, phase)

    await end(world)

    assert await is_gone(world, made.id)
    assert await is_let_go(world, call)


@pytest.mark.rule("CONF-22")
@ends
async def test_a_lesson_that_will_not_be_leaves_an_active_online_lesson_alone(
    world: World, end: Callable[[World], Awaitable[None]]
) -> None:
    made = await journal(world)
    active = Active(MONDAY_0830, a_call().id, LINK)
    await becomes(world, made.id, active)

    await end(world)

    assert (await world.conference(made.id)).phase == active


@pytest.mark.rule("CONF-22")
async def test_the_lessons_of_a_closed_group_without_a_chat_lose_their_online_lessons_too(world: World) -> None:
    made = await journal(world, CHESS_TEACHER, OF_CHESS)
    other = await journal(world)

    await tell(world, GroupClosed(CHESS))

    assert (await unfinished(world, OF_CHESS), [each.id for each in await unfinished(world)]) == ([], [other.id])
    assert made.of_group


# The substitute


@pytest.mark.rule("CONF-23")
async def test_the_substitute_takes_part_in_the_online_lesson_and_is_no_member_of_the_chat(world: World) -> None:
    made = await journal(world)

    chat = await world.chat(subject_chat(ALGEBRA))
    assert await people(world, made.id) == participants("director", "klimova", "petrov", "orlova")
    assert chat.memberships.keys() == participants("director", "klimova", "petrov")


@pytest.mark.rule("CONF-23")
async def test_another_substitute_takes_the_first_one_s_place_at_once(world: World) -> None:
    made = await journal(world)
    join = world.use_cases.join_videoconference
    await becomes(world, made.id, Active(MONDAY_0830, a_call().id, LINK))

    await tell(world, LessonSaved("lesson", ALGEBRA, MONDAY_0830, MONDAY_0915, PersonId("gusev")))

    assert await people(world, made.id) == participants("director", "klimova", "petrov", "gusev")
    assert await join(viewer_of("gusev"), made.id) == LINK
    assert await problems_of(join(SUBSTITUTE, made.id)) == only(ProblemCode.NOT_FOUND, "id")


@pytest.mark.rule("CONF-23")
async def test_the_substitute_may_do_in_it_what_the_group_s_teacher_may(world: World) -> None:
    made = await journal(world)
    use = world.use_cases

    await use.update_videoconference(SUBSTITUTE, made.id, VideoconferenceEdit(name="Замена"), expected_version=1)
    renamed = await world.conference(made.id)
    await becomes(world, made.id, Active(MONDAY_0830, a_call().id, LINK))
    link = await use.join_videoconference(SUBSTITUTE, made.id)
    call = a_call(made)
    await put(world.storage.begin, calls=[call])
    await becomes(world, made.id, Active(MONDAY_0830, call.id, LINK))
    await use.finish_videoconference(SUBSTITUTE, made.id)
    finished = await world.conference(made.id)
    await use.delete_videoconference(SUBSTITUTE, made.id)

    assert (renamed.name, link, finished.status) == ("Замена", LINK, VideoconferenceStatus.FINISHED)
    assert await is_gone(world, made.id)


@pytest.mark.rule("CONF-23")
async def test_the_substitute_may_do_nothing_in_the_chat_s_other_conferences_nor_in_the_chat(world: World) -> None:
    chat = await world.chat(subject_chat(ALGEBRA))
    other = a_videoconference(chat=chat)
    await put(world.storage.begin, conferences=[other])
    use = world.use_cases

    edits = await problems_of(
        use.update_videoconference(SUBSTITUTE, other.id, VideoconferenceEdit(name="Замена"), expected_version=1)
    )
    creates = await problems_of(
        use.create_videoconference(SUBSTITUTE, chat.id, VideoconferenceForm(ONLINE_LESSON, lesson_id=LESSON.id))
    )
    renames = await problems_of(
        use.update_chat(SUBSTITUTE, chat.id, ChatEdit(name="Замена"), expected_version=chat.version)
    )

    assert edits == renames == only(ProblemCode.NOT_FOUND, "id")
    assert creates == only(ProblemCode.NOT_FOUND, "chatId")


@pytest.mark.rule("CHAT-32")
async def test_a_substitute_who_works_here_no_more_is_out_of_the_online_lesson(world: World) -> None:
    made = await journal(world)

    await tell(world, EmployeeDismissed(PersonId("orlova")))

    assert await people(world, made.id) == participants("director", "klimova", "petrov")


# The people of any conference


@pytest.mark.rule("CONF-25")
async def test_whoever_joins_or_leaves_the_chat_joins_or_leaves_the_conference_and_its_link_at_once(
    world: World,
) -> None:
    made = await journal(world)
    await becomes(world, made.id, Active(MONDAY_0830, a_call().id, LINK))
    join = world.use_cases.join_videoconference
    outside = await problems_of(join(viewer_of("belov"), made.id))

    await tell(world, GroupSaved(ALGEBRA, ALGEBRA, "Алгебра", frozenset({PersonId("belov")}), (PersonId("klimova"),)))

    assert outside == only(ProblemCode.NOT_FOUND, "id")
    assert await join(viewer_of("belov"), made.id) == LINK
    assert await problems_of(join(PUPIL_PETROV, made.id)) == only(ProblemCode.NOT_FOUND, "id")


@pytest.mark.rule("CONF-25")
async def test_additions_and_removals_hold_whatever_the_chat_does(world: World) -> None:
    made = await journal(world)
    await edited(world, made, add=((participant("somov"), PUPIL),), remove=(participant("petrov"),))
    everybody = frozenset(PersonId(pupil) for pupil in ("petrov", "belov", "somov"))

    await tell(world, GroupSaved(ALGEBRA, ALGEBRA, "Алгебра", everybody, (PersonId("klimova"),)))
    with_all = await people(world, made.id)
    await tell(world, GroupSaved(ALGEBRA, ALGEBRA, "Алгебра", frozenset(), (PersonId("klimova"),)))
    with_none = await people(world, made.id)

    staff = participants("director", "klimova", "orlova")
    assert (with_all, with_none) == (staff | participants("belov", "somov"), staff | participants("somov"))


@pytest.mark.rule("CONF-25")
async def test_a_list_given_at_creation_is_kept_as_additions_and_removals(world: World) -> None:
    chat = await world.chat(subject_chat(ALGEBRA))
    lists = {PUPIL: participants("belov")}
    form = VideoconferenceForm(ONLINE_LESSON, lesson_id=LESSON.id, lists=lists)
    id = await world.use_cases.create_videoconference(TEACHER, chat.id, form)
    at_first = await people(world, id)

    of_all = frozenset({PersonId("petrov"), PersonId("somov")})
    await tell(world, GroupSaved(ALGEBRA, ALGEBRA, "Алгебра", of_all, (PersonId("klimova"),)))

    staff = participants("director", "klimova", "orlova")
    assert at_first == staff | participants("belov")
    assert await people(world, id) == staff | participants("belov", "somov")


@pytest.mark.rule("CHAT-32")
async def test_whoever_was_added_in_a_capacity_that_ended_is_out_of_the_unfinished_conference_until_it_returns(
    world: World,
) -> None:
    made = await journal(world)
    await edited(world, made, add=((participant("somov"), PUPIL), (participant("zueva"), EMPLOYEE)))
    with_both = await people(world, made.id)

    await tell(world, PupilExpelled(PersonId("somov")), EmployeeDismissed(PersonId("zueva")))
    without = await people(world, made.id)
    await tell(world, PupilEnrolled(PersonId("somov"), "8 К"))
    back = await people(world, made.id)

    chats = participants("director", "klimova", "orlova", "petrov")
    assert (with_both - without, without) == (participants("somov", "zueva"), chats)
    assert back == chats | participants("somov")


@pytest.mark.rule("CHAT-25")
async def test_a_blocked_participant_stays_in_the_conference_without_its_link_until_unblocked(world: World) -> None:
    made = await journal(world)
    await becomes(world, made.id, Active(MONDAY_0830, a_call().id, LINK))
    join = world.use_cases.join_videoconference

    await tell(world, PersonBlocked(PersonId("petrov")))
    while_blocked = await join(viewer_of("petrov", blocked=True), made.id)
    taking = await people(world, made.id)
    await tell(world, PersonUnblocked(PersonId("petrov")))

    assert getattr(while_blocked, "reason", while_blocked) == "BLOCKED"
    assert participant("petrov") in taking
    assert await join(PUPIL_PETROV, made.id) == LINK


async def everybody_leaves(world: World) -> None:
    """The group has other people now, and nobody works here any more."""
    await tell(
        world,
        GroupSaved(ALGEBRA, ALGEBRA, "Алгебра", frozenset({PersonId("somov")}), ()),
        EmployeeDismissed(PersonId("klimova")),
        EmployeeDismissed(PersonId("orlova")),
        PupilExpelled(PersonId("petrov")),
    )


async def chat_deleted(world: World) -> None:
    """The chat is no more."""
    await world.use_cases.delete_chat(SUPERADMINISTRATOR, (await world.chat(subject_chat(ALGEBRA))).id)


async def another_class(world: World) -> None:
    """A pupil is of another class now, and a substitute of another lesson."""
    await tell(
        world,
        PupilTransferred(PersonId("petrov"), "9 А"),
        LessonSaved("lesson", ALGEBRA, MONDAY_0830, MONDAY_0915, PersonId("zueva")),
    )


@pytest.mark.rule("CONF-25")
@pytest.mark.parametrize("afterwards", [everybody_leaves, chat_deleted, group_closed, another_class])
@pytest.mark.parametrize("how", ["finished by a user", "finished by the clock", "failed"])
async def test_a_finished_conference_keeps_the_people_that_it_had_at_its_end_whatever_happens_to_its_chat(
    world: World, how: str, afterwards: Callable[[World], Awaitable[None]]
) -> None:
    made = await journal(world)
    await edited(world, made, add=((participant("belov"), PUPIL),))
    if how != "failed":
        call = a_call(made)
        await put(world.storage.begin, calls=[call])
        await becomes(world, made.id, Active(MONDAY_0830, call.id, LINK))
    at_its_end = await taking_part(world, made.id)

    if how == "finished by a user":
        await world.use_cases.finish_videoconference(TEACHER, made.id)
    else:
        await world.sweep(MONDAY_0915)
    over = await world.conference(made.id)
    await afterwards(world)

    assert over.status == (VideoconferenceStatus.FAILED if how == "failed" else VideoconferenceStatus.FINISHED)
    assert at_its_end.keys() == participants("director", "klimova", "petrov", "orlova", "belov")
    assert await taking_part(world, made.id) == at_its_end


@pytest.mark.rule("CONF-25")
async def test_whom_a_user_took_out_is_not_among_the_people_at_its_end(world: World) -> None:
    made = await journal(world)
    await edited(world, made, remove=(participant("petrov"),))

    await world.sweep(MONDAY_0915)

    assert await people(world, made.id) == participants("director", "klimova", "orlova")
