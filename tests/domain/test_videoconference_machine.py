"""In whatever order commands, answers and clock readings come, a conference keeps its promises and loses no call."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.call import Asked, Call, Ended, Ending, GivenUp, Open
from domain.errors import Refused
from domain.ids import CallId, PersonId
from domain.participant import Capacity
from domain.videoconference import (
    Active,
    CallReleased,
    Failed,
    FailureReason,
    Finished,
    FinishedBy,
    Revision,
    Scheduled,
    Starting,
    TimeSlot,
    Videoconference,
    VideoconferenceStatus,
)
from tests.builders import MONDAY_0830, a_videoconference, participant

SCHEDULED, STARTING = VideoconferenceStatus.SCHEDULED, VideoconferenceStatus.STARTING
ACTIVE, FINISHED = VideoconferenceStatus.ACTIVE, VideoconferenceStatus.FINISHED
FAILED = VideoconferenceStatus.FAILED
STEPS = {
    (SCHEDULED, STARTING),
    (STARTING, ACTIVE),
    (ACTIVE, FINISHED),
    (STARTING, SCHEDULED),
    (SCHEDULED, FAILED),
    (STARTING, FAILED),
}
ANSWER_WITHIN = timedelta(seconds=8)
PREPARE_AHEAD = timedelta(seconds=60)
GUEST = (participant("guest"), Capacity.EMPLOYEE)

seconds = st.integers(1, 90).map(lambda number: timedelta(seconds=number))
moments = st.integers(0, 3).map(lambda number: timedelta(seconds=number))

is_there = precondition(lambda self: not self.conference.deleted)
is_unfinished = precondition(lambda self: not self.conference.deleted and not self.conference.is_over)


def visible(conference: Videoconference) -> tuple[object, ...]:
    """What people see of a conference: of its call nothing but the link, and that while it is active."""
    match conference.phase:
        case Scheduled(_, problem):
            shown: object = problem
        case Starting():
            shown = None
        case Active(since, _, link):
            shown = since, link
        case Finished() | Failed() as phase:
            shown = phase
    told = conference.minutes_left_notice
    return conference.status, shown, conference.name, conference.slot, conference.additions, told, conference.deleted


class ConferenceLife(RuleBasedStateMachine):
    """One conference and the ledger of its calls, changed as the application changes them; a rule is a transaction."""

    @initialize(ahead=st.integers(-60, 120), lasts=st.integers(5, 600))
    def make(self, ahead: int, lasts: int) -> None:
        self.now = MONDAY_0830
        start = self.now + timedelta(seconds=ahead)
        self.conference = a_videoconference(start=start, end=start + timedelta(seconds=lasts))
        self.latest = self.now
        self.people = self.conference.additions
        self.calls: dict[CallId, Call] = {}
        self.saved = deepcopy(self.conference)

    # Time

    @rule(passed=seconds)
    def time_passes(self, passed: timedelta) -> None:
        self.now += passed
        self.latest = max(self.latest, self.now)

    @rule(by=moments)
    def the_clock_is_set_back(self, by: timedelta) -> None:
        self.now -= by

    @precondition(lambda self: self.conference.due_at is not None)
    @rule()
    def time_passes_until_something_is_due(self) -> None:
        self.now = max(self.now, self.conference.due_at or self.now)
        self.latest = max(self.latest, self.now)

    # What workers do

    @is_there
    @rule(somebody_can_start=st.sampled_from([True, True, False]))
    def a_worker_sweeps(self, somebody_can_start: bool) -> None:
        self.conference.keep_time(at=self.now)
        match self.conference.phase:
            case Scheduled(begin_at) if begin_at <= self.now and somebody_can_start:
                call = self._ask()
                self.conference.begin_start(call, at=self.now, check_at=self.now + ANSWER_WITHIN)
            case Scheduled(begin_at) if begin_at <= self.now:
                self._put_off(FailureReason.NO_LINKED_STARTER, timedelta(seconds=10))
            case Starting(call, check_at, link=None) | Active(_, call, None, check_at) if (
                check_at or self.now
            ) <= self.now:
                if isinstance(self.calls[call].state, Ended):
                    another = self._ask()
                    self.conference.ask_for_another_call(another, instead_of=call, check_at=self.now + ANSWER_WITHIN)
                else:
                    self.conference.look_for_call_again(call, check_at=self.now + ANSWER_WITHIN)
            case _:
                pass
        self._link_is_shown_once_it_may_be()
        self._save()
        assert self.conference.due_at is None or self.conference.due_at > self.now

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def an_answer_comes_early_late_or_twice(self, data: st.DataObject) -> None:
        call = self.calls[data.draw(st.sampled_from(sorted(self.calls, reverse=True)))]
        waited_for = call is self.waited_for
        call.opened(call.mark, at=self.now)
        if self.conference.deleted:
            call.release(at=self.now)
            return
        if isinstance(call.state, Open):
            # One that lapsed meanwhile is there no more.
            self.conference.call_is_there(call.id, f"https://calls.example/{call.mark}", at=self.now)
        if waited_for:
            self._link_is_shown_once_it_may_be()
        self._save()

    @precondition(lambda self: self.waited_for is not None)
    @rule(after=seconds, reason=st.sampled_from(FailureReason))
    def sferum_refuses_for_certain(self, after: timedelta, reason: FailureReason) -> None:
        call = self.waited_for
        assert call is not None
        call.refused(at=self.now)
        if self.conference.is_active:
            self.conference.look_for_call_again(call.id, check_at=self.now + after)
        else:
            self._put_off(reason, after)
        self._save()

    @precondition(lambda self: any(isinstance(call.state, Open) for call in self.calls.values()))
    @rule(joined=st.booleans())
    def sferum_has_its_call_no_more(self, joined: bool) -> None:
        [call] = [call for call in self.calls.values() if isinstance(call.state, Open)]
        was_active = self.conference.is_active
        call.ended(at=self.now)
        self.conference.call_is_gone(call.id, joined=joined, at=self.now)
        self.conference.call_is_gone(call.id, joined=joined, at=self.now)
        assert (self.conference.status is FINISHED) is (was_active and joined)
        self._save()

    @precondition(lambda self: self.waited_for is not None)
    @rule(after=moments)
    def an_answer_is_lost(self, after: timedelta) -> None:
        call = self.waited_for
        assert call is not None
        self.conference.look_for_call_again(call.id, check_at=self.now + after)
        self._save()

    @precondition(lambda self: self.waited_for is not None)
    @rule()
    def a_call_is_looked_for_and_not_there(self) -> None:
        given_up = self.waited_for
        assert given_up is not None
        given_up.release(at=self.now)
        another = self._ask()
        self.conference.ask_for_another_call(another, instead_of=given_up.id, check_at=self.now + ANSWER_WITHIN)
        self._save()

    @precondition(lambda self: any(call.due_at is not None for call in self.calls.values()))
    @rule(data=st.data(), works=st.booleans())
    def a_worker_ends_or_watches_for_a_call(self, data: st.DataObject, works: bool) -> None:
        call = data.draw(st.sampled_from([call for call in self.calls.values() if call.due_at is not None]))
        call.postpone(at=self.now)
        if works:
            self._done_about(call)

    # What people do, and Sferum by itself

    @is_there
    @rule(by=st.sampled_from(FinishedBy))
    def somebody_finishes_it(self, by: FinishedBy) -> None:
        before = self.conference.status
        if before in (ACTIVE, FINISHED):
            self.conference.finish(at=self.now, by=by)
            assert self.conference.status is FINISHED
        else:
            with pytest.raises(Refused):
                self.conference.finish(at=self.now, by=by)
            assert self.conference.status is before
        self._save()

    @is_there
    @rule()
    def somebody_links_their_account(self) -> None:
        self.conference.starter_appeared(at=self.now)
        self._save()

    @is_unfinished
    @precondition(lambda self: self.now < self.conference.slot.end)
    @rule(name=st.sampled_from(["Совещание", "Итоги"]), guest=st.booleans())
    def somebody_edits_its_name_and_people(self, name: str, guest: bool) -> None:
        additions = frozenset({GUEST}) if guest else frozenset()
        self._revise(replace(Revision.of(self.conference), name=name, additions=additions))

    @is_unfinished
    @rule(start=st.integers(-60, 240), lasts=st.integers(1, 600))
    def somebody_or_its_lesson_moves_it(self, start: int, lasts: int) -> None:
        old = self.conference.slot
        begin = old.start if self.conference.is_active else self.now + timedelta(seconds=start)
        # An end lies in the future, and after whatever was before it.
        end = max(begin, self.latest) + timedelta(seconds=lasts)
        self._revise(replace(Revision.of(self.conference), slot=TimeSlot(begin, end)))
        if self.conference.is_active and end - self.now > timedelta(minutes=5):
            assert self.conference.minutes_left_notice is None

    @is_there
    @rule()
    def somebody_deletes_it(self) -> None:
        if self.conference.is_active:
            self.conference.finish(at=self.now, by=FinishedBy.USER)
        self.conference.delete(at=self.now)
        self._save()

    # What always holds

    @invariant()
    def the_clock_looks_until_it_is_over_and_not_longer(self) -> None:
        over = self.conference.deleted or self.conference.is_over

        assert (self.conference.due_at is None) is over
        assert over or (self.conference.due_at or self.now) <= self.conference.slot.end

    @invariant()
    def it_is_never_active_before_its_start_nor_since_its_end(self) -> None:
        slot = self.conference.slot

        match self.conference.phase:
            case Active(since) | Finished(since):
                assert slot.start <= since < slot.end
            case Failed(at):
                assert at >= slot.end
            case Scheduled() | Starting():
                pass

    @invariant()
    def it_is_never_started_more_than_a_minute_ahead(self) -> None:
        if isinstance(self.conference.phase, Starting) and not self.conference.deleted:
            assert self.conference.slot.start - PREPARE_AHEAD <= self.latest

    @invariant()
    def only_an_active_one_tells_how_little_is_left_and_never_too_early(self) -> None:
        told = self.conference.minutes_left_notice

        assert told in (None, 5, 1)
        if told is not None:
            assert self.conference.is_active
            assert self.conference.slot.end - self.latest <= timedelta(minutes=told)

    @invariant()
    def whoever_took_part_at_its_end_took_part(self) -> None:
        assert self.conference.frozen is self.conference.is_over
        assert self.conference.frozen is False or self.conference.additions == self.people

    @invariant()
    def its_call_is_the_only_one_asked_for_or_open(self) -> None:
        working = {call.id for call in self.calls.values() if isinstance(call.state, Asked | Open)}
        if self.conference.deleted:
            assert working == set()
            return

        match self.conference.phase:
            case Starting(call, link=None) | Active(_, call, None):
                # Sferum refused it, or it lapsed, and another one is about to be asked for.
                assert working == set() if isinstance(self.calls[call].state, Ended) else {call}
                assert isinstance(self.calls[call].state, Asked | Ended)
            case Starting(call) | Active(_, call):
                assert working == {call}
                assert isinstance(self.calls[call].state, Open)
            case Scheduled() | Finished() | Failed():
                assert working == set()

    @invariant()
    def keeping_time_twice_is_keeping_it_once(self) -> None:
        conference = deepcopy(self.conference)
        conference.keep_time(at=self.now)
        once = deepcopy(conference)

        conference.keep_time(at=self.now)

        assert conference.phase == once.phase
        assert (conference.version, conference.events) == (once.version, once.events)

    @invariant()
    def the_clock_alone_brings_it_to_its_end(self) -> None:
        conference = deepcopy(self.conference)

        conference.keep_time(at=max(self.now, conference.slot.end))

        assert conference.deleted or conference.is_over

    def teardown(self) -> None:
        """Once Sferum answers, no call stays open after the end."""
        if not hasattr(self, "conference"):
            return
        self.now = max(self.now, self.conference.slot.end)
        if not self.conference.deleted:
            self.conference.keep_time(at=self.now)
            self._save()
        for call in self.calls.values():
            for _ in range(1000):
                if call.due_at is None:
                    break
                self.now = max(self.now, call.due_at)
                call.postpone(at=self.now)
                self._done_about(call)
            assert isinstance(call.state, Ended)

    # How the application does it

    @property
    def waited_for(self) -> Call | None:
        """The call about which nothing is known yet."""
        if self.conference.deleted:
            return None
        asked = (call for call in self.calls.values() if isinstance(call.state, Asked))
        return next((call for call in asked if self.conference.waits_for(call.id)), None)

    def _ask(self) -> CallId:
        id = CallId(UUID(int=len(self.calls) + 1))
        self.calls[id] = Call(
            id=id, videoconference_id=self.conference.id, account=PersonId("teacher"), asked_at=self.now
        )
        return id

    def _revise(self, revision: Revision) -> None:
        self.conference.revise(revision, at=self.now, prepare_ahead=PREPARE_AHEAD)
        assert Revision.of(self.conference) == revision
        self._save()

    def _put_off(self, reason: FailureReason, after: timedelta) -> None:
        self.conference.put_off(reason, at=self.now, retry_at=self.now + after)

    def _done_about(self, call: Call) -> None:
        match call.state:
            case Ending():
                call.ended(at=self.now)
            case GivenUp():
                call.not_found(at=self.now)
            case _:
                pass

    def _save(self) -> None:
        """Lets go of calls in the same transaction, and holds the version against what people see of the change."""
        before, after = self.saved, self.conference
        for event in after.take_events():
            if isinstance(event, CallReleased):
                self.calls[event.call].release(at=self.now)
        self.people = after.additions
        if after.is_over and not after.frozen:
            after.freeze(after.additions)

        assert after.version - before.version == (visible(before) != visible(after))
        assert before.status is after.status or (before.status, after.status) in STEPS
        self.saved = deepcopy(after)

    def _link_is_shown_once_it_may_be(self) -> None:
        prepared = isinstance(self.conference.phase, Starting) and self.conference.phase.link is not None

        assert not (prepared and self.now >= self.conference.slot.start)


TestConferenceLife = ConferenceLife.TestCase
TestConferenceLife.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
