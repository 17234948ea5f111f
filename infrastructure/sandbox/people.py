"""The invented people of the sandbox; no telephone number here can exist (the code 000 is given to nobody)."""

from dataclasses import dataclass

from infrastructure.sandbox.store import Store

PASSWORD = "sandbox-2026"
FIRST_USER_ID = 700100
FEMALE, MALE = 1, 2


@dataclass(frozen=True, slots=True)
class Seed:
    """One person; `profiles` are the roles of their education profiles, None where there is no VK ID at all."""

    name: str
    sex: int
    birthday: str
    profiles: tuple[str, ...] | None = ("employee",)
    login: str | None = None
    person: str | None = None
    email: str | None = None
    school: str = "school-manual"


NAMED = (
    Seed("Лаптев Игорь Степанович", MALE, "14.02.1971", login="director", person="manual-director"),
    Seed("Воронцова Елена Владимировна", FEMALE, "03.09.1980", login="vorontsova", person="manual-vorontsova"),
    Seed("Зимина Ольга Павловна", FEMALE, "21.05.1986", ("teacher",), "teacher", "manual-teacher"),
    Seed("Кравцов Тимофей Андреевич", MALE, "08.11.2018", ("pupil",), "pupil", "manual-pupil"),
    Seed("Мельникова Светлана Юрьевна", FEMALE, "30.01.1988", ("parent",), "parent", "manual-parent"),
    Seed("Чернов Роман Викторович", MALE, "17.07.1975", login="outsider", person="full-director", school="school-full"),
    Seed(
        "Гусева Арина Денисовна",
        FEMALE,
        "26.04.2012",
        ("pupil",),
        login="outsider-pupil",
        person="full-pupil-1",
        school="school-full",
    ),
    Seed("Рябинина Вера Олеговна", FEMALE, "12.12.1983", ("teacher", "parent")),
    Seed("Назаров Пётр Ильич", MALE, "05.06.1979", ()),
    Seed("Осипова Нина Глебовна", FEMALE, "19.10.1990", None),
    Seed("Дроздов Кирилл Львович", MALE, "02.08.1985", ("teacher",), email="drozdov@example.test"),
)

# The demonstration's roster takes the names from here: the ten of figure 28 first, the 16th and the 17th namesakes.
EMPLOYEES = (
    "Алехина Татьяна Сергеевна",
    "Беляева Елена Сергеевна",
    "Богданов Александр Александрович",
    "Букина Елена",
    "Варшавская Елена Владимировна",
    "Егорова Елена Владимировна",
    "Иванова Елена Владимировна",
    "Викторова Елена Владимировна",
    "Глебова Елена Владимировна",
    "Гурьева Елена Владимировна",
    "Лосева Дарья Игоревна",
    "Минин Глеб Юрьевич",
    "Носова Ирина Олеговна",
    "Орлова Лидия Петровна",
    "Панов Антон Ильич",
    "Рогова Дарья Игоревна",
    "Рогова Дарья Игоревна",
    "Титов Денис Павлович",
    "Уварова Лидия Петровна",
    "Фомина Анна Сергеевна",
    "Хохлов Борис Львович",
    "Цветкова Жанна Борисовна",
    "Чижова Ирина Олеговна",
    "Шубин Егор Кириллович",
    "Щукина Анна Сергеевна",
    "Юдина Дарья Игоревна",
    "Яшин Глеб Юрьевич",
    "Быкова Ирина Олеговна",
    "Волкова Лидия Петровна",
    "Жуков Антон Ильич",
)


def _employee(number: int, name: str) -> Seed:
    birthday = f"{number % 28 + 1:02}.{number % 12 + 1:02}.{1965 + number}"
    sex = MALE if name.endswith("ич") else FEMALE
    return Seed(name, sex, birthday, ("teacher",), person=f"manual-employee-{number:02}")


PEOPLE = (*NAMED, *(_employee(number, name) for number, name in enumerate(EMPLOYEES, start=1)))


def seed(store: Store) -> None:
    """Puts the people into an empty store; a store that has people is left alone."""
    with store.change():
        if store.row("select 1 from people") is not None:
            return
        for number, person in enumerate(PEOPLE, start=1):
            _put(store, number, person)


def _put(store: Store, number: int, seed: Seed) -> None:
    last_name, first_name, patronymic = (*seed.name.split(), "")[:3]
    # A person's first education profile has the person's own user id, the others' follow far behind.
    user_id = None if seed.profiles is None else FIRST_USER_ID + number - 1
    password = None if seed.profiles is None else PASSWORD
    store.write(
        "insert into people values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(number, seed.login, seed.person, user_id, f"7000000{number:04}", seed.email, password),
        *(last_name, first_name, patronymic, seed.birthday, seed.sex),
    )
    for place, role in enumerate(seed.profiles or ()):
        store.write(
            "insert into profiles values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(FIRST_USER_ID + number - 1 + 1_000_000 * place, number, last_name, first_name, patronymic),
            *(seed.birthday, seed.sex, role, seed.school),
        )
