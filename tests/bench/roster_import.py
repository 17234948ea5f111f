"""`python -m tests.bench.roster_import SCHOOLS`: how long the bundle of a school of 1,000 pupils takes, and memory.

Each school is written as an archive, read, planned and applied to one fresh database, then applied again, and then
with a tenth of its pupils gone.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from application.organizations import FoundOrganization
from application.ports import Begin
from application.roster_import import ApplyRosterImport, LookUpKnown, PlanRosterImport
from domain.ids import OrganizationId
from domain.participant import Name, PositionKind
from domain.register import (
    Bundle,
    Mode,
    Part,
    RoleKind,
    StatedClass,
    StatedCourse,
    StatedPerson,
    StatedPlace,
    StatedRole,
)
from infrastructure.container import storage
from infrastructure.embedded.postgres import prepare_postgres
from infrastructure.oneroster.bundle import Known, read_bundle
from infrastructure.settings import load_settings
from tests.infrastructure.oneroster.writer import write_bundle
from tests.servers import database_of, running

PUPILS, STAFF, HOMEROOMS, GROUPS = 1_000, 70, 30, 200
PUPILS_IN_GROUP = 28


def a_large_school(number: int, pupils_there: int = PUPILS) -> Bundle:
    """The school of that number, everything in bulk: two parents to a pupil, each pupil in about six groups."""
    people: dict[str, StatedPerson] = {}
    roles: dict[str, StatedRole] = {}
    places: dict[str, StatedPlace] = {}

    def add(person: str, role: StatedRole, *agents: str) -> None:
        people[person] = StatedPerson(Name(f"Фамилия {person}", "Имя", "Отчество"), agents=agents)
        roles[f"role of {person}"] = role

    def place(of: str, person: str, *, teaches: bool = False) -> None:
        places[f"{person} in {of}"] = StatedPlace(of, person, teaches=teaches, primary=teaches)

    teachers = [f"t{number}-{each}" for each in range(STAFF)]
    pupils = [f"p{number}-{each}" for each in range(pupils_there)]
    homerooms = [f"h{number}-{each}" for each in range(HOMEROOMS)]
    groups = [f"g{number}-{each}" for each in range(GROUPS)]
    for each, teacher in enumerate(teachers):
        leads = each < 3
        kind = PositionKind.ADMINISTRATION if leads else PositionKind.PEDAGOGICAL
        add(teacher, StatedRole(teacher, RoleKind.STAFF, kind, administers=leads))
    for each, pupil in enumerate(pupils):
        parents = [f"{pupil}-mother", f"{pupil}-father"]
        for parent in parents:
            add(parent, StatedRole(parent, RoleKind.PARENT))
        add(pupil, StatedRole(pupil, RoleKind.PUPIL), *parents)
        place(homerooms[each % HOMEROOMS], pupil)
    for each, homeroom in enumerate(homerooms):
        place(homeroom, teachers[each], teaches=True)
    for each, group in enumerate(groups):
        place(group, teachers[each % STAFF], teaches=True)
        for seat in range(PUPILS_IN_GROUP):
            place(group, pupils[(each * PUPILS_IN_GROUP + seat) % pupils_there])
    courses = {f"c{number}-{each}": StatedCourse(f"Предмет {each}") for each in range(15)}
    course_of = list(courses)
    classes = {id: StatedClass(f"{each // 3 + 1} {'АБВ'[each % 3]}", True) for each, id in enumerate(homerooms)}
    classes |= {id: StatedClass(f"Группа {each}", False, course_of[each % 15]) for each, id in enumerate(groups)}
    return Bundle(
        people=Part(Mode.BULK, people),
        roles=Part(Mode.BULK, roles),
        courses=Part(Mode.BULK, courses),
        classes=Part(Mode.BULK, classes),
        places=Part(Mode.BULK, places),
    )


def without_a_tenth(bundle: Bundle) -> Bundle:
    """The bundle without every tenth pupil."""
    pupils = [role.person for role in bundle.roles.rows.values() if role.kind is RoleKind.PUPIL]
    gone = set(pupils[::10])
    people = {id: row for id, row in bundle.people.rows.items() if id not in gone}
    roles = {id: row for id, row in bundle.roles.rows.items() if row.person not in gone}
    places = {id: row for id, row in bundle.places.rows.items() if row.person not in gone}
    return replace(bundle, people=Part(Mode.BULK, people), roles=Part(Mode.BULK, roles), places=Part(Mode.BULK, places))


async def bring_in(begin: Begin, id: OrganizationId, path: Path) -> Iterator[float]:
    """Seconds of reading, planning and applying."""
    known = await LookUpKnown(begin)(id)
    assert known is not None
    begun = time.perf_counter()
    bundle = read_bundle(path, Known(known.people, known.classes, known.courses, known.school_id))
    read = time.perf_counter()
    plan = await PlanRosterImport(begin, 100)(id, bundle)
    planned = time.perf_counter()
    await ApplyRosterImport(begin, 100)(id, bundle, plan, allow_removals=True)
    return iter((read - begun, planned - read, time.perf_counter() - planned))


async def measure(schools: int, pupils: int, first_only: bool, postgres: str, directory: Path) -> None:
    """Prints a line for each import, and the whole at the end."""
    url = await database_of(postgres, "bench_roster_import")
    settings = load_settings(environment="development", database_url=url, data_dir=directory)
    people, took = 0, 0.0
    print("school  bundle   read s  plan s  apply s  peak MB")
    async with storage(settings) as begin:
        for number in range(schools):
            school_id = f"school-{number}"
            zone = "Europe/Moscow"
            id = await FoundOrganization(begin)(school_id=school_id, name=f"Школа {number}", time_zone=zone)
            first = a_large_school(number, pupils)
            people += len(first.people.rows)
            bundles = [("first", first), ("again", first), ("fewer", without_a_tenth(first))]
            for what, bundle in bundles[:1] if first_only else bundles:
                path = write_bundle(directory / f"{what}.zip", bundle, school=school_id)
                read, planned, applied = await bring_in(begin, id, path)
                took += read + planned + applied
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(f"{number:6}  {what:6}  {read:7.2f} {planned:7.2f}  {applied:7.2f}  {peak:7.0f}", flush=True)
    print(f"{schools} schools, {people:,} people: {took:.1f} s in all, {people / took:,.0f} people/s")


def main() -> int:
    """Runs it on a Postgres of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.roster_import", description=__doc__)
    parser.add_argument("schools", type=int, metavar="SCHOOLS")
    parser.add_argument("--pupils", type=int, default=PUPILS, help="pupils of a school")
    parser.add_argument("--first", action="store_true", help="only the first import of each school")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sferum-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with running(prepare_postgres(directory / "postgres", durable=False)) as postgres:
            asyncio.run(measure(given.schools, given.pupils, given.first, postgres, directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
