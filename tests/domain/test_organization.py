"""The chat administrator is chosen among the employees of the «Администраторы» registry, and nobody else is."""

import pytest

from domain.errors import Problem, ProblemCode, Refused
from domain.ids import organization_id
from domain.participant import PositionKind
from domain.roster import ORGANIZATION_ADMINISTRATOR
from tests.builders import SCHOOL, a_roster, an_organization, participant, participants

ADMINISTRATION, PEDAGOGICAL = PositionKind.ADMINISTRATION, PositionKind.PEDAGOGICAL

ROSTER = a_roster(
    employees={
        "director": [PEDAGOGICAL, ADMINISTRATION],
        "trusted": [PEDAGOGICAL],
        "teacher": [PEDAGOGICAL],
        "blocked director": [ADMINISTRATION],
        "of another role": [PEDAGOGICAL],
    },
    blocked=["blocked director"],
    people=["dismissed", "stranger"],
    roles={
        "trusted": ORGANIZATION_ADMINISTRATOR,
        "dismissed": ORGANIZATION_ADMINISTRATOR,
        "of another role": "LIBRARIAN",
    },
)


def test_the_registry_has_employees_not_blocked_of_administration_or_with_the_role_of_organization_administrator() -> (
    None
):
    assert ROSTER.administrators() == participants("director", "trusted")


@pytest.mark.parametrize("person", ["director", "trusted"])
def test_somebody_of_the_registry_is_chosen(person: str) -> None:
    organization = an_organization()

    organization.choose_chat_administrator(participant(person), ROSTER)

    assert organization.chat_administrator == participant(person)


@pytest.mark.parametrize(
    "person", ["teacher", "blocked director", "dismissed", "of another role", "stranger", "unknown to the roster"]
)
def test_anybody_else_is_refused_and_the_former_choice_stands(person: str) -> None:
    organization = an_organization(chat_administrator="director")

    with pytest.raises(Refused) as refused:
        organization.choose_chat_administrator(participant(person), ROSTER)

    assert refused.value.problems == (Problem(ProblemCode.NOT_IN_ADMINISTRATORS_REGISTRY, ("employeeId",)),)
    assert organization.chat_administrator == participant("director")


def test_an_organization_is_its_id_in_the_school_system() -> None:
    assert an_organization(school_id="school").id == organization_id("school") == SCHOOL
    assert an_organization(school_id="another").id != SCHOOL
