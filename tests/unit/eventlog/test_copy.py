import struct
from collections.abc import Iterator

from libs.eventlog.copy import DIGEST_OFFSET, LOG_COLUMNS, MESSAGE_ID_COLUMNS, log_rows, message_id_rows
from libs.eventlog.event import NewEvent

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">II", 0, 0)
PLACED = [
    (0, 1, NewEvent(b"i" * 16, "demo", b"k" * 16, b"event bytes", 0)),
    (7, 2**40, NewEvent(b"j" * 16, "门店", b"l" * 16, b"", 2**32 - 1, "导入 1")),
]


def rows(data: bytes) -> Iterator[list[bytes]]:
    """Read the format as PostgreSQL's documentation gives it."""
    assert data.startswith(SIGNATURE)
    at = len(SIGNATURE)
    while (columns := struct.unpack_from(">h", data, at)[0]) != -1:
        at += 2
        row = []
        for _ in range(columns):
            (length,) = struct.unpack_from(">i", data, at)
            row.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        yield row
    assert at + 2 == len(data)


def number(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def test_rows_of_the_log_are_packed_as_postgresql_reads_them() -> None:
    read = list(rows(log_rows(PLACED, 123_456).tobytes()))
    assert [len(row) for row in read] == [len(LOG_COLUMNS)] * 2
    for (partition, position, event), row in zip(PLACED, read, strict=True):
        assert [len(row[0]), len(row[1]), len(row[2])] == [2, 8, 8]
        assert [number(value) for value in row[:3]] == [partition, position, 123_456]
        assert row[3:] == [event.tenant.encode(), event.key, event.data]


def test_rows_of_message_ids_are_packed_as_postgresql_reads_them() -> None:
    read = list(rows(message_id_rows(PLACED, -5).tobytes()))
    assert [len(row) for row in read] == [len(MESSAGE_ID_COLUMNS)] * 2
    for (partition, position, event), row in zip(PLACED, read, strict=True):
        assert row[:2] == [event.tenant.encode(), event.id]
        assert [len(value) for value in row[2:6]] == [2, 8, 4, 8]
        assert [number(value) for value in row[2:6]] == [partition, position, event.digest - DIGEST_OFFSET, -5]
        assert row[6] == event.import_id.encode()


def test_no_rows_are_a_header_and_a_trailer() -> None:
    assert list(rows(log_rows([], 0).tobytes())) == []
