import json
import os
from itertools import pairwise
from pathlib import Path

import pytest

from libs.cli.mapping import Mapping
from libs.cli.rows import LARGEST_ROW, Documents, Lines, Records, Row, with_id


def rows_of(source: Lines | Records | Documents) -> list[Row]:
    return [row for row in source.rows() if row is not None]


def file_of(folder: Path, content: bytes, name: str = "events.ndjson") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b'{"type":"track"}', {"message_id": "import:1", "type": "track"}),
        (b"{}", {"message_id": "import:1"}),
        (b'{"message_id":null,"total":12.50}', {"message_id": "import:1", "total": 12.5}),
        (b'{"message_id":"","a":1}', {"message_id": "import:1", "a": 1}),
    ],
)
def test_a_document_without_an_id_gets_one(document: bytes, said: dict[str, object]) -> None:
    assert json.loads(with_id(document, "import:1")) == said


@pytest.mark.parametrize("document", [b'{"message_id":"m1","a":1}', b'{"message_id":7}'])
def test_an_id_of_its_own_stands(document: bytes) -> None:
    assert with_id(document, "import:1") == document


@pytest.mark.parametrize("document", [b"{bad", b"[1]", b'"text"', b"\xff\xfe{}", b'{"a":' + b"[" * 5_000, b""])
def test_what_is_no_json_object_stays_as_it_came(document: bytes) -> None:
    assert with_id(document, "import:1") == document


def test_nothing_else_of_a_document_changes_when_it_gets_an_id() -> None:
    assert with_id(b'{ "total": 1.10, "total": 2e5 }', "x") == b'{"message_id":"x", "total": 1.10, "total": 2e5 }'


def test_lines_are_numbered_as_an_editor_does_and_blank_ones_left_out(tmp_path: Path) -> None:
    source = Lines.of(file_of(tmp_path, b'\xef\xbb\xbf{"a":1}\r\n\n   \n{broken\n{"a":2}'))

    rows = rows_of(source)

    assert [row.number for row in rows] == [1, 4, 5]
    assert rows[1].document == b"{broken"
    assert json.loads(rows[0].document or b"") == {"message_id": f"import:{source.id}:1", "a": 1}
    assert all(before.read < after.read for before, after in pairwise(rows))


def test_the_same_content_has_the_same_ids_under_another_name_and_other_content_has_not(tmp_path: Path) -> None:
    one = Lines.of(file_of(tmp_path, b'{"a":1}\n', "one"))
    same = Lines.of(file_of(tmp_path, b'{"a":1}\n', "same"))
    other = Lines.of(file_of(tmp_path, b'{"a":2}\n', "other"))

    assert rows_of(one)[0].document == rows_of(same)[0].document
    assert one.id != other.id


def test_a_line_larger_than_a_request_is_named_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = file_of(tmp_path, b'{"a":"' + b"x" * (3 * LARGEST_ROW) + b'"}\n{"a":1}\n')

    rows = rows_of(Lines.of(path))

    assert [(row.number, row.document is None) for row in rows] == [(1, True), (2, False)]


def test_a_stream_says_when_nothing_comes_for_a_while() -> None:
    read, write = os.pipe()
    try:
        os.write(write, b'{"a":1}\n{"a"')
        rows = Lines(read, "stdin", "s").rows()
        assert next(rows) is not None
        assert next(rows) is None
        os.write(write, b":2}\n")
        second = next(row for row in rows if row is not None)
        assert json.loads(second.document or b"")["a"] == 2
    finally:
        os.close(write)
        os.close(read)


def mapping(**document: object) -> Mapping:
    said = {"constants": {"type": "track", "event": "bought"}, "columns": {"who": "identifiers.member_no"}, **document}
    return Mapping.of(said, "m.yaml")


def test_records_are_numbered_behind_the_header_and_quoted_line_breaks_stay_inside(tmp_path: Path) -> None:
    path = file_of(tmp_path, b'\xef\xbb\xbfwho,what\nM1,"two\nlines"\n\nM2,x\n', "o.csv")
    source = Records.of(path, mapping(columns={"who": "identifiers.member_no", "what": "properties.note"}))

    rows = rows_of(source)

    first = json.loads(rows[0].document or b"")
    assert first == {
        "message_id": f"import:{source.id}:1",
        "type": "track",
        "event": "bought",
        "identifiers": {"member_no": "M1"},
        "properties": {"note": "two\nlines"},
    }
    assert json.loads(rows[1].document or b"")["identifiers"] == {"member_no": "M2"}


def test_two_mappings_of_one_file_make_different_events_if_they_have_different_names(tmp_path: Path) -> None:
    path = file_of(tmp_path, b"who\nM1\n", "o.csv")
    assert Records.of(path, mapping()).id == Records.of(path, mapping(delimiter=";")).id
    assert Records.of(path, mapping(name="orders")).id != Records.of(path, mapping(name="visits")).id


def test_a_record_that_its_encoding_cannot_read_stays_as_it_was(tmp_path: Path) -> None:
    source = Records.of(file_of(tmp_path, b"who\nM\xff1\n", "o.csv"), mapping())
    assert [row.document for row in rows_of(source)] == [b"M\xff1"]


def test_documents_of_a_program_keep_their_ids_and_their_order() -> None:
    source = Documents([b'{"message_id":"a"}', b'{"b":1}'], "made", "made-1", "made", 2)
    assert [json.loads(row.document or b"")["message_id"] for row in rows_of(source)] == ["a", "import:made-1:2"]
