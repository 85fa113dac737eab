from contextlib import suppress

from libs.eventlog.memory_transaction import MemoryTransaction


def test_what_waits_for_the_commit_is_done_at_the_end_and_in_order() -> None:
    done: list[int] = []
    with MemoryTransaction().committing() as transaction:
        transaction.at_commit(lambda: done.append(1))
        transaction.at_commit(lambda: done.append(2))
        assert done == []
    assert done == [1, 2]


def test_a_transaction_that_fails_undoes_its_writes_backwards_and_does_nothing_more() -> None:
    undone: list[int] = []
    with suppress(ZeroDivisionError), MemoryTransaction().committing() as transaction:
        transaction.undo_by(lambda: undone.append(1))
        transaction.undo_by(lambda: undone.append(2))
        transaction.at_commit(lambda: undone.append(3))
        raise ZeroDivisionError
    assert undone == [2, 1]


def test_a_savepoint_is_undone_alone() -> None:
    told: list[str] = []
    with MemoryTransaction().committing() as transaction:
        transaction.undo_by(lambda: told.append("undone: first"))
        transaction.at_commit(lambda: told.append("done: first"))
        with suppress(ZeroDivisionError), transaction.savepoint():
            transaction.undo_by(lambda: told.append("undone: second"))
            transaction.at_commit(lambda: told.append("done: second"))
            raise ZeroDivisionError
        with transaction.savepoint():
            transaction.at_commit(lambda: told.append("done: third"))
    assert told == ["undone: second", "done: first", "done: third"]
