"""Value tiers: one ladder for a tenant, and what each of its tiers is worth to the business."""

from collections.abc import Mapping
from typing import Final

import msgspec

from libs.conditions.numbers import SCALE
from libs.conditions.said import Said
from services.tagging.domain.examples import read_example
from services.tagging.domain.fields import condition, titles
from services.tagging.domain.ladder import Laddered, Rung
from services.tagging.domain.names import TIER, read_key
from services.tagging.domain.values import ValueType

_NEEDED: Final = ("tiers", "title", "owner", "description", "ladder")
_MOST_TOUCHES: Final = 1_000


class Tier(msgspec.Struct, frozen=True, gc=False):
    """A tier, and what whoever is in it may be given.

    `per_day` and `per_week` bound how often somebody is touched, None for no bound of the tier's own; `discount` is the
    greatest share of a price that may be taken off, 0 to 1.
    """

    key: str
    titles: Mapping[str, str]
    per_day: int | None = None
    per_week: int | None = None
    discount: float = 0.0


class TiersDefinition(Laddered, frozen=True, kw_only=True):
    """One version of a tenant's tiers, the best first: who meets none of their conditions is in none.

    `key` is the document's own name for them; conditions and the log know them as `tier`.
    """

    key: str
    value_type: ValueType = "enum"
    tiers: tuple[Tier, ...]

    @property
    def name(self) -> str:
        """See `Definition`."""
        return TIER


def read_tiers(said: Said) -> TiersDefinition:
    """The tiers that a document says, as version 1; raises `InvalidArgument` with the path inside of it."""
    fields = said.fields(*_NEEDED, "tests", needs=_NEEDED)
    tiers: list[Tier] = []
    rungs: list[Rung] = []
    for one in fields["ladder"].items():
        rung = one.fields("tier", "title", "when", "touches", "discount", needs=("tier", "title", "when"))
        tier = _tier(rung)
        if any(tier.key == other.key for other in tiers):
            rung["tier"].fail("stands in the ladder twice; join the two with any")
        tiers.append(tier)
        rungs.append(Rung(tier.key, condition(rung["when"])))
    options = tuple(tier.key for tier in tiers)
    tests = fields["tests"].items() if "tests" in fields else ()
    return TiersDefinition(
        key=read_key(fields["tiers"]),
        version=1,
        titles=titles(fields["title"]),
        owner=fields["owner"].text(),
        description=fields["description"].text(),
        options=options,
        rungs=tuple(rungs),
        tiers=tuple(tiers),
        examples=tuple(read_example(one, "enum") for one in tests),
    )


def _tier(rung: Mapping[str, Said]) -> Tier:
    touches = rung["touches"].fields("per_day", "per_week") if "touches" in rung else {}
    discount = rung["discount"].number() if "discount" in rung else 0
    if not 0 <= discount <= SCALE:
        rung["discount"].fail("must be between 0 and 1")
    return Tier(
        read_key(rung["tier"]),
        titles(rung["title"]),
        per_day=touches["per_day"].whole(0, _MOST_TOUCHES) if "per_day" in touches else None,
        per_week=touches["per_week"].whole(0, _MOST_TOUCHES) if "per_week" in touches else None,
        discount=discount / SCALE,
    )
