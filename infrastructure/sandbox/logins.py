"""Who can log in to the demonstration schools, and who they are there."""

from dataclasses import dataclass

SCHOOLS = {"manual-": "school-manual", "full-": "school-full"}
"""A person's id begins with the mark of the school that it belongs to."""


@dataclass(frozen=True, slots=True)
class Login:
    """One demonstration user: the claims of their token (api.md, HTTP) and what the log-in page calls them."""

    name: str
    sub: str
    title: str
    org: str | None = None
    scope: str | None = None
    superadministrator: bool = False


LOGINS = {
    login.name: login
    for login in (
        Login("superadmin", "superadmin", "Суперадминистратор", superadministrator=True),
        Login("director", "manual-director", "Директор, администратор организации", org="school-manual"),
        Login("vorontsova", "manual-vorontsova", "Воронцова Е. В., администратор чатов", org="school-manual"),
        Login("teacher", "manual-teacher", "Учитель, классный руководитель 1 Б", org="school-manual"),
        Login("pupil", "manual-pupil", "Ученик 1 Б", org="school-manual"),
        Login("parent", "manual-parent", "Родитель ученика 4 А", org="school-manual"),
        Login("roster", "manual-roster", "Служба передачи контингента", org="school-manual", scope="roster"),
        Login("outsider", "full-director", "Директор другой школы", org="school-full"),
        Login("outsider-pupil", "full-pupil-1", "Ученик другой школы", org="school-full"),
    )
}


def school_of(person: str) -> str | None:
    """The organization's id of a person of a demonstration school, None for any other id."""
    return next((school for mark, school in SCHOOLS.items() if person.startswith(mark) and person != mark), None)
