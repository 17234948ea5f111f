"""The window in which a conference is made tells every fault at once, and fills in what was left empty."""

from collections.abc import Collection
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.chat import Chat, ChatKind, ChatType, OtherChat, TeachersChat
from domain.errors import Problem, ProblemCode, Refused
from domain.lesson import Lesson
from domain.participant import Capacity, PositionKind
from domain.videoconference import TimeSlot, VideoconferenceType
from domain.videoconference_form import Filled, VideoconferenceForm, fill, lesson_required
from tests.builders import (
    MONDAY_0800,
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    MONDAY_1000,
    SCHOOL,
    a_chat,
    a_lesson,
    a_roster,
    class_chat,
    parents_chat,
    participant,
    participants,
    subject_chat,
)

ONLINE_LESSON, VIDEO_CALL = VideoconferenceType.ONLINE_LESSON, VideoconferenceType.VIDEO_CALL
EMPLOYEE, PUPIL, PARENT = Capacity.EMPLOYEE, Capacity.PUPIL, Capacity.PARENT
INSTANT = timedelta(microseconds=1)
YEAR = timedelta(days=365)

ROSTER = a_roster(
    employees={name: [PositionKind.PEDAGOGICAL] for name in ("head", "teacher", "guest")},
    class_teachers={"8 К": "teacher"},
    pupils={"pupil": "8 К", "classmate": "8 К", "stranger": "9 А"},
    parents={"parent": ["pupil"], "mother": ["stranger"]},
    groups={"8 К алгебра": ["pupil", "classmate"], "9 А алгебра": ["stranger"]},
    group_teachers={"8 К алгебра": ["teacher"], "9 А алгебра": ["teacher"]},
)
LESSON = a_lesson(group="8 К алгебра", starts_at=MONDAY_0830, ends_at=MONDAY_0915)

OF_GROUP = a_chat(subject_chat("8 К алгебра"), roster=ROSTER, chat_administrator="head", name="Алгебра 8 К")
OF_CLASS = a_chat(class_chat("8 К"), roster=ROSTER, chat_administrator="head", name="8 К")
OF_PARENTS = a_chat(parents_chat("8 К"), roster=ROSTER, chat_administrator="head", name="8 К Родители")
OF_TEACHERS = a_chat(TeachersChat(), roster=ROSTER, name="Учительская")

CALL_FORM = VideoconferenceForm(VIDEO_CALL, name="Совещание", starts_at=MONDAY_0830, ends_at=MONDAY_0915)
LESSON_FORM = VideoconferenceForm(ONLINE_LESSON, lesson_id=LESSON.id)


def filled(form: VideoconferenceForm, chat: Chat = OF_CLASS, lesson: Lesson | None = None) -> Filled:
    """The form filled in at eight o'clock."""
    return fill(form, chat=chat, lesson=lesson, roster=ROSTER, zone=ZoneInfo("Europe/Moscow"), at=MONDAY_0800)


def problems(
    form: VideoconferenceForm, chat: Chat = OF_CLASS, lesson: Lesson | None = None
) -> Collection[tuple[ProblemCode, str]]:
    """What is wrong with the form at eight o'clock, and where."""
    with pytest.raises(Refused) as refused:
        filled(form, chat, lesson)
    return {(problem.code, problem.path[0]) for problem in refused.value.problems}


def a_call_form(**fields: object) -> VideoconferenceForm:
    """A faultless video call's form with some fields otherwise."""
    given: dict[str, object] = {"name": "Совещание", "starts_at": MONDAY_0830, "ends_at": MONDAY_0915} | fields
    return VideoconferenceForm(VIDEO_CALL, **given)  # type: ignore[arg-type]


# Name


def test_a_name_is_kept_without_blanks_at_its_ends() -> None:
    assert filled(a_call_form(name="  Совет школы\t")).name == "Совет школы"


@pytest.mark.parametrize("name", [None, "", "  \t"])
def test_a_video_call_needs_a_name(name: str | None) -> None:
    assert problems(a_call_form(name=name)) == {(ProblemCode.REQUIRED, "name")}


def test_an_online_lesson_is_named_after_its_lesson_in_the_schools_time() -> None:
    assert filled(LESSON_FORM, OF_GROUP, LESSON).name == "Алгебра, 8 К алгебра, 07.09.2026 11:30"


def test_an_online_lesson_without_a_lesson_is_named_after_its_chat() -> None:
    form = VideoconferenceForm(ONLINE_LESSON, starts_at=MONDAY_0830, ends_at=MONDAY_0915)

    assert filled(form, OF_CLASS).name == "Онлайн-урок, 8 К"


def test_the_name_of_an_online_lesson_can_be_given() -> None:
    form = VideoconferenceForm(ONLINE_LESSON, name="Повторение", lesson_id=LESSON.id)

    assert filled(form, OF_GROUP, LESSON).name == "Повторение"


def test_a_name_has_at_most_two_hundred_characters_and_no_control_characters() -> None:
    assert filled(a_call_form(name="а" * 200)).name == "а" * 200
    assert problems(a_call_form(name="а" * 201)) == {(ProblemCode.TOO_LONG, "name")}
    assert problems(a_call_form(name="Сов\x00ет")) == {(ProblemCode.INVALID, "name")}
    assert problems(a_call_form(name="Сов\ud800ет")) == {(ProblemCode.INVALID, "name")}


# Chat


def test_an_archived_chat_has_no_new_conferences() -> None:
    closed = a_roster(pupils={"pupil": "8 К"}, closed=["8 К"])
    archived = a_chat(class_chat("8 К"), roster=closed)

    assert problems(CALL_FORM, archived) == {(ProblemCode.CHAT_ARCHIVED, "chatId")}


# Lesson


@pytest.mark.parametrize("type", VideoconferenceType)
@pytest.mark.parametrize("chat", ChatType)
def test_a_lesson_is_required_for_an_online_lesson_of_a_subject_chat_alone(
    type: VideoconferenceType, chat: ChatType
) -> None:
    assert lesson_required(type, chat) is (type is ONLINE_LESSON and chat is ChatType.SUBJECT)


def test_an_online_lesson_of_a_subject_chat_without_a_lesson_is_refused() -> None:
    form = VideoconferenceForm(ONLINE_LESSON, starts_at=MONDAY_0830, ends_at=MONDAY_0915)

    assert problems(form, OF_GROUP) == {(ProblemCode.LESSON_REQUIRED, "lessonId")}


def test_a_video_call_of_a_lesson_is_refused() -> None:
    assert problems(a_call_form(lesson_id=LESSON.id), OF_CLASS, LESSON) == {
        (ProblemCode.LESSON_NOT_ALLOWED, "lessonId")
    }


def test_a_lesson_that_nobody_knows_is_refused() -> None:
    form = VideoconferenceForm(ONLINE_LESSON, lesson_id=LESSON.id, starts_at=MONDAY_0830, ends_at=MONDAY_0915)

    assert problems(form, OF_GROUP) == {(ProblemCode.NOT_FOUND, "lessonId")}


@pytest.mark.parametrize("chat", [OF_GROUP, OF_CLASS], ids=["of the group", "of the class"])
def test_a_lesson_of_another_group_is_refused_for_the_chat_of_a_group_or_class(chat: Chat) -> None:
    lesson = a_lesson(group="9 А алгебра")
    form = VideoconferenceForm(ONLINE_LESSON, lesson_id=lesson.id)

    assert problems(form, chat, lesson) == {(ProblemCode.LESSON_OF_ANOTHER_GROUP, "lessonId")}


@pytest.mark.parametrize("kind", [class_chat("8 К"), TeachersChat(), OtherChat()], ids=lambda kind: type(kind).__name__)
def test_a_lesson_of_the_classs_pupils_suits_its_class_chat_and_any_lesson_suits_the_rest(kind: ChatKind) -> None:
    chat = a_chat(kind, roster=ROSTER)

    assert filled(LESSON_FORM, chat, LESSON).slot == TimeSlot(MONDAY_0830, MONDAY_0915)


@pytest.mark.parametrize(
    "lesson",
    [
        a_lesson(cancelled=True),
        a_lesson(starts_at=MONDAY_0800 - timedelta(hours=1), ends_at=MONDAY_0800),
    ],
    ids=["cancelled", "over"],
)
def test_a_lesson_that_is_over_or_cancelled_is_refused(lesson: Lesson) -> None:
    form = VideoconferenceForm(ONLINE_LESSON, lesson_id=lesson.id, starts_at=MONDAY_0830, ends_at=MONDAY_0915)

    assert problems(form, OF_GROUP, lesson) == {(ProblemCode.LESSON_OVER, "lessonId")}


# Time


def test_the_times_are_the_lessons_unless_given() -> None:
    form = VideoconferenceForm(ONLINE_LESSON, lesson_id=LESSON.id, ends_at=MONDAY_0900)

    assert filled(LESSON_FORM, OF_GROUP, LESSON).slot == TimeSlot(MONDAY_0830, MONDAY_0915)
    assert filled(form, OF_GROUP, LESSON).slot == TimeSlot(MONDAY_0830, MONDAY_0900)


def test_both_instants_are_required_without_a_lesson() -> None:
    assert problems(a_call_form(starts_at=None, ends_at=None)) == {
        (ProblemCode.REQUIRED, "startsAt"),
        (ProblemCode.REQUIRED, "endsAt"),
    }


def test_the_end_is_after_the_start() -> None:
    assert problems(a_call_form(ends_at=MONDAY_0830)) == {(ProblemCode.END_NOT_AFTER_START, "endsAt")}
    assert problems(a_call_form(ends_at=MONDAY_0829)) == {(ProblemCode.END_NOT_AFTER_START, "endsAt")}


def test_the_end_lies_in_the_future_and_a_start_that_has_come_is_kept() -> None:
    an_hour_ago = MONDAY_0800 - timedelta(hours=1)
    under_way = a_call_form(starts_at=an_hour_ago, ends_at=MONDAY_0800 + INSTANT)
    over = a_call_form(starts_at=an_hour_ago, ends_at=MONDAY_0800)

    assert filled(under_way).slot == TimeSlot(an_hour_ago, MONDAY_0800 + INSTANT)
    assert problems(over) == {(ProblemCode.END_IN_PAST, "endsAt")}


def test_a_conference_lasts_at_most_a_day() -> None:
    a_day = a_call_form(ends_at=MONDAY_0830 + timedelta(hours=24))
    longer = a_call_form(ends_at=MONDAY_0830 + timedelta(hours=24) + INSTANT)

    assert filled(a_day).slot.end == MONDAY_0830 + timedelta(hours=24)
    assert problems(longer) == {(ProblemCode.TOO_LONG_A_VIDEOCONFERENCE, "endsAt")}


def test_a_conference_starts_no_later_than_a_year_ahead() -> None:
    in_time = a_call_form(starts_at=MONDAY_0800 + YEAR, ends_at=MONDAY_1000 + YEAR)
    too_late = a_call_form(starts_at=MONDAY_0800 + YEAR + INSTANT, ends_at=MONDAY_1000 + YEAR)

    assert filled(in_time).slot.start == MONDAY_0800 + YEAR
    assert problems(too_late) == {(ProblemCode.TOO_FAR_AHEAD, "startsAt")}


# People


def test_lists_left_out_mean_the_chats_people() -> None:
    form = filled(CALL_FORM)

    assert (form.additions, form.removals) == (frozenset(), frozenset())


def test_a_list_that_is_given_is_the_whole_list_of_its_capacity() -> None:
    form = filled(a_call_form(lists={PUPIL: participants("pupil", "stranger")}))

    assert form.additions == {(participant("stranger"), PUPIL)}
    assert form.removals == participants("classmate")


def test_an_empty_list_takes_everybody_of_its_capacity_out() -> None:
    form = filled(a_call_form(lists={PUPIL: frozenset()}))

    assert form.additions == frozenset()
    assert form.removals == participants("pupil", "classmate")


def test_parents_are_named_in_a_video_call_of_a_parents_chat_alone() -> None:
    lists = {PARENT: participants("parent", "mother")}

    allowed = filled(a_call_form(lists=lists), OF_PARENTS)

    assert allowed.additions == {(participant("mother"), PARENT)}
    assert problems(a_call_form(lists=lists), OF_CLASS) == {(ProblemCode.PARENTS_NOT_ALLOWED, "parentIds")}
    lesson = VideoconferenceForm(ONLINE_LESSON, starts_at=MONDAY_0830, ends_at=MONDAY_0915, lists=lists)
    assert problems(lesson, OF_PARENTS) == {(ProblemCode.PARENTS_NOT_ALLOWED, "parentIds")}


def test_somebody_who_lacks_the_capacity_of_their_list_is_named() -> None:
    with pytest.raises(Refused) as refused:
        filled(a_call_form(lists={EMPLOYEE: participants("pupil")}))

    name = ROSTER.people[participant("pupil")].name.full
    assert refused.value.problems == (Problem(ProblemCode.CAPACITY_NOT_ALLOWED, ("employeeIds",), {"name": name}),)


def test_somebody_of_another_organization_or_of_none_is_not_found() -> None:
    assert problems(a_call_form(lists={PUPIL: participants("unknown")})) == {(ProblemCode.NOT_FOUND, "pupilIds")}


def test_all_faults_are_told_at_once() -> None:
    form = VideoconferenceForm(
        VIDEO_CALL,
        lesson_id=LESSON.id,
        ends_at=MONDAY_0800,
        lists={PARENT: frozenset(), EMPLOYEE: participants("unknown")},
    )

    assert problems(form) == {
        (ProblemCode.REQUIRED, "name"),
        (ProblemCode.LESSON_NOT_ALLOWED, "lessonId"),
        (ProblemCode.REQUIRED, "startsAt"),
        (ProblemCode.END_IN_PAST, "endsAt"),
        (ProblemCode.PARENTS_NOT_ALLOWED, "parentIds"),
        (ProblemCode.NOT_FOUND, "employeeIds"),
    }


def test_the_teachers_chat_gives_a_call_its_staff() -> None:
    form = filled(a_call_form(lists={EMPLOYEE: participants("teacher")}), OF_TEACHERS)

    assert form.removals == participants("head", "guest")
    assert OF_TEACHERS.organization_id == SCHOOL
