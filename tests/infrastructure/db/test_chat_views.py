"""The registry of chats and the members table on Postgres: filters, orders, pages, and nobody else's rows."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from application.views import ChatFilter, ChatOrder, ChatOrderField, MemberFilter, Window
from domain.access import MetaRole, Permission, Viewer, may_edit_chat
from domain.chat import ChatType, GroundKind, MembershipRole
from domain.ids import ChatId, ClassId, OrganizationId, PersonId, SubjectId, subject_id
from domain.ordering import class_sort_key, natural_key, search_key, sort_key
from domain.participant import Capacity
from infrastructure.db import tables
from infrastructure.db.engine import create_engine
from infrastructure.db.views import PostgresViews
from infrastructure.settings import load_settings
from tests.builders import MONDAY_0800, OTHER_SCHOOL, SCHOOL, class_of, group_of, participant

PERSON = PersonId("viewer")
ADMINISTRATOR = Viewer(PERSON, SCHOOL, participant("viewer"), granted=frozenset({Permission.REGISTRY_VIEW}))
MEMBER = Viewer(PERSON, SCHOOL, participant("viewer"))
SUPERADMINISTRATOR = Viewer(PersonId("superadmin"), meta_role=MetaRole.SUPERADMINISTRATOR)
STRANGER = Viewer(PERSON, OTHER_SCHOOL, participant("viewer", OTHER_SCHOOL), granted=frozenset(Permission))
ALL = Window(100, 0)

CREATED = [
    "Учительская",
    "10 А",
    "10 А Родители",
    "9",
    "2 Г",
    "Ёлки, 9",
    "Ель, 2 Г",
    "Кружок: 100% «а_б» \\ шахматы",
]
CHATS: list[dict[str, Any]] = [
    {"name": "Учительская", "type": "TEACHERS", "members": 40},
    {"name": "10 А", "type": "CLASS", "school_class": "10 А", "members": 30},
    {"name": "10 А Родители", "type": "PARENTS", "school_class": "10 А", "members": 5},
    {"name": "9", "type": "CLASS", "school_class": "9", "members": 30},
    {"name": "2 Г", "type": "CLASS", "school_class": "2 Г", "members": 7},
    {"name": "Ёлки, 9", "type": "SUBJECT", "group": "Ёлки", "members": 12},
    {"name": "Ель, 2 Г", "type": "SUBJECT", "group": "Ель", "members": 1},
    {"name": "Кружок: 100% «а_б» \\ шахматы", "type": "OTHER", "members": 3},
    {"name": "Старый кружок", "type": "OTHER", "members": 1, "archived": True},
    {"name": "Закрытая группа", "type": "SUBJECT", "group": "Ель", "members": 1, "archived": True},
    {"name": "Удалённый кружок", "type": "OTHER", "members": 0, "deleted_at": MONDAY_0800},
]


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
async def views(engine: AsyncEngine) -> PostgresViews:
    async with engine.begin() as connection:
        for organization in (SCHOOL, OTHER_SCHOOL):
            await add(connection, tables.organizations, organization_row(organization))
            await add(connection, tables.participants, person_row("viewer", "Иванова Мария", organization))
            for name in ("2 Г", "9", "10 А"):
                await add(connection, tables.classes, class_row(name, organization))
            for name in ("Ель", "Ёлки"):
                await add(connection, tables.subjects, subject_row(name, organization))
                await add(connection, tables.study_groups, group_row(name, organization))
        for chat in CHATS:
            await add(connection, tables.chats, chat_row(**chat))
        await add(connection, tables.chats, chat_row(name="Чужой", type="OTHER", members=1, organization=OTHER_SCHOOL))
    return PostgresViews(engine)


async def add(connection: AsyncConnection, table: Table, row: dict[str, Any]) -> None:
    await connection.execute(insert(table).values(row))


def organization_row(id: OrganizationId, name: str = "Школа") -> dict[str, Any]:
    keys = {"sort_key": natural_key(name), "search_key": search_key(name)}
    return {"id": id, "school_id": str(id), "name": name, "time_zone": "Europe/Moscow"} | keys


def person_row(person: str, name: str, organization: OrganizationId = SCHOOL) -> dict[str, Any]:
    last, first, *_ = name.split()
    return {
        "id": participant(person, organization),
        "organization_id": organization,
        "person_id": person,
        "last_name": last,
        "first_name": first,
        "blocked": False,
        "full_name": name,
        "sort_key": sort_key(*name.split()),
        "search_key": search_key(name),
    }


def class_row(name: str, organization: OrganizationId) -> dict[str, Any]:
    row = {"id": class_of(name, organization), "organization_id": organization, "school_id": name, "name": name}
    return row | {"sort_key": class_sort_key(name), "closed": False}


def subject_row(name: str, organization: OrganizationId) -> dict[str, Any]:
    id = subject_id(organization, name)
    return {"id": id, "organization_id": organization, "name": name, "sort_key": sort_key(name)}


def group_row(name: str, organization: OrganizationId) -> dict[str, Any]:
    return {
        "id": group_of(name, organization),
        "organization_id": organization,
        "school_id": name,
        "name": name,
        "sort_key": natural_key(name),
        "search_key": search_key(name),
        "subject_id": subject_id(organization, name),
        "closed": False,
    }


def chat_row(
    *,
    name: str,
    type: str,
    members: int,
    school_class: str | None = None,
    group: str | None = None,
    archived: bool = False,
    deleted_at: datetime | None = None,
    organization: OrganizationId = SCHOOL,
) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "organization_id": organization,
        "type": type,
        "class_id": school_class and class_of(school_class, organization),
        "group_id": group and group_of(group, organization),
        "name": name,
        "archived": archived,
        "member_count": members,
        "sort_key": natural_key(name),
        "search_key": search_key(name),
        "named_by_user": False,
        "deleted_at": deleted_at,
        "version": 0,
        "revision": 0,
    }


def membership_row(chat: UUID, person: str, *grounds: tuple[str, str], pupil: str | None = None) -> dict[str, Any]:
    """Each ground a kind and a capacity."""
    administers = {"CHAT_ADMINISTRATOR", "CLASS_TEACHER", "GROUP_TEACHER"}
    return {
        "chat_id": chat,
        "participant_id": participant(person),
        "role": "ADMINISTRATOR" if {kind for kind, _ in grounds} & administers else "MEMBER",
        "capacities": sorted({capacity for _, capacity in grounds}),
        "grounds": [
            {
                "kind": kind,
                "capacity": capacity,
                "pupil": str(participant(pupil)) if pupil and kind == "PARENT_OF" else None,
                "since": MONDAY_0800.isoformat(),
            }
            for kind, capacity in grounds
        ],
    }


async def join(engine: AsyncEngine, chat: UUID, person: str, *grounds: tuple[str, str], pupil: str = "") -> None:
    async with engine.begin() as connection:
        await add(connection, tables.memberships, membership_row(chat, person, *grounds, pupil=pupil or None))


async def enter(engine: AsyncEngine, people: dict[str, str]) -> None:
    async with engine.begin() as connection:
        for person, name in people.items():
            await add(connection, tables.participants, person_row(person, name))


async def listed(
    views: PostgresViews,
    viewer: Viewer = ADMINISTRATOR,
    which: ChatFilter | None = None,
    order: ChatOrder | None = None,
    window: Window = ALL,
    organization: OrganizationId = SCHOOL,
) -> list[str]:
    """The names on a page, whose total must be the list's."""
    which, order = which or ChatFilter(), order or ChatOrder()
    page = await views.chats(viewer, organization, window, which=which, order=order)
    if window == ALL:
        assert page.total == len(page.items)
    return [chat.name for chat in page.items]


async def id_of(views: PostgresViews, name: str) -> ChatId:
    page = await views.chats(ADMINISTRATOR, SCHOOL, ALL, which=ChatFilter(archived=None))
    return next(chat.id for chat in page.items if chat.name == name)


WITHOUT_CLASS = ["Учительская", "Ёлки, 9", "Ель, 2 Г", CREATED[-1]]
WITHOUT_SUBJECT = [name for name in CREATED if name not in {"Ёлки, 9", "Ель, 2 Г"}]


@pytest.mark.rule("CHAT-01", "CHAT-33")
@pytest.mark.parametrize(
    ("field", "ascending", "descending"),
    [
        (ChatOrderField.CREATED, CREATED, CREATED[::-1]),
        (
            ChatOrderField.NAME,
            ["2 Г", "9", "10 А", "10 А Родители", "Ель, 2 Г", "Ёлки, 9", CREATED[-1], "Учительская"],
            ["Учительская", CREATED[-1], "Ёлки, 9", "Ель, 2 Г", "10 А Родители", "10 А", "9", "2 Г"],
        ),
        (
            ChatOrderField.TYPE,
            ["Учительская", "10 А", "9", "2 Г", "10 А Родители", "Ёлки, 9", "Ель, 2 Г", CREATED[-1]],
            [CREATED[-1], "Ёлки, 9", "Ель, 2 Г", "10 А Родители", "10 А", "9", "2 Г", "Учительская"],
        ),
        (
            ChatOrderField.SCHOOL_CLASS,
            ["2 Г", "9", "10 А", "10 А Родители", *WITHOUT_CLASS],
            ["10 А", "10 А Родители", "9", "2 Г", *WITHOUT_CLASS],
        ),
        (
            ChatOrderField.SUBJECT,
            ["Ель, 2 Г", "Ёлки, 9", *WITHOUT_SUBJECT],
            ["Ёлки, 9", "Ель, 2 Г", *WITHOUT_SUBJECT],
        ),
        (
            ChatOrderField.MEMBER_COUNT,
            ["Ель, 2 Г", CREATED[-1], "10 А Родители", "2 Г", "Ёлки, 9", "10 А", "9", "Учительская"],
            ["Учительская", "10 А", "9", "Ёлки, 9", "2 Г", "10 А Родители", CREATED[-1], "Ель, 2 Г"],
        ),
        (ChatOrderField.ADMINISTRATOR, CREATED, CREATED),
    ],
)
async def test_chats_are_sorted_by_each_column_either_way_and_ties_stand_as_they_were_made(
    views: PostgresViews, field: ChatOrderField, ascending: Sequence[str], descending: Sequence[str]
) -> None:
    up = await listed(views, order=ChatOrder(field))
    down = await listed(views, order=ChatOrder(field, descending=True))

    assert up == list(ascending)
    assert down == list(descending)


@pytest.mark.rule("CHAT-01")
@pytest.mark.parametrize("field", list(ChatOrderField))
@pytest.mark.parametrize("descending", [False, True])
async def test_the_pages_of_any_order_put_together_are_the_whole_list(
    views: PostgresViews, field: ChatOrderField, descending: bool
) -> None:
    order = ChatOrder(field, descending)

    parts = [await listed(views, order=order, window=Window(3, offset)) for offset in (0, 3, 6, 9)]

    assert [len(part) for part in parts] == [3, 3, 2, 0]
    assert [name for part in parts for name in part] == await listed(views, order=order)


@pytest.mark.rule("CHAT-01")
@pytest.mark.parametrize(
    ("which", "names"),
    [
        (ChatFilter(types=(ChatType.TEACHERS, ChatType.OTHER)), ["Учительская", CREATED[-1]]),
        (ChatFilter(types=()), []),
        (ChatFilter(school_class=class_of("10 А")), ["10 А", "10 А Родители"]),
        (ChatFilter(subject=subject_id(SCHOOL, "Ель")), ["Ель, 2 Г"]),
        (ChatFilter(school_class=class_of("10 А"), types=(ChatType.PARENTS,)), ["10 А Родители"]),
        (ChatFilter(school_class=class_of("10 А"), name_contains="9"), []),
        (ChatFilter(school_class=class_of("10 А", OTHER_SCHOOL)), []),
        (ChatFilter(school_class=ClassId(uuid4())), []),
        (ChatFilter(subject=subject_id(OTHER_SCHOOL, "Ель")), []),
        (ChatFilter(subject=SubjectId(uuid4())), []),
    ],
)
async def test_filters_find_the_chats_for_which_all_of_them_hold(
    views: PostgresViews, which: ChatFilter, names: list[str]
) -> None:
    found = await listed(views, which=which)

    assert found == names


@pytest.mark.rule("CHAT-33")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("10", ["10 А", "10 А Родители", CREATED[-1]]),
        ("РОДИТЕЛИ  10", ["10 А Родители"]),
        ("од а", ["10 А Родители"]),
        ("ёлки", ["Ёлки, 9"]),
        ("елки", ["Ёлки, 9"]),
        ("ЁЛЬ,", ["Ель, 2 Г"]),
        ("", CREATED),
        ("   ", CREATED),
        ("%", [CREATED[-1]]),
        ("0%", [CREATED[-1]]),
        ("_", [CREATED[-1]]),
        ("а_б", [CREATED[-1]]),
        ("\\", [CREATED[-1]]),
        ("\\%", []),
        ("'; drop table chats; --", []),
        ("x" * 10_000, []),
        ("9 " * 5_000, ["9", "Ёлки, 9"]),
    ],
)
async def test_a_search_finds_each_of_its_words_anywhere_and_takes_every_sign_as_itself(
    views: PostgresViews, text: str, names: list[str]
) -> None:
    found = await listed(views, which=ChatFilter(name_contains=text))

    assert found == names


@pytest.mark.rule("CHAT-24")
async def test_archived_chats_are_listed_only_where_they_are_asked_for_and_deleted_ones_never(
    views: PostgresViews,
) -> None:
    archived = ["Старый кружок", "Закрытая группа"]

    assert await listed(views) == CREATED
    assert await listed(views, which=ChatFilter(archived=False)) == CREATED
    assert await listed(views, which=ChatFilter(archived=True)) == archived
    assert await listed(views, which=ChatFilter(archived=None)) == CREATED + archived
    assert await listed(views, which=ChatFilter(archived=None, name_contains="удаленный")) == []


async def test_a_deleted_chat_is_not_there_by_its_id(views: PostgresViews, engine: AsyncEngine) -> None:
    gone = chat_row(name="Удалён", type="OTHER", members=0, deleted_at=MONDAY_0800)
    async with engine.begin() as connection:
        await add(connection, tables.chats, gone)

    found = await views.chats_by_id(SUPERADMINISTRATOR, [ChatId(gone["id"]), await id_of(views, "9")])

    assert [chat.name for chat in found.values()] == ["9"]


@pytest.mark.rule("RIGHT-06")
async def test_without_the_right_to_view_the_registry_one_sees_the_chats_in_which_one_is_and_no_others(
    views: PostgresViews, engine: AsyncEngine
) -> None:
    for name in ("9", "Ёлки, 9", "Старый кружок"):
        await join(engine, await id_of(views, name), "viewer", ("ADDED_BY_HAND", "EMPLOYEE"))
    ids = [await id_of(views, name) for name in ("9", "10 А", "Старый кружок")]

    by_id = await views.chats_by_id(MEMBER, ids)

    assert await listed(views, MEMBER) == ["9", "Ёлки, 9"]
    assert await listed(views, MEMBER, order=ChatOrder(ChatOrderField.NAME, descending=True)) == ["Ёлки, 9", "9"]
    assert await listed(views, MEMBER, ChatFilter(archived=True)) == ["Старый кружок"]
    assert await listed(views, MEMBER, ChatFilter(name_contains="10")) == []
    assert sorted(chat.name for chat in by_id.values()) == ["9", "Старый кружок"]


@pytest.mark.rule("RIGHT-08")
async def test_nothing_of_another_school_is_listed_or_found_by_id_but_by_a_superadministrator(
    views: PostgresViews,
) -> None:
    ids = [await id_of(views, "9")]

    assert await listed(views, STRANGER) == []
    assert await listed(views, STRANGER, organization=OTHER_SCHOOL) == ["Чужой"]
    assert await views.chats_by_id(STRANGER, ids) == {}
    assert await listed(views, SUPERADMINISTRATOR) == CREATED
    assert list(await views.chats_by_id(SUPERADMINISTRATOR, ids)) == ids


@pytest.mark.parametrize(
    ("kind", "role", "teaches"),
    [
        ("CLASS_TEACHER", MembershipRole.ADMINISTRATOR, True),
        ("GROUP_TEACHER", MembershipRole.ADMINISTRATOR, True),
        ("CHAT_ADMINISTRATOR", MembershipRole.ADMINISTRATOR, False),
        ("ADDED_BY_HAND", MembershipRole.MEMBER, False),
        (None, None, False),
    ],
)
async def test_the_viewers_place_in_a_chat_is_that_of_their_grounds(
    views: PostgresViews, engine: AsyncEngine, kind: str | None, role: MembershipRole | None, teaches: bool
) -> None:
    chat = await id_of(views, "9")
    if kind is not None:
        await join(engine, chat, "viewer", ("STAFF", "EMPLOYEE"), (kind, "EMPLOYEE"))

    (listed_one,) = (await views.chats(ADMINISTRATOR, SCHOOL, Window(1, 3))).items
    by_id = (await views.chats_by_id(ADMINISTRATOR, [chat]))[chat]

    assert listed_one == by_id
    assert (by_id.place.role, by_id.place.teaches) == (role, teaches)
    assert may_edit_chat(MEMBER, by_id.place) is teaches
    assert (by_id.place.organization_id, by_id.place.type, by_id.place.archived) == (SCHOOL, ChatType.CLASS, False)


@pytest.mark.rule("CHAT-16")
async def test_a_person_stands_in_the_tab_of_each_capacity_and_counts_once(
    views: PostgresViews, engine: AsyncEngine
) -> None:
    chat = await id_of(views, "10 А Родители")
    await enter(engine, {"both": "Белова Анна", "parent": "Авдеева Яна", "child": "Белов Пётр"})
    await join(engine, chat, "both", ("STAFF", "EMPLOYEE"), ("PARENT_OF", "PARENT"), pupil="child")
    await join(engine, chat, "parent", ("PARENT_OF", "PARENT"), pupil="child")
    capacities: list[Capacity | None] = [None, *Capacity]

    pages = [(await views.members([chat], MemberFilter(None, capacity), ALL))[chat] for capacity in capacities]

    found = {
        capacity: (page.total, [member.participant.full_name for member in page.items])
        for capacity, page in zip(capacities, pages, strict=True)
    }
    assert found == {
        None: (2, ["Авдеева Яна", "Белова Анна"]),
        Capacity.EMPLOYEE: (1, ["Белова Анна"]),
        Capacity.PUPIL: (0, []),
        Capacity.PARENT: (2, ["Авдеева Яна", "Белова Анна"]),
    }
    both = pages[0].items[1]
    assert set(both.capacities) == {Capacity.EMPLOYEE, Capacity.PARENT}
    assert [(ground.kind, ground.pupil and ground.pupil.full_name) for ground in both.grounds] == [
        (GroundKind.STAFF, None),
        (GroundKind.PARENT_OF, "Белов Пётр"),
    ]


@pytest.mark.rule("CHAT-16", "CHAT-33")
@pytest.mark.parametrize(
    ("which", "names"),
    [
        (MemberFilter(), ["Ежова Мария", "Ёжикова Анна", "Иванова Мария"]),
        (MemberFilter("мар ив"), ["Иванова Мария"]),
        (MemberFilter("ежик"), ["Ёжикова Анна"]),
        (MemberFilter("мария"), ["Ежова Мария", "Иванова Мария"]),
        (MemberFilter("мария", Capacity.PUPIL), ["Ежова Мария"]),
        (MemberFilter("%"), []),
    ],
)
async def test_members_are_found_by_words_of_their_names_and_stand_by_the_alphabet(
    views: PostgresViews, engine: AsyncEngine, which: MemberFilter, names: list[str]
) -> None:
    chat = await id_of(views, "9")
    await enter(engine, {"a": "Ёжикова Анна", "b": "Ежова Мария"})
    await join(engine, chat, "viewer", ("CLASS_TEACHER", "EMPLOYEE"))
    await join(engine, chat, "a", ("CLASS_PUPIL", "PUPIL"))
    await join(engine, chat, "b", ("CLASS_PUPIL", "PUPIL"))

    whole = (await views.members([chat], which, ALL))[chat]
    second = (await views.members([chat], which, Window(1, 1)))[chat]

    assert [member.participant.full_name for member in whole.items] == names
    assert [member.participant.full_name for member in second.items] == names[1:2]
    assert whole.total == second.total == len(names)


@pytest.mark.rule("CHAT-33")
async def test_organizations_are_found_by_words_of_their_names_and_stand_by_number(
    views: PostgresViews, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        for name in ("Школа № 27", "Школа № 9", "Ёлочка № 100", "Гимназия"):
            await add(connection, tables.organizations, organization_row(OrganizationId(uuid4()), name))

    async def found(text: str | None, viewer: Viewer = SUPERADMINISTRATOR) -> list[str]:
        page = await views.organizations(viewer, ALL, name_contains=text)
        assert page.total == len(page.items)
        return [organization.name for organization in page.items]

    pages = [await views.organizations(SUPERADMINISTRATOR, Window(1, offset)) for offset in range(7)]
    by_pages = [organization.name for page in pages for organization in page.items]

    assert by_pages == await found(None)
    assert await found("№") == ["Ёлочка № 100", "Школа № 9", "Школа № 27"]
    assert await found("27 шк") == ["Школа № 27"]
    assert await found("елочка") == ["Ёлочка № 100"]
    assert await found(None) == ["Гимназия", "Ёлочка № 100", "Школа", "Школа", "Школа № 9", "Школа № 27"]
    assert await found(None, ADMINISTRATOR) == ["Школа"]
    assert await found("гимн", ADMINISTRATOR) == []
