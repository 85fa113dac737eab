"""What a condition reads beside events, and the order in which definitions that read one another are answered.

References are written "tag:vip", "score:x", "segment:y", "stage", "tier", "trait:city", and "zone" for the person's.
"""

from collections.abc import Iterator, Mapping
from typing import assert_never

from libs.conditions.comparisons import Anniversary, FromToday, Years
from libs.conditions.tree import (
    All,
    AnyOf,
    Condition,
    Did,
    Leaf,
    Not,
    Score,
    Segment,
    Sequence,
    Stage,
    Tag,
    Tier,
    Trait,
)
from libs.runtime.errors import InvalidArgument


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The leaves of a condition, in the order in which they are written."""
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield condition


def references(condition: Condition) -> frozenset[str]:
    """Everything that a condition reads beside events."""
    return frozenset(one for leaf in leaves(condition) for one in _references(leaf))


def evaluation_order(definitions: Mapping[str, Condition]) -> list[str]:
    """The definitions, named as they are referred to, each after all that it reads.

    Raises `InvalidArgument` where definitions read one another in a circle, with the name of one as field.
    """
    order: list[str] = []
    done: set[str] = set()
    for start in sorted(definitions):
        # A stack of our own: a chain of thousands is no reason to fail.
        path: list[str] = []
        open_: list[tuple[str, Iterator[str]]] = []
        _enter(start, definitions, path, open_, done)
        while open_:
            name, rest = open_[-1]
            for read in rest:
                if read in path:
                    circle = [*path[path.index(read) :], read]
                    raise InvalidArgument(read, f"reads itself: {' → '.join(circle)}", "CYCLE")
                if _enter(read, definitions, path, open_, done):
                    break
            else:
                open_.pop()
                path.pop()
                done.add(name)
                order.append(name)
    return order


def _enter(
    name: str,
    definitions: Mapping[str, Condition],
    path: list[str],
    open_: list[tuple[str, Iterator[str]]],
    done: set[str],
) -> bool:
    if name in done or name not in definitions:
        return False
    path.append(name)
    open_.append((name, iter(sorted(references(definitions[name])))))
    return True


def _references(leaf: Leaf) -> Iterator[str]:
    match leaf:
        case Did() | Sequence():
            pass
        case Trait(name, test):
            yield f"trait:{name}"
            if isinstance(test, Anniversary | Years | FromToday):
                yield "zone"
        case Tag(key):
            yield f"tag:{key}"
        case Score(key):
            yield f"score:{key}"
        case Stage():
            yield "stage"
        case Tier():
            yield "tier"
        case Segment(key):
            yield f"segment:{key}"
        case _:
            assert_never(leaf)
