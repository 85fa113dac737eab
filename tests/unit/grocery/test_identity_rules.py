"""The rules that the grocery shows, as an example to begin from."""

from pathlib import Path

import examples.grocery
from libs.people.identifiers import DEFAULT_RULES
from libs.people.rules_document import read_rules
from services.identity.domain.rules import RulesHistory, decide

RULES = Path(examples.grocery.__file__).with_name("identity.yaml").read_text(encoding="utf-8")


def test_the_example_can_be_published_behind_the_shipped_rules() -> None:
    rules = read_rules(RULES, 1)
    assert len(decide(RulesHistory(), rules)) == 1
    assert rules.types["name_and_birthday"].parts == ("traits.last_name", "traits.birthday")
    assert rules.types["phone"].form == DEFAULT_RULES.types["phone"].form
