"""The journal: from a lesson its online lesson is made, connected to and finished, by those who may (CONF-16)."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.audit import SCHEDULE
from domain.ids import lesson_id
from graphql_api.global_ids import global_id
from infrastructure.demo import manual_school
from tests.graphql_api.conftest import Api
from tests.graphql_api.test_registry import an_hour, chat_named
from tests.graphql_api.test_subscription import start
from tests.graphql_api.test_videoconferences import (
    FINISH,
    ONE,
    SAVED,
    SCHOOL,
    a_lesson,
    a_subjects_chat,
    create,
    made,
    people,
    person,
    problems,
    tell,
    token_of_person,
    update,
)

HOLD = "mutation ($id: ID!) { createOnlineLesson(lessonId: $id) {" + SAVED + "} }"
LESSON = "query ($id: ID!) { lesson(id: $id) { viewerCan onlineLesson { id name status link viewerCan } } }"
JOURNAL = """query ($filter: LessonFilter!) { lessons(filter: $filter) { totalCount edges { node {
  id viewerCan onlineLesson { id status }
} } } }"""
SUBSTITUTE = "manual-employee-05"
MOSCOW = ZoneInfo("Europe/Moscow")


async def hold(api: Api, lesson: str, login: str = "teacher") -> Any:
    return (await api.data(login, HOLD, id=lesson))["createOnlineLesson"]


async def held(api: Api, lesson: str, login: str = "teacher") -> Any:
    """The online lesson, which nothing is wrong with."""
    result = await hold(api, lesson, login)
    assert result["__typename"] == "VideoconferenceSaved", result
    return result["videoconference"]


async def seen(api: Api, lesson: str, login: str = "teacher") -> Any:
    return (await api.data(login, LESSON, id=lesson))["lesson"]


async def can(api: Api, lesson: str, login: str = "teacher") -> list[str]:
    found: list[str] = (await seen(api, lesson, login))["viewerCan"]
    return found


async def as_person(api: Api, who: str, document: str, **variables: Any) -> Any:
    headers = {"Authorization": f"Bearer {token_of_person(api, who)}"}
    body = {"query": document, "variables": variables}
    answer = (await api.http.post(f"{api.url}/graphql", json=body, headers=headers)).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def a_lesson_now(api: Api, id: str = "now", **more: Any) -> str:
    """A lesson that began a minute ago."""
    async with api.container.begin()(SCHEDULE) as uow:
        starts_at = await uow.now() - timedelta(minutes=1)
    times = {"startsAt": starts_at.isoformat(), "endsAt": (starts_at + timedelta(minutes=45)).isoformat()}
    lesson, _ = await a_lesson(api, id, **times, **more)
    return lesson


async def a_past_lesson(api: Api) -> str:
    lesson, _ = await a_lesson(api, "past", startsAt="2026-09-01T08:30:00+03:00", endsAt="2026-09-01T09:15:00+03:00")
    return lesson


@pytest.mark.rule("CONF-16")
async def test_the_journal_makes_the_online_lesson_in_the_groups_chat_with_the_lessons_name_and_times(
    api: Api,
) -> None:
    chat, (lesson, starts_at) = await a_subjects_chat(api), await a_lesson(api)

    online = await held(api, lesson)

    assert (online["type"], online["status"]) == ("ONLINE_LESSON", "SCHEDULED")
    assert online["chat"]["id"] == chat
    assert online["lesson"] == {"id": lesson, "studyGroup": {"name": "1 Б"}}
    assert online["name"].startswith("Литературное чтение, 1 Б, ")
    assert online["startsAt"] == starts_at.astimezone(MOSCOW).isoformat()
    assert (await seen(api, lesson))["onlineLesson"]["id"] == online["id"]


@pytest.mark.rule("CONF-16")
async def test_without_a_subjects_chat_it_is_the_classs_for_the_groups_people(api: Api) -> None:
    await tell(
        api,
        {"personSaved": {"personId": "new", "lastName": "Новиков", "firstName": "Олег"}},
        {"pupilEnrolled": {"personId": "new", "classId": "manual-class-1-b"}},
    )
    lesson, _ = await a_lesson(api, substituteId=SUBSTITUTE)

    online = await held(api, lesson)

    assert online["chatName"] == "1 Б"
    assert await people(api, online["id"], capacity="PUPIL") == ["Кравцов Тимофей Андреевич"]
    assert len(await people(api, online["id"], capacity="EMPLOYEE")) == 3


@pytest.mark.rule("CONF-16")
async def test_a_group_of_several_classes_without_a_chat_of_its_own_is_refused(api: Api) -> None:
    lesson, _ = await a_lesson(api, "english", manual_school.GROUP_OF_TWO_CLASSES)

    refused = await hold(api, lesson, "director")
    await a_subjects_chat(api, manual_school.GROUP_OF_TWO_CLASSES)

    assert problems(refused) == [("SUBJECT_CHAT_NEEDED", ["lessonId"])]
    assert (await held(api, lesson, "director"))["chatName"] == "Чтение"


@pytest.mark.rule("CONF-16")
async def test_asked_twice_the_journal_answers_with_the_same_one_and_the_form_refuses(api: Api) -> None:
    chat, (lesson, _) = await a_subjects_chat(api), await a_lesson(api)

    first, again = await held(api, lesson), await held(api, lesson, "director")
    form = await create(api, type="ONLINE_LESSON", chatId=chat, lessonId=lesson)
    other = await made(api, **an_hour(await chat_named(api, "1 Б"), type="ONLINE_LESSON"))
    moved = await update(api, other, lessonId=lesson)

    assert first["id"] == again["id"]
    assert problems(form) == problems(moved) == [("LESSON_HAS_ONLINE_LESSON", ["lessonId"])]


@pytest.mark.rule("CONF-16")
async def test_the_lessons_teacher_its_substitute_and_who_has_the_permission_may_and_nobody_else(api: Api) -> None:
    lesson, _ = await a_lesson(api, substituteId=SUBSTITUTE)
    offered = {login: await can(api, lesson, login) for login in ("teacher", "director", "vorontsova", "pupil")}
    to_substitute = await as_person(api, SUBSTITUTE, LESSON, id=lesson)

    by_pupil = await hold(api, lesson, "pupil")
    strangers = [await hold(api, lesson, login) for login in ("parent", "outsider", "roster")]
    by_substitute = (await as_person(api, SUBSTITUTE, HOLD, id=lesson))["createOnlineLesson"]

    create = ["CREATE_ONLINE_LESSON"]
    assert offered == {"teacher": create, "director": create, "vorontsova": create, "pupil": []}
    assert to_substitute["lesson"]["viewerCan"] == create
    assert problems(by_pupil) == [("FORBIDDEN", [])]
    assert [problems(each) for each in strangers] == [[("NOT_FOUND", ["lessonId"])]] * 3
    assert by_substitute["__typename"] == "VideoconferenceSaved"


@pytest.mark.rule("CONF-16")
async def test_a_lesson_that_is_over_or_cancelled_is_refused_and_nothing_is_offered_for_it(api: Api) -> None:
    past, (cancelled, _) = await a_past_lesson(api), await a_lesson(api)
    await tell(api, {"lessonCancelled": {"lessonId": "reading"}})

    refused = [await hold(api, past), await hold(api, cancelled)]
    nothing = await hold(api, "nothing")

    assert [problems(each) for each in refused] == [[("LESSON_OVER", ["lessonId"])]] * 2
    assert problems(nothing) == [("NOT_FOUND", ["lessonId"])]
    assert await can(api, past) == await can(api, cancelled) == []


@pytest.mark.rule("CONF-16")
async def test_the_journal_offers_to_connect_and_to_finish_while_it_is_active_and_to_make_another_afterwards(
    api: Api,
) -> None:
    lesson = await a_lesson_now(api)
    online = await held(api, lesson)
    waiting = await can(api, lesson), await can(api, lesson, "pupil")
    await start(api, online["id"])

    running = await can(api, lesson), await can(api, lesson, "pupil")
    shown = (await seen(api, lesson, "pupil"))["onlineLesson"]
    await api.data("teacher", FINISH, id=online["id"])
    afterwards = await can(api, lesson), await can(api, lesson, "pupil")
    last = (await seen(api, lesson, "pupil"))["onlineLesson"]
    another = await held(api, lesson)

    assert waiting == ([], [])
    assert running == (["CONNECT", "FINISH"], ["CONNECT"])
    assert (shown["id"], shown["status"], shown["viewerCan"]) == (online["id"], "ACTIVE", ["JOIN"])
    assert shown["link"]
    assert afterwards == (["CREATE_ONLINE_LESSON"], [])
    assert (last["id"], last["status"], last["link"]) == (online["id"], "FINISHED", None)
    assert another["id"] != online["id"]
    assert (await seen(api, lesson, "pupil"))["onlineLesson"]["id"] == another["id"]


@pytest.mark.rule("CONF-23")
async def test_the_substitute_finishes_the_lesson_that_they_hold(api: Api) -> None:
    lesson = await a_lesson_now(api, substituteId=SUBSTITUTE)
    online = (await as_person(api, SUBSTITUTE, HOLD, id=lesson))["createOnlineLesson"]["videoconference"]
    await start(api, online["id"])

    offered = (await as_person(api, SUBSTITUTE, LESSON, id=lesson))["lesson"]["viewerCan"]
    finished = (await as_person(api, SUBSTITUTE, FINISH, id=online["id"]))["finishVideoconference"]

    assert offered == ["CONNECT", "FINISH"]
    assert finished["videoconference"]["status"] == "FINISHED"


@pytest.mark.rule("RIGHT-06")
async def test_who_was_taken_out_of_the_online_lesson_does_not_see_it_at_the_lesson(api: Api) -> None:
    lesson, _ = await a_lesson(api)
    online = await held(api, lesson)
    await update(api, online, removeParticipants=[person("manual-pupil")])

    assert await seen(api, lesson, "pupil") == {"viewerCan": [], "onlineLesson": None}
    # There is one all the same, so no other can be made.
    assert await can(api, lesson) == []


async def test_the_lessons_page_reads_all_online_lessons_in_one_statement(api: Api) -> None:
    for number in range(4):
        lesson, _ = await a_lesson(api, f"lesson {number}")
        if number % 2:
            await held(api, lesson)

    with api.counted() as statements:
        page = (await api.data("teacher", JOURNAL, filter={}))["lessons"]["edges"]

    assert sorted(edge["node"]["viewerCan"] for edge in page) == [[], [], *[["CREATE_ONLINE_LESSON"]] * 2]
    assert [edge["node"]["onlineLesson"] is not None for edge in page].count(True) == 2
    # The viewer's rights, the lessons, their online lessons.
    assert len(statements) == 3


async def test_a_conference_names_its_lesson_only_to_who_may_see_the_lesson(api: Api) -> None:
    lesson, _ = await a_lesson(api)
    online = await held(api, lesson)
    await update(api, online, addParticipants=[{"participantId": person("manual-employee-08"), "capacity": "EMPLOYEE"}])

    invited = (await as_person(api, "manual-employee-08", ONE, id=online["id"]))["videoconference"]
    pupil = (await api.data("pupil", ONE, id=online["id"]))["videoconference"]

    assert (invited["id"], invited["lesson"]) == (online["id"], None)
    assert pupil["lesson"]["id"] == lesson == global_id("Lesson", lesson_id(SCHOOL, "reading"))
