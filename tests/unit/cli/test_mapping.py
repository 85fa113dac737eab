import json
from pathlib import Path
from typing import Any

import pytest

from libs.cli.errors import BadInput
from libs.cli.mapping import Mapping


def read(column: Any, cell: str) -> Any:
    """What one cell becomes; None if it is left out."""
    document = Mapping.of({"columns": {"c": column}}, "m.yaml").for_header(["c"], "o.csv")([cell])
    return json.loads(document).get("x")


def to(type_: str, **rest: str) -> dict[str, str]:
    return {"to": "x", "type": type_, **rest}


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("x", " Anna ", "Anna"),
        ("x", "007", "007"),
        ("x", "", None),
        (to("number"), "12.50", 12.5),
        (to("number"), "-3", -3),
        (to("number"), "1,234.5", 1234.5),
        (to("number"), "12,5", "12,5"),
        (to("number"), "007", "007"),
        (to("number"), "NaN", "NaN"),
        (to("number"), "twelve", "twelve"),
        (to("number", decimal=","), "1.234,50", 1234.5),
        (to("number", decimal=","), "12,5", 12.5),
        (to("boolean"), "Yes", True),
        (to("boolean"), "否", False),
        (to("boolean"), "maybe", "maybe"),
        (to("json"), '["a", 1]', ["a", 1]),
        (to("json"), "{broken", "{broken"),
        (to("time"), "2026-03-01T10:00:00Z", "2026-03-01T10:00:00+00:00"),
        (to("time", zone="Europe/Berlin"), "2026-03-01 10:00", "2026-03-01T10:00:00+01:00"),
        (to("time", zone="Europe/Berlin"), "2026-07-01T10:00:00Z", "2026-07-01T10:00:00+00:00"),
        (to("time", format="%d.%m.%Y", zone="Asia/Shanghai"), "01.03.2026", "2026-03-01T00:00:00+08:00"),
        (to("time", format="seconds"), "1767225600", "2026-01-01T00:00:00+00:00"),
        (to("time", format="milliseconds"), "1767225600500", "2026-01-01T00:00:00.500000+00:00"),
        (to("time"), "yesterday", "yesterday"),
        (to("time", format="seconds"), "1e99", "1e99"),
    ],
)
def test_a_cell_becomes_what_its_column_says_or_stays_text(column: Any, cell: str, value: Any) -> None:
    assert read(column, cell) == value


def test_a_number_keeps_its_digits() -> None:
    document = Mapping.of({"columns": {"c": to("number")}}, "m").for_header(["c"], "o.csv")(["0.10"])
    assert document == b'{"x":0.10}'


def test_a_record_of_another_width_than_the_header_goes_over_as_it_is() -> None:
    document = Mapping.of({"columns": {"a": "x"}, "delimiter": ";"}, "m").for_header(["a", "b"], "o.csv")
    assert document(["1"]) == b"1"
    assert document(["1", "two; parts", "3"]) == b'1;"two; parts";3'


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "m.yaml: Expected `object`, got `array`"),
        ({}, "m.yaml: Object missing required field `columns`"),
        ({"columns": {"a": {"to": "x", "typ": "text"}}}, "typ"),
        ({"columns": {"a": {"to": "x", "type": "date"}}}, "Invalid enum value 'date'"),
        ({"columns": {"a": "x", "b": "x"}}, "columns.b: x is filled twice"),
        ({"columns": {"a": "x"}, "constants": {"x": 1}}, "columns.a: x is filled twice"),
        ({"columns": {"a": "x", "b": "x.y"}}, "x.y can't be filled, for x is"),
        ({"columns": {"a": to("time", zone="Mars/Base")}}, "columns.a.zone: 'Mars/Base' is not an IANA time zone"),
        ({"columns": {"a": to("text", zone="UTC")}}, "columns.a: only a time has a zone"),
        ({"columns": {"a": "x"}, "encoding": "klingon"}, "encoding: 'klingon' is not known"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_with_its_place(document: Any, complaint: str) -> None:
    with pytest.raises(BadInput) as refused:
        Mapping.of(document, "m.yaml")
    assert complaint in str(refused.value)


def test_a_column_that_the_file_lacks_is_named_with_the_nearest_one() -> None:
    mapping = Mapping.of({"columns": {"Betrag": "properties.total"}}, "m.yaml")
    with pytest.raises(BadInput, match=r"columns.Betrag: o.csv has no such column; did you mean 'Beträge'"):
        mapping.for_header(["Kunde", "Beträge"], "o.csv")


def test_a_file_that_is_not_yaml_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("columns: [\n")
    with pytest.raises(BadInput) as refused:
        Mapping.load(path)
    assert "\n" not in str(refused.value)
