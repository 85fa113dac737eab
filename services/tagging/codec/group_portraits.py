"""Portraits of groups as messages."""

from collections.abc import Mapping
from typing import Final

from portrait.tagging.v1 import group_portrait_pb2 as pb

from libs.conditions.numbers import SCALE
from services.tagging.domain.characteristics import Characteristic, Kind, Portrayed
from services.tagging.domain.group_portrait import Compared, Row, Spread
from services.tagging.domain.intervals import Estimate

_KINDS: Final[Mapping[Kind, pb.DistributionKind.ValueType]] = {
    "flag": pb.DISTRIBUTION_KIND_FLAG,
    "choice": pb.DISTRIBUTION_KIND_CHOICE,
    "ordered": pb.DISTRIBUTION_KIND_ORDERED,
    "hours": pb.DISTRIBUTION_KIND_HOURS,
    "numbers": pb.DISTRIBUTION_KIND_NUMBERS,
}


def portrayed_on_wire(one: Portrayed) -> pb.Distribution:
    """One characteristic of a group."""
    characteristic, distribution = one.characteristic, one.distribution
    return pb.Distribution(
        reference=characteristic.reference,
        titles=characteristic.titles,
        kind=_KINDS[characteristic.kind],
        rows=[_row(row, characteristic) for row in distribution.rows],
        none=None if distribution.none is None else _compared(distribution.none),
        other=None if distribution.rest is None else _row(distribution.rest, characteristic),
        distance=distribution.distance,
        spread=None if distribution.spread is None else _spread(distribution.spread),
        too_many_values=one.too_many,
        known=_compared(distribution.known),
        of_known=distribution.of_known,
    )


def _row(row: Row, characteristic: Characteristic) -> pb.DistributionRow:
    return pb.DistributionRow(
        value=row.value,
        titles=characteristic.value_titles.get(row.value, {}),
        low=row.low / SCALE,
        high=row.high / SCALE,
        comparison=_compared(row.compared),
        values=row.values,
    )


def _compared(one: Compared) -> pb.Comparison:
    return pb.Comparison(
        group=one.group,
        everyone=one.everyone,
        share=_estimate(one.share),
        share_of_everyone=one.share_of_everyone,
        index=_estimate(one.index),
        lift=_estimate(one.lift),
        enough=one.enough,
        telling=one.telling,
    )


def _spread(one: Spread) -> pb.Spread:
    return pb.Spread(
        quartiles=_quartiles(one.quartiles),
        quartiles_of_everyone=_quartiles(one.quartiles_of_everyone),
        shift=None if one.shift is None else _estimate(Estimate(*(part / SCALE for part in one.shift))),
    )


def _quartiles(three: tuple[int, int, int]) -> pb.Quartiles:
    first, median, third = three
    return pb.Quartiles(first=first / SCALE, median=median / SCALE, third=third / SCALE)


def _estimate(one: Estimate | None) -> pb.Estimate | None:
    return None if one is None else pb.Estimate(value=one.value, low=one.low, high=one.high)
