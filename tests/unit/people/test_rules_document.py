"""Identifier rules as YAML, read and written."""

from dataclasses import replace

import pytest

from libs.people.identifiers import DAY, DEFAULT_RULES, IdentifierRules, IdentifierType, PerPerson
from libs.people.rules_document import read_rules, written
from libs.runtime.errors import InvalidArgument

HOUR = DAY // 24


def test_what_portrait_ships_can_be_read_as_a_document() -> None:
    assert read_rules(written(DEFAULT_RULES), 1) == replace(DEFAULT_RULES, version=1)


def test_rules_are_read_as_they_were_written() -> None:
    rules = IdentifierRules.of(
        7,
        [
            IdentifierType("card", "person", "strong", 3, matches=("62*",), blocked=frozenset({"6200", "6201"})),
            IdentifierType("till", "outlet", "strong", -1, "caseless", blocked_patterns=("T-*",)),
            IdentifierType("wifi", "person", "weak", 0, people=4, validity=36 * HOUR, parent="card"),
            IdentifierType("phone", "person", "contact", 9, "phone", per_person=PerPerson(2, 90 * DAY)),
            IdentifierType("name_and_day", "person", "weak", 0, parts=("traits.last_name", "phone"), people=1),
        ],
        "apart",
    )
    assert read_rules(written(rules), 99) == rules


def test_a_document_without_a_version_gets_the_one_given() -> None:
    assert read_rules("types: {card: {strength: strong, form: exact}}", 4).version == 4


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        ("types: {card: {strength: strong}}", "types.card.form", "is missing"),
        ("types: {card: {strength: strong, form: exact, people: 2}}", "types.card.people", "a strong identifier"),
        ("just text", "", "must be a mapping"),
        ("", "", "must be a mapping"),
        ("a: [", "", "is not YAML: line 1"),
        (
            "types:\n  card: {strength: strong, form: exact}\n  card: {strength: weak, form: exact}\n",
            "",
            "line 3: 'card' stands twice",
        ),
        ("!!python/object/apply:os.system [ls]", "", "is not YAML"),
        ("x" * 262_145, "", "is longer than 262,144 bytes"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(document: str, field: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_rules(document, 1)
    assert caught.value.field == field
    assert message in caught.value.message
