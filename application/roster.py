"""The school system's word is turned into facts, and chats are brought in step with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from application.membership import follow
from application.online_lessons import LONGEST_PREPARATION, save_lessons
from application.ports import KEYS_ARE_KEPT_FOR, Answered, Begin, UnitOfWork
from application.repeats import LONGEST_KEY
from domain.access import Viewer
from domain.audit import ROSTER
from domain.chat import ChatKind
from domain.errors import Problem, ProblemCode, Refused, refuse
from domain.ids import LessonId, OrganizationId, ParticipantId, PersonId, group_id, lesson_id
from domain.lesson import Lesson
from domain.names import name_problems
from domain.participant import Capacity
from domain.roster import Roster
from domain.roster_event_texts import fault_in_texts
from domain.roster_events import EventImpossible, RosterEvent, apply

LONGEST_LESSON = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class LessonSaved:
    """A lesson has this group, these times, maybe a substitute; a cancelled one is on again."""

    school_id: str
    group_school_id: str
    starts_at: datetime
    ends_at: datetime
    substitute: PersonId | None = None


@dataclass(frozen=True, slots=True)
class LessonCancelled:
    """A lesson will not be."""

    school_id: str


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the school system under its key."""

    key: str
    event: RosterEvent | LessonSaved | LessonCancelled

    @property
    def digest(self) -> str:
        """Tells whether the same key came with the same event."""
        return sha256(repr(self.event).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """How many events were applied, and how many had been before."""

    applied: int
    repeated: int


@dataclass(frozen=True, slots=True)
class ApplyRosterEvents:
    """Applies events in order, all or nothing; one whose key was applied before is left out (ROSTER-01)."""

    begin: Begin
    prepare_ahead: timedelta = LONGEST_PREPARATION

    async def __call__(self, viewer: Viewer, events: Sequence[Told]) -> Applied:
        if not viewer.roster_service or viewer.organization_id is None:
            raise refuse(ProblemCode.FORBIDDEN)
        async with self.begin(ROSTER) as uow:
            organization = await uow.organizations.find(viewer.organization_id, lock=True)
            if organization is None:
                raise refuse(ProblemCode.NOT_FOUND)
            at = await uow.now()
            new = await _not_yet_applied(uow, organization.id, events, at)
            roster = await uow.rosters.get(organization.id)
            before = {capacity: frozenset(roster.all_as(capacity)) for capacity in Capacity}
            touched: set[ChatKind] = set()
            lessons: dict[LessonId, Lesson] = {}
            for index, told in new:
                try:
                    if fault := fault_in_texts(told.event):
                        raise EventImpossible(fault)
                    match told.event:
                        case LessonSaved() | LessonCancelled() as event:
                            lesson = await _stated(uow, organization.id, roster, event, lessons)
                            lessons[lesson.id] = lesson
                        case event:
                            touched |= apply(roster, event)
                except EventImpossible as reason:
                    path = ("events", str(index))
                    raise refuse(ProblemCode.EVENT_IMPOSSIBLE, *path, reason=str(reason)) from None
            await uow.roles.make_known({role for _, role in roster.roles})
            await follow(uow, organization, roster, touched, at, concerned=_concerned(before, roster))
            known = {lesson.id: lesson for lesson in await uow.lessons.find_all(lessons.keys())}
            await save_lessons(
                uow, organization, roster, known, lessons.values(), prepare_ahead=self.prepare_ahead, at=at
            )
            keys = {told.key: Answered(told.digest, "") for _, told in new}
            await uow.answers.keep(_scope(organization.id), keys, at=at)
            return Applied(len(new), len(events) - len(new))


async def _not_yet_applied(
    uow: UnitOfWork, organization: OrganizationId, events: Sequence[Told], at: datetime
) -> list[tuple[int, Told]]:
    scope = _scope(organization)
    known = dict(await uow.answers.find(scope, [told.key for told in events], since=at - KEYS_ARE_KEPT_FOR))
    new: list[tuple[int, Told]] = []
    problems: list[Problem] = []
    for index, told in enumerate(events):
        problems += name_problems(told.key, most=LONGEST_KEY, required=True, field="key", within=("events", str(index)))
        before = known.get(told.key)
        if before is None:
            known[told.key] = Answered(told.digest, "")
            new.append((index, told))
        elif before.digest != told.digest:
            problems.append(Problem(ProblemCode.IDEMPOTENCY_KEY_REUSED, ("events", str(index), "key")))
    if problems:
        raise Refused(*problems)
    return new


async def _stated(
    uow: UnitOfWork,
    organization: OrganizationId,
    roster: Roster,
    event: LessonSaved | LessonCancelled,
    stated: dict[LessonId, Lesson],
) -> Lesson:
    match event:
        case LessonCancelled(school_id):
            id = lesson_id(organization, school_id)
            lesson = stated.get(id) or await uow.lessons.find(id)
            if lesson is None:
                raise EventImpossible(f"the lesson {school_id} is unknown: save it first")
            return replace(lesson, cancelled=True)
        case LessonSaved(school_id, group_school_id, starts_at, ends_at, person):
            group = group_id(organization, group_school_id)
            if group not in roster.groups:
                raise EventImpossible(f"the group {group_school_id} is unknown: save it first")
            if ends_at <= starts_at:
                raise EventImpossible(f"the lesson {school_id} ends before it starts")
            if ends_at - starts_at > LONGEST_LESSON:
                raise EventImpossible(f"the lesson {school_id} lasts more than a day")
            substitute = None if person is None else roster.participant_id(person)
            if substitute is not None and substitute not in roster.people:
                raise EventImpossible(f"the person {person} is unknown: save them first")
            return Lesson(organization, school_id, group, starts_at, ends_at, substitute)


def _concerned(before: Mapping[Capacity, frozenset[ParticipantId]], roster: Roster) -> frozenset[ParticipantId]:
    """The people whose capacities are not what they were."""
    return frozenset[ParticipantId]().union(
        *(before[capacity] ^ frozenset(roster.all_as(capacity)) for capacity in Capacity)
    )


def _scope(organization: OrganizationId) -> str:
    return f"roster/{organization}"
