"""The facts of a roster as rows: read whole, written as the difference."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime

from sqlalchemy import Row, Table, and_, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from application.audit import NO_RIGHTS, Trail, rights_of_people
from domain.ids import GroupId, OrganizationId, ParticipantId, PersonId, subject_id
from domain.ordering import class_sort_key, natural_key, search_key, sort_key
from domain.participant import ERASED, Capacity, Name, Participant, PositionKind
from domain.roster import Roster, SchoolClass, StudyGroup
from infrastructure.db import outbox, tables
from infrastructure.db.mirrors import Touched

Values = dict[str, object]
Facts = dict[Hashable, Values]
"""The rows of one table, each by its primary key."""


class PostgresRosters:
    """Implements `application.ports.Rosters`."""

    def __init__(self, connection: AsyncConnection, trail: Trail, touched: Touched) -> None:
        self._connection = connection
        self._trail = trail
        self._touched = touched
        self._stored: dict[OrganizationId, dict[str, Facts]] = {}

    async def get(self, id: OrganizationId) -> Roster:
        roster = Roster(id)
        for row in await self._rows(tables.participants, id):
            roster.people[row.id] = Participant(
                id, PersonId(row.person_id), Name(row.last_name, row.first_name, row.patronymic), row.blocked
            )
            if row.idle_since is not None:
                roster.idle_since[row.id] = row.idle_since
        for row in await self._rows(tables.employees, id):
            roster.positions[row.participant_id] = tuple(PositionKind(kind) for kind in row.positions)
        for row in await self._rows(tables.classes, id):
            roster.classes[row.id] = SchoolClass(id, row.school_id, row.name, row.teacher_id, row.closed)
        for row in await self._rows(tables.enrolments, id):
            roster.enrolments[row.participant_id] = row.class_id
        roster.ties = {(row.parent_id, row.pupil_id) for row in await self._rows(tables.ties, id)}
        roster.roles = {(row.participant_id, row.role) for row in await self._rows(tables.role_grants, id)}
        await self._add_groups(roster)
        self._stored[id] = _facts(roster)
        for subject, rights in rights_of_people(roster).items():
            self._trail.loaded(subject, rights)
        return roster

    async def save(self, roster: Roster) -> None:
        before, after = self._stored.get(roster.organization_id, {}), _facts(roster)
        names = list(after)
        # What is new comes before what goes: a row moves on to the one that it will refer to.
        if before != after:
            told = outbox.Entry("organization", roster.organization_id, "RosterChanged", {})
            await outbox.write(self._connection, [told])
        for name in names:
            stored = before.get(name, {})
            changed = [row for key, row in after[name].items() if stored.get(key) != row]
            await self._upsert(tables.metadata.tables[name], changed)
        for name in reversed(names):
            await self._delete(tables.metadata.tables[name], before.get(name, {}).keys() - after[name].keys())
        known = before.get("participants", {})
        self._touched.participants |= {
            person.id
            for person in roster.people.values()
            if known.get(person.id, {}).get("blocked") is not person.blocked
        }
        self._stored[roster.organization_id] = after
        for subject, rights in rights_of_people(roster).items():
            self._trail.loaded(subject, NO_RIGHTS)
            self._trail.saved(subject, rights)

    async def group(self, id: GroupId) -> StudyGroup | None:
        groups, pupils, teachers = tables.study_groups, tables.study_group_pupils, tables.study_group_teachers
        query = select(groups, tables.subjects.c.name.label("subject")).join(tables.subjects).where(groups.c.id == id)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        members = await self._connection.execute(select(pupils.c.participant_id).where(pupils.c.group_id == id))
        leaders = select(teachers.c.participant_id).where(teachers.c.group_id == id).order_by(teachers.c.place)
        return StudyGroup(
            row.organization_id,
            row.school_id,
            row.name,
            row.subject,
            frozenset(members.scalars()),
            tuple((await self._connection.execute(leaders)).scalars()),
            row.closed,
        )

    async def idle_since_before(self, at: datetime, *, limit: int) -> list[tuple[OrganizationId, ParticipantId]]:
        table = tables.participants
        query = select(table.c.organization_id, table.c.id).where(table.c.idle_since < at)
        rows = await self._connection.execute(query.order_by(table.c.idle_since, table.c.id).limit(limit))
        return [(row.organization_id, row.id) for row in rows]

    async def known_anywhere(self, person: PersonId) -> bool:
        table = tables.participants
        query = select(table.c.id).where(table.c.person_id == person, table.c.last_name != ERASED.last).limit(1)
        return (await self._connection.execute(query)).first() is not None

    async def held(
        self, additions: frozenset[tuple[ParticipantId, Capacity]]
    ) -> frozenset[tuple[ParticipantId, Capacity]]:
        if not additions:
            return frozenset()
        query = text("select participant_id, capacity from capacities where participant_id = any(:people)")
        rows = await self._connection.execute(query, {"people": [participant for participant, _ in additions]})
        return additions & {(ParticipantId(row.participant_id), Capacity(row.capacity)) for row in rows}

    async def _rows(self, table: Table, id: OrganizationId) -> Iterable[Row[tuple[object, ...]]]:
        return (await self._connection.execute(select(table).where(table.c.organization_id == id))).all()

    async def _add_groups(self, roster: Roster) -> None:
        groups, pupils, teachers = tables.study_groups, tables.study_group_pupils, tables.study_group_teachers
        members: defaultdict[GroupId, set[ParticipantId]] = defaultdict(set)
        leaders: defaultdict[GroupId, list[ParticipantId]] = defaultdict(list)
        of_organization = groups.c.organization_id == roster.organization_id
        for row in await self._connection.execute(select(pupils).join(groups).where(of_organization)):
            members[row.group_id].add(row.participant_id)
        query = select(teachers).join(groups).where(of_organization).order_by(teachers.c.place)
        for row in await self._connection.execute(query):
            leaders[row.group_id].append(row.participant_id)
        subjects = {row.id: row.name for row in await self._rows(tables.subjects, roster.organization_id)}
        for row in await self._rows(groups, roster.organization_id):
            roster.groups[row.id] = StudyGroup(
                roster.organization_id,
                row.school_id,
                row.name,
                subjects[row.subject_id],
                frozenset(members[row.id]),
                tuple(leaders[row.id]),
                row.closed,
            )

    async def _delete(self, table: Table, keys: Iterable[Hashable]) -> None:
        # Names that no column has: SQLAlchemy keeps those to itself.
        names = {f"gone_{column.name}": column for column in table.primary_key}
        gone = [dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True)) for key in keys]
        if gone:
            matches = and_(*(column == bindparam(name) for name, column in names.items()))
            await self._connection.execute(delete(table).where(matches), gone)

    async def _upsert(self, table: Table, rows: list[Values]) -> None:
        if not rows:
            return
        statement = insert(table)
        key = [column.name for column in table.primary_key]
        rest = {name: statement.excluded[name] for name in rows[0] if name not in key}
        if rest:
            statement = statement.on_conflict_do_update(index_elements=key, set_=rest)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=key)
        await self._connection.execute(statement, rows)


def _facts(roster: Roster) -> dict[str, Facts]:
    """The rows of each table, in an order in which no row comes before what it refers to."""
    organization = roster.organization_id
    facts: dict[str, Facts] = {
        "participants": {
            id: _participant(person) | {"idle_since": roster.idle_since.get(id)} for id, person in roster.people.items()
        },
        "employees": {
            id: {"participant_id": id, "organization_id": organization, "positions": [str(kind) for kind in positions]}
            for id, positions in roster.positions.items()
        },
        "classes": {id: _class(known) for id, known in roster.classes.items()},
        "enrolments": {
            pupil: {"participant_id": pupil, "organization_id": organization, "class_id": id}
            for pupil, id in roster.enrolments.items()
        },
        "ties": {
            (parent, pupil): {"parent_id": parent, "pupil_id": pupil, "organization_id": organization}
            for parent, pupil in roster.ties
        },
        "role_grants": {
            (holder, role): {"participant_id": holder, "role": role, "organization_id": organization}
            for holder, role in roster.roles
        },
    }
    return facts | _group_facts(organization, roster.groups)


def _group_facts(organization: OrganizationId, groups: Mapping[GroupId, StudyGroup]) -> dict[str, Facts]:
    subjects: Facts = {}
    rows: Facts = {}
    pupils: Facts = {}
    teachers: Facts = {}
    for id, group in groups.items():
        subject = subject_id(organization, group.subject)
        key = sort_key(group.subject)
        subjects[subject] = {"id": subject, "organization_id": organization, "name": group.subject, "sort_key": key}
        rows[id] = {
            "id": id,
            "organization_id": organization,
            "school_id": group.school_id,
            "name": group.name,
            "sort_key": natural_key(group.name),
            "search_key": search_key(group.name),
            "subject_id": subject,
            "closed": group.closed,
        }
        for pupil in group.pupils:
            pupils[id, pupil] = {"group_id": id, "participant_id": pupil}
        for place, teacher in enumerate(group.teachers):
            teachers[id, teacher] = {"group_id": id, "participant_id": teacher, "place": place}
    return {"subjects": subjects, "study_groups": rows, "study_group_pupils": pupils, "study_group_teachers": teachers}


def _participant(person: Participant) -> Values:
    name = person.name
    return {
        "id": person.id,
        "organization_id": person.organization_id,
        "person_id": person.person_id,
        "last_name": name.last,
        "first_name": name.first,
        "patronymic": name.patronymic,
        "blocked": person.blocked,
        "full_name": name.full,
        "sort_key": name.key,
        "search_key": search_key(name.full),
    }


def _class(known: SchoolClass) -> Values:
    return {
        "id": known.id,
        "organization_id": known.organization_id,
        "school_id": known.school_id,
        "name": known.name,
        "sort_key": class_sort_key(known.name),
        "teacher_id": known.teacher,
        "closed": known.closed,
    }
