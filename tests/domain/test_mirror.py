"""What is done about a chat's mirror follows from the newest state and from what Sferum held."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chat_request import (
    GIVE_UP_AFTER,
    LOOK_EVERY,
    WATCH_FOR_STRAYS,
    ChatRequest,
    ChatRequestId,
    marked,
)
from domain.ids import ChatId, PersonId
from domain.mirror import (
    ARCHIVED,
    COMPARE_EVERY,
    LATE_EFFECTS,
    LONGEST_PAUSE,
    LONGEST_TITLE,
    REFUSED_FOR,
    Admit,
    AskForLink,
    ChatNow,
    FindMade,
    FindNumber,
    Held,
    LinkedMember,
    Look,
    Make,
    Mirror,
    MirrorError,
    MirrorState,
    Move,
    Remove,
    Rest,
    SetRole,
    Step,
    Take,
    after,
    archived_title,
    next_move,
    steps,
)
from tests.builders import MONDAY_0800, MONDAY_0830, MONDAY_0900, SCHOOL

PROFILES = ["101", "102", "103", "104", "105"]
MAKER = PROFILES[0]
REQUEST = ChatRequestId(UUID(int=1))


def now(
    roles: Mapping[str, bool],
    *,
    maker: str | None = MAKER,
    working: Collection[str] = (),
    name: str = "5А",
    ended: bool = False,
    deleted: bool = False,
    touched: int = 0,
) -> ChatNow:
    """A chat whose linked members have these roles; `working`: for whom else than the maker we can act."""
    return ChatNow(
        name=name,
        ended=ended,
        deleted=deleted,
        members=[LinkedMember(PersonId(profile), profile, role) for profile, role in roles.items()],
        chat_administrator=PersonId(MAKER),
        working={profile: PersonId(profile) for profile in (*working, *([maker] if maker else []))},
        touched=touched,
    )


def a_mirror(
    held: Mapping[str, bool] | None = None,
    *,
    title: str = "5А",
    owner: str | None = MAKER,
    numbered: Collection[str] = PROFILES,
    touched: int = 0,
) -> Mirror:
    """A mirror that was looked at when the week began."""
    mirror = Mirror(chat_id=ChatId(UUID(int=5)), organization_id=SCHOOL, touched=touched)
    if held is not None:
        mirror.held, mirror.owner = Held(title, held), owner
        mirror.numbers = dict.fromkeys(numbered, "1")
        mirror.looked_at = MONDAY_0800
    return mirror


def move(mirror: Mirror, chat: ChatNow, unfit: Collection[str] = ()) -> Move:
    """What is to be done at half past eight."""
    return next_move(mirror, chat, unfit, at=MONDAY_0830)


def settled(mirror: Mirror, chat: ChatNow) -> tuple[Rest, list[Step]]:
    """All is done that is to be done, by a Sferum that does it: where it rests, and the steps taken."""
    taken: list[Step] = []
    for _ in range(100):
        match move(mirror, chat):
            case FindNumber(actor):
                mirror.numbers[actor] = "1"
            case Look():
                assert mirror.held is not None
                mirror.saw(mirror.held, at=MONDAY_0830)
            case Take(_, _, todo):
                assert todo
                for step in todo:
                    mirror.done(step)
                taken += todo
            case Rest() as rest:
                return rest, taken
            case other:
                raise AssertionError(other)
    raise AssertionError("it never rests")


members = st.dictionaries(st.sampled_from(PROFILES), st.booleans())
titles = st.sampled_from(["5А", "Другой чат"])


# The steps


@given(roles=members, held=members, title=titles, deleted=st.booleans())
@pytest.mark.rule("SYNC-01")
def test_after_the_steps_sferum_has_the_same_title_and_members_with_their_roles_and_nobody_else(
    roles: dict[str, bool], held: dict[str, bool], title: str, deleted: bool
) -> None:
    chat = now({} if deleted else roles, deleted=deleted)
    reached = Held(title, held | {MAKER: True})

    while todo := steps(chat, reached, MAKER):
        for step in todo:
            reached = after(reached, step)

    assert reached.title == chat.title
    assert reached.members == ({} if deleted else roles | {MAKER: True})


@given(roles=members, held=members, title=titles)
def test_there_are_no_more_steps_than_things_that_differ(
    roles: dict[str, bool], held: dict[str, bool], title: str
) -> None:
    roles, held = roles | {MAKER: True}, held | {MAKER: True}
    todo = steps(now(roles), Held(title, held), MAKER)

    differ = len(held.keys() - roles.keys()) + (title != "5А")
    differ += sum(2 if roles[each] else 1 for each in roles.keys() - held.keys())
    differ += sum(roles[each] != held[each] for each in roles.keys() & held.keys())

    assert len(todo) == len(set(todo)) == differ


@given(roles=members, held=members, title=titles, left_alone=st.sets(st.sampled_from(PROFILES)))
def test_removals_come_first_and_neither_the_actor_nor_whoever_is_left_alone_is_touched(
    roles: dict[str, bool], held: dict[str, bool], title: str, left_alone: set[str]
) -> None:
    todo = steps(now(roles), Held(title, held | {MAKER: True}), MAKER, left_alone)

    removals = [isinstance(step, Remove) for step in todo]
    assert removals == sorted(removals, reverse=True)
    assert not {step.profile for step in todo if isinstance(step, Remove | SetRole)} & {MAKER}
    assert not {step.profile for step in todo if isinstance(step, Admit)} & left_alone


@given(held=members)
@pytest.mark.rule("CHAT-15")
def test_of_a_deleted_chat_the_actor_leaves_alone_and_last(held: dict[str, bool]) -> None:
    chat, mirror = now({}, deleted=True), a_mirror(held | {MAKER: True})

    rest, taken = settled(mirror, chat)

    assert rest == Rest(MirrorState.ARCHIVED)
    assert taken[-1] == Remove(MAKER)
    assert mirror.held == Held("5А (архив)", {})


@pytest.mark.rule("SYNC-01")
def test_whoever_is_to_administer_is_let_in_before_others_and_made_administrator_at_once() -> None:
    roles = {MAKER: True, "102": False, "105": True}

    todo = steps(now(roles), Held("5А", {MAKER: True}), MAKER)

    assert todo == [Admit("105"), SetRole("105", True), Admit("102")]


@pytest.mark.rule("CHAT-24")
def test_the_title_of_an_archived_chat_says_so_and_every_title_is_cut_to_what_sferum_takes() -> None:
    long = "я" * 150

    titles = [now({}, name=long).title, now({}, name=long, ended=True).title, now({}, name="5А", ended=True).title]

    assert [len(title) for title in titles[:2]] == [LONGEST_TITLE, LONGEST_TITLE]
    assert titles[1].endswith(ARCHIVED)
    assert titles[2] == archived_title("5А") == "5А (архив)"


# With whose account


@given(
    roles=members,
    held=members,
    working=st.sets(st.sampled_from(PROFILES)),
    owner=st.sampled_from(PROFILES),
    numbered=st.sets(st.sampled_from(PROFILES)),
)
@pytest.mark.rule("SYNC-06")
def test_while_somebody_who_administers_works_a_new_chat_administrator_takes_over_and_the_mirror_comes_in_step(
    roles: dict[str, bool], held: dict[str, bool], working: set[str], owner: str, numbered: set[str]
) -> None:
    roles, held = roles | {MAKER: True}, held | {owner: True}
    mirror = a_mirror(held, owner=owner, numbered=numbered)

    rest, _ = settled(mirror, now(roles, working={*working, owner}))

    assert rest == Rest(MirrorState.IN_STEP)
    assert mirror.held == Held("5А", roles)


@given(roles=members, held=members, owner=st.sampled_from(PROFILES[1:]))
@pytest.mark.rule("SYNC-06")
def test_until_the_new_chat_administrator_has_linked_the_old_account_stays_and_the_state_says_so(
    roles: dict[str, bool], held: dict[str, bool], owner: str
) -> None:
    roles = {profile: role for profile, role in roles.items() if profile not in {MAKER, owner}}
    mirror = a_mirror(held | {owner: True}, owner=owner)

    rest, _ = settled(mirror, now(roles, maker=None, working=[owner]))

    assert rest == Rest(MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR, waits=True)
    assert mirror.held == Held("5А", roles | {owner: True})


@pytest.mark.rule("SYNC-06")
def test_the_new_chat_administrator_is_administrator_before_the_old_one_leaves() -> None:
    mirror = a_mirror({"102": True, "103": False}, owner="102")

    _, taken = settled(mirror, now({MAKER: True, "103": False}, working=["102"]))

    assert taken == [Admit(MAKER), SetRole(MAKER, True), Remove("102")]


def test_an_old_owner_whom_the_new_one_may_not_remove_leaves_by_themselves() -> None:
    mirror = a_mirror({MAKER: True, "102": True}, owner="102")

    todo = move(mirror, now({MAKER: True}, working=["102"]), unfit=[MAKER])

    assert todo == Take("102", "1", (Remove("102"),))


def test_an_old_owner_who_stays_a_member_steps_back_when_the_new_one_may_not_do_it() -> None:
    mirror = a_mirror({MAKER: True, "102": True}, owner="102")

    todo = move(mirror, now({MAKER: True, "102": False}, working=["102"]), unfit=[MAKER])

    assert todo == Take("102", "1", (SetRole("102", False),))


@pytest.mark.rule("SYNC-06")
@pytest.mark.parametrize(
    ("working", "actor"),
    [
        ([MAKER, "102", "103", "104"], MAKER),
        (["102", "103", "104"], "102"),
        (["103", "104"], "103"),
        (["105"], None),
        ([], None),
    ],
    ids=["chat administrator", "owner", "another administrator", "a member", "nobody"],
)
def test_steps_are_taken_with_the_chat_administrator_s_account_then_the_owner_s_then_another_s(
    working: list[str], actor: str | None
) -> None:
    mirror = a_mirror({MAKER: True, "102": True, "103": True, "104": True, "105": False}, owner="102")
    chat = now({MAKER: True, "103": True}, maker=MAKER if MAKER in working else None, working=working)

    assert mirror.actor(chat) == actor
    # Of other administrators those who belong there are first.
    assert mirror.actor(now({"104": True}, maker=None, working=["103", "104"])) == "104"


# What is done next


@pytest.mark.parametrize(
    ("chat", "expected"),
    [
        (now({}), Rest(MirrorState.NOT_NEEDED)),
        (now({"102": False}), Make(MAKER)),
        (now({"102": False}, maker=None), Rest(MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR, waits=True)),
        (now({MAKER: True}, ended=True), Rest(MirrorState.ARCHIVED)),
        (now({}, deleted=True), Rest(MirrorState.ARCHIVED)),
    ],
    ids=["nobody linked", "somebody linked", "no chat administrator", "archived", "deleted"],
)
@pytest.mark.rule("SYNC-01")
def test_a_chat_is_made_when_somebody_linked_is_in_it_with_the_account_of_the_chat_administrator(
    chat: ChatNow, expected: Move
) -> None:
    assert move(a_mirror(), chat) == expected


@pytest.mark.rule("SYNC-03")
@pytest.mark.parametrize("chat", [now({"102": False}), now({}), now({}, deleted=True)])
def test_nothing_is_made_while_it_is_unknown_what_came_of_the_last_attempt(chat: ChatNow) -> None:
    mirror = a_mirror()
    mirror.request = REQUEST

    assert move(mirror, chat) == FindMade(REQUEST)


def test_the_maker_is_not_asked_again_in_vain() -> None:
    assert move(a_mirror(), now({"102": False}), unfit=[MAKER]) == Rest(
        MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR, waits=True
    )


def test_an_account_that_does_not_know_its_number_of_the_chat_looks_for_it_first() -> None:
    mirror = a_mirror({MAKER: True, "102": True}, numbered=["102"])

    assert move(mirror, now({MAKER: True})) == FindNumber(MAKER)


@pytest.mark.parametrize("change", ["unsure", "never looked", "compare", "a day old", "a late effect"])
@pytest.mark.rule("SYNC-05")
def test_sferum_is_looked_at_before_steps_are_taken_when_what_it_holds_is_not_known(change: str) -> None:
    mirror, chat = a_mirror({MAKER: True}), now({MAKER: True, "102": False})
    assert isinstance(move(mirror, chat), Take)

    match change:
        case "unsure":
            mirror.unsure = True
        case "never looked":
            mirror.looked_at = None
        case "compare":
            mirror.compare()
        case "a day old":
            mirror.looked_at = MONDAY_0830 - COMPARE_EVERY
        case _:
            mirror.look_at = (MONDAY_0830,)

    assert move(mirror, chat) == Look(MAKER, "1")
    mirror.saw(Held("5А", {MAKER: True}), at=MONDAY_0830)
    assert isinstance(move(mirror, chat), Take)


@pytest.mark.rule("SYNC-06")
def test_while_no_account_works_it_is_waited_for_one() -> None:
    mirror = a_mirror({MAKER: True, "102": False, "103": True}, owner=MAKER)
    waits = Rest(MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR, waits=True)

    assert move(mirror, now({}, maker=None, working=["102"])) == waits
    assert move(mirror, now({MAKER: True}), unfit=[MAKER]) == waits


def test_a_mirror_that_its_administrator_could_only_enter_with_somebody_s_help_is_broken() -> None:
    mirror = a_mirror({"102": True}, owner="102")

    assert move(mirror, now({MAKER: True})) == Rest(MirrorState.BROKEN, waits=True)


def test_when_somebody_is_refused_the_link_is_asked_for_once() -> None:
    mirror, chat = a_mirror({MAKER: True}), now({MAKER: True, "102": False})
    mirror.refuse("102", at=MONDAY_0800)

    first = move(mirror, chat)
    mirror.invite_link = "https://vk.me/join/1"
    then = move(mirror, chat)
    later = next_move(mirror, chat, (), at=MONDAY_0800 + REFUSED_FOR)

    assert first == AskForLink(MAKER, "1", Rest(MirrorState.IN_STEP))
    assert then == Rest(MirrorState.IN_STEP)
    assert later == Take(MAKER, "1", (Admit("102"),))


# What becomes of it


def test_what_sferum_holds_otherwise_than_we_thought_is_drift_unless_something_was_uncertain() -> None:
    other = Held("5А", {MAKER: True, "102": False})
    drifts = []

    for make_uncertain in (False, True):
        mirror = a_mirror({MAKER: True})
        if make_uncertain:
            mirror.uncertain(at=MONDAY_0800)
        drifts += [mirror.saw(other, at=MONDAY_0830), mirror.saw(other, at=MONDAY_0900)]

    assert drifts == [True, False, False, False]


@pytest.mark.rule("SYNC-02")
def test_after_an_uncertain_answer_it_is_looked_at_now_and_again_until_nothing_late_can_have_its_effect() -> None:
    mirror, chat = a_mirror({MAKER: True}), now({MAKER: True})
    mirror.uncertain(at=MONDAY_0830)
    looks = []
    at = MONDAY_0830

    while mirror.look_at or mirror.unsure:
        assert isinstance(next_move(mirror, chat, (), at=at), Look)
        looks.append(at - MONDAY_0830)
        mirror.saw(Held("5А", {MAKER: True}), at=at)
        mirror.settle(chat, MirrorState.IN_STEP, at=at)
        assert mirror.due_at is not None
        at = mirror.due_at

    assert looks == [timedelta(), *LATE_EFFECTS]


def test_certain_answers_leave_what_was_to_be_looked_at_before() -> None:
    mirror = a_mirror({MAKER: True})
    before = (MONDAY_0900,)

    mirror.uncertain(at=MONDAY_0830)
    mirror.certain(before)

    assert (mirror.unsure, mirror.look_at) == (False, before)


@pytest.mark.rule("SYNC-02")
def test_pauses_grow_up_to_the_longest_differ_from_chat_to_chat_and_end_when_it_is_in_step() -> None:
    mirror, chat = a_mirror({MAKER: True}), now({MAKER: True, "102": False})
    pauses = []

    for _ in range(12):
        mirror.fall_behind(chat, MirrorState.BEHIND, MirrorError.UNAVAILABLE, at=MONDAY_0830)
        assert mirror.due_at is not None
        pauses.append(mirror.due_at - MONDAY_0830)
    others = set()
    for _ in range(20):
        another = Mirror(chat_id=ChatId(uuid4()), organization_id=SCHOOL)
        another.fall_behind(chat, MirrorState.BEHIND, MirrorError.UNAVAILABLE, at=MONDAY_0830)
        others.add(another.due_at)
    mirror.settle(chat, MirrorState.IN_STEP, at=MONDAY_0830)
    mirror.fall_behind(chat, MirrorState.BEHIND, MirrorError.UNAVAILABLE, at=MONDAY_0830)

    assert all(earlier < later for earlier, later in pairwise(pauses[:5]))
    assert pauses[0] < timedelta(seconds=3)
    assert all(LONGEST_PAUSE * 0.75 <= pause <= LONGEST_PAUSE * 1.25 for pause in pauses[9:])
    assert len(others) > 10
    assert mirror.due_at == MONDAY_0830 + pauses[0]


@pytest.mark.rule("SYNC-02")
def test_sferum_is_left_alone_for_as_long_as_it_wants_whatever_else_would_be_due() -> None:
    mirror = a_mirror({MAKER: True})
    mirror.uncertain(at=MONDAY_0800)

    mirror.fall_behind(
        now({MAKER: True}), MirrorState.BEHIND, MirrorError.RATE_LIMITED, at=MONDAY_0830, pause=timedelta(hours=1)
    )

    assert mirror.due_at == MONDAY_0830 + timedelta(hours=1)


def test_nothing_that_is_past_makes_a_resting_mirror_due_again_and_again() -> None:
    mirror, chat = a_mirror({MAKER: True, "102": True}), now({MAKER: True}, maker=None)
    mirror.uncertain(at=MONDAY_0800)
    mirror.refuse(MAKER, at=MONDAY_0830 - REFUSED_FOR)
    mirror.looked_at = MONDAY_0830 - 2 * COMPARE_EVERY

    mirror.wait(chat, at=MONDAY_0830)

    assert mirror.due_at == MONDAY_0830 + COMPARE_EVERY


@given(id=st.uuids())
@pytest.mark.rule("SYNC-05")
def test_each_mirror_is_compared_at_least_once_a_day(id: UUID) -> None:
    mirror = a_mirror({MAKER: True})
    mirror.chat_id = ChatId(id)

    mirror.settle(now({MAKER: True}), MirrorState.IN_STEP, at=MONDAY_0830)

    assert mirror.looked_at is not None
    assert mirror.due_at is not None
    assert COMPARE_EVERY <= mirror.due_at - mirror.looked_at < timedelta(days=1)
    assert mirror.wants_look(mirror.due_at)


def test_a_chat_that_nobody_needs_is_not_due_until_it_is_touched() -> None:
    mirror = a_mirror(touched=4)

    mirror.settle(now({}, touched=4), MirrorState.NOT_NEEDED, at=MONDAY_0830)

    assert (mirror.due_at, mirror.settled, mirror.claimed_until) == (None, 4, None)


@pytest.mark.rule("SYNC-04")
def test_since_when_it_is_behind_is_known_until_it_is_in_step() -> None:
    mirror, chat = a_mirror({MAKER: True}), now({MAKER: True})
    seen = []

    mirror.work_on(at=MONDAY_0800)
    seen.append((mirror.state, mirror.behind_since))
    mirror.fall_behind(chat, MirrorState.BROKEN, MirrorError.CHAT_FULL, at=MONDAY_0830)
    mirror.work_on(at=MONDAY_0900)
    seen.append((mirror.state, mirror.behind_since))
    mirror.settle(chat, MirrorState.IN_STEP, at=MONDAY_0900)
    seen.append((mirror.state, mirror.behind_since))

    # What is broken stays so until it is mended.
    assert seen == [
        (MirrorState.BEHIND, MONDAY_0800),
        (MirrorState.BROKEN, MONDAY_0800),
        (MirrorState.IN_STEP, None),
    ]


def test_who_was_refused_and_belongs_there_no_more_is_forgotten() -> None:
    mirror = a_mirror({MAKER: True})
    mirror.refuse("102", at=MONDAY_0800)
    mirror.refuse("103", at=MONDAY_0800)

    mirror.settle(now({MAKER: True, "103": False}), MirrorState.IN_STEP, at=MONDAY_0830)

    assert mirror.refused.keys() == {"103"}
    assert mirror.due_at == MONDAY_0800 + REFUSED_FOR


def test_what_sferum_held_a_moment_ago_is_not_believed_to_be_lost() -> None:
    mirror = a_mirror({MAKER: True})

    believed = [mirror.may_be_lost(MONDAY_0800 + timedelta(seconds=seconds)) for seconds in (0, 59, 60)]

    assert believed == [False, False, True]


# Attempts to make a chat


def a_request() -> ChatRequest:
    """An attempt made when the week began."""
    return ChatRequest(
        id=REQUEST,
        chat_id=ChatId(UUID(int=5)),
        account=PersonId("director"),
        profile=MAKER,
        asked_at=MONDAY_0800,
    )  # fmt: skip


@pytest.mark.rule("SYNC-03")
@given(id=st.uuids())
def test_a_chat_is_found_again_by_its_title_also_when_that_says_archived(id: UUID) -> None:
    request = a_request()
    request.id = ChatRequestId(id)

    assert marked(request.title) == marked(archived_title(request.title)) == id
    assert [marked(title) for title in ("5А", f"чат {request.title}", "#12", request.title + "0")] == [None] * 4


def test_only_a_chat_that_is_not_the_one_waited_for_is_a_stray() -> None:
    waits, made, given_up, refused = a_request(), a_request(), a_request(), a_request()
    made.made("7", at=MONDAY_0800)
    given_up.give_up(at=MONDAY_0800)
    refused.refused()

    assert [each.is_stray("7") for each in (waits, made, given_up, refused)] == [False, False, True, True]
    assert made.is_stray("8")


def test_who_found_nothing_asks_anew_only_after_a_while() -> None:
    request = a_request()

    assert not request.may_be_given_up(MONDAY_0800 + GIVE_UP_AFTER - timedelta(seconds=1))
    assert request.may_be_given_up(MONDAY_0800 + GIVE_UP_AFTER)


@pytest.mark.rule("SYNC-03")
def test_strays_are_looked_for_until_sferum_answered_after_all_can_have_turned_up_however_long_it_is_away() -> None:
    request = a_request()
    request.made("7", at=MONDAY_0800)
    at, looks = MONDAY_0800, []

    while request.due_at is not None:
        at = request.due_at
        request.look(at=at)
        looks.append(at)
        if not timedelta(minutes=2) <= at - MONDAY_0800 < timedelta(hours=1):
            request.looked(at=at)

    first = [look for look in looks if look - MONDAY_0800 < WATCH_FOR_STRAYS]
    assert all(later - earlier <= timedelta(minutes=1) - LOOK_EVERY / 2 for earlier, later in pairwise(first))
    assert at - MONDAY_0800 >= timedelta(hours=1)
    assert len(looks) < 100
