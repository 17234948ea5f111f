"""Pickers, classes, groups and lessons as front ends read them: one statement a list, to each viewer what is theirs."""

from typing import Any

import pytest

from domain.ids import group_id, lesson_id, organization_id, subject_id
from graphql_api.global_ids import global_id
from infrastructure.demo import manual_school
from tests.graphql_api.conftest import Api
from tests.graphql_api.test_registry import HOSTILE, chat_named

SCHOOL = organization_id(manual_school.SCHOOL_ID)
READING = global_id("StudyGroup", group_id(SCHOOL, manual_school.GROUP_OF_ONE_CLASS))
ENGLISH = global_id("StudyGroup", group_id(SCHOOL, manual_school.GROUP_OF_TWO_CLASSES))

PICKER = """query ($filter: ParticipantFilter!, $organization: ID, $first: Int) {
  participants(organizationId: $organization, filter: $filter, first: $first) {
    totalCount edges { node { id fullName blocked caption capacities linked } }
  }
}"""
CLASSES = """query ($organization: ID) {
  schoolClasses(organizationId: $organization, first: 100) {
    totalCount edges { node { id name classTeacher { fullName caption } } }
  }
}"""
GROUPS = """query ($filter: StudyGroupFilter, $organization: ID) {
  studyGroups(organizationId: $organization, filter: $filter) { totalCount edges { node {
    id name subject { id name } teacher { fullName } teachers { fullName }
    schoolClass { name } schoolClasses { name classTeacher { fullName } }
  } } }
}"""
LESSONS = """query ($filter: LessonFilter!, $organization: ID) {
  lessons(organizationId: $organization, filter: $filter) { totalCount edges { node {
    id startsAt endsAt cancelled substitute { fullName }
    studyGroup { name subject { name } teacher { fullName } schoolClasses { name } }
  } } }
}"""
DEFAULTS = """query ($group: ID!) {
  chatDefaults(studyGroupId: $group) { name employees { fullName caption } pupils { fullName caption capacities } }
}"""
ADMINISTRATORS = """query ($name: String) {
  organization { administrators(nameContains: $name) { totalCount edges { node { fullName caption } } } }
}"""
TELL = """mutation ($events: [RosterEventInput!]!) {
  applyRosterEvents(events: $events) { __typename ... on Refusal { problems { code path message } } }
}"""


async def pick(api: Api, login: str, **filter: Any) -> list[dict[str, Any]]:
    """The people of a picker's first hundred."""
    return nodes(await api.data(login, PICKER, filter=filter, first=100), "participants")


def nodes(data: Any, name: str) -> list[dict[str, Any]]:
    assert data[name]["totalCount"] == len(data[name]["edges"])
    return [edge["node"] for edge in data[name]["edges"]]


def captions(people: list[dict[str, Any]]) -> dict[str, Any]:
    return {person["fullName"]: person["caption"] for person in people}


async def tell(api: Api, **events: Any) -> None:
    """Events of the roster, one of each kind."""
    told = [{kind: {"key": f"{kind}-of-a-test"} | event} for kind, event in events.items()]
    assert (await api.data("roster", TELL, events=told))["applyRosterEvents"] == {"__typename": "RosterEventsApplied"}


async def id_of_class(api: Api, name: str) -> str:
    classes = nodes(await api.data("director", CLASSES), "schoolClasses")
    id: str = next(known["id"] for known in classes if known["name"] == name)
    return id


async def lessons_told(api: Api) -> None:
    """A lesson of one class, and a cancelled one of two with a substitute, on neighbouring days of Moscow."""
    await tell(
        api,
        lessonSaved={
            "lessonId": "reading",
            "groupId": manual_school.GROUP_OF_ONE_CLASS,
            "startsAt": "2027-05-04T00:00:00+03:00",
            "endsAt": "2027-05-04T00:45:00+03:00",
        },
    )
    told = {
        "lessonSaved": {
            "key": "english",
            "lessonId": "english",
            "groupId": manual_school.GROUP_OF_TWO_CLASSES,
            "startsAt": "2027-05-03T20:59:00Z",
            "endsAt": "2027-05-03T21:45:00Z",
            "substituteId": manual_school.TEACHER,
        }
    }
    await api.data("roster", TELL, events=[told])
    await tell(api, lessonCancelled={"lessonId": "english"})


@pytest.mark.rule("RIGHT-10")
async def test_namesakes_are_told_apart_by_their_caption(api: Api) -> None:
    name = {"lastName": "Куликова", "firstName": "Василиса", "patronymic": "Игоревна"}
    await tell(api, personSaved={"personId": "cook"} | name, employeeHired={"personId": "cook", "positions": ["OTHER"]})
    await tell(api, parentTied={"parentId": "cook", "pupilId": "manual-pupil-4"})
    found = await pick(api, "vorontsova", nameContains="кулик вас")

    assert [person["fullName"] for person in found] == ["Куликова Василиса Игоревна"] * 2
    assert {(person["caption"], *person["capacities"]) for person in found} == {
        ("1 Ь", "PUPIL"),
        ("сотрудник; родитель: Мельников А., 4 А", "EMPLOYEE", "PARENT"),
    }


@pytest.mark.rule("RIGHT-10")
@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ({"nameContains": "лаптев"}, {"Лаптев Игорь Степанович": "администрация"}),
        ({"nameContains": "зимина"}, {"Зимина Ольга Павловна": "учитель"}),
        ({"nameContains": "КРАВЦОВ  тимофей"}, {"Кравцов Тимофей Андреевич": "1 Б"}),
        (
            {"capacity": "PARENT", "nameContains": "о"},
            {
                "Ларионова Марина Викторовна": "родитель: Ларионов Г., 5 П; родитель: Ларионова А., 4 Л",
                "Мельникова Светлана Юрьевна": "родитель: Мельников А., 4 А",
                "Орехов Виктор Сергеевич": "родитель: Орехов И., 3 Д; родитель: Орехова М., 3 Д",
            },
        ),
    ],
)
async def test_a_caption_says_what_somebody_is_at_the_school(
    api: Api, filter: dict[str, Any], found: dict[str, str]
) -> None:
    people = captions(await pick(api, "vorontsova", **filter))

    assert {name: caption for name, caption in people.items() if name in found} == found


async def test_a_whole_page_with_captions_is_one_statement_more(api: Api) -> None:
    with api.counted() as statements:
        people = await pick(api, "director")

    assert len(people) == 46
    assert all(person["caption"] and person["capacities"] for person in people)
    # The viewer's rights, the page, and what the people on it are.
    assert len(statements) == 3


async def test_without_captions_nobody_asks_what_people_are(api: Api) -> None:
    with api.counted() as statements:
        await api.data("director", "{ participants(filter: {}) { edges { node { fullName } } } }")

    assert len(statements) == 2


@pytest.mark.rule("RIGHT-10")
async def test_a_pupil_finds_only_people_of_their_chats_by_full_name_and_blocked_alone(api: Api) -> None:
    people = await pick(api, "pupil")

    assert [person["fullName"] for person in people] == [
        "Воронцова Елена Владимировна",
        "Зимина Ольга Павловна",
        "Кравцов Тимофей Андреевич",
    ]
    known = {person["fullName"]: (person["caption"], person["capacities"], person["linked"]) for person in people}
    assert known.pop("Кравцов Тимофей Андреевич") == ("1 Б", ["PUPIL"], False)
    assert set(known.values()) == {(None, None, None)}


@pytest.mark.rule("RIGHT-10")
async def test_the_class_teacher_picks_from_the_whole_school_and_sees_captions_in_the_chats_that_they_lead(
    api: Api,
) -> None:
    chat = await chat_named(api, "1 Б")
    members = """query ($id: ID!) { chat(id: $id) { members { edges { node {
      participant { fullName caption linked }
    } } } } }"""

    async def shown(login: str, id: str) -> dict[str, Any]:
        data = await api.data(login, members, id=id)
        return captions([edge["node"]["participant"] for edge in data["chat"]["members"]["edges"]])

    in_class = await shown("teacher", chat)
    among_teachers = await shown("teacher", await chat_named(api, "Учительская"))
    by_pupil = await shown("pupil", chat)

    assert len(await pick(api, "teacher")) == 46
    assert in_class == {
        "Воронцова Елена Владимировна": "администрация",
        "Зимина Ольга Павловна": "учитель",
        "Кравцов Тимофей Андреевич": "1 Б",
    }
    assert {name for name, caption in among_teachers.items() if caption} == {"Зимина Ольга Павловна"}
    assert {name for name, caption in by_pupil.items() if caption} == {"Кравцов Тимофей Андреевич"}


async def test_everybody_is_told_what_they_are_themselves(api: Api) -> None:
    asked = "{ viewer { participant { fullName caption capacities linked } } }"

    assert (await api.data("parent", asked))["viewer"]["participant"] == {
        "fullName": "Мельникова Светлана Юрьевна",
        "caption": "родитель: Мельников А., 4 А",
        "capacities": ["PARENT"],
        "linked": False,
    }


async def test_a_picker_leaves_out_the_chats_members_and_finds_who_is_blocked(api: Api) -> None:
    chat = await chat_named(api, "1 Б")

    others = await pick(api, "vorontsova", notInChatId=chat)
    blocked = await pick(api, "vorontsova", blocked=True)
    of_class = await pick(api, "vorontsova", schoolClassId=await id_of_class(api, "3 Д"))

    assert len(others) == 46 - 3
    assert [person["blocked"] for person in blocked] == [True]
    assert [person["fullName"] for person in of_class] == [
        "Орехов Виктор Сергеевич",
        "Орехов Иван Викторович",
        "Орехова Мария Викторовна",
    ]


@pytest.mark.rule("RIGHT-08")
async def test_ids_of_another_organization_and_of_the_wrong_kind_find_nothing(api: Api) -> None:
    school = (await api.data("director", "{ organization { id } }"))["organization"]["id"]
    chat, school_class = await chat_named(api, "1 Б"), await id_of_class(api, "1 Б")
    await lessons_told(api)
    person = (await pick(api, "director", nameContains="зимина"))[0]["id"]
    ids = {
        "participant": person,
        "class": school_class,
        "group": READING,
        "lesson": global_id("Lesson", lesson_id(SCHOOL, "reading")),
        "subject": global_id("Subject", subject_id(SCHOOL, "Английский язык")),
    }
    node = "query ($id: ID!) { node(id: $id) { __typename id } }"

    seen = {what: (await api.data("director", node, id=id))["node"] for what, id in ids.items()}
    elsewhere = [(await api.data("outsider", node, id=id))["node"] for id in ids.values()]
    lists = await api.data(
        "outsider",
        """query ($school: ID!, $class: ID!, $group: ID!) {
          participants(organizationId: $school, filter: {}) { totalCount }
          schoolClasses(organizationId: $school) { totalCount }
          studyGroups(organizationId: $school) { totalCount }
          lessons(organizationId: $school, filter: {}) { totalCount }
          ofClass: participants(filter: {schoolClassId: $class}) { totalCount }
          groupsOfClass: studyGroups(filter: {schoolClassId: $class}) { totalCount }
          ofGroup: lessons(filter: {studyGroupId: $group}) { totalCount }
          organization(id: $school) { administrators { totalCount } }
          chatDefaults(studyGroupId: $group) { name }
        }""",
        school=school,
        **{"class": school_class, "group": READING},
    )

    assert {what: found and found["id"] for what, found in seen.items()} == ids
    assert elsewhere == [None] * len(ids)
    assert {name: value for name, value in lists.items() if value not in (None, {"totalCount": 0})} == {}
    assert await pick(api, "director", schoolClassId=chat) == []
    assert len(await pick(api, "director", notInChatId=school_class)) == 46
    assert nodes(await api.data("director", GROUPS, filter={"subjectId": chat}), "studyGroups") == []
    assert nodes(await api.data("director", LESSONS, filter={"chatId": READING}), "lessons") == []


async def test_a_person_by_id_is_a_pickers_or_somebody_with_whom_one_shares_a_chat(api: Api) -> None:
    people = {person["fullName"]: person["id"] for person in await pick(api, "director")}
    node = "query ($id: ID!) { node(id: $id) { ... on Participant { fullName caption } } }"

    async def seen(login: str, name: str) -> Any:
        return (await api.data(login, node, id=people[name]))["node"]

    assert await seen("director", "Тарасов Матвей Олегович") == {
        "fullName": "Тарасов Матвей Олегович",
        "caption": "8 К",
    }
    assert await seen("pupil", "Зимина Ольга Павловна") == {"fullName": "Зимина Ольга Павловна", "caption": None}
    assert await seen("pupil", "Тарасов Матвей Олегович") is None
    assert await seen("pupil", "Кравцов Тимофей Андреевич") == {
        "fullName": "Кравцов Тимофей Андреевич",
        "caption": "1 Б",
    }


async def test_a_superadministrator_names_the_organization_of_which_they_pick(api: Api) -> None:
    school = (await api.data("director", "{ organization { id } }"))["organization"]["id"]

    without = await api.ask("superadmin", PICKER, filter={})
    named = await api.data("superadmin", PICKER, filter={"nameContains": "зимина"}, organization=school)

    assert without["errors"][0]["extensions"]["code"] == "ORGANIZATION_REQUIRED"
    assert captions(nodes(named, "participants")) == {"Зимина Ольга Павловна": "учитель"}


@pytest.mark.rule("CHAT-33")
async def test_classes_stand_by_number_and_letter_and_a_parent_sees_their_childs(api: Api) -> None:
    everything = nodes(await api.data("director", CLASSES), "schoolClasses")
    childs = nodes(await api.data("parent", CLASSES), "schoolClasses")
    own = nodes(await api.data("pupil", CLASSES), "schoolClasses")

    assert [known["name"] for known in everything] == [
        *("1 Б", "1 Ь", "2 Г", "2 Я", "3 А", "3 Д", "4 А", "4 Л", "5 П", "6 М", "8 К", "9"),
    ]
    assert everything[0]["classTeacher"] == {"fullName": "Зимина Ольга Павловна", "caption": None}
    assert [known["name"] for known in childs] == ["4 А"]
    assert [known["name"] for known in own] == ["1 Б"]


async def test_study_groups_with_all_that_they_have_are_one_statement_a_list(api: Api) -> None:
    with api.counted() as statements:
        groups = nodes(await api.data("director", GROUPS), "studyGroups")

    reading, english = groups
    assert reading["name"] == "1 Б"
    assert reading["subject"]["name"] == "Литературное чтение"
    assert reading["teacher"] == {"fullName": "Зимина Ольга Павловна"}
    assert reading["schoolClass"] == {"name": "1 Б"}
    assert english["name"] == "3 А и 3 Д"
    assert english["teachers"] == [english["teacher"]]
    assert english["schoolClass"] is None
    assert [known["name"] for known in english["schoolClasses"]] == ["3 А", "3 Д"]
    # The viewer's rights, the page, the teachers, the classes.
    assert len(statements) == 4


@pytest.mark.parametrize(
    ("login", "filter", "names"),
    [
        ("director", {"nameContains": "3 д"}, ["3 А и 3 Д"]),
        ("director", {"mine": True}, []),
        ("teacher", {"mine": True}, ["1 Б"]),
        ("teacher", {}, ["1 Б"]),
        ("pupil", {}, ["1 Б"]),
        ("pupil", {"mine": True}, []),
        ("parent", {}, []),
        ("outsider", {}, []),
    ],
)
async def test_study_groups_are_those_of_the_viewer(
    api: Api, login: str, filter: dict[str, Any], names: list[str]
) -> None:
    groups = nodes(await api.data(login, GROUPS, filter=filter), "studyGroups")

    assert [group["name"] for group in groups] == names


@pytest.mark.rule("RIGHT-10")
async def test_lessons_are_shown_in_the_schools_offset_to_whom_they_concern(api: Api) -> None:
    await lessons_told(api)
    id = global_id("Lesson", lesson_id(SCHOOL, "english"))
    one = "query ($id: ID!) { lesson(id: $id) { cancelled } }"

    async def starts(login: str, **filter: Any) -> list[str]:
        return [lesson["startsAt"] for lesson in nodes(await api.data(login, LESSONS, filter=filter), "lessons")]

    with api.counted() as statements:
        english, reading = nodes(await api.data("director", LESSONS, filter={}), "lessons")

    # The viewer's rights, the page, the teachers and the classes of its groups.
    assert len(statements) == 4
    assert english == {
        "id": id,
        "startsAt": "2027-05-03T23:59:00+03:00",
        "endsAt": "2027-05-04T00:45:00+03:00",
        "cancelled": True,
        "substitute": {"fullName": "Зимина Ольга Павловна"},
        "studyGroup": english["studyGroup"],
    }
    assert english["studyGroup"]["schoolClasses"] == [{"name": "3 А"}, {"name": "3 Д"}]
    assert (reading["cancelled"], reading["substitute"]) == (False, None)
    assert len(await starts("teacher")) == 2
    assert await starts("pupil") == [reading["startsAt"]]
    assert await starts("parent") == []
    assert await starts("director", date="2027-05-04") == [reading["startsAt"]]
    assert await starts("director", **{"from": "2027-05-01", "to": "2027-05-03"}) == [english["startsAt"]]
    assert await starts("director", date="2027-05-04", to="2027-05-03") == []
    assert await starts("director", studyGroupId=READING) == [reading["startsAt"]]
    assert await starts("director", schoolClassId=await id_of_class(api, "3 Д")) == [english["startsAt"]]
    assert await starts("director", chatId=await chat_named(api, "1 Б")) == [reading["startsAt"]]
    assert (await api.data("teacher", one, id=id))["lesson"] == {"cancelled": True}
    assert (await api.data("pupil", one, id=id))["lesson"] is None


@pytest.mark.parametrize("day", ["2027-05-32", "tomorrow", "", 5, "0000-00-00", "10000-01-01"])
async def test_a_day_that_is_none_is_refused(api: Api, day: Any) -> None:
    body = await api.ask("director", LESSONS, filter={"date": day})

    assert body["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_a_new_chats_window_begins_with_its_study_group(api: Api) -> None:
    reading = (await api.data("vorontsova", DEFAULTS, group=READING))["chatDefaults"]
    english = (await api.data("director", DEFAULTS, group=ENGLISH))["chatDefaults"]
    refused = [(await api.data(login, DEFAULTS, group=READING))["chatDefaults"] for login in ("teacher", "outsider")]

    assert reading == {
        "name": "Литературное чтение, 1 Б",
        "employees": [{"fullName": "Зимина Ольга Павловна", "caption": "учитель"}],
        "pupils": [{"fullName": "Кравцов Тимофей Андреевич", "caption": "1 Б", "capacities": ["PUPIL"]}],
    }
    assert [pupil["caption"] for pupil in english["pupils"]] == ["3 А", "3 Д", "3 Д"]
    assert refused == [None, None]


async def test_the_name_that_a_chat_begins_with_is_no_longer_than_a_chats_may_be(api: Api) -> None:
    await tell(
        api,
        groupSaved={
            "groupId": "long",
            "name": "н" * 80,
            "subject": "п" * 80,
            "pupilIds": [],
            "teacherIds": [],
        },
    )
    long = global_id("StudyGroup", group_id(SCHOOL, "long"))

    name = (await api.data("director", DEFAULTS, group=long))["chatDefaults"]["name"]

    assert name == "п" * 80 + ", " + "н" * 18


@pytest.mark.rule("RIGHT-02")
async def test_the_administrators_of_whom_one_is_chosen_are_shown_to_who_chooses(api: Api) -> None:
    async def shown(login: str, name: str | None = None) -> dict[str, Any]:
        found = (await api.data(login, ADMINISTRATORS, name=name))["organization"]["administrators"]
        assert found["totalCount"] == len(found["edges"])
        return captions([edge["node"] for edge in found["edges"]])

    both = {"Воронцова Елена Владимировна": "администрация", "Лаптев Игорь Степанович": "администрация"}
    assert await shown("director") == both
    assert await shown("director", "лапт") == {"Лаптев Игорь Степанович": "администрация"}
    # The chat administrator views the registry, and does not choose.
    assert await shown("vorontsova") == dict.fromkeys(both) | {"Воронцова Елена Владимировна": "администрация"}
    assert await shown("teacher") == await shown("pupil") == {}


async def test_the_administrators_of_all_organizations_are_one_statement(api: Api) -> None:
    asked = "{ organizations { edges { node { administrators { totalCount } } } } }"

    with api.counted() as statements:
        found = await api.data("superadmin", asked)

    counts = [edge["node"]["administrators"]["totalCount"] for edge in found["organizations"]["edges"]]
    assert sorted(counts) == [0, 2]
    assert len(statements) == 3


async def test_who_is_blocked_sees_no_pickers(api: Api) -> None:
    await tell(api, personBlocked={"personId": manual_school.DIRECTOR})

    assert await pick(api, "director") == []
    assert nodes(await api.data("director", CLASSES), "schoolClasses") == []
    assert nodes(await api.data("director", GROUPS), "studyGroups") == []
    assert (await api.data("director", ADMINISTRATORS))["organization"]["administrators"]["edges"] == []


@pytest.mark.rule("CHAT-33")
@pytest.mark.parametrize("sought", ["%", "_", "\\", "'", "x" * 10_000, "и" * 10_000, "' or 1=1 --", "💥", "\u202e"])
async def test_a_hostile_search_finds_nothing_and_breaks_nothing(api: Api, sought: str) -> None:
    data = await api.data(
        "director",
        """query ($name: String) {
          participants(filter: {nameContains: $name}) { totalCount }
          studyGroups(filter: {nameContains: $name}) { totalCount }
          organization { administrators(nameContains: $name) { totalCount } }
        }""",
        name=sought,
    )

    assert data == {
        "participants": {"totalCount": 0},
        "studyGroups": {"totalCount": 0},
        "organization": {"administrators": {"totalCount": 0}},
    }


@pytest.mark.parametrize("document", [PICKER, PICKER.replace("filter: $filter", 'filter: {nameContains: "\\u0000"}')])
async def test_a_search_for_nul_is_refused_as_a_variable_and_in_the_document(api: Api, document: str) -> None:
    body = await api.ask("director", document, filter={"nameContains": "ив\0" if document == PICKER else ""})

    assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_REQUEST"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_any_text_for_an_id_gets_data(api: Api, text: str) -> None:
    answers = [
        await api.ask("director", f"query ($x: ID!) {{ {field} {{ __typename }} }}", x=text)
        for field in ("lesson(id: $x)", "chatDefaults(studyGroupId: $x)")
    ] + [
        await api.ask("director", PICKER, filter={"schoolClassId": text, "notInChatId": text}),
        await api.ask("director", GROUPS, filter={"schoolClassId": text, "subjectId": text}),
        await api.ask("director", LESSONS, filter={"studyGroupId": text, "schoolClassId": text, "chatId": text}),
        await api.ask("director", CLASSES, organization=text),
    ]

    assert [answer for answer in answers if "errors" in answer] == []
