"""A link works while it has tokens; an attempt serves once, only who began it, and for a limited time."""

from datetime import timedelta

import pytest

from domain.account_link import (
    REFRESH_AHEAD,
    AccountLinkBroke,
    AccountLinked,
    AccountLinkStatus,
    EducationProfile,
    LinkAttempt,
    link,
)
from domain.errors import Problem, ProblemCode, Refused
from domain.ids import PersonId
from tests.builders import MONDAY_0800, MONDAY_0829, MONDAY_0830, MONDAY_0900, an_account_link, an_attempt, some_tokens

TEACHER = PersonId("teacher")


def test_a_new_link_works_and_tells_who_linked() -> None:
    profile = EducationProfile("42", "Анна И.")

    made = link(TEACHER, profile, some_tokens(), at=MONDAY_0800)

    assert (made.person_id, made.profile, made.linked_at) == (TEACHER, profile, MONDAY_0800)
    assert made.status is AccountLinkStatus.LINKED
    assert made.take_events() == [AccountLinked(TEACHER)]


def test_a_link_that_vk_id_withdraws_is_broken_and_tells_so_once() -> None:
    broken = an_account_link()
    broken.claim_refresh(at=MONDAY_0800, until=MONDAY_0900)

    broken.break_()
    broken.break_()

    assert broken.status is AccountLinkStatus.BROKEN
    assert broken.tokens is None
    assert broken.refresh_claimed_until is None
    assert broken.profile == an_account_link().profile
    assert broken.events == [AccountLinkBroke(TEACHER)]


def test_a_token_wants_to_be_refreshed_shortly_before_it_expires() -> None:
    linked = an_account_link(tokens=some_tokens(expire_at=MONDAY_0900))
    instant = timedelta(microseconds=1)

    assert not linked.wants_refresh(at=MONDAY_0900 - REFRESH_AHEAD - instant)
    assert linked.wants_refresh(at=MONDAY_0900 - REFRESH_AHEAD)
    assert linked.wants_refresh(at=MONDAY_0900 + instant)
    assert not an_account_link(broken=True).wants_refresh(at=MONDAY_0900)


def test_one_at_a_time_refreshes_and_another_may_when_the_first_was_too_long_about_it() -> None:
    linked = an_account_link()

    first = linked.claim_refresh(at=MONDAY_0800, until=MONDAY_0830)
    second = linked.claim_refresh(at=MONDAY_0829, until=MONDAY_0900)
    third = linked.claim_refresh(at=MONDAY_0830, until=MONDAY_0900)

    assert (first, second, third) == (True, False, True)
    assert linked.refresh_claimed_until == MONDAY_0900


def test_a_refresh_replaces_the_pair_and_lets_the_next_one_begin() -> None:
    linked = an_account_link()
    linked.claim_refresh(at=MONDAY_0800, until=MONDAY_0900)

    linked.refreshed(some_tokens("second"), at=MONDAY_0829)

    assert (linked.tokens, linked.renewed_at) == (some_tokens("second"), MONDAY_0829)
    assert linked.claim_refresh(at=MONDAY_0800, until=MONDAY_0900)


def test_a_refresh_that_could_not_be_tried_leaves_the_pair_and_lets_another_try() -> None:
    linked = an_account_link()
    linked.claim_refresh(at=MONDAY_0800, until=MONDAY_0900)

    linked.release_refresh()

    assert linked.tokens == some_tokens()
    assert linked.claim_refresh(at=MONDAY_0800, until=MONDAY_0900)


def test_neither_tokens_nor_an_attempts_secrets_are_printed() -> None:
    linked = an_account_link(tokens=some_tokens("hidden"))
    attempt = LinkAttempt(
        id="attempt",
        state="hidden state",
        verifier="hidden verifier",
        person_id=TEACHER,
        return_to=None,
        expires_at=MONDAY_0830,
        browser="hidden browser",
    )

    assert "hidden" not in repr(linked) + repr(attempt)


# Attempts (LINK-10)


def refused(code: ProblemCode) -> tuple[Problem]:
    """The problems of a refusal with that code alone."""
    return (Problem(code),)


def test_the_browser_that_set_off_brings_the_attempt_back() -> None:
    attempt = an_attempt()

    attempt.open_in("browser", at=MONDAY_0800)
    attempt.come_back(at=MONDAY_0829, browser="browser")

    assert attempt.used


def test_the_user_who_began_brings_the_attempt_back_from_any_browser() -> None:
    attempt = an_attempt("teacher")
    attempt.open_in("browser", at=MONDAY_0800)

    attempt.come_back(at=MONDAY_0829, person=TEACHER)

    assert attempt.used


def test_an_attempt_opens_in_one_browser_only() -> None:
    attempt = an_attempt()
    attempt.open_in("browser", at=MONDAY_0800)

    with pytest.raises(Refused) as problem:
        attempt.open_in("another", at=MONDAY_0800)

    assert problem.value.problems == refused(ProblemCode.STATE_USED)
    assert attempt.browser == "browser"


def test_an_attempt_that_was_used_up_opens_no_more() -> None:
    attempt = an_attempt(used=True)

    with pytest.raises(Refused) as problem:
        attempt.open_in("browser", at=MONDAY_0800)

    assert problem.value.problems == refused(ProblemCode.STATE_USED)
    assert attempt.browser is None


def test_an_attempt_is_not_opened_from_its_end_on() -> None:
    attempt = an_attempt(expires_at=MONDAY_0830)

    with pytest.raises(Refused) as problem:
        attempt.open_in("browser", at=MONDAY_0830)

    assert problem.value.problems == refused(ProblemCode.STATE_EXPIRED)
    assert attempt.browser is None


def test_a_late_callback_is_refused_and_changes_nothing() -> None:
    attempt = an_attempt(browser="browser", expires_at=MONDAY_0830)

    with pytest.raises(Refused) as problem:
        attempt.come_back(at=MONDAY_0830, browser="browser")

    assert problem.value.problems == refused(ProblemCode.STATE_EXPIRED)
    assert not attempt.used


def test_a_replayed_callback_is_refused() -> None:
    attempt = an_attempt(browser="browser")
    attempt.come_back(at=MONDAY_0800, browser="browser")

    with pytest.raises(Refused) as problem:
        attempt.come_back(at=MONDAY_0800, browser="browser")

    assert problem.value.problems == refused(ProblemCode.STATE_USED)


@pytest.mark.parametrize(
    ("browser", "person"),
    [(None, None), ("another", None), (None, PersonId("pupil")), ("another", PersonId("pupil"))],
)
def test_a_foreign_callback_is_refused_and_leaves_the_attempt_to_who_began_it(
    browser: str | None, person: PersonId | None
) -> None:
    attempt = an_attempt("teacher", browser="browser")

    with pytest.raises(Refused) as problem:
        attempt.come_back(at=MONDAY_0800, browser=browser, person=person)
    attempt.come_back(at=MONDAY_0800, browser="browser")

    assert problem.value.problems == refused(ProblemCode.STATE_OF_ANOTHER_USER)
    assert attempt.used


def test_a_callback_without_any_browser_is_not_that_of_an_attempt_that_no_browser_opened() -> None:
    attempt = an_attempt(browser=None)

    with pytest.raises(Refused) as problem:
        attempt.come_back(at=MONDAY_0800, browser=None)

    assert problem.value.problems == refused(ProblemCode.STATE_OF_ANOTHER_USER)
