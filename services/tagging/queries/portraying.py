"""What a group is like beside everyone, by whatever is defined."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from libs.conditions.tree import Condition, Segment
from libs.runtime.errors import FailedPrecondition, InvalidArgument
from services.tagging.catalogue import Catalogues
from services.tagging.domain.characteristics import Characteristic, characteristic_of
from services.tagging.domain.group_portrait import MOST_ROWS
from services.tagging.domain.names import EVERYONE, reference_of
from services.tagging.membership.portrait import GroupPart, GroupPortrait, portray
from services.tagging.queries.crowds import EVERYBODY, Crowds

UNHELD: Final = "asks for more than is held of people: publish it as a segment first"


class Portrait(NamedTuple):
    """What was found, and how far the log of tags was read for it, by partition."""

    found: GroupPortrait
    positions: Mapping[int, int]


@dataclass(frozen=True)
class Portraying:
    """Compares groups with everyone."""

    crowds: Crowds
    catalogues: Catalogues

    async def portray(
        self, tenant: str, condition: Condition, references: Sequence[str] = (), most: int = 0
    ) -> Portrait:
        """A group by some characteristics, or by all but itself, what sets it apart most first.

        Raises `InvalidArgument` for a characteristic that nothing defines; `FailedPrecondition` if nobody is in the
        group, or if it asks for more than is held of people.
        """
        characteristics = self._characteristics(tenant, references, condition)
        looked = await self.crowds.look(tenant, [condition, EVERYBODY])
        if looked is None:
            raise FailedPrecondition("NOT_HELD", f"crowd: {UNHELD}")
        group, everyone = looked.crowds
        if not group.size:
            raise FailedPrecondition("GROUP_IS_EMPTY", "nobody is in the group, so there is nothing to compare")
        names = [one.reference for one in characteristics]
        parts = [  # at the moment of the crowds, for nothing was awaited since
            GroupPart(index.excerpt(names), everyone.bitmaps[partition], group.bitmaps[partition])
            for partition, index in self.crowds.gathering.indexes(tenant).items()
        ]
        found = await asyncio.to_thread(portray, parts, characteristics, most or MOST_ROWS)
        if not references:
            telling = sorted(found.portrayed, key=lambda one: -one.distribution.distance)
            found = found._replace(portrayed=telling)
        return Portrait(found, looked.positions)

    def _characteristics(self, tenant: str, references: Sequence[str], condition: Condition) -> list[Characteristic]:
        definitions = self.catalogues.live(tenant).definitions
        known = {
            reference_of(name): characteristic_of(name, one) for name, one in definitions.items() if name != EVERYONE
        }
        for index, reference in enumerate(references):
            if reference not in known:
                raise InvalidArgument(f"characteristics[{index}]", f"{reference} is not defined, or not live yet")
        if references:
            return [known[reference] for reference in references]
        itself = f"segment:{condition.key}" if isinstance(condition, Segment) else ""
        return [one for reference, one in known.items() if reference != itself]
