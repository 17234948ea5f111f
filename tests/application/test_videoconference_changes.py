"""People edit, delete and join conferences by their rights; what changed meanwhile is never written over."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from application.videoconferences import JoinRefusalReason, JoinRefused, StaleVideoconference
from domain.access import MetaRole, Permission, Viewer
from domain.audit import SCHEDULE
from domain.call import Ending, GivenUp
from domain.chat import Chat, OtherChat
from domain.errors import ProblemCode
from domain.ids import ChatId, LessonId, VideoconferenceId
from domain.lesson import Lesson
from domain.participant import Capacity, PositionKind
from domain.roster import Roster
from domain.videoconference import (
    Active,
    Finished,
    FinishedBy,
    Scheduled,
    Starting,
    TimeSlot,
    Videoconference,
    VideoconferenceChanged,
    VideoconferenceType,
)
from domain.videoconference_form import VideoconferenceEdit, VideoconferenceForm
from tests.application.school import (
    SCHOOL_SYSTEM,
    SUPERADMINISTRATOR,
    link_account,
    only,
    problems_of,
    taking_part,
    viewer_of,
)
from tests.builders import (
    LINK,
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
    participant,
    participants,
    put,
    subject_chat,
)
from tests.domain.phases import PHASES
from tests.fakes.world import PREPARE_AHEAD, World

ONLINE_LESSON, VIDEO_CALL = VideoconferenceType.ONLINE_LESSON, VideoconferenceType.VIDEO_CALL
EMPLOYEE, PUPIL = Capacity.EMPLOYEE, Capacity.PUPIL
MINUTE = timedelta(minutes=1)
ALGEBRA, PHYSICS = "8 К алгебра", "9 А физика"
LESSON, LATER = a_lesson(), a_lesson("later", starts_at=MONDAY_0900, ends_at=MONDAY_1000)
OF_PHYSICS = a_lesson("physics", group=PHYSICS)
RENAMED = VideoconferenceEdit(name="Иначе")

DIRECTOR = viewer_of("director", meta_role=MetaRole.CHAT_ADMINISTRATOR)
TEACHER, PUPIL_PETROV, OUTSIDER = viewer_of("klimova"), viewer_of("petrov"), viewer_of("orlova")
FOREIGN_ADMINISTRATOR = a_viewer("head", organization=OTHER_SCHOOL, meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR)


def the_roster() -> Roster:
    """A teacher with a group of one pupil, the pupil's class with its teacher, and somebody who teaches elsewhere."""
    return a_roster(
        employees={"director": [PositionKind.ADMINISTRATION], "klimova": [], "orlova": [], "zueva": [], "clerk": []},
        class_teachers={"8 К": "zueva"},
        pupils={"petrov": "8 К", "belov": "8 К", "somov": "9 А"},
        groups={ALGEBRA: ["petrov"], PHYSICS: ["somov"]},
        group_teachers={ALGEBRA: ["klimova"], PHYSICS: ["orlova"]},
    )


@pytest.fixture
async def chat(world: World) -> Chat:
    """The chat of the teacher's group, in a school with three lessons."""
    roster = the_roster()
    chat = a_chat(subject_chat(ALGEBRA), roster=roster, chat_administrator="director", name="Алгебра")
    organization = an_organization(chat_administrator="director")
    lessons = [LESSON, LATER, OF_PHYSICS]
    await put(world.storage.begin, organization=organization, roster=roster, lessons=lessons, chats=[chat])
    return chat


@pytest.fixture
async def of_class(world: World, chat: Chat) -> Chat:
    """The chat of the pupil's class."""
    of_class = a_chat(class_chat("8 К"), roster=the_roster(), chat_administrator="director", name="8 К")
    await put(world.storage.begin, chats=[of_class])
    return of_class


async def a_conference(world: World, chat: Chat, phase: str = "scheduled", **rest: object) -> Videoconference:
    """One of the chat, with its call if its phase has one."""
    conference = a_videoconference(chat=chat, phase=PHASES[phase], **rest)  # type: ignore[arg-type]
    calls = []
    if isinstance(conference.phase, Starting | Active):
        calls = [a_call(conference)]
        calls[0].id = conference.phase.call
        if conference.phase.link is not None:
            calls[0].opened("call 1", at=MONDAY_0830)
    await put(world.storage.begin, conferences=[conference], calls=calls)
    return conference


async def found(world: World, id: VideoconferenceId) -> Videoconference | None:
    """The conference, if it is kept."""
    async with world.storage.begin(SCHEDULE) as uow:
        return await uow.videoconferences.find(id)


def edit(
    world: World,
    viewer: Viewer,
    id: VideoconferenceId,
    edit: VideoconferenceEdit = RENAMED,
    *,
    version: int = 1,
    chat_id: ChatId | None = None,
) -> Awaitable[VideoconferenceId | StaleVideoconference]:
    """The viewer's edit of what they saw at that version."""
    return world.use_cases.update_videoconference(viewer, id, edit, expected_version=version, chat_id=chat_id)


# Editing


@pytest.mark.rule("CONF-14")
async def test_an_edit_is_kept_with_all_that_it_says(world: World, chat: Chat, of_class: Chat) -> None:
    conference = await a_conference(world, chat)
    change = VideoconferenceEdit(
        name=" Итоги ",
        starts_at=MONDAY_0900,
        ends_at=MONDAY_1000,
        add=((participant("somov"), PUPIL),),
        remove=(participant("belov"),),
    )

    answer = await edit(world, DIRECTOR, conference.id, change, chat_id=of_class.id)

    kept = await world.conference(conference.id)
    assert (answer, kept.version) == (conference.id, 2)
    assert (kept.name, kept.chat_id, kept.slot) == ("Итоги", of_class.id, TimeSlot(MONDAY_0900, MONDAY_1000))
    assert kept.additions == {(participant("somov"), PUPIL)}
    assert kept.removals == participants("belov")
    assert kept.phase == Scheduled(MONDAY_0900 - PREPARE_AHEAD)
    assert world.storage.outbox == [VideoconferenceChanged(conference.id, "revised")]


@pytest.mark.rule("CONF-14")
async def test_an_edit_acknowledged_before_the_start_counts_at_the_start(world: World, chat: Chat) -> None:
    await link_account(world, "director")
    conference = await a_conference(world, chat)
    await world.come_to(MONDAY_0830 - MINUTE / 2)
    being_started = await world.conference(conference.id)

    moved = VideoconferenceEdit(starts_at=MONDAY_0900)
    await edit(world, TEACHER, conference.id, moved, version=being_started.version)
    await world.come_to(MONDAY_0900 - MINUTE * 2)
    waiting, open_calls = await world.conference(conference.id), list(world.messenger.open)
    await world.come_to(MONDAY_0900)

    running = await world.conference(conference.id)
    assert isinstance(being_started.phase, Starting)
    assert (waiting.phase, open_calls) == (Scheduled(MONDAY_0900 - PREPARE_AHEAD), [])
    assert isinstance(running.phase, Active)
    assert (running.phase.since, len(world.messenger.open)) == (MONDAY_0900, 1)


@pytest.mark.rule("CONF-14", "CONF-21")
async def test_while_active_the_end_is_moved_and_the_conference_goes_on_until_then(world: World, chat: Chat) -> None:
    await link_account(world, "director")
    conference = await a_conference(world, chat)
    await world.come_to(MONDAY_0915 - 5 * MINUTE)
    warned = await world.conference(conference.id)

    later = VideoconferenceEdit(ends_at=MONDAY_1000)
    await edit(world, TEACHER, conference.id, later, version=warned.version)
    extended = await world.conference(conference.id)
    await world.come_to(MONDAY_0915)
    running = await world.conference(conference.id)
    await world.come_to(MONDAY_1000)

    assert (warned.minutes_left_notice, extended.minutes_left_notice, running.status) == (5, None, "ACTIVE")
    assert (await world.conference(conference.id)).phase == Finished(MONDAY_0830, MONDAY_1000, FinishedBy.SCHEDULE)
    assert world.messenger.open == []


@pytest.mark.rule("CONF-19")
async def test_an_edit_that_changes_nothing_makes_no_version_and_tells_nobody(world: World, chat: Chat) -> None:
    conference = await a_conference(world, chat)
    same = VideoconferenceEdit(conference.name, starts_at=MONDAY_0830, ends_at=MONDAY_0915)
    await edit(world, TEACHER, conference.id, same)
    world.storage.outbox.clear()
    before = await world.conference(conference.id)

    answer = await edit(world, TEACHER, conference.id, same, version=before.version)

    assert (answer, (await world.conference(conference.id)).version) == (conference.id, before.version)
    assert world.storage.outbox == []


@pytest.mark.rule("CONF-14")
async def test_an_edit_of_what_somebody_changed_meanwhile_is_not_kept_and_told_which_fields(
    world: World, chat: Chat
) -> None:
    conference = await a_conference(world, chat)
    removes = VideoconferenceEdit(ends_at=MONDAY_1000, remove=(participant("petrov"),))
    await edit(world, TEACHER, conference.id, removes)

    stale = await edit(world, DIRECTOR, conference.id)
    future = await edit(world, DIRECTOR, conference.id, version=7)

    kept = await world.conference(conference.id)
    assert stale == StaleVideoconference(conference.id, ("endsAt", "participants"))
    assert future == StaleVideoconference(conference.id, ())
    assert (kept.name, kept.version) == ("Совещание", 2)


@pytest.mark.rule("CONF-14")
async def test_of_two_editors_at_once_one_saves_and_the_other_is_told_that_theirs_is_stale(
    world: World, chat: Chat, of_class: Chat
) -> None:
    conference = await a_conference(world, chat)

    answers = await asyncio.gather(
        edit(world, DIRECTOR, conference.id, VideoconferenceEdit(), chat_id=of_class.id),
        edit(world, DIRECTOR, conference.id),
    )

    kept = await world.conference(conference.id)
    [stale] = [answer for answer in answers if isinstance(answer, StaleVideoconference)]
    assert conference.id in answers
    assert stale.changed_fields == (("chat",) if kept.chat_id == of_class.id else ("name",))


@pytest.mark.rule("CONF-14")
async def test_all_faults_of_an_edit_are_told_at_once_and_nothing_is_kept(world: World, chat: Chat) -> None:
    conference = await a_conference(world, chat)
    faulty = VideoconferenceEdit("", LESSON.id, ends_at=MONDAY_0830, add=((participant("petrov"), EMPLOYEE),))

    problems = await problems_of(edit(world, TEACHER, conference.id, faulty))

    assert [(problem.code, problem.path) for problem in problems] == [
        (ProblemCode.REQUIRED, ("name",)),
        (ProblemCode.LESSON_NOT_ALLOWED, ("lessonId",)),
        (ProblemCode.END_NOT_AFTER_START, ("endsAt",)),
        (ProblemCode.CAPACITY_NOT_ALLOWED, ("addParticipants", "0")),
    ]
    assert (await world.conference(conference.id)).version == 1


@pytest.mark.rule("CONF-14")
@pytest.mark.parametrize("phase", ["finished", "failed"])
@pytest.mark.parametrize("chat_is_gone", [False, True])
async def test_one_that_is_over_is_not_edited_whatever_became_of_its_chat(
    world: World, chat: Chat, phase: str, chat_is_gone: bool
) -> None:
    conference = await a_conference(world, chat, phase)
    if chat_is_gone:
        await world.use_cases.delete_chat(SUPERADMINISTRATOR, chat.id)

    problems = await problems_of(edit(world, SUPERADMINISTRATOR, conference.id))

    assert problems == only(ProblemCode.WRONG_STATUS, "id", status=phase.upper())


# Its lesson and its chat


async def an_online_lesson(world: World, chat: Chat, lesson: LessonId = LESSON.id) -> VideoconferenceId:
    """The lesson's online lesson, made in the form."""
    form = VideoconferenceForm(ONLINE_LESSON, lesson_id=lesson)
    return await world.use_cases.create_videoconference(DIRECTOR, chat.id, form)


@pytest.mark.rule("CONF-16")
async def test_an_edit_takes_no_lesson_that_has_an_online_lesson_and_one_that_has_none(
    world: World, chat: Chat, of_class: Chat
) -> None:
    first, second = await an_online_lesson(world, chat), await an_online_lesson(world, of_class, LATER.id)
    takes = VideoconferenceEdit(lesson_id=LATER.id)

    refused = await problems_of(edit(world, TEACHER, first, takes))
    with_another_fault = await problems_of(
        edit(world, TEACHER, first, VideoconferenceEdit(lesson_id=LATER.id, ends_at=MONDAY_0830))
    )
    await world.use_cases.delete_videoconference(DIRECTOR, second)
    await edit(world, TEACHER, first, takes)

    kept = await world.conference(first)
    assert refused == only(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId")
    assert [problem.path for problem in with_another_fault] == [("endsAt",)]
    assert (kept.lesson_id, kept.slot) == (LATER.id, TimeSlot(MONDAY_0900, MONDAY_1000))


@pytest.mark.rule("CONF-16")
async def test_of_two_edits_that_take_one_lesson_at_once_one_is_refused(
    world: World, chat: Chat, of_class: Chat
) -> None:
    form = VideoconferenceForm(ONLINE_LESSON, starts_at=MONDAY_0830, ends_at=MONDAY_0915)
    create = world.use_cases.create_videoconference
    without = [await create(DIRECTOR, of_class.id, form) for _ in range(2)]
    takes = VideoconferenceEdit(lesson_id=LESSON.id)

    answers = await asyncio.gather(*(edit(world, DIRECTOR, id, takes) for id in without), return_exceptions=True)

    [refused] = [answer for answer in answers if isinstance(answer, Exception)]
    assert getattr(refused, "problems", None) == only(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId")


@pytest.mark.rule("CONF-05")
@pytest.mark.parametrize(
    ("lesson", "code"),
    [(OF_PHYSICS, ProblemCode.LESSON_OF_ANOTHER_GROUP), (a_lesson("unknown"), ProblemCode.NOT_FOUND)],
    ids=["another group's", "unknown"],
)
async def test_a_lesson_that_is_not_the_chat_s_is_refused(
    world: World, chat: Chat, lesson: Lesson, code: ProblemCode
) -> None:
    id = await an_online_lesson(world, chat)

    problems = await problems_of(edit(world, TEACHER, id, VideoconferenceEdit(lesson_id=lesson.id)))

    assert problems == only(code, "lessonId")


@pytest.mark.rule("CONF-05")
async def test_in_other_chats_only_a_lesson_that_the_user_sees_is_taken(world: World, chat: Chat) -> None:
    club = a_chat(OtherChat(), roster=the_roster(), chat_administrator="director")
    await put(world.storage.begin, chats=[club])
    form = VideoconferenceForm(ONLINE_LESSON, starts_at=MONDAY_0830, ends_at=MONDAY_0915)
    id = await world.use_cases.create_videoconference(DIRECTOR, club.id, form)
    editor = a_viewer("klimova", granted=[Permission.CONFERENCE_EDIT])
    await edit(world, DIRECTOR, id, VideoconferenceEdit(add=((participant("klimova"), EMPLOYEE),)))

    unseen = await problems_of(edit(world, editor, id, VideoconferenceEdit(lesson_id=OF_PHYSICS.id), version=2))
    await edit(world, editor, id, VideoconferenceEdit(lesson_id=LESSON.id), version=2)

    assert unseen == only(ProblemCode.NOT_FOUND, "lessonId")
    assert (await world.conference(id)).lesson_id == LESSON.id


@pytest.mark.rule("CONF-14", "CONF-25")
async def test_a_conference_that_changes_its_chat_has_the_new_chat_s_people(
    world: World, chat: Chat, of_class: Chat
) -> None:
    conference = await a_conference(world, chat, added={"somov": PUPIL}, removed=["petrov"])
    before = (await taking_part(world, conference.id)).keys()

    await edit(world, DIRECTOR, conference.id, VideoconferenceEdit(), chat_id=of_class.id)

    assert before == participants("director", "klimova", "somov")
    assert (await taking_part(world, conference.id)).keys() == participants("director", "zueva", "petrov", "belov")


@pytest.mark.rule("CONF-04", "RIGHT-07")
async def test_it_moves_only_to_a_chat_in_which_the_user_may_make_conferences(
    world: World, chat: Chat, of_class: Chat
) -> None:
    conference = await a_conference(world, chat)
    joined = a_chat(OtherChat(), roster=the_roster(), chat_administrator="klimova")
    foreign = a_chat(OtherChat(), organization=OTHER_SCHOOL)
    await put(world.storage.begin, organization=an_organization(school_id="other school"), chats=[joined, foreign])

    def move(viewer: Viewer, to: ChatId) -> Awaitable[object]:
        return edit(world, viewer, conference.id, VideoconferenceEdit(), chat_id=to)

    assert await problems_of(move(TEACHER, of_class.id)) == only(ProblemCode.NOT_FOUND, "chatId")
    assert await problems_of(move(TEACHER, joined.id)) == only(ProblemCode.FORBIDDEN, "chatId")
    assert await problems_of(move(SUPERADMINISTRATOR, foreign.id)) == only(ProblemCode.NOT_FOUND, "chatId")
    assert await problems_of(move(SUPERADMINISTRATOR, ChatId(SCHOOL))) == only(ProblemCode.NOT_FOUND, "chatId")
    assert (await world.conference(conference.id)).chat_id == chat.id


@pytest.mark.rule("CONF-14")
async def test_two_that_change_places_at_once_both_move(world: World, chat: Chat, of_class: Chat) -> None:
    here, there = await a_conference(world, chat), await a_conference(world, of_class)

    await asyncio.gather(
        edit(world, DIRECTOR, here.id, VideoconferenceEdit(), chat_id=of_class.id),
        edit(world, DIRECTOR, there.id, VideoconferenceEdit(), chat_id=chat.id),
    )

    assert [(await world.conference(each.id)).chat_id for each in (here, there)] == [of_class.id, chat.id]


# Deleting


@pytest.mark.rule("CONF-15")
@pytest.mark.parametrize("phase", PHASES)
async def test_a_conference_of_any_status_is_deleted_and_no_call_of_it_stays_open(
    world: World, chat: Chat, phase: str
) -> None:
    conference = await a_conference(world, chat, phase)

    await world.use_cases.delete_videoconference(TEACHER, conference.id)

    again = await problems_of(world.use_cases.delete_videoconference(TEACHER, conference.id))
    assert await found(world, conference.id) is None
    assert again == only(ProblemCode.NOT_FOUND, "id")
    if isinstance(conference.phase, Starting | Active):
        async with world.storage.begin(SCHEDULE) as uow:
            call = await uow.calls.get(conference.phase.call)
        assert isinstance(call.state, Ending | GivenUp)


@pytest.mark.rule("CONF-15")
async def test_an_active_one_is_ended_first_and_its_call_is_closed(world: World, chat: Chat) -> None:
    await link_account(world, "director")
    conference = await a_conference(world, chat)
    await world.come_to(MONDAY_0900)
    running, told = len(world.messenger.open), len(world.storage.outbox)

    await world.use_cases.delete_videoconference(TEACHER, conference.id)
    await world.come_to(MONDAY_0900)

    changes = [event for event in world.storage.outbox[told:] if isinstance(event, VideoconferenceChanged)]
    assert [event.what for event in changes] == ["finished", "deleted"]
    assert (running, world.messenger.open) == (1, [])


@pytest.mark.rule("CONF-15")
async def test_a_finished_one_of_a_deleted_chat_is_deleted_too(world: World, chat: Chat) -> None:
    conference = await a_conference(world, chat, "finished")
    await world.use_cases.delete_chat(SUPERADMINISTRATOR, chat.id)

    await world.use_cases.delete_videoconference(SUPERADMINISTRATOR, conference.id)

    assert await found(world, conference.id) is None


# Joining


async def joins(world: World, id: VideoconferenceId) -> list[tuple[object, object]]:
    """Who connected, and when."""
    return [(participant, at) for conference, participant, at in world.storage.joins.rows if conference == id]


@pytest.mark.rule("CONF-12", "CONF-24")
async def test_a_participant_gets_the_link_while_it_is_active_and_each_time_is_recorded_once(
    world: World, chat: Chat
) -> None:
    conference = await a_conference(world, chat, "active")
    join = world.use_cases.join_videoconference

    world.now = MONDAY_0830
    first = await join(PUPIL_PETROV, conference.id)
    world.now = MONDAY_0900
    second, teacher_s = await join(PUPIL_PETROV, conference.id), await join(TEACHER, conference.id)

    assert first == second == teacher_s == LINK
    assert await joins(world, conference.id) == [
        (participant("petrov"), MONDAY_0830),
        (participant("petrov"), MONDAY_0900),
        (participant("klimova"), MONDAY_0900),
    ]


@pytest.mark.rule("CONF-24")
async def test_a_join_changes_no_version_and_tells_nobody(world: World, chat: Chat) -> None:
    conference = await a_conference(world, chat, "active")

    await world.use_cases.join_videoconference(PUPIL_PETROV, conference.id)

    assert (await world.conference(conference.id)).version == 1
    assert world.storage.outbox == []


@pytest.mark.rule("CONF-12")
@pytest.mark.parametrize(
    ("phase", "refused"),
    [
        ("scheduled", JoinRefused(JoinRefusalReason.NOT_STARTED, MONDAY_0830)),
        ("put off", JoinRefused(JoinRefusalReason.NOT_STARTED, MONDAY_0830)),
        ("asked", JoinRefused(JoinRefusalReason.STARTING, MONDAY_0830)),
        ("prepared", JoinRefused(JoinRefusalReason.STARTING, MONDAY_0830)),
        ("finished", JoinRefused(JoinRefusalReason.OVER)),
        ("failed", JoinRefused(JoinRefusalReason.FAILED)),
    ],
)
@pytest.mark.parametrize("viewer", [PUPIL_PETROV, TEACHER, DIRECTOR], ids=["a pupil", "a teacher", "the director"])
async def test_at_any_other_time_nobody_gets_it_and_is_told_why_and_nothing_is_recorded(
    world: World, chat: Chat, phase: str, refused: JoinRefused, viewer: Viewer
) -> None:
    conference = await a_conference(world, chat, phase)

    assert await world.use_cases.join_videoconference(viewer, conference.id) == refused
    assert await joins(world, conference.id) == []


@pytest.mark.rule("CONF-12")
@pytest.mark.parametrize(
    ("viewer", "answer"),
    [
        (viewer_of("director"), LINK),
        (viewer_of("klimova"), LINK),
        (viewer_of("orlova"), LINK),
        (SUPERADMINISTRATOR, LINK),
        (a_viewer("clerk", granted=[Permission.REGISTRY_VIEW, Permission.CONFERENCE_EDIT]), LINK),
        (a_viewer("clerk", granted=[Permission.REGISTRY_VIEW]), JoinRefusalReason.NOT_A_PARTICIPANT),
        (
            a_viewer("clerk", granted=[Permission.REGISTRY_VIEW, Permission.CONFERENCE_FINISH]),
            JoinRefusalReason.NOT_A_PARTICIPANT,
        ),
        (
            a_viewer("petrov", granted=[Permission.REGISTRY_VIEW]),
            JoinRefusalReason.NOT_A_PARTICIPANT,
        ),
        (viewer_of("klimova", blocked=True), JoinRefusalReason.BLOCKED),
        (viewer_of("orlova", blocked=True), JoinRefusalReason.BLOCKED),
        (
            a_viewer("clerk", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR, blocked=True),
            ProblemCode.NOT_FOUND,
        ),
        (viewer_of("petrov"), ProblemCode.NOT_FOUND),
        (viewer_of("zueva"), ProblemCode.NOT_FOUND),
        (SCHOOL_SYSTEM, ProblemCode.NOT_FOUND),
        (FOREIGN_ADMINISTRATOR, ProblemCode.NOT_FOUND),
    ],
    ids=[
        "administers the chat and was taken out",
        "teaches the group",
        "was added",
        "superadministrator",
        "may edit",
        "views the registry",
        "may finish",
        "was taken out and views the registry",
        "is a blocked teacher",
        "is a blocked participant",
        "is a blocked administrator",
        "was taken out",
        "has nothing to do with it",
        "is the school system",
        "is of another school",
    ],
)
async def test_the_link_is_shown_to_participants_to_who_may_edit_and_who_administers_the_chat(
    world: World, chat: Chat, viewer: Viewer, answer: str | JoinRefusalReason | ProblemCode
) -> None:
    conference = await a_conference(world, chat, "active", added={"orlova": EMPLOYEE}, removed=["petrov", "director"])
    joining = world.use_cases.join_videoconference(viewer, conference.id)

    if isinstance(answer, ProblemCode):
        assert await problems_of(joining) == only(answer, "id")
    else:
        assert await joining == (JoinRefused(answer) if isinstance(answer, JoinRefusalReason) else answer)
    recorded = answer == LINK and viewer.participant_id is not None
    assert await joins(world, conference.id) == ([(viewer.participant_id, world.now)] if recorded else [])


@pytest.mark.rule("CONF-12")
async def test_nobody_gets_a_link_while_the_call_lapsed_and_another_is_asked_for(world: World, chat: Chat) -> None:
    conference = a_videoconference(chat=chat, phase=Active(MONDAY_0830, a_call().id, None, MONDAY_0900))
    await put(world.storage.begin, conferences=[conference])

    answer = await world.use_cases.join_videoconference(PUPIL_PETROV, conference.id)

    assert answer == JoinRefused(JoinRefusalReason.STARTING, MONDAY_0830)
    assert await joins(world, conference.id) == []


@pytest.mark.rule("CHAT-25")
async def test_whoever_is_blocked_has_no_part_in_a_conference_but_to_see_it(world: World, chat: Chat) -> None:
    conference = await a_conference(world, chat, "active")
    blocked = viewer_of("klimova", blocked=True)
    use = world.use_cases

    assert await use.join_videoconference(blocked, conference.id) == JoinRefused(JoinRefusalReason.BLOCKED)
    assert await problems_of(edit(world, blocked, conference.id)) == only(ProblemCode.FORBIDDEN)
    assert await problems_of(use.finish_videoconference(blocked, conference.id)) == only(ProblemCode.FORBIDDEN)
    assert await problems_of(use.delete_videoconference(blocked, conference.id)) == only(ProblemCode.FORBIDDEN)


# Rights

EDIT, FINISH, DELETE, VIEW = (
    Permission.CONFERENCE_EDIT,
    Permission.CONFERENCE_FINISH,
    Permission.CONFERENCE_DELETE,
    Permission.REGISTRY_VIEW,
)


def deeds(world: World, viewer: Viewer) -> dict[str, Callable[[VideoconferenceId], Awaitable[object]]]:
    """What one may do with a conference that is there."""
    return {
        "edit": lambda id: edit(world, viewer, id),
        "finish": lambda id: world.use_cases.finish_videoconference(viewer, id),
        "delete": lambda id: world.use_cases.delete_videoconference(viewer, id),
    }


ALL = {"edit", "finish", "delete"}
WHO: dict[str, tuple[Viewer, set[str], ProblemCode]] = {
    "the group's teacher": (TEACHER, ALL, ProblemCode.FORBIDDEN),
    "the chat administrator": (DIRECTOR, ALL, ProblemCode.FORBIDDEN),
    "an organization administrator": (
        a_viewer("clerk", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR),
        ALL,
        ProblemCode.FORBIDDEN,
    ),
    "a superadministrator": (SUPERADMINISTRATOR, ALL, ProblemCode.FORBIDDEN),
    "who may edit": (a_viewer("clerk", granted=[VIEW, EDIT]), {"edit"}, ProblemCode.FORBIDDEN),
    "who may finish": (a_viewer("clerk", granted=[VIEW, FINISH]), {"finish"}, ProblemCode.FORBIDDEN),
    "who may delete": (a_viewer("clerk", granted=[VIEW, DELETE]), {"delete"}, ProblemCode.FORBIDDEN),
    "who may create": (
        a_viewer("clerk", granted=[VIEW, Permission.CONFERENCE_CREATE]),
        set(),
        ProblemCode.FORBIDDEN,
    ),
    "a participant who may edit": (a_viewer("petrov", granted=[EDIT]), {"edit"}, ProblemCode.FORBIDDEN),
    "who may all but sees nothing": (a_viewer("clerk", granted=[EDIT, FINISH, DELETE]), set(), ProblemCode.NOT_FOUND),
    "a pupil": (PUPIL_PETROV, set(), ProblemCode.FORBIDDEN),
    "an administrator of the chat without the role": (viewer_of("director"), set(), ProblemCode.FORBIDDEN),
    "another group's teacher": (OUTSIDER, set(), ProblemCode.NOT_FOUND),
    "the class's teacher": (viewer_of("zueva"), set(), ProblemCode.NOT_FOUND),
    "a blocked teacher": (viewer_of("klimova", blocked=True), set(), ProblemCode.FORBIDDEN),
    "a blocked administrator": (
        a_viewer("clerk", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR, blocked=True),
        set(),
        ProblemCode.NOT_FOUND,
    ),
    "another school's administrator": (FOREIGN_ADMINISTRATOR, set(), ProblemCode.NOT_FOUND),
    "the school system": (SCHOOL_SYSTEM, set(), ProblemCode.NOT_FOUND),
}


@pytest.mark.rule("RIGHT-05", "RIGHT-07", "RIGHT-08")
@pytest.mark.parametrize("deed", sorted(ALL))
@pytest.mark.parametrize("who", WHO)
async def test_who_may_edit_finish_and_delete_a_conference(world: World, chat: Chat, who: str, deed: str) -> None:
    viewer, may, code = WHO[who]
    conference = await a_conference(world, chat, "active")
    do = deeds(world, viewer)[deed](conference.id)

    if deed in may:
        await do
        kept = await found(world, conference.id)
        assert kept is None or (kept.name, kept.status) != (conference.name, conference.status)
    else:
        assert await problems_of(do) == only(code, *(["id"] if code is ProblemCode.NOT_FOUND else []))
        assert (await world.conference(conference.id)).version == 1


@pytest.mark.rule("RIGHT-07")
async def test_a_class_teacher_may_do_all_in_the_class_s_chat_and_nothing_in_the_group_s(
    world: World, chat: Chat, of_class: Chat
) -> None:
    teacher = viewer_of("zueva")
    form = VideoconferenceForm(VIDEO_CALL, "Классный час", starts_at=MONDAY_0830, ends_at=MONDAY_0915)
    create = world.use_cases.create_videoconference

    id = await create(teacher, of_class.id, form)
    await edit(world, teacher, id)
    await world.use_cases.delete_videoconference(teacher, id)
    active = await a_conference(world, of_class, "active")
    await world.use_cases.finish_videoconference(teacher, active.id)

    assert await problems_of(create(teacher, chat.id, form)) == only(ProblemCode.NOT_FOUND, "chatId")
    assert (await world.conference(active.id)).status == "FINISHED"


@pytest.mark.rule("AUDIT-01")
async def test_an_edit_and_a_deletion_leave_a_line_each_with_who_made_them(world: World, chat: Chat) -> None:
    conference = await a_conference(world, chat)
    world.storage.audit.clear()

    await edit(world, TEACHER, conference.id)
    await world.use_cases.delete_videoconference(DIRECTOR, conference.id)

    told = [(line.line.action, line.because.actor) for line in world.storage.audit]
    assert told == [
        ("VIDEOCONFERENCE_CHANGED", participant("klimova")),
        ("VIDEOCONFERENCE_DELETED", participant("director")),
    ]
