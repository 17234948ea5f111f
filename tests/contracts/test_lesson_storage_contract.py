"""What any storage promises of many lessons at once."""

from datetime import timedelta

from application.ports import Begin
from domain.audit import SCHEDULE
from tests.builders import (
    MONDAY_0830,
    MONDAY_0915,
    OTHER_SCHOOL,
    a_lesson,
    a_roster,
    an_organization,
    group_of,
    put,
)

INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


async def test_lessons_of_groups_are_found_by_their_starts_cancelled_ones_too(begin: Begin) -> None:
    first = a_lesson("first", group="a", substitute="klimova")
    last = a_lesson("last", group="b", starts_at=MONDAY_0915 - INSTANT, ends_at=MONDAY_0915, cancelled=True)
    others = [
        a_lesson("early", group="a", starts_at=MONDAY_0830 - INSTANT),
        a_lesson("late", group="a", starts_at=MONDAY_0915, ends_at=MONDAY_0915 + DAY),
        a_lesson("of another group", group="c"),
    ]
    roster = a_roster(people=["klimova"], groups={"a": [], "b": [], "c": []})
    await put(begin, organization=an_organization(), roster=roster, lessons=[first, last, *others])

    async with begin(SCHEDULE) as uow:
        found = await uow.lessons.of_groups({group_of("a"), group_of("b")}, MONDAY_0830, MONDAY_0915)
        of_nobody = await uow.lessons.of_groups([], MONDAY_0830, MONDAY_0915)

    assert sorted(found, key=lambda lesson: lesson.school_id) == [first, last]
    assert of_nobody == []


async def test_of_many_lessons_those_that_are_known_are_found(begin: Begin) -> None:
    known = [a_lesson(str(number), group="a") for number in range(3)]
    await put(begin, organization=an_organization(), roster=a_roster(groups={"a": []}), lessons=known)
    asked = [a_lesson(str(number), group="a").id for number in range(1, 40_000)]
    elsewhere = a_lesson("0", organization=OTHER_SCHOOL).id

    async with begin(SCHEDULE) as uow:
        found = await uow.lessons.find_all([*asked, elsewhere])

    assert sorted(found, key=lambda lesson: lesson.school_id) == known[1:]
