"""A conference's people follow its chat, plus whom a user added, minus whom a user took out."""

import pytest

from domain.chat import Chat, ChatKind, ChatType, OtherChat, TeachersChat
from domain.grounds import grounds
from domain.ids import PersonId
from domain.participant import Capacity, PositionKind
from domain.participation import (
    Surroundings,
    default_participants,
    kinds_that_take_part,
    named,
    participants,
    starters,
)
from domain.roster import StudyGroup
from domain.roster_events import PupilEnrolled, PupilExpelled, apply
from domain.videoconference import Videoconference, VideoconferenceType
from tests.builders import (
    MONDAY_0830,
    a_chat,
    a_roster,
    a_videoconference,
    class_chat,
    parents_chat,
    participant,
    subject_chat,
)

EMPLOYEE, PUPIL, PARENT = Capacity.EMPLOYEE, Capacity.PUPIL, Capacity.PARENT
ONLINE_LESSON, VIDEO_CALL = VideoconferenceType.ONLINE_LESSON, VideoconferenceType.VIDEO_CALL

ROSTER = a_roster(
    employees={name: [PositionKind.PEDAGOGICAL] for name in ("head", "teacher", "colleague", "maker", "substitute")},
    class_teachers={"8 К": "teacher"},
    pupils={"pupil": "8 К", "classmate": "8 К"},
    parents={"parent": ["pupil"], "colleague": ["classmate"]},
    groups={"алгебра": ["pupil"]},
    group_teachers={"алгебра": ["teacher", "colleague"]},
)
"""The colleague is a parent too."""


def around(
    conference: Videoconference,
    chat: Chat,
    *,
    administrator: str | None = None,
    group: StudyGroup | None = None,
    substitute: str | None = None,
) -> Surroundings:
    """What the conference's people follow from, while everybody is still what they were named as."""
    chosen = participant(administrator) if administrator else None
    stands_in = participant(substitute) if substitute else None
    return Surroundings(chat, chosen, group, stands_in, named(conference, chosen, group, stands_in))


def test_parents_take_part_in_a_video_call_of_a_parents_chat_and_in_nothing_else() -> None:
    with_parents = {
        (type, chat) for type in VideoconferenceType for chat in ChatType if PARENT in kinds_that_take_part(type, chat)
    }

    assert with_parents == {(VIDEO_CALL, ChatType.PARENTS)}


@pytest.mark.parametrize("type", VideoconferenceType)
@pytest.mark.parametrize("chat", ChatType)
def test_pupils_and_employees_take_part_in_every_conference(type: VideoconferenceType, chat: ChatType) -> None:
    assert {PUPIL, EMPLOYEE} <= kinds_that_take_part(type, chat)


def test_by_default_everybody_in_a_parents_chat_takes_part_in_its_video_call() -> None:
    chat = a_chat(parents_chat("8 К"), roster=ROSTER, chat_administrator="head")

    assert default_participants(VIDEO_CALL, chat) == {
        participant("head"): {EMPLOYEE},
        participant("teacher"): {EMPLOYEE},
        participant("parent"): {PARENT},
        participant("colleague"): {PARENT},
    }


def test_by_default_the_parents_of_a_parents_chat_take_no_part_in_an_online_lesson() -> None:
    chat = a_chat(parents_chat("8 К"), roster=ROSTER, chat_administrator="head")

    assert default_participants(ONLINE_LESSON, chat) == {
        participant("head"): {EMPLOYEE},
        participant("teacher"): {EMPLOYEE},
    }


@pytest.mark.parametrize(
    ("kind", "people"),
    [
        (TeachersChat(), {"head", "teacher", "colleague", "maker", "substitute"}),
        (class_chat("8 К"), {"head", "teacher", "pupil", "classmate"}),
        (subject_chat("алгебра"), {"head", "teacher", "colleague", "pupil"}),
        (OtherChat(), {"head"}),
    ],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.parametrize("type", VideoconferenceType)
def test_by_default_the_chats_people_take_part_the_chat_administrator_among_them(
    kind: ChatKind, people: set[str], type: VideoconferenceType
) -> None:
    chat = a_chat(kind, roster=ROSTER, chat_administrator="head")

    assert default_participants(type, chat).keys() == {participant(person) for person in people}


def test_whom_a_user_added_takes_part_and_whom_a_user_took_out_does_not() -> None:
    chat = a_chat(class_chat("8 К"), roster=ROSTER)
    conference = a_videoconference(chat=chat, added={"maker": EMPLOYEE}, removed=["classmate"])

    assert participants(conference, around(conference, chat)) == {
        participant("teacher"): {EMPLOYEE},
        participant("pupil"): {PUPIL},
        participant("maker"): {EMPLOYEE},
    }


def test_whom_a_user_took_out_stays_out_though_they_were_added_too() -> None:
    chat = a_chat(class_chat("8 К"), roster=ROSTER)
    conference = a_videoconference(chat=chat, added={"classmate": PUPIL}, removed=["classmate"])

    assert participant("classmate") not in participants(conference, around(conference, chat))


def test_whom_a_user_added_in_another_capacity_takes_part_in_both() -> None:
    chat = a_chat(parents_chat("8 К"), roster=ROSTER)
    conference = a_videoconference(chat=chat, added={"colleague": EMPLOYEE})

    assert participants(conference, around(conference, chat))[participant("colleague")] == {EMPLOYEE, PARENT}


def test_whoever_joins_or_leaves_the_chat_joins_or_leaves_the_conference() -> None:
    roster = a_roster(people=["newcomer"], pupils={"pupil": "8 К"})
    chat = a_chat(class_chat("8 К"), roster=roster)
    conference = a_videoconference(chat=chat)
    apply(roster, PupilEnrolled(PersonId("newcomer"), "8 К"))
    apply(roster, PupilExpelled(PersonId("pupil")))

    chat.follow(grounds(chat.kind, roster, None), at=MONDAY_0830)

    assert participants(conference, around(conference, chat)) == {participant("newcomer"): {PUPIL}}


def test_the_call_is_started_by_the_first_of_administrator_substitute_chats_administrators_maker_and_employees() -> (
    None
):
    chat = a_chat(subject_chat("алгебра"), roster=ROSTER, chat_administrator="head")
    conference = a_videoconference(chat=chat, made_by="maker", added={"late": EMPLOYEE, "classmate": PUPIL})

    wanted = starters(conference, around(conference, chat, administrator="head", substitute="substitute"))

    assert wanted == (
        participant("head"),
        participant("substitute"),
        *sorted([participant("teacher"), participant("colleague")]),
        participant("maker"),
        participant("late"),
    )


def test_nobody_starts_a_call_twice_and_no_pupil_or_parent_does() -> None:
    chat = a_chat(parents_chat("8 К"), roster=ROSTER, chat_administrator="teacher")
    conference = a_videoconference(chat=chat, made_by="teacher")

    wanted = starters(conference, around(conference, chat, administrator="teacher", substitute="teacher"))

    assert wanted == (participant("teacher"),)


def test_a_conference_of_an_empty_chat_that_nobody_made_has_no_starter() -> None:
    chat = a_chat()

    assert starters(a_videoconference(chat=chat), Surroundings(chat)) == ()


@pytest.mark.rule("CHAT-32")
def test_whoever_was_added_in_a_capacity_that_they_have_no_more_takes_no_part() -> None:
    chat = a_chat(subject_chat("алгебра"), roster=ROSTER)
    conference = a_videoconference(chat=chat, added={"late": EMPLOYEE, "classmate": PUPIL})
    held = conference.additions - {(participant("late"), EMPLOYEE)}

    taking_part = participants(conference, Surroundings(chat, held=held))

    assert participant("classmate") in taking_part
    assert participant("late") not in taking_part
