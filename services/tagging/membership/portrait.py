"""What a group is like beside everyone, read from the bitmaps and columns of all partitions."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from services.tagging.domain.characteristics import HOURS, Characteristic, Portrayed
from services.tagging.domain.group_portrait import Distribution, Numbers, Sizes, of_flag, of_numbers, of_values
from services.tagging.membership.index import Index


class GroupPart(NamedTuple):
    """The people of one partition: all of them, and those who are in the group."""

    held: Index
    everyone: BitMap
    group: BitMap


class GroupPortrait(NamedTuple):
    """How many people are in the group and altogether, and what the group is like."""

    sizes: Sizes
    portrayed: Sequence[Portrayed]


def portray(parts: Sequence[GroupPart], characteristics: Sequence[Characteristic], most: int) -> GroupPortrait:
    """The group by some characteristics, of each so many values at the most; there must be somebody in it."""
    sizes = Sizes(sum(len(part.group) for part in parts), sum(len(part.everyone) for part in parts))
    return GroupPortrait(sizes, [_portrayed(sizes, parts, one, most) for one in characteristics])


def _portrayed(sizes: Sizes, parts: Sequence[GroupPart], one: Characteristic, most: int) -> Portrayed:
    reference = one.reference
    if one.kind == "numbers":
        return Portrayed(one, _of_numbers(sizes, parts, reference))
    if one.kind == "flag":
        return Portrayed(one, _of_holders(sizes, parts, reference))
    if not all(part.held.groups[reference].whole for part in parts if reference in part.held.groups):
        return Portrayed(one, _of_holders(sizes, parts, reference), too_many=True)
    order = HOURS if one.kind == "hours" else one.order
    return Portrayed(one, of_values(sizes, _counts(parts, reference), order, most, of_known=one.of_known))


def _of_holders(sizes: Sizes, parts: Sequence[GroupPart], reference: str) -> Distribution:
    holders = [(part, part.held.holders(reference)) for part in parts]
    group = sum(bitmap.intersection_cardinality(part.group) for part, bitmap in holders)
    return of_flag(sizes, group, sum(bitmap.intersection_cardinality(part.everyone) for part, bitmap in holders))


def _counts(parts: Sequence[GroupPart], reference: str) -> Mapping[str, tuple[int, int]]:
    """How many of the group, and of everyone, hold each text."""
    group, everyone = Counter[str](), Counter[str]()
    for part in parts:
        held = part.held.groups.get(reference)
        for value, bitmap in held.by_value.items() if held is not None else ():
            group[value] += bitmap.intersection_cardinality(part.group)
            everyone[value] += bitmap.intersection_cardinality(part.everyone)
    return {value: (group[value], count) for value, count in everyone.items()}


def _of_numbers(sizes: Sizes, parts: Sequence[GroupPart], reference: str) -> Distribution:
    group = [part.group for part in parts]
    others = [part.everyone - part.group for part in parts]
    return of_numbers(sizes, _numbers(parts, group, reference), _numbers(parts, others, reference))


def _numbers(parts: Sequence[GroupPart], people: Sequence[BitMap], reference: str) -> Numbers:
    return np.sort(np.concatenate([np.empty(0, np.int64), *_found(parts, people, reference)]))


def _found(parts: Sequence[GroupPart], people: Sequence[BitMap], reference: str) -> Iterator[NDArray[np.int64]]:
    for part, some in zip(parts, people, strict=True):
        column = part.held.columns.get(reference)
        if column is not None:
            yield column.of(np.frombuffer(some.to_array(), np.uint32))
