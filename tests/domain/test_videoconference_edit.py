"""A conference is edited by the rules of its status; whatever the edit leaves out stays as it is (CONF-14)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.chat import Chat, OtherChat, TeachersChat
from domain.errors import Problem, ProblemCode, Refused
from domain.ids import ParticipantId
from domain.lesson import Lesson
from domain.participant import Capacity, PositionKind
from domain.videoconference import (
    Active,
    Detail,
    FailureReason,
    Phase,
    Revision,
    Scheduled,
    Starting,
    TimeSlot,
    Videoconference,
    VideoconferenceType,
)
from domain.videoconference_form import MOST_PEOPLE, VideoconferenceEdit, follow_lesson, revise
from tests.builders import (
    LINK,
    MONDAY_0800,
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    MONDAY_1000,
    a_chat,
    a_lesson,
    a_roster,
    a_videoconference,
    class_chat,
    group_of,
    parents_chat,
    participant,
    participants,
    subject_chat,
)
from tests.domain.phases import ACTIVE, ASKED, CALL, NO_STARTER, PHASES, PREPARED, changes, released

ONLINE_LESSON, VIDEO_CALL = VideoconferenceType.ONLINE_LESSON, VideoconferenceType.VIDEO_CALL
EMPLOYEE, PUPIL, PARENT = Capacity.EMPLOYEE, Capacity.PUPIL, Capacity.PARENT
NAME, START, END = Detail.NAME, Detail.START, Detail.END
INSTANT, MINUTE, DAY = timedelta(microseconds=1), timedelta(minutes=1), timedelta(days=1)
MOSCOW = ZoneInfo("Europe/Moscow")

ROSTER = a_roster(
    employees={name: [PositionKind.PEDAGOGICAL] for name in ("head", "teacher", "guest", "substitute")},
    class_teachers={"8 К": "teacher", "9 А": "guest"},
    pupils={"pupil": "8 К", "classmate": "8 К", "stranger": "9 А"},
    parents={"parent": ["pupil"], "mother": ["stranger"]},
    groups={"8 К алгебра": ["pupil"], "9 А алгебра": ["stranger"]},
    group_teachers={"8 К алгебра": ["teacher"], "9 А алгебра": ["guest"]},
)
LESSON = a_lesson("monday", substitute="substitute")
LATER = a_lesson("later", starts_at=MONDAY_0900, ends_at=MONDAY_1000)
OF_THE_NINTH = a_lesson("of the ninth", group="9 А алгебра")
LESSON_NAME = "Алгебра, 8 К алгебра, 07.09.2026 11:30"

OF_GROUP = a_chat(subject_chat("8 К алгебра"), roster=ROSTER, chat_administrator="head", name="Алгебра 8 К")
OF_NINTH_GROUP = a_chat(subject_chat("9 А алгебра"), roster=ROSTER, chat_administrator="head", name="Алгебра 9 А")
OF_CLASS = a_chat(class_chat("8 К"), roster=ROSTER, chat_administrator="head", name="8 К")
OF_NINTH = a_chat(class_chat("9 А"), roster=ROSTER, chat_administrator="head", name="9 А")
OF_PARENTS = a_chat(parents_chat("8 К"), roster=ROSTER, chat_administrator="head", name="8 К Родители")
OF_TEACHERS = a_chat(TeachersChat(), roster=ROSTER, chat_administrator="head", name="Учительская")
CLUB = a_chat(OtherChat(), roster=ROSTER, chat_administrator="head", name="Кружок")
CHATS = {chat.name: chat for chat in (OF_GROUP, OF_CLASS, OF_PARENTS, OF_TEACHERS, CLUB)}

EDITABLE = {name: PHASES[name] for name in ("scheduled", "put off", "asked", "prepared", "active")}
BEFORE_THE_START = {name: phase for name, phase in EDITABLE.items() if name != "active"}


def a_call(chat: Chat = OF_CLASS, phase: Phase | None = None, **rest: object) -> Videoconference:
    """A video call of the chat, all of it as users set it."""
    conference = a_videoconference(chat=chat, phase=phase, **rest)  # type: ignore[arg-type]
    conference.set_by_hand = frozenset(Detail)
    return conference


def an_online_lesson(
    chat: Chat = OF_GROUP, lesson: Lesson | None = LESSON, phase: Phase | None = None, **rest: object
) -> Videoconference:
    """The online lesson with the name and the times that its lesson gives."""
    conference = a_videoconference(chat=chat, type=ONLINE_LESSON, lesson=lesson, phase=phase, **rest)  # type: ignore[arg-type]
    conference.name = LESSON_NAME if lesson else f"Онлайн-урок, {chat.name}"
    conference.set_by_hand = frozenset() if lesson else frozenset({START, END})
    return conference


def edited(
    conference: Videoconference,
    *,
    chat: Chat | None = None,
    lesson: Lesson | None = LESSON,
    at: datetime = MONDAY_0800,
    **fields: object,
) -> Revision:
    """What the edit makes of it; `lesson` is the one that it has or gets."""
    edit = VideoconferenceEdit(**fields)  # type: ignore[arg-type]
    wanted = edit.lesson_id or conference.lesson_id
    present = lesson if wanted and not edit.drop_lesson and lesson and lesson.id == wanted else None
    return revise(
        conference,
        edit,
        chat=chat or next(one for one in [*CHATS.values(), OF_NINTH] if one.id == conference.chat_id),
        lesson=present,
        substitute=present.substitute if present else None,
        roster=ROSTER,
        zone=MOSCOW,
        at=at,
    )


def problems(conference: Videoconference, **how: object) -> Sequence[tuple[ProblemCode, tuple[str, ...]]]:
    """For what the edit is refused, each with its path."""
    with pytest.raises(Refused) as refused:
        edited(conference, **how)  # type: ignore[arg-type]
    return [(problem.code, problem.path) for problem in refused.value.problems]


def what_changed(conference: Videoconference, revision: Revision) -> set[str]:
    """The fields that are not what they were."""
    present = Revision.of(conference)
    return {name for name in Revision.__slots__ if getattr(present, name) != getattr(revision, name)}


# Which field in which status


FIELDS: dict[str, tuple[dict[str, object], str]] = {
    "name": ({"name": "Иначе"}, "name"),
    "start": ({"starts_at": MONDAY_0829}, "startsAt"),
    "end": ({"ends_at": MONDAY_1000}, "endsAt"),
    "added": ({"add": ((participant("guest"), EMPLOYEE),)}, "addParticipants"),
    "removed": ({"remove": (participant("teacher"),)}, "removeParticipants"),
}
CHANGED = {"name": "name", "start": "slot", "end": "slot", "added": "additions", "removed": "removals"}
WHILE_ACTIVE = {"name", "end", "added", "removed"}


@pytest.mark.rule("CONF-14")
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("status", EDITABLE)
@pytest.mark.parametrize("chat", CHATS)
@pytest.mark.parametrize("type", VideoconferenceType)
def test_before_the_start_every_field_changes_and_while_active_the_name_the_people_and_the_end(
    type: VideoconferenceType, chat: str, status: str, field: str
) -> None:
    change, path = FIELDS[field]
    of = CHATS[chat]
    lesson = LESSON if of is OF_GROUP else None
    make = a_call if type is VIDEO_CALL else lambda chat, phase: an_online_lesson(chat, lesson, phase)
    conference = make(of, EDITABLE[status])
    # Whoever is a member already is no addition.
    new = participant("guest") not in of.memberships

    if status == "active" and field not in WHILE_ACTIVE:
        assert problems(conference, **change) == [(ProblemCode.WRONG_STATUS, (path,))]
    else:
        expected = {CHANGED[field]} if field != "added" or new else set()
        assert what_changed(conference, edited(conference, **change)) - {"set_by_hand"} == expected  # type: ignore[arg-type]


@pytest.mark.rule("CONF-14")
@pytest.mark.parametrize(
    "change",
    [{}, {"chat": CLUB}, {"drop_lesson": True}, *(change for change, _ in FIELDS.values())],
    ids=["nothing", "chat", "lesson", *FIELDS],
)
@pytest.mark.parametrize("status", ["finished", "failed"])
@pytest.mark.parametrize("type", VideoconferenceType)
def test_one_that_is_over_is_not_edited(type: VideoconferenceType, status: str, change: dict[str, object]) -> None:
    conference = (a_call if type is VIDEO_CALL else an_online_lesson)(OF_GROUP, phase=PHASES[status])

    with pytest.raises(Refused) as refused:
        edited(conference, **change)  # type: ignore[arg-type]

    assert refused.value.problems == (Problem(ProblemCode.WRONG_STATUS, ("id",), {"status": status.upper()}),)


@pytest.mark.rule("CONF-14")
def test_while_active_the_chat_the_lesson_and_the_start_stay_and_all_three_are_named() -> None:
    conference = an_online_lesson(OF_CLASS, phase=ACTIVE)

    refused = problems(conference, chat=CLUB, drop_lesson=True, starts_at=MONDAY_0829, at=MONDAY_0900)

    assert refused == [
        (ProblemCode.WRONG_STATUS, ("chatId",)),
        (ProblemCode.WRONG_STATUS, ("lessonId",)),
        (ProblemCode.WRONG_STATUS, ("startsAt",)),
    ]


@pytest.mark.rule("CONF-14")
@pytest.mark.parametrize("status", EDITABLE)
def test_fields_given_as_they_are_change_nothing_in_any_status(status: str) -> None:
    conference = an_online_lesson(phase=EDITABLE[status], made_by="teacher", removed=["teacher"])

    revision = edited(
        conference,
        name=conference.name,
        lesson_id=LESSON.id,
        starts_at=MONDAY_0830,
        ends_at=MONDAY_0915,
        add=((participant("pupil"), PUPIL), (participant("substitute"), EMPLOYEE)),
        remove=(participant("teacher"),),
        at=MONDAY_0829,
    )

    assert revision == Revision.of(conference)


@pytest.mark.rule("CONF-14")
def test_all_faults_of_an_edit_are_told_at_once_each_with_its_path() -> None:
    archived = a_chat(class_chat("9 А"), roster=a_roster(pupils={"stranger": "9 А"}, closed=["9 А"]))
    unknown = participant("nobody")

    refused = problems(
        a_call(OF_CLASS),
        chat=archived,
        name=" ",
        lesson_id=LESSON.id,
        starts_at=MONDAY_0829 + timedelta(days=366),
        ends_at=MONDAY_0800,
        add=((participant("guest"), EMPLOYEE), (unknown, PUPIL), (participant("parent"), PARENT)),
        remove=(unknown, participant("guest")),
    )

    assert refused == [
        (ProblemCode.REQUIRED, ("name",)),
        (ProblemCode.CHAT_ARCHIVED, ("chatId",)),
        (ProblemCode.LESSON_NOT_ALLOWED, ("lessonId",)),
        (ProblemCode.TOO_FAR_AHEAD, ("startsAt",)),
        (ProblemCode.END_IN_PAST, ("endsAt",)),
        (ProblemCode.END_NOT_AFTER_START, ("endsAt",)),
        (ProblemCode.NOT_FOUND, ("addParticipants", "1")),
        (ProblemCode.PARENTS_NOT_ALLOWED, ("addParticipants", "2")),
        (ProblemCode.NOT_FOUND, ("removeParticipants", "0")),
        (ProblemCode.INVALID, ("removeParticipants", "1")),
    ]


# Name


@pytest.mark.rule("CONF-03")
def test_a_video_call_keeps_a_name_and_an_online_lesson_without_one_is_named_by_default() -> None:
    lesson = an_online_lesson()
    lesson.name, lesson.set_by_hand = "Повторение", frozenset({NAME})

    assert problems(a_call(), name="") == [(ProblemCode.REQUIRED, ("name",))]
    assert problems(a_call(), name="а" * 201) == [(ProblemCode.TOO_LONG, ("name",))]
    assert edited(lesson, name="  ").name == LESSON_NAME


@pytest.mark.rule("CONF-03")
@pytest.mark.parametrize("by_hand", [frozenset(), frozenset(Detail)], ids=["as if by default", "by hand"])
def test_a_video_call_is_never_named_by_default_whatever_else_changes(by_hand: frozenset[Detail]) -> None:
    conference = a_call(OF_CLASS)
    conference.set_by_hand = by_hand

    assert edited(conference, chat=CLUB).name == "Совещание"


@pytest.mark.rule("CONF-22")
@pytest.mark.parametrize(
    ("fields", "by_hand"),
    [
        ({"name": "Повторение"}, {NAME}),
        ({"name": LESSON_NAME}, set()),
        ({"starts_at": MONDAY_0829}, {START}),
        ({"ends_at": MONDAY_1000}, {END}),
        ({"name": "Повторение", "starts_at": MONDAY_0829, "ends_at": MONDAY_1000}, {NAME, START, END}),
        ({"starts_at": MONDAY_0830, "ends_at": MONDAY_0915}, set()),
        ({"add": ((participant("guest"), EMPLOYEE),)}, set()),
    ],
)
def test_what_a_user_sets_otherwise_than_the_lesson_has_it_is_set_by_hand(
    fields: dict[str, object], by_hand: set[Detail]
) -> None:
    assert edited(an_online_lesson(), **fields).set_by_hand == by_hand  # type: ignore[arg-type]


@pytest.mark.rule("CONF-22")
def test_a_field_given_back_its_lesson_s_value_follows_the_lesson_again() -> None:
    conference = an_online_lesson(start=MONDAY_0829)
    conference.set_by_hand = frozenset({START})

    revision = edited(conference, starts_at=MONDAY_0830)

    assert revision.set_by_hand == frozenset()


# Lesson


@pytest.mark.rule("CONF-05")
def test_another_lesson_gives_its_name_and_times_where_no_user_set_them() -> None:
    conference = an_online_lesson()

    revision = edited(conference, lesson_id=LATER.id, lesson=LATER)

    assert (revision.lesson_id, revision.slot) == (LATER.id, TimeSlot(MONDAY_0900, MONDAY_1000))
    assert (revision.name, revision.set_by_hand) == ("Алгебра, 8 К алгебра, 07.09.2026 12:00", frozenset())


@pytest.mark.rule("CONF-05")
def test_another_lesson_leaves_what_users_set_by_hand_or_give_with_it() -> None:
    conference = an_online_lesson(end=MONDAY_1000 + MINUTE)
    conference.name, conference.set_by_hand = "Повторение", frozenset({NAME, END})

    revision = edited(conference, lesson_id=LATER.id, lesson=LATER, starts_at=MONDAY_0900 - MINUTE)

    assert revision.slot == TimeSlot(MONDAY_0900 - MINUTE, MONDAY_1000 + MINUTE)
    assert (revision.name, revision.set_by_hand) == ("Повторение", frozenset(Detail))


@pytest.mark.rule("CONF-05")
@pytest.mark.parametrize(
    ("conference", "how", "code"),
    [
        (an_online_lesson(), {"drop_lesson": True}, ProblemCode.LESSON_REQUIRED),
        (an_online_lesson(), {"lesson_id": OF_THE_NINTH.id, "lesson": OF_THE_NINTH}, "LESSON_OF_ANOTHER_GROUP"),
        (an_online_lesson(OF_CLASS), {"lesson_id": OF_THE_NINTH.id, "lesson": OF_THE_NINTH}, "LESSON_OF_ANOTHER_GROUP"),
        (an_online_lesson(), {"lesson_id": LATER.id, "lesson": None}, ProblemCode.NOT_FOUND),
        (
            an_online_lesson(),
            {"lesson_id": LATER.id, "lesson": replace(LATER, cancelled=True)},
            ProblemCode.LESSON_OVER,
        ),
        (
            an_online_lesson(),
            {
                "lesson_id": LATER.id,
                "lesson": replace(LATER, starts_at=MONDAY_0800 - MINUTE, ends_at=MONDAY_0800),
                "starts_at": MONDAY_0830,
                "ends_at": MONDAY_0915,
            },
            ProblemCode.LESSON_OVER,
        ),
        (a_call(), {"lesson_id": LESSON.id}, ProblemCode.LESSON_NOT_ALLOWED),
    ],
    ids=["none", "another group's", "another class's", "unknown", "cancelled", "over", "of a video call"],
)
def test_a_lesson_that_does_not_suit_is_refused(
    conference: Videoconference, how: dict[str, object], code: ProblemCode
) -> None:
    assert problems(conference, **how) == [(code, ("lessonId",))]


@pytest.mark.rule("CONF-05")
def test_where_no_lesson_is_required_it_is_dropped_and_the_times_stay() -> None:
    conference = an_online_lesson(OF_CLASS)

    revision = edited(conference, drop_lesson=True)

    assert (revision.lesson_id, revision.slot) == (None, conference.slot)
    assert (revision.name, revision.set_by_hand) == ("Онлайн-урок, 8 К", frozenset({START, END}))


@pytest.mark.rule("CONF-14")
def test_a_lesson_that_is_over_or_cancelled_meanwhile_hinders_no_edit_of_anything_else() -> None:
    conference = an_online_lesson()

    assert edited(conference, lesson=replace(LESSON, cancelled=True), name="Повторение").name == "Повторение"


# Chat


@pytest.mark.rule("CONF-14")
@pytest.mark.parametrize("status", BEFORE_THE_START)
def test_a_change_of_chat_takes_the_new_chat_s_people_by_default(status: str) -> None:
    conference = a_call(phase=BEFORE_THE_START[status], added={"guest": EMPLOYEE}, removed=["teacher"])

    revision = edited(conference, chat=CLUB)

    assert (revision.chat_id, revision.additions, revision.removals) == (CLUB.id, frozenset(), frozenset())
    assert (revision.name, revision.slot) == (conference.name, conference.slot)


@pytest.mark.rule("CONF-14")
def test_a_change_of_chat_and_people_at_once_counts_from_the_new_chat_s_people() -> None:
    add = ((participant("guest"), EMPLOYEE), (participant("teacher"), EMPLOYEE))

    revision = edited(a_call(OF_CLASS), chat=OF_PARENTS, add=add, remove=(participant("parent"),))

    assert revision.additions == {(participant("guest"), EMPLOYEE)}
    assert revision.removals == participants("parent")


@pytest.mark.rule("CONF-14")
@pytest.mark.parametrize("chat", [OF_CLASS, OF_PARENTS, OF_TEACHERS, CLUB], ids=lambda chat: chat.name)
def test_a_change_of_chat_keeps_a_lesson_that_fits_there(chat: Chat) -> None:
    conference = an_online_lesson()

    revision = edited(conference, chat=chat)

    assert what_changed(conference, revision) == {"chat_id"}


@pytest.mark.rule("CONF-14")
def test_a_change_of_chat_drops_a_lesson_that_does_not_fit_there() -> None:
    conference = an_online_lesson(OF_CLASS)

    revision = edited(conference, chat=OF_NINTH)

    assert (revision.lesson_id, revision.name) == (None, "Онлайн-урок, 9 А")
    assert revision.slot == conference.slot


@pytest.mark.rule("CONF-14")
def test_a_change_of_chat_is_refused_if_a_lesson_is_then_required_and_none_fits() -> None:
    with_lesson, without_one = an_online_lesson(), an_online_lesson(OF_CLASS, None)

    assert problems(with_lesson, chat=OF_NINTH_GROUP) == [(ProblemCode.LESSON_REQUIRED, ("lessonId",))]
    assert problems(without_one, chat=OF_NINTH_GROUP) == [(ProblemCode.LESSON_REQUIRED, ("lessonId",))]


@pytest.mark.rule("CONF-14")
def test_a_change_of_chat_may_bring_its_own_lesson() -> None:
    revision = edited(an_online_lesson(), chat=OF_NINTH_GROUP, lesson_id=OF_THE_NINTH.id, lesson=OF_THE_NINTH)

    assert (revision.chat_id, revision.lesson_id) == (OF_NINTH_GROUP.id, OF_THE_NINTH.id)
    assert revision.name == "Алгебра, 9 А алгебра, 07.09.2026 11:30"


@pytest.mark.rule("CONF-14")
def test_a_lesson_named_for_a_chat_that_it_does_not_fit_is_refused_rather_than_dropped() -> None:
    conference = an_online_lesson(OF_CLASS, None)

    assert problems(conference, chat=OF_NINTH, lesson_id=LESSON.id) == [
        (ProblemCode.LESSON_OF_ANOTHER_GROUP, ("lessonId",))
    ]


@pytest.mark.rule("CONF-14")
def test_a_default_name_after_the_chat_becomes_the_new_chat_s_and_one_set_by_hand_stays() -> None:
    by_default, by_hand = an_online_lesson(OF_CLASS, None), an_online_lesson(OF_CLASS, None)
    by_hand.name, by_hand.set_by_hand = "Повторение", frozenset(Detail)

    assert edited(by_default, chat=CLUB).name == "Онлайн-урок, Кружок"
    assert edited(by_hand, chat=CLUB).name == "Повторение"


@pytest.mark.rule("CONF-16")
def test_a_journal_s_conference_that_leaves_its_chat_or_its_lesson_has_the_chat_s_people_from_then_on() -> None:
    conference = an_online_lesson(OF_CLASS)
    conference.of_group = True

    assert edited(conference, name="Повторение").of_group is True
    assert edited(conference, lesson_id=LATER.id, lesson=LATER).of_group is True
    assert edited(conference, chat=CLUB).of_group is False
    assert edited(conference, drop_lesson=True).of_group is False


# People


@pytest.mark.rule("CONF-08")
@pytest.mark.parametrize("type", VideoconferenceType)
@pytest.mark.parametrize("chat", CHATS)
def test_any_pupil_or_employee_of_the_organization_may_be_added_and_anybody_taken_out(
    chat: str, type: VideoconferenceType
) -> None:
    of = CHATS[chat]
    conference = a_call(of) if type is VIDEO_CALL else an_online_lesson(of, LESSON if of is OF_GROUP else None)

    revision = edited(conference, add=((participant("stranger"), PUPIL),), remove=participants_in_order(of))

    assert revision.additions == {(participant("stranger"), PUPIL)}
    assert revision.removals == of.memberships.keys()


@pytest.mark.rule("CONF-09")
@pytest.mark.parametrize("type", VideoconferenceType)
@pytest.mark.parametrize("chat", CHATS)
def test_parents_are_added_to_a_video_call_of_a_parents_chat_alone(chat: str, type: VideoconferenceType) -> None:
    of = CHATS[chat]
    conference = a_call(of) if type is VIDEO_CALL else an_online_lesson(of, LESSON if of is OF_GROUP else None)
    mother = (participant("mother"), PARENT)

    if of is OF_PARENTS and type is VIDEO_CALL:
        assert edited(conference, add=(mother,)).additions == {mother}
    else:
        assert problems(conference, add=(mother,)) == [(ProblemCode.PARENTS_NOT_ALLOWED, ("addParticipants", "0"))]


@pytest.mark.rule("CONF-09")
def test_parents_are_judged_by_the_chat_to_which_the_conference_moves() -> None:
    add = ((participant("mother"), PARENT),)

    assert edited(a_call(OF_CLASS), chat=OF_PARENTS, add=add).additions == set(add)
    assert problems(a_call(OF_PARENTS), chat=OF_CLASS, add=add) == [
        (ProblemCode.PARENTS_NOT_ALLOWED, ("addParticipants", "0"))
    ]


@pytest.mark.rule("CHAT-32")
def test_somebody_is_added_as_what_they_are_and_not_otherwise() -> None:
    add = ((participant("pupil"), EMPLOYEE), (participant("guest"), PUPIL))

    assert problems(a_call(), add=add) == [
        (ProblemCode.CAPACITY_NOT_ALLOWED, ("addParticipants", "0")),
        (ProblemCode.CAPACITY_NOT_ALLOWED, ("addParticipants", "1")),
    ]


@pytest.mark.rule("CONF-25")
def test_who_was_taken_out_and_is_added_again_follows_the_chat_as_before() -> None:
    taken_out = a_call(removed=["pupil"])

    revision = edited(taken_out, add=((participant("pupil"), PUPIL),))

    assert (revision.additions, revision.removals) == (frozenset(), frozenset())


@pytest.mark.rule("CONF-25")
def test_who_was_added_and_is_taken_out_stays_out_though_they_join_the_chat_later() -> None:
    with_a_guest = a_call(added={"guest": EMPLOYEE})

    revision = edited(with_a_guest, remove=(participant("guest"),))

    assert (revision.additions, revision.removals) == (frozenset(), participants("guest"))


@pytest.mark.rule("CONF-25")
@pytest.mark.parametrize(("person", "capacity"), [("pupil", PUPIL), ("teacher", EMPLOYEE), ("head", EMPLOYEE)])
def test_whom_the_group_brings_into_the_journal_s_conference_is_no_addition_to_it(
    person: str, capacity: Capacity
) -> None:
    conference = an_online_lesson(OF_CLASS, removed=[person])
    conference.of_group = True

    revision = edited(conference, add=((participant(person), capacity),))

    assert (revision.additions, revision.removals) == (frozenset(), frozenset())


@pytest.mark.rule("CONF-25")
def test_a_classmate_outside_the_group_is_an_addition_to_the_journal_s_conference() -> None:
    conference = an_online_lesson(OF_CLASS)
    conference.of_group = True

    revision = edited(conference, add=((participant("classmate"), PUPIL),))

    assert revision.additions == {(participant("classmate"), PUPIL)}


@pytest.mark.rule("CONF-23")
def test_the_lesson_s_substitute_is_no_addition_to_its_online_lesson() -> None:
    conference = an_online_lesson(removed=["substitute"])

    revision = edited(conference, add=((participant("substitute"), EMPLOYEE),))

    assert (revision.additions, revision.removals) == (frozenset(), frozenset())


def test_an_edit_names_at_most_a_thousand_people_a_list() -> None:
    pupil = participant("pupil")

    added = problems(a_call(), add=((pupil, PUPIL),) * (MOST_PEOPLE + 1))
    removed = problems(a_call(), remove=(pupil,) * (MOST_PEOPLE + 1))

    assert edited(a_call(), remove=(pupil,) * MOST_PEOPLE).removals == {pupil}
    assert added == [(ProblemCode.TOO_MANY, ("addParticipants",))]
    assert removed == [(ProblemCode.TOO_MANY, ("removeParticipants",))]


# Time


@pytest.mark.rule("CONF-07")
@pytest.mark.parametrize("status", EDITABLE)
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (MONDAY_0900, ProblemCode.END_IN_PAST),
        (MONDAY_0900 - INSTANT, ProblemCode.END_IN_PAST),
        (MONDAY_0830 + DAY + INSTANT, ProblemCode.TOO_LONG_A_VIDEOCONFERENCE),
        (MONDAY_0900 + INSTANT, None),
        (MONDAY_0830 + DAY, None),
    ],
)
def test_an_end_is_moved_into_the_future_and_no_farther_than_a_day_from_the_start(
    status: str, end: datetime, code: ProblemCode | None
) -> None:
    conference = a_call(phase=EDITABLE[status])

    if code is None:
        assert edited(conference, ends_at=end, at=MONDAY_0900).slot == TimeSlot(MONDAY_0830, end)
    else:
        assert problems(conference, ends_at=end, at=MONDAY_0900) == [(code, ("endsAt",))]


@pytest.mark.rule("CONF-07")
def test_a_start_that_has_come_is_kept_as_entered_and_one_after_the_end_is_refused() -> None:
    passed = edited(a_call(), starts_at=MONDAY_0800, at=MONDAY_0829)

    assert passed.slot == TimeSlot(MONDAY_0800, MONDAY_0915)
    assert problems(a_call(), starts_at=MONDAY_0915) == [(ProblemCode.END_NOT_AFTER_START, ("endsAt",))]


# What the edit does to the conference


def revised(conference: Videoconference, at: datetime, **fields: object) -> Videoconference:
    """The conference after it took the change; `fields` are those of its revision."""
    conference.revise(replace(Revision.of(conference), **fields), at=at, prepare_ahead=MINUTE)  # type: ignore[arg-type]
    return conference


@pytest.mark.rule("CONF-17")
@pytest.mark.parametrize("phase", [ASKED, PREPARED], ids=["asked", "prepared"])
def test_a_start_moved_away_ends_the_prepared_call_and_waits_again(phase: Starting) -> None:
    conference = revised(a_call(phase=phase), MONDAY_0829, slot=TimeSlot(MONDAY_0900, MONDAY_1000))

    assert conference.phase == Scheduled(MONDAY_0900 - MINUTE)
    assert released(conference) == [CALL]
    assert (conference.due_at, conference.version) == (MONDAY_0900 - MINUTE, 2)


@pytest.mark.rule("CONF-17")
def test_a_start_moved_by_less_than_the_preparation_keeps_the_call() -> None:
    at, start = MONDAY_0829 + timedelta(seconds=30), MONDAY_0830 + timedelta(seconds=20)

    conference = revised(a_call(phase=PREPARED), at, slot=TimeSlot(start, MONDAY_0915))

    assert (conference.phase, released(conference), conference.due_at) == (PREPARED, [], start)


@pytest.mark.rule("CONF-14")
def test_a_prepared_conference_whose_start_is_moved_to_now_is_active_at_once() -> None:
    conference = revised(a_call(phase=PREPARED), MONDAY_0829, slot=TimeSlot(MONDAY_0829, MONDAY_0915))

    assert conference.phase == Active(MONDAY_0829, CALL, LINK)
    assert (changes(conference), conference.version) == (["revised", "activated"], 2)


@pytest.mark.rule("CONF-14")
@pytest.mark.parametrize("start", [MONDAY_0829, MONDAY_1000 - MINUTE])
def test_a_scheduled_conference_begins_to_be_prepared_by_its_new_start(start: datetime) -> None:
    conference = revised(a_call(), MONDAY_0800, slot=TimeSlot(start, MONDAY_1000))

    assert conference.phase == Scheduled(start - MINUTE)


@pytest.mark.rule("CONF-17")
@pytest.mark.parametrize("problem", FailureReason)
def test_a_start_moved_away_forgets_why_the_last_one_failed(problem: FailureReason) -> None:
    conference = a_call(phase=Scheduled(MONDAY_0830 + MINUTE, problem))

    revised(conference, MONDAY_0830, slot=TimeSlot(MONDAY_0900, MONDAY_1000))
    conference.starter_appeared(at=MONDAY_0830)

    assert conference.phase == Scheduled(MONDAY_0900 - MINUTE)


@pytest.mark.rule("CONF-17")
def test_an_end_moved_alone_leaves_the_pause_before_the_next_try_as_it_is() -> None:
    waiting = Scheduled(MONDAY_0830 + MINUTE, NO_STARTER)

    conference = revised(a_call(phase=waiting), MONDAY_0830, slot=TimeSlot(MONDAY_0830, MONDAY_1000))

    assert conference.phase == waiting


@pytest.mark.rule("CONF-21")
@pytest.mark.parametrize(("end", "notice"), [(MONDAY_1000, None), (MONDAY_0915, 5), (MONDAY_0915 - 4 * MINUTE, 1)])
def test_an_end_moved_while_active_tells_what_is_left_from_the_new_end(end: datetime, notice: int | None) -> None:
    conference = a_call(phase=ACTIVE, end=MONDAY_0915 - MINUTE)
    conference.minutes_left_notice = 5

    revised(conference, MONDAY_0915 - 5 * MINUTE, slot=TimeSlot(MONDAY_0830, end))

    assert (conference.minutes_left_notice, conference.phase, conference.version) == (notice, ACTIVE, 2)


@pytest.mark.rule("CONF-19")
@pytest.mark.parametrize("status", PHASES)
def test_an_edit_that_changes_nothing_makes_no_new_version(status: str) -> None:
    conference = revised(a_call(phase=PHASES[status]), MONDAY_0830)

    assert (conference.phase, conference.version, conference.events) == (PHASES[status], 1, [])


@pytest.mark.rule("CONF-19")
@pytest.mark.parametrize(
    "change",
    [
        {"name": "Иначе"},
        {"chat_id": CLUB.id},
        {"lesson_id": LESSON.id},
        {"slot": TimeSlot(MONDAY_0830, MONDAY_1000)},
        {"additions": frozenset({(participant("guest"), EMPLOYEE)})},
        {"removals": participants("pupil")},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("status", EDITABLE)
def test_each_change_is_one_new_version(status: str, change: dict[str, object]) -> None:
    conference = revised(a_call(phase=EDITABLE[status]), MONDAY_0829, **change)

    assert (changes(conference), conference.version) == (["revised"], 2)
    assert what_changed(conference, replace(Revision.of(conference), **change)) == set()  # type: ignore[arg-type]


# A moved lesson


def following(conference: Videoconference, lesson: Lesson) -> Revision:
    """What the lesson, as it is now, makes of its online lesson."""
    return follow_lesson(conference, lesson, OF_GROUP, ROSTER.groups[group_of("8 К алгебра")], MOSCOW)


MOVED = replace(LESSON, starts_at=MONDAY_0900, ends_at=MONDAY_1000)
MOVED_NAME = "Алгебра, 8 К алгебра, 07.09.2026 12:00"


@pytest.mark.rule("CONF-22")
@pytest.mark.parametrize(
    ("by_hand", "name", "slot"),
    [
        (frozenset(), MOVED_NAME, TimeSlot(MONDAY_0900, MONDAY_1000)),
        (frozenset({NAME}), LESSON_NAME, TimeSlot(MONDAY_0900, MONDAY_1000)),
        (frozenset({START}), MOVED_NAME, TimeSlot(MONDAY_0830, MONDAY_1000)),
        (frozenset({END}), MOVED_NAME, TimeSlot(MONDAY_0900, MONDAY_0915)),
        (frozenset({START, END}), MOVED_NAME, TimeSlot(MONDAY_0830, MONDAY_0915)),
        (frozenset(Detail), LESSON_NAME, TimeSlot(MONDAY_0830, MONDAY_0915)),
    ],
)
def test_a_moved_lesson_moves_its_online_lesson_field_by_field(
    by_hand: frozenset[Detail], name: str, slot: TimeSlot
) -> None:
    conference = an_online_lesson(removed=["pupil"])
    conference.set_by_hand = by_hand

    revision = following(conference, MOVED)

    assert (revision.name, revision.slot, revision.set_by_hand) == (name, slot, by_hand)
    assert (revision.lesson_id, revision.removals) == (LESSON.id, participants("pupil"))


@pytest.mark.rule("CONF-22")
@pytest.mark.parametrize(
    ("by_hand", "moved"),
    [
        (END, replace(LESSON, starts_at=MONDAY_0915, ends_at=MONDAY_1000)),
        (END, replace(LESSON, starts_at=MONDAY_1000, ends_at=MONDAY_1000 + MINUTE)),
        (START, replace(LESSON, starts_at=MONDAY_0800, ends_at=MONDAY_0830)),
        (
            START,
            replace(LESSON, starts_at=MONDAY_0900 + 2 * DAY, ends_at=MONDAY_1000 + 2 * DAY),
        ),
    ],
)
def test_a_time_set_by_hand_that_the_lesson_s_other_one_contradicts_keeps_both(by_hand: Detail, moved: Lesson) -> None:
    conference = an_online_lesson()
    conference.set_by_hand = frozenset({by_hand})

    assert following(conference, moved).slot == TimeSlot(MONDAY_0830, MONDAY_0915)


def participants_in_order(chat: Chat) -> tuple[ParticipantId, ...]:
    """The chat's people."""
    return tuple(sorted(chat.memberships))
