"""What a group is compared by: each characteristic with how its values are to be read."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from libs.conditions.tree import HOUR_OF_DAY, Amount, Condition, Did
from services.tagging.domain.definition import Definition
from services.tagging.domain.group_portrait import Distribution
from services.tagging.domain.lifecycle import LifecycleDefinition
from services.tagging.domain.names import kind_of, reference_of
from services.tagging.domain.tag import Source, TagDefinition
from services.tagging.domain.tiers import TiersDefinition

Kind = Literal["flag", "choice", "ordered", "hours", "numbers"]
Titles = Mapping[str, str]

_UNKNOWN: Final[frozenset[Source]] = frozenset({"trait", "imported", "set_by_hand", "first_last", "ranking"})
"""Sources of which no value means that nobody knows, and not that the answer is none."""

HOURS: Final = tuple(str(hour) for hour in range(24))


class Characteristic(NamedTuple):
    """`reference` is how conditions refer to it. `order` are values that have an order, `value_titles` their titles.

    With `of_known`, whoever has no value is not compared: nobody knows what it would be.
    """

    reference: str
    titles: Titles
    kind: Kind
    order: Sequence[str] = ()
    value_titles: Mapping[str, Titles] = {}
    of_known: bool = False


class Portrayed(NamedTuple):
    """A characteristic of a group. With `too_many` values, only who has one is told."""

    characteristic: Characteristic
    distribution: Distribution
    too_many: bool = False


def characteristic_of(name: str, definition: Definition) -> Characteristic:
    """How a definition's values are compared."""
    reference, titles = reference_of(name), definition.titles
    match definition:
        case TagDefinition():
            kind, order = _read_as(definition)
            return Characteristic(reference, titles, kind, order, of_known=definition.source in _UNKNOWN)
        case TiersDefinition(tiers=tiers):
            return Characteristic(
                reference, titles, "ordered", definition.options, {one.key: one.titles for one in tiers}
            )
        case LifecycleDefinition(stages=stages):
            return Characteristic(
                reference, titles, "ordered", definition.options, {one.key: one.titles for one in stages}
            )
        case _ if kind_of(name) == "segment":
            return Characteristic(reference, titles, "flag")
        case _:
            return Characteristic(reference, titles, "ordered", tuple(definition.options))


def _read_as(tag: TagDefinition) -> tuple[Kind, Sequence[str]]:
    match tag.value_type:
        case "flag":
            return "flag", ()
        case "number":
            return "numbers", ()
        case _ if any(_ranks_hours(rung.condition) for rung in tag.rungs):
            return "hours", HOURS
        case _ if tag.source == "trait" or any(rung.value is not None for rung in tag.rungs):
            return "ordered" if tag.options else "choice", tag.options
        case _:
            return "choice", ()


def _ranks_hours(condition: Condition) -> bool:
    return isinstance(condition, Did) and isinstance(condition.test, Amount) and condition.test.per == HOUR_OF_DAY
