"""Storage that forgets: what is saved lives in this process, with the promises that any storage keeps to use cases.

Units of work run side by side: each sees what is committed and what it saved itself, and whoever wants a row that
another one has locked waits for it.
"""

from collections.abc import AsyncIterator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from application.audit import (
    NO_RIGHTS,
    Line,
    Trail,
    chat_facts,
    chat_subject,
    conference_facts,
    conference_subject,
    link_facts,
    link_subject,
    organization_facts,
    organization_subject,
    rights_of_people,
    role_facts,
    role_subject,
)
from application.ports import Answered, ChatsOfAccount, ConcurrentChange
from domain.access import MetaRole, Permission
from domain.account_link import AccountLink, AccountLinkStatus, LinkAttempt, Revocation
from domain.audit import AuditCause, Because
from domain.call import Asked, Call, Open
from domain.chat import Chat, ChatKind, SubjectChat
from domain.chat_request import ChatRequest, ChatRequestId
from domain.ids import (
    CallId,
    ChatId,
    GroupId,
    LessonId,
    OrganizationId,
    ParticipantId,
    PersonId,
    RoleId,
    VideoconferenceId,
    role_id,
)
from domain.lesson import Lesson
from domain.mirror import Mirror
from domain.organization import Organization
from domain.participant import ERASED, Capacity
from domain.register import Register
from domain.role import Role
from domain.roster import Roster, StudyGroup
from domain.videoconference import (
    Active,
    Failed,
    FailureReason,
    Finished,
    Scheduled,
    Videoconference,
    VideoconferenceType,
)
from infrastructure.db.mirrors import Touched
from tests.builders import MONDAY_0800
from tests.fakes.mirrors import InMemoryChatRequests, InMemoryMirrors
from tests.fakes.registers import InMemoryRegisters
from tests.fakes.rows import Rows, Table, due_keys, due_rows, next_due, save_with_events

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Claims = Rows[tuple[str, Hashable], tuple[()]]
"""Names of what there may be only one of: whoever is about to add one locks its name."""


@dataclass(frozen=True)
class AuditLine:
    """A change, why it was made, and when."""

    line: Line
    because: Because
    at: datetime


class InMemoryOrganizations:
    """Implements `application.ports.Organizations`."""

    def __init__(self, rows: Rows[OrganizationId, Organization], trail: Trail, touched: Touched) -> None:
        self._rows = rows
        self._trail = trail
        self._touched = touched

    async def find(self, id: OrganizationId, *, lock: bool = False) -> Organization | None:
        found = await self._rows.find_locked(id, lock=lock)
        if found is not None:
            self._trail.loaded(organization_subject(found), organization_facts(found), locked=lock)
        return found

    async def save(self, organization: Organization) -> None:
        before = self._rows.present().get(organization.id)
        if before is not None and before.chat_administrator != organization.chat_administrator:
            self._touched.organizations.add(organization.id)
        await self._rows.save(organization.id, organization)
        self._trail.saved(organization_subject(organization), organization_facts(organization))

    async def register_due(self, at: datetime) -> list[OrganizationId]:
        due = [(each.register_due_at, id) for id, each in self._rows.present().items() if each.register_due_at]
        return [id for due_at, id in sorted(due) if due_at <= at]

    async def next_register_due(self) -> datetime | None:
        return min(
            (each.register_due_at for each in self._rows.present().values() if each.register_due_at), default=None
        )


class InMemoryRosters:
    """Implements `application.ports.Rosters`."""

    def __init__(self, rows: Rows[OrganizationId, Roster], trail: Trail, touched: Touched) -> None:
        self._rows = rows
        self._trail = trail
        self._touched = touched

    async def get(self, id: OrganizationId) -> Roster:
        roster = self._rows.find(id) or Roster(id)
        for subject, rights in rights_of_people(roster).items():
            self._trail.loaded(subject, rights)
        return roster

    async def save(self, roster: Roster) -> None:
        before = self._rows.present().get(roster.organization_id)
        known = {} if before is None else before.people
        self._touched.participants |= {
            id for id, person in roster.people.items() if id not in known or known[id].blocked is not person.blocked
        }
        await self._rows.save(roster.organization_id, roster)
        for subject, rights in rights_of_people(roster).items():
            self._trail.loaded(subject, NO_RIGHTS)
            self._trail.saved(subject, rights)

    async def group(self, id: GroupId) -> StudyGroup | None:
        groups = (roster.groups.get(id) for roster in self._rows.present().values())
        return next((group for group in groups if group is not None), None)

    async def idle_since_before(self, at: datetime, *, limit: int) -> list[tuple[OrganizationId, ParticipantId]]:
        found = sorted(
            (since, participant, roster.organization_id)
            for roster in self._rows.present().values()
            for participant, since in roster.idle_since.items()
            if since < at
        )
        return [(organization, participant) for _, participant, organization in found[:limit]]

    async def known_anywhere(self, person: PersonId) -> bool:
        known = (roster.people.get(roster.participant_id(person)) for roster in self._rows.present().values())
        return any(participant is not None and participant.name != ERASED for participant in known)

    async def held(
        self, additions: frozenset[tuple[ParticipantId, Capacity]]
    ) -> frozenset[tuple[ParticipantId, Capacity]]:
        rosters = self._rows.present().values()
        return frozenset(
            (participant, capacity)
            for participant, capacity in additions
            if any(roster.is_(capacity, participant) for roster in rosters)
        )


class InMemoryLessons:
    """Implements `application.ports.Lessons`."""

    def __init__(self, rows: Rows[LessonId, Lesson]) -> None:
        self._rows = rows

    async def find(self, id: LessonId) -> Lesson | None:
        return self._rows.find(id)

    async def find_all(self, ids: Collection[LessonId]) -> list[Lesson]:
        present = self._rows.present()
        return [present[id] for id in ids if id in present]

    async def of_groups(self, groups: Collection[GroupId], start: datetime, end: datetime) -> list[Lesson]:
        return [
            lesson
            for lesson in self._rows.present().values()
            if lesson.group_id in groups and start <= lesson.starts_at < end
        ]

    async def save_all(self, lessons: Sequence[Lesson]) -> None:
        for lesson in lessons:
            await self._rows.save(lesson.id, lesson)


class InMemoryChats:
    """Implements `application.ports.Chats`."""

    def __init__(
        self,
        rows: Rows[ChatId, Chat],
        lines: Sequence[AuditLine],
        told: list[object],
        trail: Trail,
        touched: Touched,
    ) -> None:
        self._rows = rows
        self._touched = touched
        self._lines = lines
        self._told = told
        self._trail = trail

    async def find(self, id: ChatId, *, lock: bool = False, deleted: bool = False) -> Chat | None:
        found = await self._rows.find_locked(id, lock=lock)
        return None if found is None or (found.deleted and not deleted) else self._noted(found, locked=lock)

    async def find_all(self, ids: Collection[ChatId], *, deleted: bool = False) -> list[Chat]:
        found = [await self.find(id, deleted=deleted) for id in set(ids)]
        return [chat for chat in found if chat is not None]

    async def oldest_of_group(self, group: GroupId) -> Chat | None:
        def wanted(chat: Chat) -> bool:
            return chat.kind == SubjectChat(group) and not chat.archived and not chat.deleted

        # Rows stand in the order in which they were added.
        return next((self._rows.find(key) for key in self._rows.matching(wanted)), None)

    async def following(
        self,
        organization: OrganizationId,
        kinds: Collection[ChatKind] | None,
        *,
        having_added: Collection[ParticipantId] = (),
    ) -> list[Chat]:
        def wanted(chat: Chat) -> bool:
            added = {participant for participant, _ in chat.by_hand.additions}
            followed = kinds is None or chat.kind in kinds or bool(added & set(having_added))
            return chat.organization_id == organization and not chat.deleted and followed

        return [self._noted(chat, locked=True) for chat in await self._rows.all_locked(wanted)]

    async def edited_fields(self, id: ChatId, *, since: int) -> tuple[str, ...]:
        edited = set[str]()
        for line in self._lines:
            if (
                line.line.subject.id == id
                and line.because.cause is AuditCause.USER
                and (line.line.version or 0) > since
            ):
                edited |= (line.line.difference.after or {}).keys()
        by_hand = {"addedByHand", "removedByHand"}
        return tuple(sorted(edited - by_hand - {"members"} | ({"members"} if edited & by_hand else set())))

    async def save_all(self, chats: Sequence[Chat]) -> None:
        for chat in chats:
            await save_with_events(self._rows, chat.id, chat, self._told)
            self._touched.chats.add(chat.id)
            self._trail.saved(chat_subject(chat), chat_facts(chat), chat.version)

    def _noted(self, chat: Chat, *, locked: bool) -> Chat:
        self._trail.loaded(chat_subject(chat), chat_facts(chat) or {}, locked=locked)
        return chat


class InMemoryVideoconferences:
    """Implements `application.ports.Videoconferences`."""

    def __init__(
        self,
        rows: Rows[VideoconferenceId, Videoconference],
        rosters: Rows[OrganizationId, Roster],
        lessons: Rows[LessonId, Lesson],
        joins: Rows[tuple[VideoconferenceId, ParticipantId, datetime], tuple[()]],
        lines: Sequence[AuditLine],
        claims: Claims,
        told: list[object],
        trail: Trail,
    ) -> None:
        self._rows = rows
        self._lessons = lessons
        self._joins = joins
        self._lines = lines
        self._rosters = rosters
        self._claims = claims
        self._told = told
        self._trail = trail

    async def find(self, id: VideoconferenceId, *, lock: bool = False) -> Videoconference | None:
        found = await self._rows.find_locked(id, lock=lock)
        return None if found is None or found.deleted else self._noted(found, locked=lock)

    async def find_all(self, ids: Collection[VideoconferenceId], *, lock: bool = False) -> list[Videoconference]:
        found = [await self.find(id, lock=lock) for id in sorted(set(ids))]
        return [conference for conference in found if conference is not None]

    async def due(
        self,
        at: datetime,
        *,
        limit: int,
        scheduled: bool | None = None,
        leaving_out: Collection[VideoconferenceId] = (),
    ) -> list[VideoconferenceId]:
        return await due_keys(
            self._rows,
            at,
            limit,
            leaving_out=leaving_out,
            wanted=lambda conference: scheduled in (None, isinstance(conference.phase, Scheduled)),
            together=lambda conference: conference.organization_id,
        )

    async def next_due(self, *, leaving_out: Collection[VideoconferenceId] = ()) -> datetime | None:
        return next_due(self._rows, leaving_out=leaving_out)

    async def waiting_for_starter(self, person: PersonId) -> list[Videoconference]:
        def waits(conference: Videoconference) -> bool:
            roster = self._rosters.present().get(conference.organization_id)
            match conference.phase:
                case Scheduled(problem=FailureReason.NO_LINKED_STARTER) if not conference.deleted:
                    return roster is not None and roster.participant_id(person) in roster.people
                case _:
                    return False

        return [self._noted(conference, locked=True) for conference in await self._rows.all_locked(waits)]

    async def unfinished_of(self, chats: Collection[ChatId]) -> list[Videoconference]:
        def unfinished(conference: Videoconference) -> bool:
            over = conference.deleted or isinstance(conference.phase, Finished | Failed)
            return conference.chat_id in chats and not over

        return [self._noted(conference, locked=True) for conference in await self._rows.all_locked(unfinished)]

    async def unfinished_of_lessons(self, lessons: Collection[LessonId]) -> list[Videoconference]:
        return await self._unfinished(lambda conference: conference.lesson_id in lessons)

    async def unfinished_of_groups(self, groups: Collection[GroupId]) -> list[Videoconference]:
        lessons = self._lessons.present()
        of_groups = {id for id, lesson in lessons.items() if lesson.group_id in groups}
        return await self._unfinished(lambda conference: conference.lesson_id in of_groups)

    async def _unfinished(self, wanted: Callable[[Videoconference], bool]) -> list[Videoconference]:
        found = await self._rows.all_locked(
            lambda conference: not conference.deleted and not conference.is_over and wanted(conference)
        )
        return [self._noted(conference, locked=True) for conference in found]

    async def changed_fields(self, id: VideoconferenceId, *, since: int) -> tuple[str, ...]:
        changed = set[str]()
        for line in self._lines:
            if line.line.subject.id == id and (line.line.version or 0) > since:
                changed |= (line.line.difference.after or {}).keys()
        people = {"added", "removed"}
        return tuple(sorted(changed - people | ({"participants"} if changed & people else set())))

    async def record_join(self, id: VideoconferenceId, participant: ParticipantId, *, at: datetime) -> None:
        await self._joins.save((id, participant, at), ())

    async def was_joined(self, id: VideoconferenceId) -> bool:
        conference = self._rows.present()[id]
        since = conference.phase.since if isinstance(conference.phase, Active | Finished) else None
        return since is not None and any(join[0] == id and join[2] >= since for join in self._joins.present())

    async def of_lesson(self, lesson: LessonId) -> Videoconference | None:
        ids = self._rows.matching(_is_online_lesson_of(lesson))
        return self._rows.find(ids[0]) if ids else None

    async def save(self, conference: Videoconference) -> None:
        if conference.lesson_id is not None and _is_online_lesson_of(conference.lesson_id)(conference):
            await self._claims.lock(("online lesson", conference.lesson_id))
            others = self._rows.matching(_is_online_lesson_of(conference.lesson_id))
            if set(others) - {conference.id}:
                raise ConcurrentChange
        await save_with_events(self._rows, conference.id, conference, self._told)
        self._trail.saved(conference_subject(conference), conference_facts(conference), conference.version)

    async def save_all(self, conferences: Sequence[Videoconference]) -> None:
        for conference in conferences:
            await self.save(conference)

    def _noted(self, conference: Videoconference, *, locked: bool) -> Videoconference:
        self._trail.loaded(conference_subject(conference), conference_facts(conference) or {}, locked=locked)
        return conference


def _is_online_lesson_of(lesson: LessonId) -> Callable[[Videoconference], bool]:
    return lambda conference: (
        conference.lesson_id == lesson
        and conference.type is VideoconferenceType.ONLINE_LESSON
        and not conference.deleted
        and not isinstance(conference.phase, Finished | Failed)
    )


class InMemoryCalls:
    """Implements `application.ports.Calls`."""

    def __init__(self, rows: Rows[CallId, Call], claims: Claims) -> None:
        self._rows = rows
        self._claims = claims

    async def get(self, id: CallId) -> Call:
        call = await self._rows.find_locked(id)
        assert call is not None, "whoever asks for a call has recorded it"
        return call

    async def find_all(self, ids: Collection[CallId]) -> list[Call]:
        found = [await self._rows.find_locked(id) for id in sorted(set(ids))]
        return [call for call in found if call is not None]

    async def due(self, at: datetime, *, limit: int, leaving_out: Collection[CallId] = ()) -> list[CallId]:
        return await due_keys(self._rows, at, limit, leaving_out=leaving_out, together=lambda call: call.account)

    async def next_due(self, *, leaving_out: Collection[CallId] = ()) -> datetime | None:
        return next_due(self._rows, leaving_out=leaving_out)

    async def save_all(self, calls: Sequence[Call]) -> None:
        for call in sorted(calls, key=lambda call: isinstance(call.state, Asked | Open)):
            await self.save(call)

    async def save(self, call: Call) -> None:
        def rivals(other: Call) -> bool:
            of_the_same = other.videoconference_id == call.videoconference_id and other.id != call.id
            return of_the_same and isinstance(other.state, Asked | Open)

        await self._claims.lock(("call", call.videoconference_id))
        if isinstance(call.state, Asked | Open) and self._rows.matching(rivals):
            raise ConcurrentChange
        await self._rows.save(call.id, call)


class InMemoryAccountLinks:
    """Implements `application.ports.AccountLinks`."""

    def __init__(
        self,
        rows: Rows[PersonId, AccountLink],
        attempts: Rows[str, LinkAttempt],
        rosters: Rows[OrganizationId, Roster],
        organizations: Rows[OrganizationId, Organization],
        chats: Rows[ChatId, Chat],
        claims: Claims,
        told: list[object],
        trail: Trail,
        touched: Touched,
    ) -> None:
        self._rows = rows
        self._touched = touched
        self._attempts = attempts
        self._rosters = rosters
        self._organizations = organizations
        self._chats = chats
        self._claims = claims
        self._told = told
        self._trail = trail

    async def find(self, person: PersonId, *, lock: bool = False) -> AccountLink | None:
        return await self._rows.find_locked(person, lock=lock)

    async def working(self, participants: Sequence[ParticipantId]) -> PersonId | None:
        people = {id: person for roster in self._rosters.present().values() for id, person in roster.people.items()}
        wanted = (people[id].person_id for id in participants if id in people and not people[id].blocked)
        links = self._rows.present()
        linked = (person for person in wanted if person in links and links[person].status is AccountLinkStatus.LINKED)
        return next(linked, None)

    async def linked(self, participants: Collection[ParticipantId]) -> frozenset[ParticipantId]:
        links = self._rows.present()
        people = {id: person for roster in self._rosters.present().values() for id, person in roster.people.items()}
        return frozenset(id for id in participants if id in people and people[id].person_id in links)

    async def holder(self, profile_id: str) -> PersonId | None:
        return next(iter(self._rows.matching(lambda link: link.profile.id == profile_id)), None)

    async def save(self, link: AccountLink) -> None:
        await self._claims.lock(("profile", link.profile.id))
        if await self.holder(link.profile.id) not in (None, link.person_id):
            raise ConcurrentChange
        events = link.take_events()
        before = self._rows.present().get(link.person_id)
        if before is None or (before.status, before.profile.id) != (link.status, link.profile.id):
            self._touched.persons.add(link.person_id)
            self._touched.profiles |= {each.profile.id for each in (before, link) if each is not None}
        for roster in self._rosters.present().values():
            participant = roster.participant_id(link.person_id)
            if participant in roster.people:
                subject = link_subject(participant, roster.organization_id)
                if before is not None:
                    self._trail.loaded(subject, link_facts(before.status) or {})
                self._trail.saved(subject, link_facts(link.status))
        await self._rows.save(link.person_id, link)
        self._told += events

    async def delete(self, link: AccountLink) -> None:
        person = link.person_id
        if (known := await self._rows.find_locked(person)) is not None:
            for roster in self._rosters.present().values():
                subject = link_subject(roster.participant_id(person), roster.organization_id)
                self._trail.loaded(subject, link_facts(known.status) or {})
                self._trail.saved(subject, None)
            await self._rows.delete(person)
        self._touched.persons.add(person)
        self._touched.profiles.add(link.profile.id)
        self._told += link.take_events()

    async def renewed_before(self, at: datetime, *, limit: int) -> list[PersonId]:
        return self._rows.matching(lambda link: link.tokens is not None and link.renewed_at < at)[:limit]

    async def chats_of(self, person: PersonId) -> ChatsOfAccount:
        known = {
            roster.participant_id(person): self._organizations.present().get(roster.organization_id)
            for roster in self._rosters.present().values()
            if roster.participant_id(person) in roster.people
        }
        owned = {each.id for id, each in known.items() if each is not None and each.chat_administrator == id}
        chats = [chat for chat in self._chats.present().values() if set(known) & set(chat.memberships)]
        theirs = [chat for chat in chats if chat.organization_id in owned and not chat.archived]
        return ChatsOfAccount(len(chats), len(theirs) if owned else None)

    async def find_attempt(self, *, id: str | None = None, state: str | None = None) -> LinkAttempt | None:
        found = await self._attempts.all_locked(
            lambda attempt: id in (None, attempt.id) and state in (None, attempt.state)
        )
        return found[0] if found else None

    async def save_attempt(self, attempt: LinkAttempt) -> None:
        await self._attempts.save(attempt.id, attempt)

    async def forget_attempts(self, person: PersonId) -> None:
        for attempt in self._attempts.matching(lambda attempt: attempt.person_id == person):
            await self._attempts.delete(attempt)


class InMemoryRevocations:
    """Implements `application.ports.Revocations`."""

    def __init__(self, rows: Rows[UUID, Revocation]) -> None:
        self._rows = rows

    async def find(self, id: UUID) -> Revocation | None:
        return await self._rows.find_locked(id)

    async def due(self, at: datetime, *, limit: int) -> list[Revocation]:
        return await due_rows(self._rows, at, limit)

    async def of_profile(self, profile_id: str) -> list[Revocation]:
        return await self._rows.all_locked(lambda revocation: revocation.profile_id == profile_id)

    async def save(self, revocation: Revocation) -> None:
        await self._rows.save(revocation.id, revocation)

    async def delete(self, revocation: Revocation) -> None:
        await self._rows.delete(revocation.id)


class InMemoryRoles:
    """Implements `application.ports.Roles`."""

    def __init__(self, rows: Rows[RoleId, Role], trail: Trail) -> None:
        self._rows = rows
        self._trail = trail

    async def find(self, id: RoleId) -> Role | None:
        found = await self._rows.find_locked(id)
        if found is not None:
            self._trail.loaded(role_subject(found), role_facts(found))
        return found

    async def make_known(self, names: Collection[str]) -> None:
        for name in names:
            if self._rows.find(role_id(name)) is None:
                await self._rows.save(role_id(name), Role(name=name))

    async def save(self, role: Role) -> None:
        await self._rows.save(role.id, role)
        self._trail.saved(role_subject(role), role_facts(role))


class InMemoryAnswers:
    """Implements `application.ports.Answers`."""

    def __init__(self, rows: Rows[tuple[str, str], tuple[Answered, datetime]], claims: Claims) -> None:
        self._rows = rows
        self._claims = claims

    async def find(self, scope: str, keys: Collection[str], *, since: datetime) -> Mapping[str, Answered]:
        await self._claims.lock(("answers", scope))
        found = {key: self._rows.find((scope, key)) for key in keys}
        return {key: kept[0] for key, kept in found.items() if kept is not None and kept[1] >= since}

    async def keep(self, scope: str, answers: Mapping[str, Answered], *, at: datetime) -> None:
        for key, answered in answers.items():
            await self._rows.save((scope, key), (answered, at))


@dataclass
class Clock:
    """The time of the storage; stands still until a test sets it."""

    now: datetime


class InMemoryStorage:
    """All tables, the clock, and in `outbox` every event of what was saved, in the order in which it was committed."""

    def __init__(self, now: datetime = MONDAY_0800) -> None:
        self.clock = Clock(now)
        self.outbox: list[object] = []
        self.audit: list[AuditLine] = []
        self.organizations = Table[OrganizationId, Organization]()
        self.rosters = Table[OrganizationId, Roster]()
        self.registers = Table[OrganizationId, Register]()
        self.lessons = Table[LessonId, Lesson]()
        self.chats = Table[ChatId, Chat]()
        self.videoconferences = Table[VideoconferenceId, Videoconference]()
        self.joins = Table[tuple[VideoconferenceId, ParticipantId, datetime], tuple[()]]()
        self.calls = Table[CallId, Call]()
        self.account_links = Table[PersonId, AccountLink]()
        self.attempts = Table[str, LinkAttempt]()
        self.revocations = Table[UUID, Revocation]()
        self.mirrors = Table[ChatId, Mirror]()
        self.chat_requests = Table[ChatRequestId, ChatRequest]()
        self.roles = Table[RoleId, Role]()
        for meta_role in MetaRole:
            role = Role(name=str(meta_role), meta_role=meta_role, permissions=frozenset(Permission))
            self.roles.rows[role.id] = role
        self.answers = Table[tuple[str, str], tuple[Answered, datetime]]()
        self.claims = Table[tuple[str, Hashable], tuple[()]]()

    @asynccontextmanager
    async def begin(self, because: Because) -> AsyncIterator["InMemoryUnitOfWork"]:
        """Implements `application.ports.Begin`."""
        unit = InMemoryUnitOfWork(self)
        try:
            yield unit
            await unit.mirrors.touch_all()
            unit.commit(because)
        finally:
            unit.release()


class InMemoryUnitOfWork:
    """Implements `application.ports.UnitOfWork`."""

    def __init__(self, storage: InMemoryStorage) -> None:
        self._storage = storage
        self._told: list[object] = []
        self._trail = Trail()
        touched = Touched()
        self._opened: list[Rows[Any, Any]] = []
        rosters, claims = self._rows(storage.rosters), self._rows(storage.claims)
        lessons = self._rows(storage.lessons)
        organizations, chats = self._rows(storage.organizations), self._rows(storage.chats)
        self.organizations = InMemoryOrganizations(organizations, self._trail, touched)
        self.rosters = InMemoryRosters(rosters, self._trail, touched)
        self.registers = InMemoryRegisters(self._rows(storage.registers))
        self.lessons = InMemoryLessons(lessons)
        self.chats = InMemoryChats(chats, storage.audit, self._told, self._trail, touched)
        self.videoconferences = InMemoryVideoconferences(
            self._rows(storage.videoconferences),
            rosters,
            lessons,
            self._rows(storage.joins),
            storage.audit,
            claims,
            self._told,
            self._trail,
        )
        self.calls = InMemoryCalls(self._rows(storage.calls), claims)
        links = self._rows(storage.account_links)
        self.account_links = InMemoryAccountLinks(
            links,
            self._rows(storage.attempts),
            rosters,
            organizations,
            chats,
            claims,
            self._told,
            self._trail,
            touched,
        )
        self.mirrors = InMemoryMirrors(
            self._rows(storage.mirrors), chats, organizations, rosters, links, touched, self._told
        )
        self.chat_requests = InMemoryChatRequests(self._rows(storage.chat_requests))
        self.revocations = InMemoryRevocations(self._rows(storage.revocations))
        self.roles = InMemoryRoles(self._rows(storage.roles), self._trail)
        self.answers = InMemoryAnswers(self._rows(storage.answers), claims)

    async def now(self) -> datetime:
        return self._storage.clock.now

    def commit(self, because: Because) -> None:
        """Keeps what was saved, and a line of each change."""
        self._storage.audit += [AuditLine(line, because, self._storage.clock.now) for line in self._trail.lines()]
        for rows in self._opened:
            rows.commit()
        self._storage.outbox += self._told

    def release(self) -> None:
        """Ends, whether it was kept or not."""
        for rows in self._opened:
            rows.release()

    def _rows(self, table: Table[K, V]) -> Rows[K, V]:
        rows = Rows(table)
        self._opened.append(rows)
        return rows
