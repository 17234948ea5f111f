"""People make conferences and end them before their time, each by their rights and each request once."""

import asyncio
from datetime import timedelta

import pytest

from domain.access import MetaRole, Viewer
from domain.audit import SCHEDULE
from domain.call import Open
from domain.chat import Chat, OtherChat
from domain.errors import Problem, ProblemCode
from domain.ids import ChatId, VideoconferenceId
from domain.participant import Capacity, PositionKind
from domain.roster import Roster
from domain.videoconference import (
    Active,
    Finished,
    FinishedBy,
    Scheduled,
    TimeSlot,
    Videoconference,
    VideoconferenceChanged,
    VideoconferenceType,
)
from domain.videoconference_form import VideoconferenceForm
from tests.application.school import SCHOOL_SYSTEM, SUPERADMINISTRATOR, link_account, only, problems_of, viewer_of
from tests.builders import (
    LINK,
    MONDAY_0829,
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
    participant,
    put,
    subject_chat,
)
from tests.domain.phases import PHASES
from tests.fakes.world import PREPARE_AHEAD, World

A_DAY = timedelta(hours=24)
INSTANT = timedelta(microseconds=1)
ONLINE_LESSON, VIDEO_CALL = VideoconferenceType.ONLINE_LESSON, VideoconferenceType.VIDEO_CALL
CALL = VideoconferenceForm(VIDEO_CALL, "Совещание", starts_at=MONDAY_0830, ends_at=MONDAY_0915)
LESSON = VideoconferenceForm(ONLINE_LESSON, lesson_id=a_lesson().id)

DIRECTOR = viewer_of("director", meta_role=MetaRole.CHAT_ADMINISTRATOR)
TEACHER, PUPIL, OUTSIDER = viewer_of("klimova"), viewer_of("petrov"), viewer_of("orlova")
BLOCKED_ADMINISTRATOR = viewer_of("somebody", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR, blocked=True)
FOREIGN_ADMINISTRATOR = a_viewer("head", organization=OTHER_SCHOOL, meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR)


def the_roster() -> Roster:
    """A director, a teacher with a group of one pupil, and somebody who teaches elsewhere."""
    return a_roster(
        employees={"director": [PositionKind.ADMINISTRATION], "klimova": [], "orlova": []},
        pupils={"petrov": "8 К"},
        groups={"8 К алгебра": ["petrov"]},
        group_teachers={"8 К алгебра": ["klimova"]},
    )


@pytest.fixture
async def chat(world: World) -> Chat:
    """The chat of the teacher's group, in a school where the group has a lesson."""
    roster = the_roster()
    chat = a_chat(subject_chat("8 К алгебра"), roster=roster, chat_administrator="director")
    organization = an_organization(chat_administrator="director")
    await put(world.storage.begin, organization=organization, roster=roster, lessons=[a_lesson()], chats=[chat])
    return chat


async def kept(world: World) -> list[Videoconference]:
    """All conferences that are kept."""
    async with world.storage.begin(SCHEDULE) as uow:
        due = await uow.videoconferences.due(MONDAY_1000 + 365 * A_DAY, limit=100)
        return await uow.videoconferences.find_all(due)


async def a_running_conference(world: World, chat: Chat) -> Videoconference:
    """One that is active, with its call."""
    conference = a_videoconference(chat=chat)
    call = a_call(conference, state=Open("call 1"))
    conference.phase = Active(MONDAY_0830, call.id, LINK)
    await put(world.storage.begin, conferences=[conference], calls=[call])
    return conference


# Making one


async def test_a_new_conference_is_scheduled_with_what_the_form_says(world: World, chat: Chat) -> None:
    lists = {Capacity.EMPLOYEE: frozenset({participant("orlova"), participant("klimova")})}
    form = VideoconferenceForm(VIDEO_CALL, "  Совещание ", starts_at=MONDAY_0830, ends_at=MONDAY_0915, lists=lists)

    id = await world.use_cases.create_videoconference(DIRECTOR, chat.id, form)

    made = await world.conference(id)
    assert (made.name, made.type, made.slot) == ("Совещание", VIDEO_CALL, TimeSlot(MONDAY_0830, MONDAY_0915))
    assert (made.chat_id, made.organization_id, made.lesson_id) == (chat.id, SCHOOL, None)
    assert made.made_by == participant("director")
    assert made.phase == Scheduled(MONDAY_0830 - PREPARE_AHEAD)
    assert made.additions == {(participant("orlova"), Capacity.EMPLOYEE)}
    assert made.removals == {participant("director")}
    assert world.storage.outbox == [VideoconferenceChanged(id, "created")]


@pytest.mark.rule("CONF-03", "CONF-06")
async def test_name_and_times_of_an_online_lesson_are_the_lesson_s_by_default(world: World, chat: Chat) -> None:
    id = await world.use_cases.create_videoconference(TEACHER, chat.id, LESSON)

    made = await world.conference(id)
    assert made.name == "Алгебра, 8 К алгебра, 07.09.2026 11:30"
    assert made.slot == TimeSlot(a_lesson().starts_at, a_lesson().ends_at)
    assert made.lesson_id == a_lesson().id


@pytest.mark.rule("CONF-03", "CONF-06")
async def test_name_and_times_of_an_online_lesson_may_be_others(world: World, chat: Chat) -> None:
    form = VideoconferenceForm(ONLINE_LESSON, "Повторение", a_lesson().id, MONDAY_0900, MONDAY_1000)

    id = await world.use_cases.create_videoconference(TEACHER, chat.id, form)

    made = await world.conference(id)
    assert (made.name, made.slot) == ("Повторение", TimeSlot(MONDAY_0900, MONDAY_1000))


async def test_a_superadministrator_who_takes_part_nowhere_is_named_as_nobody(world: World, chat: Chat) -> None:
    id = await world.use_cases.create_videoconference(SUPERADMINISTRATOR, chat.id, CALL)

    assert (await world.conference(id)).made_by is None


@pytest.mark.rule("CONF-05")
async def test_a_lesson_is_required_for_an_online_lesson_of_a_subject_s_chat_and_refused_for_a_video_call(
    world: World, chat: Chat
) -> None:
    online_lesson = VideoconferenceForm(ONLINE_LESSON, None, None, MONDAY_0830, MONDAY_0915)
    video_call = VideoconferenceForm(VIDEO_CALL, "Звонок", a_lesson().id, MONDAY_0830, MONDAY_0915)
    create = world.use_cases.create_videoconference

    missing = await problems_of(create(TEACHER, chat.id, online_lesson))
    refused = await problems_of(create(TEACHER, chat.id, video_call))

    assert missing == only(ProblemCode.LESSON_REQUIRED, "lessonId")
    assert refused == only(ProblemCode.LESSON_NOT_ALLOWED, "lessonId")


async def test_all_faults_of_a_form_are_told_at_once_and_nothing_is_kept(world: World, chat: Chat) -> None:
    world.now = MONDAY_1000

    problems = await problems_of(
        world.use_cases.create_videoconference(
            TEACHER, chat.id, VideoconferenceForm(VIDEO_CALL, "", starts_at=MONDAY_0900, ends_at=MONDAY_0915)
        )
    )

    assert problems == (
        Problem(ProblemCode.REQUIRED, ("name",)),
        Problem(ProblemCode.END_IN_PAST, ("endsAt",)),
    )
    assert await kept(world) == []


async def test_an_archived_chat_takes_no_new_conference(world: World, chat: Chat) -> None:
    async with world.storage.begin(SCHEDULE) as uow:
        archived = await uow.chats.find(chat.id, lock=True)
        assert archived is not None
        archived.archive()
        await uow.chats.save_all([archived])

    problems = await problems_of(world.use_cases.create_videoconference(DIRECTOR, chat.id, CALL))

    assert problems == only(ProblemCode.CHAT_ARCHIVED, "chatId")


async def test_a_lesson_of_another_organization_is_not_found(world: World, chat: Chat) -> None:
    foreign = a_lesson(organization=OTHER_SCHOOL)
    await put(world.storage.begin, lessons=[foreign])

    problems = await problems_of(
        world.use_cases.create_videoconference(
            TEACHER,
            chat.id,
            VideoconferenceForm(ONLINE_LESSON, lesson_id=foreign.id, starts_at=MONDAY_0830, ends_at=MONDAY_0915),
        )
    )

    assert problems == only(ProblemCode.NOT_FOUND, "lessonId")


async def test_a_lesson_has_one_online_lesson_that_is_not_over(world: World, chat: Chat) -> None:
    create = world.use_cases.create_videoconference
    id = await create(TEACHER, chat.id, LESSON)

    second = await problems_of(create(DIRECTOR, chat.id, LESSON))
    async with world.storage.begin(SCHEDULE) as uow:
        conference = await uow.videoconferences.find(id, lock=True)
        assert conference is not None
        conference.phase = Finished(MONDAY_0830, MONDAY_0900, FinishedBy.USER)
        await uow.videoconferences.save(conference)
    another = await create(TEACHER, chat.id, LESSON)

    assert second == only(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId")
    assert another != id


async def test_of_two_online_lessons_made_for_a_lesson_at_once_one_is_refused(world: World, chat: Chat) -> None:
    create = world.use_cases.create_videoconference

    results = await asyncio.gather(
        create(TEACHER, chat.id, LESSON), create(DIRECTOR, chat.id, LESSON), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["Refused", "UUID"]
    assert len(await kept(world)) == 1


# Once


async def test_a_request_repeated_under_its_key_answers_with_the_first_conference(world: World, chat: Chat) -> None:
    create = world.use_cases.create_videoconference
    first = await create(TEACHER, chat.id, CALL, idempotency_key="key")
    world.now += A_DAY

    again = await create(TEACHER, chat.id, CALL, idempotency_key="key")

    assert again == first
    assert len(await kept(world)) == 1


async def test_requests_at_once_under_one_key_make_one_conference(world: World, chat: Chat) -> None:
    create = world.use_cases.create_videoconference

    ids = await asyncio.gather(*(create(TEACHER, chat.id, CALL, idempotency_key="key") for _ in range(3)))

    assert len(set(ids)) == len(await kept(world)) == 1


async def test_without_a_key_each_request_makes_a_conference(world: World, chat: Chat) -> None:
    create = world.use_cases.create_videoconference

    await create(TEACHER, chat.id, CALL)
    await create(TEACHER, chat.id, CALL)

    assert len(await kept(world)) == 2


async def test_a_key_that_was_used_for_another_request_is_refused(world: World, chat: Chat) -> None:
    other_chat = a_chat(OtherChat(), roster=the_roster(), chat_administrator="klimova")
    await put(world.storage.begin, chats=[other_chat])
    create = world.use_cases.create_videoconference
    await create(TEACHER, chat.id, CALL, idempotency_key="key")
    later = VideoconferenceForm(VIDEO_CALL, "Совещание", starts_at=MONDAY_0830, ends_at=MONDAY_1000)

    another_form = await problems_of(create(TEACHER, chat.id, later, idempotency_key="key"))
    another_chat = await problems_of(create(TEACHER, other_chat.id, CALL, idempotency_key="key"))

    assert another_form == another_chat == only(ProblemCode.IDEMPOTENCY_KEY_REUSED, "idempotencyKey")
    assert len(await kept(world)) == 1


async def test_a_key_is_its_user_s_own_and_is_remembered_for_a_day(world: World, chat: Chat) -> None:
    starts_at, ends_at = MONDAY_0830 + 2 * A_DAY, MONDAY_0915 + 2 * A_DAY
    form = VideoconferenceForm(VIDEO_CALL, "Совещание", starts_at=starts_at, ends_at=ends_at)
    create = world.use_cases.create_videoconference
    first = await create(TEACHER, chat.id, form, idempotency_key="key")

    another_s = await create(DIRECTOR, chat.id, form, idempotency_key="key")
    world.now += A_DAY + INSTANT
    a_day_later = await create(TEACHER, chat.id, form, idempotency_key="key")

    assert len({first, another_s, a_day_later}) == 3


async def test_a_refused_request_does_not_use_its_key_up(world: World, chat: Chat) -> None:
    nameless = VideoconferenceForm(VIDEO_CALL, starts_at=MONDAY_0830, ends_at=MONDAY_0915)
    create = world.use_cases.create_videoconference
    await problems_of(create(TEACHER, chat.id, nameless, idempotency_key="key"))

    id = await create(TEACHER, chat.id, CALL, idempotency_key="key")

    assert [conference.id for conference in await kept(world)] == [id]


async def test_a_key_has_at_most_64_characters(world: World, chat: Chat) -> None:
    create = world.use_cases.create_videoconference

    longest = await create(TEACHER, chat.id, CALL, idempotency_key="к" * 64)
    problems = await problems_of(create(TEACHER, chat.id, CALL, idempotency_key="к" * 65))

    assert longest
    assert problems == only(ProblemCode.TOO_LONG, "idempotencyKey", most="64")


# Who may make one


@pytest.mark.rule("RIGHT-01")
@pytest.mark.parametrize("meta_role", MetaRole)
async def test_the_three_meta_roles_make_and_finish_conferences(world: World, chat: Chat, meta_role: MetaRole) -> None:
    organization = None if meta_role is MetaRole.SUPERADMINISTRATOR else SCHOOL
    viewer = a_viewer("somebody", organization=organization, meta_role=meta_role)
    running = await a_running_conference(world, chat)

    id = await world.use_cases.create_videoconference(viewer, chat.id, CALL)
    await world.use_cases.finish_videoconference(viewer, running.id)

    assert (await world.conference(id)).phase == Scheduled(MONDAY_0829)
    assert isinstance((await world.conference(running.id)).phase, Finished)


async def test_a_group_s_teacher_makes_and_finishes_conferences_of_the_group_s_chat(world: World, chat: Chat) -> None:
    running = await a_running_conference(world, chat)

    id = await world.use_cases.create_videoconference(TEACHER, chat.id, CALL)
    await world.use_cases.finish_videoconference(TEACHER, running.id)

    assert (await world.conference(id)).made_by == participant("klimova")
    assert isinstance((await world.conference(running.id)).phase, Finished)


@pytest.mark.parametrize(
    ("viewer", "problems"),
    [
        (PUPIL, only(ProblemCode.FORBIDDEN)),
        (viewer_of("klimova", blocked=True), only(ProblemCode.FORBIDDEN)),
        (OUTSIDER, only(ProblemCode.NOT_FOUND, "chatId")),
        (FOREIGN_ADMINISTRATOR, only(ProblemCode.NOT_FOUND, "chatId")),
        (BLOCKED_ADMINISTRATOR, only(ProblemCode.NOT_FOUND, "chatId")),
        (SCHOOL_SYSTEM, only(ProblemCode.NOT_FOUND, "chatId")),
    ],
    ids=["a pupil", "a blocked teacher", "an outsider", "another school", "a blocked administrator", "a system"],
)
async def test_whoever_has_no_right_to_it_makes_no_conference(
    world: World, chat: Chat, viewer: Viewer, problems: tuple[Problem, ...]
) -> None:
    refused = await problems_of(world.use_cases.create_videoconference(viewer, chat.id, CALL))

    assert refused == problems
    assert await kept(world) == []


async def test_a_chat_that_is_unknown_is_not_found(world: World, chat: Chat) -> None:
    problems = await problems_of(
        world.use_cases.create_videoconference(SUPERADMINISTRATOR, ChatId(chat.organization_id), CALL)
    )

    assert problems == only(ProblemCode.NOT_FOUND, "chatId")


# Finishing


@pytest.mark.rule("CONF-13")
async def test_finish_the_videoconference_ends_an_active_one_before_its_time_and_its_call(
    world: World, chat: Chat
) -> None:
    await link_account(world, "director")
    id = await world.use_cases.create_videoconference(TEACHER, chat.id, CALL)
    await world.come_to(MONDAY_0900)
    running = await world.conference(id), len(world.messenger.open)

    await world.use_cases.finish_videoconference(TEACHER, id)
    await world.come_to(MONDAY_0900)

    finished = await world.conference(id)
    assert isinstance(running[0].phase, Active)
    assert running[1] == 1
    assert finished.phase == Finished(MONDAY_0830, MONDAY_0900, FinishedBy.USER)
    assert world.messenger.open == []


@pytest.mark.rule("CONF-13")
async def test_one_that_is_finished_already_answers_as_it_is(world: World, chat: Chat) -> None:
    over = a_videoconference(chat=chat, phase=PHASES["finished"])
    await put(world.storage.begin, conferences=[over])
    world.now = MONDAY_1000

    await world.use_cases.finish_videoconference(TEACHER, over.id)

    found = await world.conference(over.id)
    assert (found.phase, found.version) == (over.phase, over.version)
    assert world.storage.outbox == []


@pytest.mark.rule("CONF-13")
@pytest.mark.parametrize("name", ["scheduled", "put off", "asked", "prepared", "failed"])
async def test_one_that_has_not_started_is_not_finished(world: World, chat: Chat, name: str) -> None:
    conference = a_videoconference(chat=chat, phase=PHASES[name])
    await put(world.storage.begin, conferences=[conference])

    problems = await problems_of(world.use_cases.finish_videoconference(TEACHER, conference.id))

    assert problems == only(ProblemCode.WRONG_STATUS, "id", status=conference.status)
    assert (await world.conference(conference.id)).phase == conference.phase


@pytest.mark.parametrize(
    ("viewer", "problems"),
    [
        (PUPIL, only(ProblemCode.FORBIDDEN)),
        (viewer_of("klimova", blocked=True), only(ProblemCode.FORBIDDEN)),
        (OUTSIDER, only(ProblemCode.NOT_FOUND, "id")),
        (FOREIGN_ADMINISTRATOR, only(ProblemCode.NOT_FOUND, "id")),
        (SCHOOL_SYSTEM, only(ProblemCode.NOT_FOUND, "id")),
    ],
    ids=["a pupil", "a blocked teacher", "an outsider", "another school", "a system"],
)
async def test_whoever_has_no_right_to_it_finishes_no_conference(
    world: World, chat: Chat, viewer: Viewer, problems: tuple[Problem, ...]
) -> None:
    running = await a_running_conference(world, chat)

    refused = await problems_of(world.use_cases.finish_videoconference(viewer, running.id))

    assert refused == problems
    assert (await world.conference(running.id)).phase == running.phase


async def test_a_conference_that_is_unknown_is_not_found(world: World) -> None:
    problems = await problems_of(world.use_cases.finish_videoconference(SUPERADMINISTRATOR, VideoconferenceId(SCHOOL)))

    assert problems == only(ProblemCode.NOT_FOUND, "id")


async def test_of_a_user_and_the_clock_that_end_a_conference_at_once_one_does(world: World, chat: Chat) -> None:
    await link_account(world, "director")
    id = await world.use_cases.create_videoconference(TEACHER, chat.id, CALL)
    await world.come_to(MONDAY_0900)
    told = len(world.storage.outbox)
    world.now = MONDAY_0915

    _, swept = await asyncio.gather(world.use_cases.finish_videoconference(TEACHER, id), world.sweep())
    await world.do(swept.work)
    await world.come_to(MONDAY_0915)

    changes = [event for event in world.storage.outbox[told:] if isinstance(event, VideoconferenceChanged)]
    assert changes == [VideoconferenceChanged(id, "finished")]
    assert world.messenger.open == []
