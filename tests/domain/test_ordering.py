"""Names sort by the Russian alphabet and are found whatever their case, spaces and ё, on any machine."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from domain.ordering import class_sort_key, search_key, sort_key
from domain.participant import Name


def as_bytes(key: str) -> bytes:
    """What a database compares when it compares byte by byte."""
    return key.encode()


def test_yo_is_a_letter_after_ye_and_before_zhe() -> None:
    words = ["жук", "ёлка", "ель", "Ежов", "Ёжиков", "Елкин", "Жаров", "яр", "Арбуз"]

    in_order = sorted(words, key=lambda word: as_bytes(sort_key(word)))

    assert in_order == ["Арбуз", "Ежов", "Елкин", "ель", "Ёжиков", "ёлка", "Жаров", "жук", "яр"]


def test_people_sort_by_last_name_first_name_and_patronymic_those_without_one_first() -> None:
    names = [
        Name("Петров", "Пётр", "Ильич"),
        Name("Петров", "Пётр"),
        Name("Петрова", "Анна"),
        Name("Петров", "Ян", "Абрамович"),
        Name("Петров", "Пётр", "Абрамович"),
        Name("Алексеева", "Яна"),
    ]

    in_order = sorted(names, key=lambda name: as_bytes(sort_key(name.last, name.first, name.patronymic)))

    assert [name.full for name in in_order] == [
        "Алексеева Яна",
        "Петров Пётр",
        "Петров Пётр Абрамович",
        "Петров Пётр Ильич",
        "Петров Ян Абрамович",
        "Петрова Анна",
    ]


def test_classes_sort_by_number_then_letter() -> None:
    names = ["10 А", "9", "2 Г", "2 Б", "11 Ё", "11 Е", "11 Ж", "Кружок"]

    in_order = sorted(names, key=lambda name: as_bytes(class_sort_key(name)))

    assert in_order == ["Кружок", "2 Б", "2 Г", "9", "10 А", "11 Е", "11 Ё", "11 Ж"]


def test_case_and_extra_spaces_make_no_difference_to_an_order_or_a_search() -> None:
    assert sort_key("  иВАНОВА   мария ") == sort_key("Иванова Мария")
    assert class_sort_key(" 8  К ") == class_sort_key("8 к")
    assert search_key("  Фёдорова\tАЛЁНА  ") == search_key("федорова алена") == "федорова алена"


@given(st.lists(st.text("абежзяё", min_size=1, max_size=4), max_size=6))
def test_the_order_is_that_of_the_alphabet_letter_by_letter(words: Sequence[str]) -> None:
    by_alphabet = sorted(words, key=lambda word: ["абвгдеёжзийклмнопрстуфхцчшщъыьэюя".index(letter) for letter in word])

    assert sorted(words, key=lambda word: as_bytes(sort_key(word))) == by_alphabet


@given(st.text(), st.text())
def test_the_order_of_keys_is_the_same_for_python_and_for_bytes(first: str, second: str) -> None:
    keys = sort_key(first), sort_key(second)

    assert (keys[0] < keys[1]) == (as_bytes(keys[0]) < as_bytes(keys[1]))
