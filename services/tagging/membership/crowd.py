"""Some of a tenant's people at one moment: how many, who, some of them by chance, and what they share with others."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from random import Random
from typing import Annotated, NamedTuple

import msgspec
from pyroaring import BitMap

from services.tagging.membership.index import Index


class Place(NamedTuple):
    """Where somebody stands: a partition of the tags log, and their number in it."""

    partition: int
    number: Annotated[int, msgspec.Meta(ge=0, lt=2**32 - 1)]


class Crowd(NamedTuple):
    """People, by partition."""

    bitmaps: Mapping[int, BitMap]

    @property
    def size(self) -> int:
        """How many they are."""
        return sum(map(len, self.bitmaps.values()))

    def behind(self, place: Place | None) -> Iterator[Place]:
        """All of them behind a place, in the order of places."""
        for partition, bitmap in sorted(self.bitmaps.items()):
            if place is None or partition > place.partition:
                yield from (Place(partition, number) for number in bitmap)
            elif partition == place.partition:
                yield from (Place(partition, number) for number in bitmap.iter_equal_or_larger(place.number + 1))

    def drawn(self, count: int, seed: int) -> list[Place]:
        """So many of them by chance, or all if there are no more; the same for the same seed and the same people."""
        ranks = sorted(Random(seed).sample(range(self.size), min(count, self.size)))  # noqa: S311  no secret
        found: list[Place] = []
        begin = 0
        for partition, bitmap in sorted(self.bitmaps.items()):
            end = begin + len(bitmap)
            mine = ranks[len(found) :]
            found += [Place(partition, bitmap[rank - begin]) for rank in mine if rank < end]
            begin = end
        return found

    def shared(self, other: "Crowd") -> int:
        """How many belong to both."""
        return sum(bitmap.intersection_cardinality(other.bitmaps[at]) for at, bitmap in self.bitmaps.items())


class Pair(NamedTuple):
    """What two crowds share, by their places in the question.

    `jaccard` is the share of those in both among those in either. `lift` is how many times as many are in both as would
    be if the one had nothing to do with the other, among everyone. Both are None where they would divide by nothing.
    """

    first: int
    second: int
    both: int
    jaccard: float | None
    lift: float | None


def pairs(crowds: Sequence[Crowd], population: int) -> list[Pair]:
    """What all pairs of crowds share."""
    sizes = [crowd.size for crowd in crowds]
    found = []
    for first, second in combinations(range(len(crowds)), 2):
        both = crowds[first].shared(crowds[second])
        either, product = sizes[first] + sizes[second] - both, sizes[first] * sizes[second]
        jaccard = both / either if either else None
        found.append(Pair(first, second, both, jaccard, both * population / product if product else None))
    return found


class Spread(NamedTuple):
    """How a crowd spreads over the values of a reference: how many hold it at all, and each text.

    Without texts, they are too many, or numbers. A flag has none.
    """

    holding: int
    by_value: Mapping[str, int] | None


def spread(crowd: Crowd, reference: str, indexes: Mapping[int, Index]) -> Spread:
    """How a crowd spreads over the values of "tag:city", "stage" and so on, at the moment of the crowd."""
    holding, whole, counts = 0, True, dict[str, int]()
    for partition, bitmap in crowd.bitmaps.items():
        group = indexes[partition].groups.get(reference)
        if group is None:
            continue
        holding += bitmap.intersection_cardinality(group.holders)
        whole &= group.whole
        for value, holders in group.by_value.items():
            both = bitmap.intersection_cardinality(holders)
            if both:
                counts[value] = counts.get(value, 0) + both
    return Spread(holding, counts if whole else None)
