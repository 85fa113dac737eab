from collections.abc import Iterator

from libs.cli.rows import Row
from libs.cli.sending import BATCH_BYTES, batches


def row(number: int, size: int = 10) -> Row:
    return Row(number, b"x" * size, number)


def numbers(found: Iterator[list[Row]]) -> list[list[int]]:
    return [[one.number for one in batch] for batch in found]


def test_rows_go_in_batches_of_at_most_so_many() -> None:
    assert numbers(batches(map(row, range(1, 6)), 0, 2)) == [[1, 2], [3, 4], [5]]


def test_rows_up_to_the_bookmark_are_passed_over() -> None:
    assert numbers(batches(map(row, range(1, 6)), 3, 500)) == [[4, 5]]


def test_a_batch_is_no_larger_than_a_request_may_be() -> None:
    large = [row(number, BATCH_BYTES // 2) for number in (1, 2, 3)]
    assert numbers(batches(iter(large), 0, 500)) == [[1, 2], [3]]


def test_what_has_come_is_sent_when_a_stream_falls_silent() -> None:
    assert numbers(batches(iter([None, row(1), None, None, row(2)]), 0, 500)) == [[1], [2]]


def test_nothing_makes_no_batch() -> None:
    assert numbers(batches(iter([]), 0, 500)) == []
