"""What the audit tells of a videoconference."""

from application.audit import conference_facts
from domain.audit import difference
from domain.participant import Capacity
from tests.builders import a_videoconference, participant


def test_the_end_tells_who_took_part_and_calls_nobody_added() -> None:
    conference = a_videoconference(added={"petrov": Capacity.PUPIL}, removed=["belov"])
    before = conference_facts(conference)

    conference.freeze(frozenset({(participant("anna"), Capacity.EMPLOYEE)}))
    told = difference(before, conference_facts(conference))

    assert told is not None
    assert told.after == {"participants": [f"{participant('anna')} EMPLOYEE"], "added": None, "removed": None}


def test_a_notice_of_the_end_is_told_so_that_an_edit_against_it_names_what_changed() -> None:
    conference = a_videoconference()
    before = conference_facts(conference)

    conference.minutes_left_notice = 5
    told = difference(before, conference_facts(conference))

    assert told is not None
    assert told.after == {"minutesLeftNotice": 5}
