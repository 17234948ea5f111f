"""Ready-made parts of a school, so that a test names only what matters to it.

People, classes and groups are called by their ids in the school system; whoever is named anywhere is known.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from application.ports import Begin
from domain.access import MetaRole, Permission, Viewer
from domain.account_link import AccountLink, EducationProfile, LinkAttempt, Tokens
from domain.audit import SCHEDULE
from domain.call import Asked, Call, CallState
from domain.chat import Chat, ChatKind, ClassChat, OtherChat, ParentsChat, SubjectChat
from domain.grounds import grounds, is_closed
from domain.ids import (
    CallId,
    ChatId,
    ClassId,
    GroupId,
    OrganizationId,
    ParticipantId,
    PersonId,
    VideoconferenceId,
    class_id,
    group_id,
    organization_id,
    participant_id,
)
from domain.lesson import Lesson
from domain.organization import Organization
from domain.participant import Capacity, Name, Participant, PositionKind
from domain.roster import Roster, SchoolClass, StudyGroup
from domain.videoconference import Phase, Scheduled, TimeSlot, Videoconference, VideoconferenceType

MONDAY_0800 = datetime(2026, 9, 7, 8, 0, tzinfo=UTC)
MONDAY_0829 = MONDAY_0800 + timedelta(minutes=29)
MONDAY_0830 = MONDAY_0800 + timedelta(minutes=30)
MONDAY_0900 = MONDAY_0800 + timedelta(minutes=60)
MONDAY_0915 = MONDAY_0800 + timedelta(minutes=75)
MONDAY_1000 = MONDAY_0800 + timedelta(minutes=120)

SCHOOL = organization_id("school")
OTHER_SCHOOL = organization_id("other school")

LINK = "https://calls.example/join/1"


def participant(person: str, organization: OrganizationId = SCHOOL) -> ParticipantId:
    """The person's id in the school."""
    return participant_id(organization, PersonId(person))


def participants(*people: str) -> frozenset[ParticipantId]:
    """The ids of several people in the school."""
    return frozenset(participant(person) for person in people)


def class_of(name: str, organization: OrganizationId = SCHOOL) -> ClassId:
    """The id of a class."""
    return class_id(organization, name)


def group_of(name: str, organization: OrganizationId = SCHOOL) -> GroupId:
    """The id of a study group."""
    return group_id(organization, name)


def class_chat(name: str) -> ClassChat:
    """What the chat of a class's pupils follows."""
    return ClassChat(class_of(name))


def parents_chat(name: str) -> ParentsChat:
    """What the chat of a class's parents follows."""
    return ParentsChat(class_of(name))


def subject_chat(name: str) -> SubjectChat:
    """What the chat of a study group follows."""
    return SubjectChat(group_of(name))


def a_participant(
    person: str = "ivanova", *, name: Name | None = None, blocked: bool = False, organization: OrganizationId = SCHOOL
) -> Participant:
    """A person of the school."""
    return Participant(organization, PersonId(person), name or Name(person.capitalize(), "Анна"), blocked)


def a_roster(
    *,
    organization: OrganizationId = SCHOOL,
    people: Collection[str] = (),
    blocked: Collection[str] = (),
    employees: Mapping[str, Sequence[PositionKind]] | None = None,
    pupils: Mapping[str, str] | None = None,
    parents: Mapping[str, Sequence[str]] | None = None,
    classes: Collection[str] = (),
    class_teachers: Mapping[str, str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    group_teachers: Mapping[str, Sequence[str]] | None = None,
    closed: Collection[str] = (),
    roles: Mapping[str, str] | None = None,
) -> Roster:
    """The facts of a school.

    `pupils`: each one's class; `parents`: each one's children; `groups`: each one's pupils; `closed`: names of classes
    and groups. A class is its name, and so is a group.
    """
    employees, pupils, parents = employees or {}, pupils or {}, parents or {}
    class_teachers, group_teachers, roles = class_teachers or {}, group_teachers or {}, roles or {}
    groups = dict.fromkeys(group_teachers, ()) | dict(groups or {})

    def known(person: str) -> ParticipantId:
        id = participant(person, organization)
        roster.people.setdefault(id, a_participant(person, blocked=person in blocked, organization=organization))
        return id

    roster = Roster(organization)
    for person in (*people, *blocked):
        known(person)
    roster.positions = {known(person): tuple(positions) for person, positions in employees.items()}
    for name in dict.fromkeys((*classes, *pupils.values(), *class_teachers)):
        teacher = known(class_teachers[name]) if name in class_teachers else None
        school_class = SchoolClass(organization, name, name, teacher, name in closed)
        roster.classes[school_class.id] = school_class
    roster.enrolments = {known(pupil): class_of(name, organization) for pupil, name in pupils.items()}
    roster.ties = {(known(parent), known(child)) for parent, children in parents.items() for child in children}
    for name, members in groups.items():
        taught_by = tuple(known(teacher) for teacher in group_teachers.get(name, ()))
        of = frozenset(known(member) for member in members)
        group = StudyGroup(organization, name, name, "Алгебра", of, taught_by, name in closed)
        roster.groups[group.id] = group
    roster.roles = {(known(holder), role) for holder, role in roles.items()}
    return roster


def an_organization(*, school_id: str = "school", chat_administrator: str | None = None) -> Organization:
    """A school in Moscow's zone."""
    organization = Organization(school_id=school_id, name="Школа", time_zone="Europe/Moscow")
    if chat_administrator is not None:
        organization.chat_administrator = participant(chat_administrator, organization.id)
    return organization


def a_chat(
    kind: ChatKind | None = None,
    *,
    roster: Roster | None = None,
    chat_administrator: str | None = None,
    name: str = "Чат",
    organization: OrganizationId = SCHOOL,
    at: datetime = MONDAY_0800,
) -> Chat:
    """A chat as it was loaded, in step with the roster since `at`; without a roster it has no members."""
    chat = Chat(id=ChatId(uuid4()), organization_id=organization, kind=kind or OtherChat(), name=name)
    if roster is not None:
        administrator = None if chat_administrator is None else participant(chat_administrator, organization)
        chat.archived = is_closed(chat.kind, roster)
        chat.follow(grounds(chat.kind, roster, administrator), at=at)
        chat.take_events()
    return chat


def a_lesson(
    school_id: str = "lesson",
    *,
    group: str = "8 К алгебра",
    starts_at: datetime = MONDAY_0830,
    ends_at: datetime = MONDAY_0915,
    substitute: str | None = None,
    cancelled: bool = False,
    organization: OrganizationId = SCHOOL,
) -> Lesson:
    """A lesson of the timetable."""
    stands_in = None if substitute is None else participant(substitute, organization)
    return Lesson(organization, school_id, group_of(group, organization), starts_at, ends_at, stands_in, cancelled)


def a_videoconference(
    *,
    chat: Chat | None = None,
    type: VideoconferenceType = VideoconferenceType.VIDEO_CALL,
    start: datetime = MONDAY_0830,
    end: datetime = MONDAY_0915,
    phase: Phase | None = None,
    lesson: Lesson | None = None,
    made_by: str | None = None,
    added: Mapping[str, Capacity] | None = None,
    removed: Collection[str] = (),
) -> Videoconference:
    """A conference as it was loaded; scheduled, with a minute to prepare its call, unless `phase` says otherwise."""
    chat = chat or a_chat()
    return Videoconference(
        id=VideoconferenceId(uuid4()),
        organization_id=chat.organization_id,
        type=type,
        name="Совещание",
        chat_id=chat.id,
        lesson_id=lesson.id if lesson else None,
        made_by=participant(made_by, chat.organization_id) if made_by else None,
        slot=TimeSlot(start, end),
        phase=phase or Scheduled(start - timedelta(minutes=1)),
        additions=frozenset(
            (participant(person, chat.organization_id), capacity) for person, capacity in (added or {}).items()
        ),
        removals=frozenset(participant(person, chat.organization_id) for person in removed),
        version=1,
    )


def a_call(
    conference: Videoconference | None = None,
    *,
    account: str = "teacher",
    asked_at: datetime = MONDAY_0829,
    state: CallState | None = None,
) -> Call:
    """A record of a call, asked for unless `state` says otherwise."""
    of = conference.id if conference else VideoconferenceId(uuid4())
    id = CallId(uuid4())
    return Call(id=id, videoconference_id=of, account=PersonId(account), asked_at=asked_at, state=state or Asked())


def some_tokens(name: str = "first", *, expire_at: datetime = MONDAY_0900) -> Tokens:
    """A pair of tokens, told from others by its name."""
    return Tokens(f"access {name}", f"refresh {name}", f"device {name}", expire_at)


def an_account_link(
    person: str = "teacher",
    *,
    profile: str | None = None,
    tokens: Tokens | None = None,
    broken: bool = False,
    at: datetime = MONDAY_0800,
) -> AccountLink:
    """A link as it was loaded; each person has a profile of their own unless `profile` is given."""
    return AccountLink(
        person_id=PersonId(person),
        profile=EducationProfile(profile or f"profile of {person}", "Анна И."),
        linked_at=at,
        renewed_at=at,
        tokens=None if broken else tokens or some_tokens(),
    )


def an_attempt(
    person: str = "teacher",
    *,
    id: str = "attempt",
    state: str = "state",
    expires_at: datetime = MONDAY_0830,
    browser: str | None = None,
    used: bool = False,
) -> LinkAttempt:
    """An attempt to link."""
    return LinkAttempt(
        id=id,
        state=state,
        verifier="verifier",
        person_id=PersonId(person),
        return_to=None,
        expires_at=expires_at,
        browser=browser,
        used=used,
    )


def a_viewer(
    person: str = "ivanova",
    *,
    organization: OrganizationId | None = SCHOOL,
    meta_role: MetaRole | None = None,
    granted: Collection[Permission] | None = None,
    teaches: bool = False,
    blocked: bool = False,
    roster_service: bool = False,
) -> Viewer:
    """Who asks; a participant of the organization, unless it is the service account or nobody's employee.

    A meta-role permits everything unless `granted` is given, somebody without one nothing.
    """
    takes_part = organization is not None and not roster_service
    return Viewer(
        person_id=PersonId(person),
        organization_id=organization,
        participant_id=participant(person, organization) if takes_part and organization else None,
        blocked=blocked,
        meta_role=meta_role,
        granted=frozenset(granted if granted is not None else Permission if meta_role is not None else ()),
        teaches_somewhere=teaches,
        roster_service=roster_service,
    )


def state_of(aggregate: Any) -> dict[str, object]:
    """All that an aggregate is, as one comparable value; what happened to it is no part of that."""
    return {field.name: getattr(aggregate, field.name) for field in fields(aggregate) if field.name != "events"}


async def put(
    begin: Begin,
    *,
    organization: Organization | None = None,
    roster: Roster | None = None,
    lessons: Sequence[Lesson] = (),
    chats: Sequence[Chat] = (),
    conferences: Sequence[Videoconference] = (),
    calls: Sequence[Call] = (),
    links: Sequence[AccountLink] = (),
    attempts: Sequence[LinkAttempt] = (),
) -> None:
    """Saves all of it in a unit of work of its own, each thing after what it refers to."""
    async with begin(SCHEDULE) as uow:
        if organization is not None:
            await uow.organizations.save(organization)
        if roster is not None:
            await uow.rosters.save(roster)
        await uow.lessons.save_all(lessons)
        await uow.chats.save_all(chats)
        for conference in conferences:
            await uow.videoconferences.save(conference)
        for call in calls:
            await uow.calls.save(call)
        for link in links:
            await uow.account_links.save(link)
        for attempt in attempts:
            await uow.account_links.save_attempt(attempt)
