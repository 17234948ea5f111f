"""A videoconference starts and ends by the clock; its link exists exactly while it is active (CONF-10, 11, 12, 17)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.errors import ImpossibleStep, ProblemCode, refuse
from domain.events import EventRecorder
from domain.ids import CallId, ChatId, LessonId, OrganizationId, ParticipantId, VideoconferenceId
from domain.participant import Capacity


class VideoconferenceType(StrEnum):
    """Types of videoconference (CONF-02)."""

    ONLINE_LESSON = "ONLINE_LESSON"
    VIDEO_CALL = "VIDEO_CALL"


class VideoconferenceStatus(StrEnum):
    """The names of the phases; «Активная» of the manual is ACTIVE."""

    SCHEDULED = "SCHEDULED"
    STARTING = "STARTING"
    ACTIVE = "ACTIVE"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


OVER = frozenset({VideoconferenceStatus.FINISHED, VideoconferenceStatus.FAILED})
"""The statuses after which there is no other."""


class FinishedBy(StrEnum):
    """What ended an active conference."""

    SCHEDULE = "SCHEDULE"
    USER = "USER"
    SFERUM = "SFERUM"


class FailureReason(StrEnum):
    """Why a conference does not start, or never did."""

    NO_LINKED_STARTER = "NO_LINKED_STARTER"
    SFERUM_UNAVAILABLE = "SFERUM_UNAVAILABLE"
    SFERUM_REFUSED = "SFERUM_REFUSED"
    HUMAN_CHECK_NEEDED = "HUMAN_CHECK_NEEDED"
    SERVICE_DOWN = "SERVICE_DOWN"


class Detail(StrEnum):
    """What a lesson gives its online lesson, unless a user set it (CONF-22)."""

    NAME = "NAME"
    START = "START"
    END = "END"


NOTICES = (5, 1)
"""Minutes before the end at which people are told (CONF-21)."""


@dataclass(frozen=True, slots=True)
class TimeSlot:
    """From `start` up to, and not including, `end`; both aware instants."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ImpossibleStep("a slot ends after it starts")


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Waits; at `begin_at` its call begins to be prepared. `problem` is why the last try to start it failed."""

    begin_at: datetime
    problem: FailureReason | None = None


@dataclass(frozen=True, slots=True)
class Starting:
    """A call was asked for in Sferum. Once it is there, `link` is known, and shown to nobody yet.

    While no answer has come, `check_at` tells when somebody looks whether the call is there after all.
    """

    call: CallId
    check_at: datetime
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Active:
    """Runs since `since`, never before its start; only now there is a link to show.

    There is none while another call is asked for, because the first one lapsed in Sferum; `check_at` as in `Starting`.
    """

    since: datetime
    call: CallId
    link: str | None
    check_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """Was active from `since` to `at`."""

    since: datetime
    at: datetime
    by: FinishedBy


@dataclass(frozen=True, slots=True)
class Failed:
    """Its end came before it could start."""

    at: datetime
    reason: FailureReason


Phase = Scheduled | Starting | Active | Finished | Failed


@dataclass(frozen=True, slots=True)
class VideoconferenceChanged:
    """Something that people see has changed; `what` is the step's name."""

    videoconference_id: VideoconferenceId
    what: str


@dataclass(frozen=True, slots=True)
class CallReleased:
    """The conference needs this call no more; it must not stay open in Sferum."""

    call: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """All of a conference that an edit may change."""

    name: str
    chat_id: ChatId
    lesson_id: LessonId | None
    slot: TimeSlot
    additions: frozenset[tuple[ParticipantId, Capacity]]
    removals: frozenset[ParticipantId]
    of_group: bool
    set_by_hand: frozenset[Detail]

    @classmethod
    def of(cls, conference: "Videoconference") -> "Revision":
        """What it is now."""
        return cls(
            name=conference.name,
            chat_id=conference.chat_id,
            lesson_id=conference.lesson_id,
            slot=conference.slot,
            additions=conference.additions,
            removals=conference.removals,
            of_group=conference.of_group,
            set_by_hand=conference.set_by_hand,
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Videoconference(EventRecorder):
    """The conference and its phase. `version` grows by one with each saved change that people see (CONF-19).

    `additions` and `removals` are what users changed of the participants that the chat gives, or with `of_group` the
    lesson's study group (CONF-16); once `frozen`, `additions` are all who took part at its end (CONF-25). `set_by_hand`
    is what a moved lesson leaves as it is (CONF-22). `minutes_left_notice` is 5 or 1 when people were told that so
    little is left (CONF-21).
    """

    id: VideoconferenceId
    organization_id: OrganizationId
    type: VideoconferenceType
    name: str
    chat_id: ChatId
    lesson_id: LessonId | None
    made_by: ParticipantId | None
    slot: TimeSlot
    phase: Phase
    additions: frozenset[tuple[ParticipantId, Capacity]] = frozenset()
    removals: frozenset[ParticipantId] = frozenset()
    of_group: bool = False
    frozen: bool = False
    set_by_hand: frozenset[Detail] = frozenset()
    minutes_left_notice: int | None = None
    deleted_at: datetime | None = None
    version: int = 0

    @property
    def deleted(self) -> bool:
        """Whether it is no more; nobody sees it then."""
        return self.deleted_at is not None

    @property
    def is_active(self) -> bool:
        """Whether people may be in its call."""
        return isinstance(self.phase, Active)

    @property
    def status(self) -> VideoconferenceStatus:
        """The name of the phase."""
        match self.phase:
            case Scheduled():
                return VideoconferenceStatus.SCHEDULED
            case Starting():
                return VideoconferenceStatus.STARTING
            case Active():
                return VideoconferenceStatus.ACTIVE
            case Finished():
                return VideoconferenceStatus.FINISHED
            case Failed():
                return VideoconferenceStatus.FAILED

    @property
    def due_at(self) -> datetime | None:
        """When the clock has the next step to take here; None once it is over."""
        if self.deleted:
            return None
        match self.phase:
            case Scheduled(begin_at):
                return min(begin_at, self.slot.end)
            case Starting(link=None, check_at=check_at):
                return min(check_at, self.slot.end)
            case Starting():
                return self.slot.start
            case Active(check_at=check_at):
                told_at = self.slot.end - timedelta(minutes=self._next_notice())
                return told_at if check_at is None else min(check_at, told_at)
            case Finished() | Failed():
                return None

    def keep_time(self, *, at: datetime) -> None:
        """Takes the step that the clock alone decides, if one is due: active at the start, over at the end. Idempotent.

        Beginning to start is not among them: it needs an account to start the call with (`begin_start`).
        """
        match self.phase:
            case Scheduled(problem=problem) if at >= self.slot.end:
                self._end(Failed(at, problem or FailureReason.SERVICE_DOWN), "failed")
            case Starting(link=link) if at >= self.slot.end:
                reason = FailureReason.SFERUM_UNAVAILABLE if link is None else FailureReason.SERVICE_DOWN
                self._end(Failed(at, reason), "failed")
            case Starting(call, link=str(link)) if at >= self.slot.start:
                self._become(Active(at, call, link), "activated")
                self._tell_minutes_left(at)
            case Active(since) if at >= self.slot.end:
                self._end(Finished(since, at, FinishedBy.SCHEDULE), "finished")
            case Active():
                self._tell_minutes_left(at)
            case _:
                pass

    def begin_start(self, call: CallId, *, at: datetime, check_at: datetime) -> None:
        """A call is about to be asked for; if its answer is not there by `check_at`, somebody looks for it."""
        match self.phase:
            case Scheduled(begin_at) if begin_at <= at < self.slot.end:
                self._become(Starting(call, check_at), "starting")
            case _:
                raise ImpossibleStep("only a scheduled videoconference whose time has come begins to start")

    def look_for_call_again(self, call: CallId, *, check_at: datetime) -> None:
        """No answer came about the call: it may be there or not, and is looked for at `check_at`."""
        if self.waits_for(call):
            self._wait_for(call, check_at)

    def ask_for_another_call(self, call: CallId, *, instead_of: CallId, check_at: datetime) -> None:
        """The call `instead_of` is not in Sferum; another is asked for."""
        if not self.waits_for(instead_of):
            raise ImpossibleStep("another call is asked for only while the first one is waited for")
        self._wait_for(call, check_at)

    def call_is_there(self, call: CallId, link: str, *, at: datetime) -> None:
        """The call that was asked for is open. One that is neither waited for nor the present one is released.

        Idempotent: an answer that comes twice, or is found while it still comes, changes nothing the second time.
        """
        match self.phase:
            case Starting(asked_for, link=None) if asked_for == call:
                self.phase = Starting(call, at, link)
                self.keep_time(at=at)
            case Active(since, asked_for, link=None) if asked_for == call:
                self._become(Active(since, call, link), "call_replaced")
            case Starting(present) | Active(call=present) if present == call:
                pass
            case _:
                self.events.append(CallReleased(call))

    def call_is_gone(self, call: CallId, *, joined: bool, at: datetime) -> None:
        """Sferum does not list its call any more (CONF-18).

        If somebody had `joined`, they ended it there, and it is over; otherwise it lapsed, and another one is asked for
        at once. Idempotent.
        """
        match self.phase:
            case Starting(present, link=str()) if present == call:
                self.phase = Starting(call, at)
            case Active(present_since, present, link=str()) if present == call:
                if joined:
                    self._end(Finished(present_since, at, FinishedBy.SFERUM), "finished")
                else:
                    self._become(Active(present_since, call, None, at), "call_lapsed")
            case _:
                pass

    def put_off(self, problem: FailureReason, *, at: datetime, retry_at: datetime) -> None:
        """It cannot be started now; it is tried again at `retry_at` until its end comes (CONF-17)."""
        match self.phase:
            case Scheduled(problem=before):
                self.phase = Scheduled(retry_at, problem)
                if problem is not before:
                    self._changed("put_off")
            case Starting(call):
                self.events.append(CallReleased(call))
                self._become(Scheduled(retry_at, problem), "put_off")
            case _:
                raise ImpossibleStep("only a videoconference that has not started is put off")
        self.keep_time(at=at)

    def starter_appeared(self, *, at: datetime) -> None:
        """Somebody who may start it has linked their account: it is tried again at once (CONF-26). Idempotent."""
        match self.phase:
            case Scheduled(begin_at, FailureReason.NO_LINKED_STARTER as problem):
                self.phase = Scheduled(min(begin_at, at), problem)
            case _:
                pass

    def finish(self, *, at: datetime, by: FinishedBy) -> None:
        """Ends an active conference before its time; one that is finished stays as it is (CONF-13).

        Raises:
            Refused: with WRONG_STATUS for any other.
        """
        match self.phase:
            case Active(since):
                self._end(Finished(since, at, by), "finished")
            case Finished():
                pass
            case _:
                raise refuse(ProblemCode.WRONG_STATUS, "id", status=self.status)

    def revise(self, revision: Revision, *, at: datetime, prepare_ahead: timedelta) -> None:
        """Takes what an edit, or a moved lesson, makes of it; `domain.videoconference_form` has judged it (CONF-14).

        A start that is moved away lets go of a call that is being prepared (CONF-17).
        """
        if revision == Revision.of(self):
            return
        moved = revision.slot.start != self.slot.start
        self.name, self.chat_id, self.lesson_id = revision.name, revision.chat_id, revision.lesson_id
        self.additions, self.removals = revision.additions, revision.removals
        self.of_group, self.set_by_hand, self.slot = revision.of_group, revision.set_by_hand, revision.slot
        begin_at = self.slot.start - prepare_ahead
        match self.phase:
            case Scheduled(problem=problem) if moved:
                # Why the old start failed says nothing of one that is still to come.
                self.phase = Scheduled(begin_at, problem if begin_at <= at else None)
            case Starting(call) if moved and begin_at > at:
                self.events.append(CallReleased(call))
                self.phase = Scheduled(begin_at)
            case Active():
                self.minutes_left_notice = self._notice(at)
            case _:
                pass
        self._changed("revised")
        self.keep_time(at=at)

    def readmit(self, participant: ParticipantId) -> None:
        """Whoever became the chat administrator takes part, though somebody took them out (RIGHT-03). Idempotent."""
        if participant in self.removals:
            self.removals -= {participant}
            self._changed("revised")

    def freeze(self, people: frozenset[tuple[ParticipantId, Capacity]]) -> None:
        """It is over: these are all who took part, whatever becomes of the chat (CONF-25)."""
        self.additions, self.removals, self.frozen = people, frozenset(), True

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or never began before its end."""
        return self.status in OVER

    def delete(self, *, at: datetime) -> None:
        """It is no more, whatever it was; a call that it has is needed no more (CONF-15)."""
        if isinstance(self.phase, Starting | Active):
            self.events.append(CallReleased(self.phase.call))
        self.deleted_at = at
        self._changed("deleted")

    def waits_for(self, call: CallId) -> bool:
        """Whether the call was asked for and nothing is known of it yet."""
        return isinstance(self.phase, Starting | Active) and self.phase.call == call and self.phase.link is None

    def _wait_for(self, call: CallId, check_at: datetime) -> None:
        match self.phase:
            case Active(since):
                self.phase = Active(since, call, None, check_at)
            case _:
                self.phase = Starting(call, check_at)

    def _next_notice(self) -> int:
        """How many minutes before the end people are told next; 0: no more, the end itself is next."""
        match self.minutes_left_notice:
            case None:
                return 5
            case 5:
                return 1
            case _:
                return 0

    def _tell_minutes_left(self, at: datetime) -> None:
        # What was told is not taken back by a clock that is set back, only by an end that is moved away.
        notice, told = self._notice(at), self.minutes_left_notice
        if notice is not None and (told is None or notice < told):
            self.minutes_left_notice = notice
            self._changed("minutes_left")

    def _notice(self, at: datetime) -> int | None:
        left = self.slot.end - at
        return min((minutes for minutes in NOTICES if left <= timedelta(minutes=minutes)), default=None)

    def _end(self, phase: Finished | Failed, what: str) -> None:
        self.minutes_left_notice = None
        if isinstance(self.phase, Starting | Active):
            self.events.append(CallReleased(self.phase.call))
        self._become(phase, what)

    def _become(self, phase: Phase, what: str) -> None:
        self.phase = phase
        self._changed(what)

    def _changed(self, what: str) -> None:
        if not any(isinstance(event, VideoconferenceChanged) for event in self.events):
            self.version += 1
        self.events.append(VideoconferenceChanged(self.id, what))


def schedule(
    *,
    id: VideoconferenceId,
    organization_id: OrganizationId,
    type: VideoconferenceType,
    name: str,
    chat_id: ChatId,
    lesson_id: LessonId | None,
    made_by: ParticipantId | None,
    slot: TimeSlot,
    prepare_ahead: timedelta,
    additions: frozenset[tuple[ParticipantId, Capacity]] = frozenset(),
    removals: frozenset[ParticipantId] = frozenset(),
    of_group: bool = False,
    set_by_hand: frozenset[Detail] = frozenset(),
) -> Videoconference:
    """A new conference, whose call is prepared that long before its start."""
    conference = Videoconference(
        id=id,
        organization_id=organization_id,
        type=type,
        name=name,
        chat_id=chat_id,
        lesson_id=lesson_id,
        made_by=made_by,
        slot=slot,
        phase=Scheduled(slot.start - prepare_ahead),
        additions=additions,
        removals=removals,
        of_group=of_group,
        set_by_hand=set_by_hand,
    )
    conference._changed("created")
    return conference
