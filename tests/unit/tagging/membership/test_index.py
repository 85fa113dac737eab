from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.tagging.membership.index import Index
from services.tagging.membership.terms import VALUES, Told
from tests.support.crowds import Book, Opened, Shelf, expected, person, plain

seeds = st.integers(0, 2**32)


@given(seeds)
def test_an_index_folded_in_any_batches_stored_and_loaded_anywhere_holds_what_people_hold(seed: int) -> None:
    chance = Random(seed)
    book, shelf, index = Book(chance), Shelf(), Index()
    opened = Opened(book)
    for _ in range(chance.randrange(60)):
        batch: list[Told] = []
        for _ in range(chance.randrange(6)):
            for told in book.tell():
                opened.after(told)
                batch.append(told)
        index.apply(batch, shelf.numbers)
        if chance.random() < 0.3:
            shelf.store(index, book.position)
        if chance.random() < 0.2:
            index = shelf.load() if index.settled else index
    assert plain(index, shelf.numbers) == expected(book, opened.opened)


@given(seeds)
def test_a_replica_that_is_behind_what_is_stored_comes_to_the_same_numbers(seed: int) -> None:
    chance = Random(seed)
    book, shelf, ahead, behind = Book(chance), Shelf(), Index(), Index()
    history = [told for _ in range(40) for told in book.tell()]
    ahead.apply(history, {})
    shelf.store(ahead, book.position)
    at = chance.randrange(len(history) + 1)
    behind.apply(history[:at], {})
    behind.settle(book.position)
    behind.apply(history[at:], shelf.numbers)
    assert plain(behind, shelf.numbers) == plain(ahead, shelf.numbers)
    assert behind.people == ahead.people == len(shelf.numbers)


def test_numbers_follow_the_order_of_first_appearance() -> None:
    index = Index()
    index.apply([Told(n, person(who), "tag:vip", True, None) for n, who in enumerate([7, 3, 7, 5], 1)], {})
    assert {who: one.number for who, one in index.fresh.items()} == {person(7): 0, person(3): 1, person(5): 2}


def test_a_text_with_too_many_values_keeps_only_who_holds_it_until_nobody_does() -> None:
    index = Index()
    index.apply([Told(n, person(n), "tag:note", f"v{n}", None) for n in range(VALUES + 1)], {})
    assert {term for term, _ in index.bitmaps()} == {"tag:note"}
    assert len(index.holders("tag:note")) == VALUES + 1
    index.apply([Told(1000 + n, person(n), "tag:note", None, f"v{n}") for n in range(VALUES + 1)], {})
    index.apply([Told(2000, person(1), "tag:note", "v1", None)], {})
    assert {term for term, _ in index.bitmaps()} == {"tag:note", "tag:note=v1"}
