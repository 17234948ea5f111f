"""Whatever the school system tells, and in whatever order, who is in a chat follows from the facts alone."""

from collections.abc import Mapping, Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain.chat import ChatKind, Grounds
from domain.grounds import grounds, is_closed
from domain.roster import Roster
from domain.roster_events import ClassClosed, GroupClosed, RosterEvent
from tests.builders import participant
from tests.domain.histories import (
    HEAD,
    KINDS,
    a_school_after,
    a_school_at_its_beginning,
    apply_if_possible,
    events,
    facts_of,
    histories,
    told_anew,
)


def everybody(roster: Roster) -> Mapping[ChatKind, tuple[Grounds, bool]]:
    """Who is in each chat and why, and whether it is closed."""
    head = participant(HEAD)
    return {kind: (grounds(kind, roster, head), is_closed(kind, roster)) for kind in KINDS}


@given(histories, events)
def test_an_event_that_holds_already_changes_nothing(history: Sequence[RosterEvent], event: RosterEvent) -> None:
    roster = a_school_after(history)
    apply_if_possible(roster, event)
    once = facts_of(roster)

    apply_if_possible(roster, event)

    assert facts_of(roster) == once


@given(histories)
def test_looking_again_at_the_touched_chats_is_as_good_as_looking_at_all(history: Sequence[RosterEvent]) -> None:
    roster = a_school_at_its_beginning()
    known = dict(everybody(roster))

    for event in history:
        touched = apply_if_possible(roster, event) or frozenset()
        present = everybody(roster)
        known |= {kind: present[kind] for kind in touched}
        assert known == present


@given(histories)
def test_whoever_is_in_a_chat_has_the_capacity_for_it(history: Sequence[RosterEvent]) -> None:
    roster = a_school_after(history)

    for members, _ in everybody(roster).values():
        for member, reasons in members.items():
            assert reasons
            assert all(roster.is_(ground.capacity, member) for ground in reasons)


@given(histories, st.randoms(use_true_random=False))
def test_the_same_facts_told_in_any_order_and_any_number_of_times_give_the_same_members(
    history: Sequence[RosterEvent], random: Random
) -> None:
    roster = a_school_after(history)
    told = told_anew(roster) * 2
    random.shuffle(told)
    closed: list[RosterEvent] = [ClassClosed(known.school_id) for known in roster.classes.values() if known.closed]
    closed += [GroupClosed(known.school_id) for known in roster.groups.values() if known.closed]

    again = a_school_after([*told, *closed])

    assert everybody(again) == everybody(roster)
