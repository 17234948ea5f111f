"""In whatever order commands, answers and clock readings come, a conference keeps its promises and loses no call."""

from copy import deepcopy
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.call import Asked, Call, Ended, Ending, GivenUp, Open
from domain.errors import Refused
from domain.ids import CallId, PersonId
from domain.videoconference import (
    Active,
    CallReleased,
    Failed,
    FailureReason,
    Finished,
    FinishedBy,
    Scheduled,
    Starting,
    Videoconference,
    VideoconferenceStatus,
)
from tests.builders import MONDAY_0830, a_videoconference

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

seconds = st.integers(1, 90).map(lambda number: timedelta(seconds=number))
moments = st.integers(0, 3).map(lambda number: timedelta(seconds=number))


def visible(conference: Videoconference) -> tuple[object, ...]:
    """What people see of a conference: of its call nothing but the link, and that while it is active."""
    match conference.phase:
        case Scheduled(_, problem):
            shown: object = problem
        case Starting():
            shown = None
        case Active() | Finished() | Failed() as phase:
            shown = phase
    return conference.status, shown


class ConferenceLife(RuleBasedStateMachine):
    """One conference and the ledger of its calls, changed as the application changes them; a rule is a transaction."""

    @initialize(ahead=st.integers(-60, 120), lasts=st.integers(5, 600))
    def make(self, ahead: int, lasts: int) -> None:
        self.now = MONDAY_0830
        start = self.now + timedelta(seconds=ahead)
        self.conference = a_videoconference(start=start, end=start + timedelta(seconds=lasts))
        self.calls: dict[CallId, Call] = {}
        self.saved = deepcopy(self.conference)

    # Time

    @rule(passed=seconds)
    def time_passes(self, passed: timedelta) -> None:
        self.now += passed

    @rule(by=moments)
    def the_clock_is_set_back(self, by: timedelta) -> None:
        self.now -= by

    @precondition(lambda self: self.conference.due_at is not None)
    @rule()
    def time_passes_until_something_is_due(self) -> None:
        self.now = max(self.now, self.conference.due_at or self.now)

    # What workers do

    @rule(somebody_can_start=st.sampled_from([True, True, False]))
    def a_worker_sweeps(self, somebody_can_start: bool) -> None:
        self.conference.keep_time(at=self.now)
        match self.conference.phase:
            case Scheduled(begin_at) if begin_at <= self.now and somebody_can_start:
                call = self._ask()
                self.conference.begin_start(call, at=self.now, check_at=self.now + ANSWER_WITHIN)
            case Scheduled(begin_at) if begin_at <= self.now:
                self._put_off(FailureReason.NO_LINKED_STARTER, timedelta(seconds=10))
            case Starting(call, check_at, link=None) if check_at <= self.now:
                self.conference.look_for_call_again(call, check_at=self.now + ANSWER_WITHIN)
            case _:
                pass
        self._link_is_shown_once_it_may_be()
        self._save()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def an_answer_comes_early_late_or_twice(self, data: st.DataObject) -> None:
        call = self.calls[data.draw(st.sampled_from(sorted(self.calls, reverse=True)))]
        waited_for = call is self.waited_for
        call.opened(call.mark, at=self.now)
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
        self._put_off(reason, after)
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
        call.not_ended(at=self.now)
        if works:
            self._done_about(call)

    # What people do, and Sferum by itself

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

    @rule()
    def somebody_links_their_account(self) -> None:
        self.conference.starter_appeared(at=self.now)
        self._save()

    # What always holds

    @invariant()
    def the_clock_looks_until_it_is_over_and_not_longer(self) -> None:
        over = self.conference.status in (FINISHED, FAILED)

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
    def its_call_is_the_only_one_asked_for_or_open(self) -> None:
        working = {call.id for call in self.calls.values() if isinstance(call.state, Asked | Open)}

        match self.conference.phase:
            case Starting(call, link=link):
                assert working == {call}
                assert isinstance(self.calls[call].state, Asked if link is None else Open)
            case Active(_, call):
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

        assert conference.status in (FINISHED, FAILED)

    def teardown(self) -> None:
        """Once Sferum answers, no call stays open after the end."""
        if not hasattr(self, "conference"):
            return
        self.now = max(self.now, self.conference.slot.end)
        self.conference.keep_time(at=self.now)
        self._save()
        for call in self.calls.values():
            for _ in range(1000):
                if call.due_at is None:
                    break
                self.now = max(self.now, call.due_at)
                call.not_ended(at=self.now)
                self._done_about(call)
            assert isinstance(call.state, Ended)

    # How the application does it

    @property
    def waited_for(self) -> Call | None:
        """The call about which nothing is known yet."""
        return next((call for call in self.calls.values() if self.conference.waits_for(call.id)), None)

    def _ask(self) -> CallId:
        id = CallId(UUID(int=len(self.calls) + 1))
        self.calls[id] = Call(
            id=id, videoconference_id=self.conference.id, account=PersonId("teacher"), asked_at=self.now
        )
        return id

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

        assert after.version - before.version == (visible(before) != visible(after))
        assert before.status is after.status or (before.status, after.status) in STEPS
        self.saved = deepcopy(after)

    def _link_is_shown_once_it_may_be(self) -> None:
        prepared = isinstance(self.conference.phase, Starting) and self.conference.phase.link is not None

        assert not (prepared and self.now >= self.conference.slot.start)


TestConferenceLife = ConferenceLife.TestCase
TestConferenceLife.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
