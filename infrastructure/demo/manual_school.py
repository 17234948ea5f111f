"""The school of the manual: its registry of chats is figure 27, its employees are those of figure 28."""

from collections.abc import Iterator
from dataclasses import dataclass

from application.roster import Told
from domain.ids import PersonId
from domain.participant import Name, PositionKind
from domain.roster import ORGANIZATION_ADMINISTRATOR
from domain.roster_events import (
    ClassSaved,
    ClassTeacherSet,
    EmployeeHired,
    GroupSaved,
    ParentTied,
    PersonBlocked,
    PersonSaved,
    PupilEnrolled,
    RoleGranted,
    RosterEvent,
)
from infrastructure.sandbox.people import EMPLOYEES

SCHOOL_ID = "school-manual"
NAME = "Школа № 27"
DIRECTOR = PersonId("manual-director")
CHAT_ADMINISTRATOR = PersonId("manual-vorontsova")
TEACHER = PersonId("manual-teacher")
PARENT = PersonId("manual-parent")
GROUP_OF_ONE_CLASS = "manual-group-1-b-reading"
GROUP_OF_TWO_CLASSES = "manual-group-3-english"


@dataclass(frozen=True, slots=True)
class _Pupil:
    person: PersonId
    name: str
    parent: PersonId | None = None


@dataclass(frozen=True, slots=True)
class _Class:
    school_id: str
    name: str
    pupils: tuple[_Pupil, ...]
    teacher: PersonId | None = None


def _employee(number: int) -> PersonId:
    return PersonId(f"manual-employee-{number:02}")


def _pupil(number: int, name: str, parent: PersonId | None = None) -> _Pupil:
    return _Pupil(PersonId(f"manual-pupil-{number}"), name, parent)


TEACHER_AND_PARENT = _employee(2)
PARENT_IN_TWO_CLASSES = PersonId("manual-parent-2")
PARENT_OF_TWO_IN_ONE_CLASS = PersonId("manual-parent-3")
BLOCKED = _employee(21)
LINKED = (TEACHER, PARENT, _employee(1), TEACHER_AND_PARENT, _employee(3), _employee(5), _employee(8))
"""Whose accounts are linked from the beginning."""

ADMINISTRATION = {DIRECTOR: "Лаптев Игорь Степанович", CHAT_ADMINISTRATOR: "Воронцова Елена Владимировна"}
PEDAGOGUES = {
    TEACHER: "Зимина Ольга Павловна",
    **{_employee(number): EMPLOYEES[number - 1] for number in range(1, 22)},
}
OTHERS = {_employee(number): EMPLOYEES[number - 1] for number in (22, 23)}
PARENTS = {
    PARENT: "Мельникова Светлана Юрьевна",
    PARENT_IN_TWO_CLASSES: "Ларионова Марина Викторовна",
    PARENT_OF_TWO_IN_ONE_CLASS: "Орехов Виктор Сергеевич",
}
CLASSES = (
    _Class("manual-class-8-k", "8 К", (_pupil(2, "Тарасов Матвей Олегович"),)),
    _Class("manual-class-1-b", "1 Б", (_Pupil(PersonId("manual-pupil"), "Кравцов Тимофей Андреевич"),), TEACHER),
    _Class("manual-class-9", "9", (_pupil(3, "Соловьёва Полина Дмитриевна"),)),
    _Class("manual-class-4-a", "4 А", (_pupil(4, "Мельников Артём Николаевич", PARENT),)),
    _Class("manual-class-3-a", "3 А", (_pupil(5, "Журавлёв Лев Павлович"),), _employee(3)),
    _Class("manual-class-1-soft", "1 Ь", (_pupil(6, "Куликова Василиса Игоревна"),), _employee(4)),
    _Class("manual-class-2-ya", "2 Я", (_pupil(7, "Пахомов Степан Алексеевич"),), _employee(11)),
    _Class(
        "manual-class-6-m",
        "6 М",
        (_pupil(8, "Беляев Никита Андреевич", TEACHER_AND_PARENT), _pupil(9, "Сафонова Ева Романовна")),
    ),
    _Class(
        "manual-class-5-p",
        "5 П",
        (_pupil(10, "Ларионов Глеб Максимович", PARENT_IN_TWO_CLASSES), _pupil(11, "Ермакова Диана Павловна")),
    ),
    _Class(
        "manual-class-4-l",
        "4 Л",
        (_pupil(12, "Ларионова Алиса Максимовна", PARENT_IN_TWO_CLASSES), _pupil(13, "Моисеев Фёдор Ильич")),
    ),
    _Class(
        "manual-class-3-d",
        "3 Д",
        (
            _pupil(14, "Орехов Иван Викторович", PARENT_OF_TWO_IN_ONE_CLASS),
            _pupil(15, "Орехова Мария Викторовна", PARENT_OF_TWO_IN_ONE_CLASS),
        ),
    ),
    _Class(
        "manual-class-2-g",
        "2 Г",
        (_pupil(16, "Доронина Ульяна Петровна"), _pupil(17, "Кузьмин Ярослав Юрьевич")),
        _employee(12),
    ),
)


def told() -> list[Told]:
    """The whole roster, in the order in which a school would tell it, which makes the registry's order figure 27's."""
    return [Told(f"manual-school-{number}", event) for number, event in enumerate(_events())]


def _events() -> Iterator[RosterEvent]:
    staff = (
        (PositionKind.ADMINISTRATION, ADMINISTRATION),
        (PositionKind.PEDAGOGICAL, PEDAGOGUES),
        (PositionKind.OTHER, OTHERS),
    )
    for kind, names in staff:
        for person, name in names.items():
            yield PersonSaved(person, _name(name))
            yield EmployeeHired(person, (kind,))
    yield RoleGranted(DIRECTOR, ORGANIZATION_ADMINISTRATOR)
    yield PersonBlocked(BLOCKED)
    for person, name in PARENTS.items():
        yield PersonSaved(person, _name(name))
    for known in CLASSES:
        yield ClassSaved(known.school_id, known.name)
        if known.teacher is not None:
            yield ClassTeacherSet(known.school_id, known.teacher)
        for pupil in known.pupils:
            yield PersonSaved(pupil.person, _name(pupil.name))
            yield PupilEnrolled(pupil.person, known.school_id)
            if pupil.parent is not None:
                yield ParentTied(pupil.parent, pupil.person)
    yield GroupSaved(GROUP_OF_ONE_CLASS, "1 Б", "Литературное чтение", _pupils_of("1 Б"), (TEACHER,))
    yield GroupSaved(GROUP_OF_TWO_CLASSES, "3 А и 3 Д", "Английский язык", _pupils_of("3 А", "3 Д"), (_employee(5),))


def _pupils_of(*classes: str) -> frozenset[PersonId]:
    return frozenset(pupil.person for known in CLASSES if known.name in classes for pupil in known.pupils)


def _name(full: str) -> Name:
    last, first, *patronymic = full.split()
    return Name(last, first, *patronymic)
