"""A definition among the others of its tenant."""

from typing import Any

import pytest

from libs.conditions.check import told
from libs.runtime.errors import FailedPrecondition, InvalidArgument
from services.tagging.domain.registry import check_retirable, checked, differences, known_names
from services.tagging.domain.tag import TagDefinition
from tests.unit.tagging.test_definition import read


def reading(key: str, *others: str) -> TagDefinition:
    return read(tag=key, when={"any": [{"tag": other} for other in others] or [{"did": {"event": "viewed"}}]})


def findings(definition: TagDefinition, *others: TagDefinition, **more: Any) -> list[str]:
    among = {one.key: one for one in others}
    names = known_names({**among, definition.key: definition}, more.get("events", {}), more.get("traits", {}))
    return told(checked(definition, among, names))


def test_an_unknown_event_is_doubtful_and_told_with_the_nearest_one() -> None:
    told = findings(read(), events={"product_viewd": {}})
    assert told == ["when.did.event: no event 'product_viewed' is known, did you mean 'product_viewd'?"]


def test_a_test_that_a_trait_can_not_pass_is_an_error_at_its_path() -> None:
    asks = read(when={"trait": {"children": {"contains": "a"}}})
    with pytest.raises(InvalidArgument) as caught:
        findings(asks, traits={"children": "integer"})
    assert caught.value.field.startswith("when.trait.children")


def test_tags_that_read_one_another_in_a_circle_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="reads itself"):
        findings(reading("a", "b"), reading("b", "c"), reading("c", "a"))


def test_a_tag_that_is_read_is_not_retired() -> None:
    among = {one.key: one for one in (reading("a"), reading("b", "a"), reading("c", "a"))}
    with pytest.raises(FailedPrecondition, match="read by b, c"):
        check_retirable("a", among)
    check_retirable("b", among)


def test_differences_are_told_by_line_and_a_new_version_alone_is_none() -> None:
    assert list(differences((), [read()])) == ["tag looks_around is new"]
    assert list(differences([read()], [read()])) == []
    assert list(differences([read()], [read(owner="x", when={"tag": "a"})])) == ["another owner", "other conditions"]
