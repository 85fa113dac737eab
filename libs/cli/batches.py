"""Definitions that are published together: in which order, and what of their plans is known only once others are live.

What a document defines and reads is named as in conditions: "tag:vip", "score:vip", "segment:staff", "stage", "tier".
"""

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, NamedTuple

from libs.runtime.errors import InvalidArgument
from libs.runtime.strict_yaml import read_yaml

_EXAMPLES: Final = "tests"
_CALLED: Final = {"stage": "the lifecycle", "tier": "the ladder of tiers"}


class Written(NamedTuple):
    """A document and where it stands, with the names of what it defines and of what it reads of others."""

    where: str
    document: str
    defines: frozenset[str]
    reads: frozenset[str]


class Pending:
    """What a batch will bring, as far as it was planned."""

    def __init__(self) -> None:
        self._how: dict[str, str] = {}
        self._known: set[tuple[str, str]] = set()

    def settle(self, one: Written, answer: Any) -> None:
        """Say of a plan what is known only later, in place of numbers and doubts that will be otherwise."""
        plan, awaited = answer.plan, sorted(one.reads & self._how.keys())
        if plan.changes and awaited:
            foreseen = {one.warning for one in plan.unknown if (one.kind, one.name) in self._known}
            doubts = [doubt for index, doubt in enumerate(plan.warnings) if index not in foreseen]
            told = {f"reads {_called(name)}, which {self._how[name]} in this batch" for name in awaited}
            for number in ("looked_at", "gained", "lost", "changed", "holding", "sample", "warnings", "unknown"):
                plan.ClearField(number)
            plan.warnings.extend(
                [*(f"{line}: who gets it is seen once that is live" for line in sorted(told)), *doubts]
            )
        if plan.changes or awaited:
            how = "is new" if answer.definition.version == 1 else "changes"
            self._how.update(dict.fromkeys(one.defines, how))
            self._known.update((what, key) for what, _, key in (name.partition(":") for name in one.defines))
            for what, several in (("stage", "stages"), ("tier", "tiers")):
                self._known.update((what, each.key) for each in getattr(answer.definition, several, ()))


def written(where: str, document: str) -> Written:
    """What a document defines and reads; nothing of one that can't be read, as the service will say."""
    try:
        said = read_yaml(document)
    except InvalidArgument:
        said = None
    if not isinstance(said, dict):
        return Written(where, document, frozenset(), frozenset())
    defines = frozenset(_defined(said))
    reads = frozenset(name for key, inner in said.items() if key != _EXAMPLES for name in _reads(inner))
    return Written(where, document, defines, reads - defines)


def in_order(several: Sequence[Written]) -> list[Written]:
    """Each behind those that it reads; as they stand where they read one another in a circle."""
    defined = {name: index for index, one in enumerate(several) for name in one.defines}
    before = {
        index: [defined[name] for name in sorted(one.reads & defined.keys())] for index, one in enumerate(several)
    }
    try:
        return [several[index] for index in TopologicalSorter(before).static_order()]
    except CycleError:
        return list(several)


def _defined(said: dict[Any, Any]) -> Iterator[str]:
    if "tag" in said:
        yield f"tag:{said['tag']}"
        if "score" in said:
            yield f"score:{said['tag']}"
    elif "segment" in said:
        yield f"segment:{said['segment']}"
    elif "lifecycle" in said:
        yield "stage"
    elif "tiers" in said:
        yield "tier"


def _reads(said: Any) -> Iterator[str]:
    if isinstance(said, list):
        for inner in said:
            yield from _reads(inner)
    elif isinstance(said, dict):
        for key, inner in said.items():
            if key in {"tag", "score", "segment"}:
                yield from (f"{key}:{name}" for name in (inner if isinstance(inner, dict) else [inner]))
            elif key in _CALLED:
                yield key
            yield from _reads(inner)


def _called(name: str) -> str:
    return _CALLED.get(name) or name.partition(":")[2]
