import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.conditions.comparisons import Scalar
from services.tagging.membership.column import CHUNK, Column

PEOPLE = st.sampled_from([0, 1, 2, CHUNK - 1, CHUNK, 3 * CHUNK + 5])
VALUES = st.sampled_from([None, 0, 3, -4.5, 0.0001, True, "text", 2**60])
MOVES = st.lists(st.tuples(PEOPLE, VALUES), max_size=40)


def numbers_of(held: dict[int, Scalar], people: list[int]) -> list[int]:
    found = [held[person] for person in people if isinstance(held.get(person), int | float)]
    return [round(float(value) * 10_000) for value in found if value is not True and value != 2**60]


@given(MOVES, st.integers(0, 40), st.lists(PEOPLE, unique=True).map(sorted))
def test_a_column_says_what_people_hold_also_after_it_was_stored(
    moves: list[tuple[int, Scalar | None]], stored_at: int, people: list[int]
) -> None:
    column, shelf, held = Column(), dict[int, bytes](), dict[int, Scalar]()
    for position, (person, value) in enumerate(moves):
        column.put(person, value, position)
        if value is None:
            held.pop(person, None)
        else:
            held[person] = value
        if position == stored_at:
            store(column, shelf, position)
            column = loaded(shelf)
    asked = np.array(people, np.uint32)
    assert column.of(asked).tolist() == numbers_of(held, people)
    assert column.held == len(numbers_of(held, sorted(held)))
    store(column, shelf, len(moves))
    assert loaded(shelf).of(asked).tolist() == numbers_of(held, people)


def test_what_changed_after_it_was_written_is_written_again() -> None:
    column = Column()
    column.put(0, 1, 1)
    column.put(CHUNK, 2, 5)
    column.settle(3)
    assert [row.chunk for row in column.unstored("tag:spent")] == [1]


@pytest.mark.parametrize("value", [None, "text", True])
def test_who_holds_no_number_takes_no_room(value: Scalar | None) -> None:
    column = Column()
    column.put(10**9, value, 1)
    assert not column.changed


def loaded(shelf: dict[int, bytes]) -> Column:
    column = Column()
    for chunk, values in shelf.items():
        column.load(chunk, values)
    return column


def store(column: Column, shelf: dict[int, bytes], position: int) -> None:
    for row in column.unstored("tag:spent"):
        if row.values is None:
            shelf.pop(row.chunk, None)
        else:
            shelf[row.chunk] = row.values
    column.settle(position)
