"""Videoconferences as a front end meets them: the registry, the form and its defaults, edits, links, the end."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.audit import SCHEDULE
from domain.ids import PersonId, group_id, lesson_id, organization_id, participant_id
from graphql_api.global_ids import global_id
from infrastructure.demo import manual_school
from infrastructure.sandbox.school import token_of
from tests.graphql_api.conftest import Api
from tests.graphql_api.test_registry import an_hour, chat_named
from tests.graphql_api.test_subscription import CALL, a_conference, start

SCHOOL = organization_id(manual_school.SCHOOL_ID)
CONFERENCE = """
  id name type status startsAt endsAt version link minutesLeftNotice viewerCan chatName
  chat { id } lesson { id studyGroup { name } }
"""
SAVED = f"""
  __typename
  ... on VideoconferenceSaved {{ videoconference {{ {CONFERENCE} }} }}
  ... on StaleVersion {{ changedFields node {{ ... on Videoconference {{ name version }} }} }}
  ... on Refusal {{ problems {{ code path message }} }}
"""
CREATE = "mutation ($input: CreateVideoconferenceInput!) { createVideoconference(input: $input) {" + SAVED + "} }"
UPDATE = "mutation ($input: UpdateVideoconferenceInput!) { updateVideoconference(input: $input) {" + SAVED + "} }"
FINISH = "mutation ($id: ID!) { finishVideoconference(id: $id) {" + SAVED + "} }"
DELETE = """mutation ($id: ID!) { deleteVideoconference(id: $id) {
  __typename ... on VideoconferenceDeleted { id } ... on Refusal { problems { code path } }
} }"""
JOIN = """mutation ($id: ID!) { joinVideoconference(id: $id) {
  __typename ... on JoinGranted { link } ... on JoinRefused { reason message startsAt }
  ... on Refusal { problems { code path } }
} }"""
ONE = "query ($id: ID!) { videoconference(id: $id) {" + CONFERENCE + "} }"
LIST = """query ($filter: VideoconferenceFilter, $order: VideoconferenceOrder, $school: ID) {
  videoconferences(organizationId: $school, filter: $filter, orderBy: $order) {
    totalCount edges { node { id name status chat { name } lesson { startsAt } link } }
  }
}"""
PEOPLE = """query ($id: ID!, $filter: ParticipantFilter) { videoconference(id: $id) {
  participants(filter: $filter) { totalCount edges { capacities node { fullName caption } } }
} }"""
JOINS = """query ($id: ID!, $first: Int, $after: String) { videoconference(id: $id) {
  joins(first: $first, after: $after) {
    totalCount pageInfo { endCursor } edges { node { at participant { fullName } } }
  }
} }"""
DEFAULTS = """query ($type: VideoconferenceType!, $chat: ID!, $lesson: ID, $filter: ParticipantFilter) {
  videoconferenceDefaults(type: $type, chatId: $chat, lessonId: $lesson) {
    name startsAt endsAt lessonRequired lessonAllowed parentsAllowed
    participants(filter: $filter) { totalCount edges { capacities node { id fullName } } }
  }
}"""
TELL = "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) { __typename } }"
CREATE_CHAT = """mutation ($input: CreateChatInput!) { createChat(input: $input) {
  ... on ChatSaved { chat { id } } ... on UnlinkedMembersWarning { confirmation }
} }"""

STAFF = ["Воронцова Елена Владимировна", "Зимина Ольга Павловна"]
PUPIL = "Кравцов Тимофей Андреевич"


async def tell(api: Api, *events: dict[str, Any]) -> None:
    told = [{kind: {"key": uuid4().hex} | event for kind, event in each.items()} for each in events]
    assert (await api.data("roster", TELL, events=told))["applyRosterEvents"] == {"__typename": "RosterEventsApplied"}


async def a_lesson(
    api: Api, id: str = "reading", group: str = manual_school.GROUP_OF_ONE_CLASS, **more: Any
) -> tuple[str, datetime]:
    """A lesson of tomorrow at this time: its global id, and when it starts."""
    async with api.container.begin()(SCHEDULE) as uow:
        starts_at = (await uow.now()).replace(microsecond=0) + timedelta(days=1)
    times = {"startsAt": starts_at.isoformat(), "endsAt": (starts_at + timedelta(minutes=45)).isoformat()}
    await tell(api, {"lessonSaved": {"lessonId": id, "groupId": group} | times | more})
    return global_id("Lesson", lesson_id(SCHOOL, id)), starts_at


async def a_subjects_chat(api: Api, group: str = manual_school.GROUP_OF_ONE_CLASS) -> str:
    form = {"type": "SUBJECT", "name": "Чтение", "studyGroupId": global_id("StudyGroup", group_id(SCHOOL, group))}
    result = (await api.data("director", CREATE_CHAT, input=form))["createChat"]
    if "confirmation" in result:
        form["confirmation"] = result["confirmation"]
        result = (await api.data("director", CREATE_CHAT, input=form))["createChat"]
    id: str = result["chat"]["id"]
    return id


def person(id: str) -> str:
    return global_id("Participant", participant_id(SCHOOL, PersonId(id)))


async def create(api: Api, login: str = "director", **form: Any) -> Any:
    return (await api.data(login, CREATE, input=form))["createVideoconference"]


async def made(api: Api, login: str = "director", **form: Any) -> Any:
    """The conference, which nothing is wrong with."""
    result = await create(api, login, **form)
    assert result["__typename"] == "VideoconferenceSaved", result
    return result["videoconference"]


async def update(api: Api, conference: Any, login: str = "director", **edit: Any) -> Any:
    form = {"id": conference["id"], "expectedVersion": conference["version"]} | edit
    return (await api.data(login, UPDATE, input=form))["updateVideoconference"]


async def people(api: Api, id: str, login: str = "director", **filter: Any) -> list[str]:
    found = (await api.data(login, PEOPLE, id=id, filter=filter))["videoconference"]["participants"]
    assert found["totalCount"] == len(found["edges"])
    return [edge["node"]["fullName"] for edge in found["edges"]]


def problems(result: Any) -> list[tuple[str, list[str]]]:
    assert result["__typename"] == "Refusal", result
    return [(problem["code"], problem["path"]) for problem in result["problems"]]


@pytest.mark.rule("CONF-01")
async def test_the_registry_is_filtered_and_sorted_and_shows_chat_lesson_and_status(api: Api) -> None:
    lesson, starts_at = await a_lesson(api)
    subject, classroom = await a_subjects_chat(api), await chat_named(api, "1 Б")
    await made(api, type="ONLINE_LESSON", name="Чтение вслух", chatId=subject, lessonId=lesson)
    call = await made(api, **an_hour(classroom))

    async def names(filter: dict[str, Any] | None = None, order: dict[str, str] | None = None) -> list[str]:
        found = (await api.data("director", LIST, filter=filter, order=order))["videoconferences"]
        assert found["totalCount"] == len(found["edges"])
        return [edge["node"]["name"] for edge in found["edges"]]

    both = ["Классный час", "Чтение вслух"]
    assert await names() == both
    assert await names(order={"field": "STARTS_AT"}) == both[::-1]
    assert await names(order={"field": "NAME"}) == both
    assert await names(order={"field": "NAME", "direction": "DESC"}) == both[::-1]
    assert await names({"nameContains": "вслух"}) == ["Чтение вслух"]
    assert await names({"types": ["VIDEO_CALL"], "statuses": ["SCHEDULED"]}) == ["Классный час"]
    assert await names({"statuses": ["ACTIVE", "FINISHED"]}) == []
    assert await names({"chatId": classroom}) == ["Классный час"]
    assert await names({"lessonId": lesson}) == ["Чтение вслух"]
    assert await names({"lessonId": classroom}) == await names({"chatId": "nothing"}) == []
    assert await names({"from": "2027-05-01T10:59:59+03:00", "to": "2027-05-01T08:00:01Z"}) == ["Классный час"]
    assert await names({"from": "2027-05-01T11:00:00+03:00"}) == []
    assert await names({"to": starts_at.isoformat()}) == []
    first = (await api.data("director", LIST))["videoconferences"]["edges"][1]["node"]
    assert first["chat"] == {"name": "Чтение"}
    assert datetime.fromisoformat(first["lesson"]["startsAt"]) == starts_at
    assert (first["status"], first["link"]) == ("SCHEDULED", None)
    await api.data("director", DELETE, id=call["id"])
    assert await names() == ["Чтение вслух"]


async def test_a_period_without_offset_is_refused(api: Api) -> None:
    body = await api.ask("director", LIST, filter={"from": "2027-05-01T10:00:00"})

    assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_REQUEST"]


@pytest.mark.rule("RIGHT-06", "RIGHT-08")
async def test_who_may_not_view_the_registry_sees_theirs_and_another_school_nothing(api: Api) -> None:
    theirs = await made(api, **an_hour(await chat_named(api, "1 Б")))
    other = await made(api, **an_hour(await chat_named(api, "8 К"), name="Чужой"))

    async def ids(login: str) -> list[str]:
        edges = (await api.data(login, LIST))["videoconferences"]["edges"]
        return [edge["node"]["id"] for edge in edges]

    assert await ids("pupil") == [theirs["id"]]
    assert await ids("parent") == await ids("outsider") == await ids("outsider-pupil") == await ids("roster") == []
    assert sorted(await ids("director")) == sorted([theirs["id"], other["id"]])
    for login in ("pupil", "outsider"):
        assert (await api.data(login, ONE, id=other["id"]))["videoconference"] is None


async def test_a_page_with_chats_lessons_participants_and_joins_is_one_statement_each(api: Api) -> None:
    classroom, subject = await chat_named(api, "1 Б"), await a_subjects_chat(api)
    for number in range(3):
        lesson, _ = await a_lesson(api, f"lesson {number}")
        await made(api, type="ONLINE_LESSON", chatId=subject, lessonId=lesson)
        await made(api, **an_hour(classroom))
    document = """{ videoconferences { edges { node {
      chat { name } lesson { startsAt } participants { totalCount } joins { totalCount }
    } } } }"""

    with api.counted() as statements:
        page = (await api.data("director", document))["videoconferences"]["edges"]

    assert [edge["node"]["lesson"] is not None for edge in page].count(True) == 3
    # The viewer's rights, the page, its chats, lessons, participants and joins.
    assert len(statements) == 6


@pytest.mark.rule("CONF-02")
async def test_a_conference_is_an_online_lesson_or_a_video_call(api: Api) -> None:
    chat = await chat_named(api, "1 Б")

    lesson = await made(api, **an_hour(chat, type="ONLINE_LESSON"))
    call = await made(api, **an_hour(chat, type="VIDEO_CALL"))
    meeting = await api.ask("director", CREATE, input=an_hour(chat, type="MEETING"))

    assert [lesson["type"], call["type"]] == ["ONLINE_LESSON", "VIDEO_CALL"]
    assert meeting["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.rule("CONF-04")
async def test_the_chat_is_required_and_one_that_is_open_to_the_user(api: Api) -> None:
    strange = await chat_named(api, "8 К")
    without = an_hour(strange)
    del without["chatId"]

    missing = await api.ask("director", CREATE, input=without)
    unseen = await create(api, "teacher", **an_hour(strange))
    nothing = await create(api, **an_hour("nothing"))
    foreign = await create(api, "outsider", **an_hour(strange))
    seen_only = await create(api, "pupil", **an_hour(await chat_named(api, "1 Б")))

    assert missing["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert problems(unseen) == problems(nothing) == problems(foreign) == [("NOT_FOUND", ["chatId"])]
    assert problems(seen_only) == [("FORBIDDEN", [])]


@pytest.mark.rule("CONF-08")
async def test_take_part_by_default_the_chats_pupils_and_employees_and_the_lists_given_are_whole(api: Api) -> None:
    chat = await chat_named(api, "1 Б")
    other_pupil, teacher = person("manual-pupil-2"), person("manual-employee-05")

    by_default = await made(api, **an_hour(chat))
    chosen = await made(api, **an_hour(chat, pupilIds=[other_pupil], employeeIds=[teacher]))
    wrong = await create(api, **an_hour(chat, pupilIds=[teacher, person("nobody")]))

    assert await people(api, by_default["id"]) == [STAFF[0], STAFF[1], PUPIL]
    names = await people(api, chosen["id"])
    assert "Тарасов Матвей Олегович" in names
    assert len(names) == 2
    assert sorted(problems(wrong)) == [("CAPACITY_NOT_ALLOWED", ["pupilIds"]), ("NOT_FOUND", ["pupilIds"])]


@pytest.mark.rule("CONF-09")
async def test_parents_take_part_only_in_a_video_call_of_a_parents_chat(api: Api) -> None:
    parents, classroom = await chat_named(api, "4 А Родители"), await chat_named(api, "4 А")
    parent = person("manual-parent")

    call = await made(api, **an_hour(parents))
    lesson = await made(api, **an_hour(parents, type="ONLINE_LESSON"))
    refused = [
        await create(api, **an_hour(parents, type="ONLINE_LESSON", parentIds=[parent])),
        await create(api, **an_hour(classroom, parentIds=[parent])),
        await update(api, lesson, addParticipants=[{"participantId": parent, "capacity": "PARENT"}]),
    ]

    assert "Мельникова Светлана Юрьевна" in await people(api, call["id"], capacity="PARENT")
    assert await people(api, lesson["id"], capacity="PARENT") == []
    assert [problems(each)[0][0] for each in refused] == ["PARENTS_NOT_ALLOWED"] * 3


async def test_the_participants_are_narrowed_by_every_field_of_the_filter(api: Api) -> None:
    chat = await chat_named(api, "1 Б")
    form = an_hour(chat, employeeIds=[person("manual-teacher"), person("manual-employee-21")])
    id = (await made(api, **form))["id"]
    classes = (await api.data("director", "{ schoolClasses { edges { node { id name } } } }"))["schoolClasses"]["edges"]
    first = next(edge["node"]["id"] for edge in classes if edge["node"]["name"] == "1 Б")

    assert await people(api, id, nameContains="зим оль") == ["Зимина Ольга Павловна"]
    assert await people(api, id, capacity="PUPIL") == [PUPIL]
    assert await people(api, id, schoolClassId=first) == ["Зимина Ольга Павловна", PUPIL]
    assert await people(api, id, schoolClassId=first, capacity="EMPLOYEE") == ["Зимина Ольга Павловна"]
    assert len(await people(api, id, blocked=True)) == 1
    assert len(await people(api, id, notInChatId=chat)) == 1
    assert await people(api, id, schoolClassId="nothing") == []


@pytest.mark.rule("RIGHT-10")
async def test_captions_of_participants_are_for_who_fills_in_forms_and_about_oneself(api: Api) -> None:
    id = (await made(api, **an_hour(await chat_named(api, "1 Б"))))["id"]

    async def captions(login: str) -> list[str | None]:
        edges = (await api.data(login, PEOPLE, id=id))["videoconference"]["participants"]["edges"]
        return [edge["node"]["caption"] for edge in edges]

    assert await captions("director") == ["администрация", "учитель", "1 Б"]
    assert await captions("pupil") == [None, None, "1 Б"]


@pytest.mark.rule("CONF-03", "CONF-05", "CONF-06")
async def test_the_defaults_of_the_window_are_the_lessons_name_and_times(api: Api) -> None:
    lesson, starts_at = await a_lesson(api, substituteId="manual-employee-05")
    subject, classroom = await a_subjects_chat(api), await chat_named(api, "1 Б")

    async def defaults(login: str = "director", type: str = "ONLINE_LESSON", **more: Any) -> Any:
        return (await api.data(login, DEFAULTS, type=type, **more))["videoconferenceDefaults"]

    of_lesson = await defaults(chat=subject, lesson=lesson)
    without = await defaults(chat=classroom)
    call = await defaults(type="VIDEO_CALL", chat=classroom)
    with_parents = await defaults(type="VIDEO_CALL", chat=await chat_named(api, "1 Б Родители"))

    in_moscow = starts_at.astimezone(datetime.fromisoformat("2027-01-01T00:00:00+03:00").tzinfo)
    assert of_lesson["name"] == f"Литературное чтение, 1 Б, {in_moscow:%d.%m.%Y %H:%M}"
    assert (of_lesson["startsAt"], of_lesson["lessonRequired"]) == (in_moscow.isoformat(), True)
    assert of_lesson["endsAt"] == (in_moscow + timedelta(minutes=45)).isoformat()
    assert of_lesson["participants"]["totalCount"] == 4
    assert (without["name"], without["startsAt"], without["lessonRequired"]) == ("Онлайн-урок, 1 Б", None, False)
    assert (call["name"], call["lessonAllowed"], call["parentsAllowed"]) == (None, False, False)
    assert with_parents["parentsAllowed"] is True
    saved = await made(api, type="ONLINE_LESSON", chatId=subject, lessonId=lesson)
    assert {key: saved[key] for key in ("name", "startsAt", "endsAt")} == {
        key: of_lesson[key] for key in ("name", "startsAt", "endsAt")
    }
    by_default = [edge["node"]["fullName"] for edge in of_lesson["participants"]["edges"]]
    assert await people(api, saved["id"]) == by_default


@pytest.mark.rule("RIGHT-07")
async def test_the_defaults_are_shown_to_who_may_create_for_that_chat_alone(api: Api) -> None:
    first, eighth = await chat_named(api, "1 Б"), await chat_named(api, "8 К")

    async def shown(login: str, chat: str) -> bool:
        data = await api.data(login, DEFAULTS, type="VIDEO_CALL", chat=chat, filter={"capacity": "PUPIL"})
        return data["videoconferenceDefaults"] is not None

    assert [await shown(login, first) for login in ("director", "teacher", "superadmin")] == [True] * 3
    assert [await shown(login, first) for login in ("pupil", "parent", "outsider", "roster")] == [False] * 4
    assert not await shown("teacher", eighth)
    assert not await shown("director", "nothing")


@pytest.mark.rule("CONF-14")
async def test_while_it_is_scheduled_everything_but_the_type_is_edited(api: Api) -> None:
    conference = await made(api, **an_hour(await chat_named(api, "1 Б")))
    added = [{"participantId": person("manual-pupil-2"), "capacity": "PUPIL"}]
    times: dict[str, Any] = {"startsAt": "2027-06-01T09:00:00+03:00", "endsAt": "2027-06-01T10:00:00+03:00"}

    result = await update(
        api,
        conference,
        name="Собрание",
        addParticipants=added,
        removeParticipants=[person("manual-pupil")],
        **times,
    )

    saved = result["videoconference"]
    assert (saved["name"], saved["startsAt"], saved["endsAt"]) == ("Собрание", *times.values())
    assert saved["version"] > conference["version"]
    assert sorted(await people(api, saved["id"], capacity="PUPIL")) == ["Тарасов Матвей Олегович"]


@pytest.mark.rule("CONF-14")
async def test_a_change_of_chat_takes_its_people_and_asks_for_a_lesson_where_one_is_required(api: Api) -> None:
    subject = await a_subjects_chat(api)
    form = an_hour(await chat_named(api, "1 Б"), type="ONLINE_LESSON", pupilIds=[])
    conference = await made(api, **form)

    moved = (await update(api, conference, chatId=await chat_named(api, "8 К")))["videoconference"]
    refused = await update(api, moved, chatId=subject)

    assert moved["chatName"] == "8 К"
    assert await people(api, moved["id"], capacity="PUPIL") == ["Тарасов Матвей Олегович"]
    assert problems(refused) == [("LESSON_REQUIRED", ["lessonId"])]


@pytest.mark.rule("CONF-14")
async def test_a_lesson_left_out_stays_and_null_takes_it_away(api: Api) -> None:
    lesson, _ = await a_lesson(api)
    conference = await made(api, type="ONLINE_LESSON", chatId=await chat_named(api, "1 Б"), lessonId=lesson)

    kept = (await update(api, conference, name="Вслух"))["videoconference"]
    dropped = (await update(api, kept, lessonId=None))["videoconference"]
    again = (await update(api, dropped, lessonId=lesson))["videoconference"]
    nothing = await update(api, again, lessonId="nothing")

    assert [each["lesson"] and each["lesson"]["id"] for each in (kept, dropped, again)] == [lesson, None, lesson]
    assert problems(nothing) == [("NOT_FOUND", ["lessonId"])]


async def test_two_editors_do_not_undo_each_other(api: Api) -> None:
    conference = await made(api, **an_hour(await chat_named(api, "1 Б")))
    await update(api, conference, name="Первый")

    stale = await update(api, conference, "vorontsova", name="Второй")
    refused = await update(api, conference, "pupil", name="Третий")

    assert stale == {
        "__typename": "StaleVersion",
        "changedFields": ["name"],
        "node": {"name": "Первый", "version": conference["version"] + 1},
    }
    assert problems(refused) == [("FORBIDDEN", [])]


async def test_an_edit_is_refused_with_all_its_faults_at_once(api: Api) -> None:
    conference = await made(api, **an_hour(await chat_named(api, "1 Б")))

    result = await update(
        api,
        conference,
        name=" ",
        endsAt="2027-05-01T09:00:00+03:00",
        addParticipants=[{"participantId": person("manual-parent"), "capacity": "PARENT"}],
        removeParticipants=["nobody"],
    )

    assert sorted(problems(result)) == [
        ("END_NOT_AFTER_START", ["endsAt"]),
        ("NOT_FOUND", ["removeParticipants", "0"]),
        ("PARENTS_NOT_ALLOWED", ["addParticipants", "0"]),
        ("REQUIRED", ["name"]),
    ]


@pytest.mark.rule("CONF-14")
async def test_while_it_is_active_the_name_the_participants_and_the_end_are_edited_and_nothing_else(api: Api) -> None:
    id = await a_conference(api)
    await start(api, id)
    conference = (await api.data("teacher", ONE, id=id))["videoconference"]
    end = datetime.fromisoformat(conference["endsAt"]) + timedelta(minutes=10)

    moved = await update(
        api, conference, "teacher", startsAt="2027-05-01T09:00:00+03:00", endsAt="2027-05-01T10:00:00Z"
    )
    chat = await update(api, conference, "director", chatId=await chat_named(api, "8 К"))
    done = await update(api, conference, "teacher", name="Дольше", endsAt=end.isoformat())

    assert problems(moved) == [("WRONG_STATUS", ["startsAt"])]
    assert ("WRONG_STATUS", ["chatId"]) in problems(chat)
    assert (done["videoconference"]["name"], done["videoconference"]["endsAt"]) == ("Дольше", end.isoformat())


@pytest.mark.rule("CONF-14")
async def test_once_it_is_over_nothing_is_edited(api: Api) -> None:
    id = await a_conference(api)
    await start(api, id)
    finished = (await api.data("teacher", FINISH, id=id))["finishVideoconference"]["videoconference"]

    refused = await update(api, finished, "teacher", name="Позже")

    assert finished["status"] == "FINISHED"
    assert "EDIT" not in finished["viewerCan"]
    assert problems(refused) == [("WRONG_STATUS", ["id"])]


@pytest.mark.rule("CONF-15")
async def test_an_active_conference_is_ended_and_deleted_and_is_not_there_any_more(api: Api) -> None:
    id = await a_conference(api)
    await start(api, id)

    refused = await api.data("pupil", DELETE, id=id)
    deleted = await api.data("teacher", DELETE, id=id)
    again = await api.data("teacher", DELETE, id=id)

    assert refused["deleteVideoconference"]["problems"] == [{"code": "FORBIDDEN", "path": []}]
    assert deleted["deleteVideoconference"] == {"__typename": "VideoconferenceDeleted", "id": id}
    assert again["deleteVideoconference"]["problems"] == [{"code": "NOT_FOUND", "path": ["id"]}]
    assert (await api.data("director", ONE, id=id))["videoconference"] is None
    calls = [work for work in (await api.container.use_cases().keep_time()).work if type(work).__name__ == "CallToEnd"]
    assert len(calls) == 1


@pytest.mark.rule("CONF-12", "CONF-24")
async def test_who_may_have_the_link_gets_it_while_it_is_active_and_the_asking_is_recorded(api: Api) -> None:
    id = await a_conference(api)
    early = (await api.data("pupil", JOIN, id=id))["joinVideoconference"]
    await start(api, id)

    granted = [(await api.data(login, JOIN, id=id))["joinVideoconference"] for login in ("pupil", "teacher", "pupil")]
    joins = (await api.data("teacher", JOINS, id=id))["videoconference"]["joins"]

    assert (early["__typename"], early["reason"]) == ("JoinRefused", "NOT_STARTED")
    assert early["startsAt"].endswith("+03:00")
    assert granted == [{"__typename": "JoinGranted", "link": CALL.link}] * 3
    names = [edge["node"]["participant"]["fullName"] for edge in joins["edges"]]
    assert names == [PUPIL, "Зимина Ольга Павловна", PUPIL]
    assert [edge["node"]["at"][-6:] for edge in joins["edges"]] == ["+03:00"] * 3


@pytest.mark.rule("CONF-24")
async def test_the_joins_are_read_in_pages_by_who_administers_the_chat_or_may_edit(api: Api) -> None:
    id = await a_conference(api)
    await start(api, id)
    for login in ("pupil", "teacher"):
        await api.data(login, JOIN, id=id)

    first = (await api.data("director", JOINS, id=id, first=1))["videoconference"]["joins"]
    after = first["pageInfo"]["endCursor"]
    second = (await api.data("vorontsova", JOINS, id=id, first=1, after=after))["videoconference"]["joins"]

    assert [page["totalCount"] for page in (first, second)] == [2, 2]
    assert first["edges"][0]["node"]["participant"]["fullName"] == "Зимина Ольга Павловна"
    assert second["edges"][0]["node"]["participant"]["fullName"] == PUPIL
    assert (await api.data("pupil", JOINS, id=id))["videoconference"]["joins"] is None


@pytest.mark.rule("CONF-12")
async def test_who_may_not_have_the_link_is_told_why_in_their_language(api: Api) -> None:
    id = await a_conference(api)
    await start(api, id)
    await update(
        api, (await api.data("teacher", ONE, id=id))["videoconference"], removeParticipants=[person("manual-pupil")]
    )
    body = {"query": JOIN, "variables": {"id": id}}

    taken_out = (await api.data("pupil", JOIN, id=id))["joinVideoconference"]
    stranger = (await api.data("outsider", JOIN, id=id))["joinVideoconference"]
    nothing = (await api.data("teacher", JOIN, id="nothing"))["joinVideoconference"]
    await tell(api, {"personBlocked": {"personId": "manual-teacher"}})
    blocked = (await api.post(body, login="teacher", accept_language="en")).json()["data"]["joinVideoconference"]
    await api.data("director", FINISH, id=id)
    over = (await api.data("vorontsova", JOIN, id=id))["joinVideoconference"]

    assert [each["problems"] for each in (taken_out, stranger, nothing)] == [
        [{"code": "NOT_FOUND", "path": ["id"]}]
    ] * 3
    assert (blocked["reason"], blocked["message"]) == (
        "BLOCKED",
        "Your account is blocked: ask the school's administrator.",
    )
    assert (over["reason"], over["message"], over["startsAt"]) == ("OVER", "Видеоконференция завершена.", None)


@pytest.mark.rule("CONF-12")
async def test_who_views_the_registry_without_taking_part_is_no_participant(api: Api) -> None:
    id = await a_conference(api)
    await start(api, id)
    role = {"personId": "manual-employee-05", "role": "секретарь"}
    await tell(api, {"roleGranted": role})
    roles = (await api.data("superadmin", "{ roles { id name } }"))["roles"]
    of = next(each["id"] for each in roles if each["name"] == "секретарь")
    document = "mutation ($id: ID!) { setRolePermissions(roleId: $id, permissions: [REGISTRY_VIEW]) { __typename } }"
    await api.data("superadmin", document, id=of)
    token = {"Authorization": f"Bearer {token_of_person(api, 'manual-employee-05')}"}
    body = {"query": JOIN, "variables": {"id": id}}

    answer = (await api.http.post(f"{api.url}/graphql", json=body, headers=token)).json()["data"]
    seen = (await api.http.post(f"{api.url}/graphql", json=body | {"query": ONE}, headers=token)).json()["data"]

    assert answer["joinVideoconference"]["reason"] == "NOT_A_PARTICIPANT"
    assert (seen["videoconference"]["status"], seen["videoconference"]["link"]) == ("ACTIVE", None)
    assert seen["videoconference"]["viewerCan"] == []


def token_of_person(api: Api, person: str) -> str:
    return token_of(api.container.settings(), person=person)


async def test_what_the_viewer_can_follows_the_status_and_their_rights(api: Api) -> None:
    id = await a_conference(api)

    async def can(login: str) -> list[str]:
        found: list[str] = (await api.data(login, ONE, id=id))["videoconference"]["viewerCan"]
        return found

    scheduled = await can("teacher"), await can("pupil")
    await start(api, id)
    running = await can("teacher"), await can("pupil")
    await api.data("teacher", FINISH, id=id)

    assert scheduled == (["EDIT", "DELETE", "READ_JOINS"], [])
    assert running == (["EDIT", "FINISH", "DELETE", "JOIN", "READ_JOINS"], ["JOIN"])
    assert (await can("teacher"), await can("pupil")) == (["DELETE", "READ_JOINS"], [])
