"""A school of full size: 900 pupils in 30 classes, their parents, 70 employees, and what each class learns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar
from zlib import crc32

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
    PersonSaved,
    PupilEnrolled,
    RoleGranted,
    RosterEvent,
)

SCHOOL_ID = "school-full"
NAME = "Гимназия № 900"
DIRECTOR = PersonId("full-director")
CHAT_ADMINISTRATOR = PersonId("full-employee-1")
PUPILS_IN_CLASS = 30
FIRST_PUPIL = Name("Гусева", "Арина", "Денисовна")
"""The demonstration user `outsider-pupil`, of 7 А, as the numbers of pupils begin with that class."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Course:
    """What one class learns: hours a week, its groups, each with its teacher, all at the same time."""

    class_school_id: str
    subject: str
    hours: int
    groups: tuple[str, ...]
    teachers: tuple[PersonId, ...]


@dataclass(frozen=True, slots=True)
class Elective:
    """One hour a week after the lessons, for pupils of several classes; `day` counts from Monday, 0."""

    group: str
    subject: str
    name: str
    classes: tuple[str, ...]
    teacher: PersonId
    day: int


@dataclass(frozen=True, slots=True)
class _SchoolClass:
    grade: int
    letter: str
    number: int
    """The place among all classes, from 0."""

    @property
    def school_id(self) -> str:
        return f"full-class-{self.grade}-{'АБВ'.index(self.letter) + 1}"

    @property
    def name(self) -> str:
        return f"{self.grade} {self.letter}"


@dataclass(frozen=True, slots=True)
class _Pupil:
    person: PersonId
    name: Name
    class_school_id: str
    parents: tuple[PersonId, ...]


@dataclass(frozen=True, slots=True)
class _Families:
    parents: Mapping[PersonId, Name]
    pupils: tuple[_Pupil, ...]


_GRADES = {1: "АБВ", 2: "АБВ", 3: "АБВ", 4: "АБВ", 5: "АБВ", 6: "АБВ", 7: "АБВ", 8: "АБВ", 9: "АБВ", 10: "АБ", 11: "А"}
CLASSES = tuple(
    _SchoolClass(grade, letter, number)
    for number, (grade, letter) in enumerate(
        (grade, letter) for grade, letters in _GRADES.items() for letter in letters
    )
)
_CHAIRS = {
    **{"primary": 12, "philology": 6, "mathematics": 4, "history": 3, "geography": 2, "biology": 2, "physics": 2},
    **{"chemistry": 1, "informatics": 1, "sport": 4, "music": 1, "art": 1, "crafts": 2, "safety": 1, "english": 6},
}
"""How many teachers teach each branch: 48 in all."""
_DEPUTIES, _OTHER_PEDAGOGUES, _OTHERS = 4, 3, 14
_PRIMARY, _SECONDARY, _SENIOR = range(1, 5), range(5, 12), range(10, 12)


def _hours(*spans: tuple[range, int]) -> dict[int, int]:
    return {grade: hours for grades, hours in spans for grade in grades}


_CURRICULUM: tuple[tuple[str, str, str, dict[int, int]], ...] = (
    ("russian", "Русский язык", "primary", _hours((_PRIMARY, 5))),
    ("reading", "Литературное чтение", "primary", _hours((_PRIMARY, 4))),
    ("counting", "Математика", "primary", _hours((_PRIMARY, 4))),
    ("world", "Окружающий мир", "primary", _hours((_PRIMARY, 2))),
    ("labour", "Труд (технология)", "primary", _hours((_PRIMARY, 1))),
    ("philology", "Русский язык", "philology", _hours((_SECONDARY, 5))),
    ("literature", "Литература", "philology", _hours((_SECONDARY, 2))),
    ("mathematics", "Математика", "mathematics", _hours((_SECONDARY, 5))),
    ("english", "Английский язык", "english", _hours((range(2, 5), 2), (_SECONDARY, 3))),
    ("history", "История", "history", _hours((_SECONDARY, 2))),
    ("society", "Обществознание", "history", _hours((range(6, 12), 1))),
    ("geography", "География", "geography", _hours((range(5, 10), 2), (_SENIOR, 1))),
    ("biology", "Биология", "biology", _hours((range(5, 7), 1), (range(7, 12), 2))),
    ("physics", "Физика", "physics", _hours((range(7, 10), 2), (_SENIOR, 4))),
    ("chemistry", "Химия", "chemistry", _hours((range(8, 12), 2))),
    ("informatics", "Информатика", "informatics", _hours((_SECONDARY, 1))),
    ("sport", "Физическая культура", "sport", _hours((range(1, 12), 3))),
    ("music", "Музыка", "music", _hours((range(1, 9), 1))),
    ("art", "Изобразительное искусство", "art", _hours((range(1, 8), 1))),
    ("crafts", "Труд (технология)", "crafts", _hours((range(5, 9), 2), (range(9, 10), 1))),
    ("safety", "Основы безопасности и защиты Родины", "safety", _hours((range(8, 12), 1))),
)
"""Key, subject, branch of its teachers, hours a week by grade."""

_LAST_NAMES = (
    *("Абрамов", "Агафонов", "Алёхин", "Анисимов", "Антипов", "Баранов", "Белоусов", "Бирюков", "Блинов", "Бобров"),
    *("Большаков", "Васильев", "Веселов", "Вишняков", "Воробьёв", "Гаврилов", "Герасимов", "Голубев", "Горшков"),
    *("Григорьев", "Давыдов", "Данилов", "Дементьев", "Дорофеев", "Евдокимов", "Егоров", "Елисеев", "Ефимов", "Жданов"),
    *("Зайцев", "Захаров", "Зотов", "Игнатов", "Исаков", "Калинин", "Карпов", "Кириллов", "Колесников", "Кондратьев"),
    *(
        "Копылов",
        "Королёв",
        "Крылов",
        "Кудрявцев",
        "Кузнецов",
        "Лаврентьев",
        "Лазарев",
        "Лыткин",
        "Макаров",
        "Мартынов",
    ),
    *("Маслов", "Матвеев", "Медведев", "Миронов", "Молчанов", "Мухин", "Наумов", "Некрасов", "Нестеров", "Овчинников"),
    *("Одинцов", "Пестов", "Поляков", "Пономарёв", "Поташёв", "Прохоров", "Пугин", "Родионов", "Рожков", "Русаков"),
    *("Савин", "Самсонов", "Селезнёв", "Симонов", "Ситников", "Соболев", "Стрелков", "Субботин", "Суханов", "Сысоев"),
    *(
        "Тимофеев",
        "Третьяков",
        "Трофимов",
        "Туров",
        "Устинов",
        "Федотов",
        "Филатов",
        "Фролов",
        "Харитонов",
        "Чеботарёв",
    ),
    *("Черкасов", "Шаров", "Шестаков", "Шилов", "Шубников", "Щеглов", "Щербаков", "Юшков", "Яковлев", "Якушев"),
)
_MEN = {
    **{"Александр": "Александр", "Алексей": "Алексе", "Андрей": "Андре", "Антон": "Антон", "Артём": "Артём"},
    **{"Борис": "Борис", "Вадим": "Вадим", "Виктор": "Виктор", "Владимир": "Владимир", "Глеб": "Глеб"},
    **{"Денис": "Денис", "Евгений": "Евгень", "Егор": "Егор", "Иван": "Иван", "Игорь": "Игор", "Кирилл": "Кирилл"},
    **{"Константин": "Константин", "Максим": "Максим", "Матвей": "Матве", "Михаил": "Михайл", "Николай": "Никола"},
    **{"Олег": "Олег", "Павел": "Павл", "Пётр": "Петр", "Роман": "Роман", "Семён": "Семён", "Сергей": "Серге"},
    **{"Степан": "Степан", "Фёдор": "Фёдор", "Юрий": "Юрь"},
}
"""A man's first name, and the stem of his children's patronymics."""
_WOMEN = (
    *(
        "Александра",
        "Алина",
        "Алиса",
        "Анастасия",
        "Анна",
        "Валерия",
        "Варвара",
        "Вера",
        "Виктория",
        "Дарья",
        "Евгения",
    ),
    *("Екатерина", "Елена", "Елизавета", "Зоя", "Ирина", "Ксения", "Лариса", "Любовь", "Маргарита", "Марина", "Мария"),
    *("Надежда", "Наталья", "Ольга", "Полина", "Светлана", "София", "Татьяна", "Ульяна", "Юлия", "Яна"),
)


def told() -> list[Told]:
    """The whole roster, in the order in which a school would tell it."""
    return [Told(f"full-school-{number}", event) for number, event in enumerate(_events())]


def _events() -> Iterator[RosterEvent]:
    for person, (name, kind) in _employees().items():
        yield PersonSaved(person, name)
        yield EmployeeHired(person, (kind,))
    yield RoleGranted(DIRECTOR, ORGANIZATION_ADMINISTRATOR)
    teachers = _class_teachers()
    for known in CLASSES:
        yield ClassSaved(known.school_id, known.name)
        yield ClassTeacherSet(known.school_id, teachers[known.school_id])
    families = _families()
    for person, name in families.parents.items():
        yield PersonSaved(person, name)
    for pupil in families.pupils:
        yield PersonSaved(pupil.person, pupil.name)
        yield PupilEnrolled(pupil.person, pupil.class_school_id)
        for parent in pupil.parents:
            yield ParentTied(parent, pupil.person)
    yield from _groups()


def _groups() -> Iterator[GroupSaved]:
    names = {known.school_id: known.name for known in CLASSES}
    for course in courses():
        pupils, parts = _pupils_of(course.class_school_id), len(course.groups)
        for place, (group, teacher) in enumerate(zip(course.groups, course.teachers, strict=True)):
            name = names[course.class_school_id] + (f", {place + 1} подгруппа" if parts > 1 else "")
            yield GroupSaved(group, name, course.subject, frozenset(pupils[place::parts]), (teacher,))
    for elective in electives():
        # Every third pupil of each class came.
        came = (pupil for school_class in elective.classes for pupil in _pupils_of(school_class)[::3])
        yield GroupSaved(elective.group, elective.name, elective.subject, frozenset(came), (elective.teacher,))


@cache
def courses() -> tuple[Course, ...]:
    """What every class learns. A teacher of a primary class teaches most of it; English is taught in two halves."""
    made = []
    for key, subject, chair, hours in _CURRICULUM:
        staff = _chair(chair)
        # Two teachers of English are always busy together.
        teams = list(zip(staff[::2], staff[1::2], strict=True)) if chair == "english" else [(one,) for one in staff]
        learning = [known for known in CLASSES if known.grade in hours]
        for place, known in enumerate(learning):
            team = teams[place % len(teams)]
            group = f"full-group-{known.school_id.removeprefix('full-class-')}-{key}"
            groups = (group,) if len(team) == 1 else tuple(f"{group}-{half + 1}" for half in range(len(team)))
            made.append(Course(known.school_id, subject, hours[known.grade], groups, team))
    return tuple(made)


@cache
def electives() -> tuple[Elective, ...]:
    """The study groups whose pupils come from several classes."""
    classes = {grade: tuple(known.school_id for known in CLASSES if known.grade == grade) for grade in _GRADES}
    senior = (*classes[10], *classes[11])
    return (
        Elective(
            "full-group-robots", "Робототехника", "5–6 классы", classes[5] + classes[6], _chair("informatics")[0], 0
        ),
        Elective("full-group-theatre", "Театр", "7 классы", classes[7], _chair("philology")[0], 1),
        Elective("full-group-olympiad", "Математика", "Олимпиада, 8 классы", classes[8], _chair("mathematics")[0], 2),
        Elective("full-group-chemistry", "Химия", "Практикум, 10–11 классы", senior, _chair("chemistry")[0], 3),
    )


def _chair(chair: str) -> list[PersonId]:
    before = sum(size for known, size in list(_CHAIRS.items())[: list(_CHAIRS).index(chair)])
    return [_employee(_DEPUTIES + before + place + 1) for place in range(_CHAIRS[chair])]


def _employee(number: int) -> PersonId:
    return PersonId(f"full-employee-{number}")


def _employees() -> dict[PersonId, tuple[Name, PositionKind]]:
    kinds = (
        *[PositionKind.ADMINISTRATION] * _DEPUTIES,
        *[PositionKind.PEDAGOGICAL] * (sum(_CHAIRS.values()) + _OTHER_PEDAGOGUES),
        *[PositionKind.OTHER] * _OTHERS,
    )
    staff = {
        _employee(number): (_person_name(number % 5 == 0, "employee", number), kind)
        for number, kind in enumerate(kinds, start=1)
    }
    return {DIRECTOR: (Name("Чернов", "Роман", "Викторович"), PositionKind.ADMINISTRATION)} | staff


def _class_teachers() -> dict[str, PersonId]:
    """A class is led by somebody who teaches it; nobody leads two."""
    led: dict[str, PersonId] = {}
    for course in courses():
        free = [teacher for teacher in course.teachers if teacher not in led.values()]
        if free and course.class_school_id not in led:
            led[course.class_school_id] = free[0]
    return led


@cache
def _pupils_of(class_school_id: str) -> tuple[PersonId, ...]:
    return tuple(pupil.person for pupil in _families().pupils if pupil.class_school_id == class_school_id)


@cache
def _families() -> _Families:
    """Every sixth family has a second child, in a class of another grade; parents are two, or the mother alone."""
    parents: dict[PersonId, Name] = {}
    pupils: list[_Pupil] = []
    first = next(known.number for known in CLASSES if known.name == "7 А")
    waiting: list[tuple[str, str, tuple[PersonId, ...]]] = []
    for number in range(1, len(CLASSES) * PUPILS_IN_CLASS + 1):
        school_class = CLASSES[(first + (number - 1) // PUPILS_IN_CLASS) % len(CLASSES)]
        if number % 7 == 0 and number > 100:
            last_name, father, adults = waiting.pop(0)
        else:
            last_name, father = _pick(_LAST_NAMES, "family", number), _pick(tuple(_MEN), "father", number)
            if number == 1:
                last_name, father = FIRST_PUPIL.last.removesuffix("а"), "Денис"
            adults = _add_parents(parents, number, last_name, father)
            if number % 6 == 0:
                waiting.append((last_name, father, adults))
        name = FIRST_PUPIL if number == 1 else _child_name(number, last_name, father)
        pupils.append(_Pupil(PersonId(f"full-pupil-{number}"), name, school_class.school_id, adults))
    return _Families(parents, tuple(pupils))


def _add_parents(parents: dict[PersonId, Name], family: int, last_name: str, father: str) -> tuple[PersonId, ...]:
    mother = _person_name(False, "mother", family)
    found = {PersonId(f"full-parent-{len(parents) + 1}"): Name(f"{last_name}а", mother.first, mother.patronymic)}
    if family % 3:
        patronymic = _person_name(True, "father", family).patronymic
        found[PersonId(f"full-parent-{len(parents) + 2}")] = Name(last_name, father, patronymic)
    parents |= found
    return tuple(found)


def _child_name(number: int, last_name: str, father: str) -> Name:
    if number % 2:
        return Name(f"{last_name}а", _pick(_WOMEN, "pupil", number), _patronymic(father, male=False))
    return Name(last_name, _pick(tuple(_MEN), "pupil", number), _patronymic(father, male=True))


def _person_name(male: bool, *of: object) -> Name:
    last_name = _pick(_LAST_NAMES, "last", *of)
    first = _pick(tuple(_MEN) if male else _WOMEN, "first", *of)
    patronymic = _patronymic(_pick(tuple(_MEN), "patronymic", *of), male=male)
    return Name(last_name if male else f"{last_name}а", first, patronymic)


def _patronymic(father: str, *, male: bool) -> str:
    stem = _MEN[father]
    # Алексеевич but Антонович: after a vowel or a soft sign the ending is another one.
    ending = "евич" if stem[-1] in "аеь" or father.endswith("рь") else "ович"
    return stem + (ending if male else ending.replace("вич", "вна"))


def _pick(values: Sequence[T], *of: object) -> T:
    """The same on every machine and in every run."""
    return values[crc32("/".join(map(str, of)).encode()) % len(values)]
