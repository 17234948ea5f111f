"""Who may do what is decided by role, membership and organization, and by nothing else."""

from collections.abc import Callable

import pytest

from domain import access
from domain.access import MetaRole, Permission, PlaceInConference, Viewer
from domain.chat import Chat
from domain.participant import Capacity, PositionKind
from domain.participation import Surroundings
from domain.videoconference import Videoconference
from tests.builders import OTHER_SCHOOL, SCHOOL, a_chat, a_roster, a_videoconference, a_viewer, class_chat

ROSTER = a_roster(
    employees={"head": [PositionKind.ADMINISTRATION], "teacher": [PositionKind.PEDAGOGICAL]},
    class_teachers={"8 К": "teacher"},
    pupils={"pupil": "8 К", "taken out": "8 К"},
    parents={"parent": ["pupil"]},
)
CHAT = a_chat(class_chat("8 К"), roster=ROSTER, chat_administrator="head")
CONFERENCE = a_videoconference(chat=CHAT, added={"guest": Capacity.EMPLOYEE}, removed=["taken out"])

VIEWERS = {
    "superadministrator": a_viewer("root", organization=None, meta_role=MetaRole.SUPERADMINISTRATOR),
    "organization administrator": a_viewer("director", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR),
    "chat administrator": a_viewer("head", meta_role=MetaRole.CHAT_ADMINISTRATOR),
    "class teacher": a_viewer("teacher"),
    "member": a_viewer("pupil"),
    "member taken out of the conference": a_viewer("taken out"),
    "guest of the conference": a_viewer("guest"),
    "somebody else here": a_viewer("parent"),
    "service account": a_viewer("roster", roster_service=True),
    "administrator elsewhere": a_viewer(
        "director", organization=OTHER_SCHOOL, meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR
    ),
    "somebody elsewhere": a_viewer("pupil", organization=OTHER_SCHOOL),
    "person of no organization": a_viewer("pupil", organization=None),
    "blocked organization administrator": a_viewer(
        "director", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR, blocked=True
    ),
    "blocked class teacher": a_viewer("teacher", blocked=True),
    "blocked member": a_viewer("pupil", blocked=True),
}

HOLDERS_OF_ALL_RIGHTS = {"superadministrator", "organization administrator", "chat administrator"}
MANAGERS = HOLDERS_OF_ALL_RIGHTS | {"class teacher"}
MEMBERS = {"member", "member taken out of the conference"}

Question = Callable[[Viewer, Videoconference, Chat], bool]


def place_of(viewer: Viewer, conference: Videoconference, chat: Chat) -> PlaceInConference:
    return access.place_in_conference(viewer, conference, Surroundings(chat, held=conference.additions))


MATRIX: dict[str, tuple[Question, set[str]]] = {
    "see the chat": (
        lambda viewer, _, chat: access.may_see_chat(viewer, access.place_in(viewer, chat)),
        MANAGERS | MEMBERS,
    ),
    "administer the chat": (
        lambda viewer, _, chat: access.administers(viewer, access.place_in(viewer, chat)),
        {"chat administrator", "class teacher"},
    ),
    "create a conference": (
        lambda viewer, _, chat: access.may_create_conference(viewer, access.place_in(viewer, chat)),
        MANAGERS,
    ),
    "edit a conference": (
        lambda viewer, *place: access.may_edit_conference(viewer, place_of(viewer, *place)),
        MANAGERS,
    ),
    "finish a conference": (
        lambda viewer, *place: access.may_finish_conference(viewer, place_of(viewer, *place)),
        MANAGERS,
    ),
    "see the conference": (
        lambda viewer, *place: access.may_see_conference(viewer, place_of(viewer, *place)),
        MANAGERS | {"member", "guest of the conference"},
    ),
    "see the link": (
        lambda viewer, *place: access.may_see_link(viewer, place_of(viewer, *place)),
        MANAGERS | {"member", "guest of the conference"},
    ),
}

EVEN_BLOCKED = {
    "see the chat": {"blocked class teacher", "blocked member"},
    "see the conference": {"blocked class teacher", "blocked member"},
}
"""A member who is blocked is still a member, shown as blocked; the link and every right to act are gone (CHAT-25)."""


@pytest.mark.parametrize("what", MATRIX)
@pytest.mark.parametrize("who", VIEWERS)
def test_who_may_do_what(who: str, what: str) -> None:
    ask, allowed = MATRIX[what]

    assert ask(VIEWERS[who], CONFERENCE, CHAT) is (who in allowed | EVEN_BLOCKED.get(what, set()))


@pytest.mark.parametrize("who", VIEWERS)
def test_the_three_meta_roles_hold_every_permission_over_their_organization_and_nobody_else_any(who: str) -> None:
    held = {permission for permission in Permission if VIEWERS[who].may(permission, SCHOOL)}

    assert held == (set(Permission) if who in HOLDERS_OF_ALL_RIGHTS else set())


def test_only_a_superadministrator_works_in_every_organization() -> None:
    everywhere = {who for who, viewer in VIEWERS.items() if viewer.works_in(SCHOOL) and viewer.works_in(OTHER_SCHOOL)}

    assert everywhere == {"superadministrator"}


def test_the_same_person_in_another_organization_is_another_participant() -> None:
    here, elsewhere = a_viewer("pupil"), a_viewer("pupil", organization=OTHER_SCHOOL)

    assert here.participant_id != elsewhere.participant_id


def test_somebody_blocked_takes_part_as_nobody() -> None:
    assert a_viewer("teacher", blocked=True).present_participant is None
    assert a_viewer("teacher").present_participant == a_viewer("teacher").participant_id


def test_an_archived_chat_is_seen_by_its_chat_administrator_and_the_registrys_viewers_alone() -> None:
    closed = a_roster(
        employees={"head": [PositionKind.ADMINISTRATION], "teacher": [PositionKind.PEDAGOGICAL]},
        class_teachers={"8 К": "teacher"},
        pupils={"pupil": "8 К"},
        closed=["8 К"],
    )
    archived = a_chat(class_chat("8 К"), roster=closed, chat_administrator="head")

    assert {
        who for who, viewer in VIEWERS.items() if access.may_see_chat(viewer, access.place_in(viewer, archived))
    } == HOLDERS_OF_ALL_RIGHTS
