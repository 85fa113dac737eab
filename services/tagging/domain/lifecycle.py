"""What a lifecycle's definition says: the stages that people go through, and what moves them from one to another."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

import msgspec

from libs.conditions.calendar import Zones
from libs.conditions.check import Finding
from libs.conditions.check_by_day import check_by_day
from libs.conditions.references import leaves
from libs.conditions.said import Said, nearest
from libs.conditions.tree import AnyOf, Condition
from libs.runtime.errors import InvalidArgument
from services.tagging.domain.asked import Asked
from services.tagging.domain.definition import Definition
from services.tagging.domain.examples import Example, read_example
from services.tagging.domain.fields import condition, titles
from services.tagging.domain.names import STAGE, read_key
from services.tagging.domain.stages import Machine, Move, moves_by_name
from services.tagging.domain.verdict import Verdict

ANY: Final = "any"
"""What stands for every stage but the one that a move leads to."""

MOST_STAGES: Final = 50
MOST_MOVES: Final = 50
MOST_ASKED: Final = 300
"""Times that all moves together ask what somebody did; each is answered for every day of theirs, after each event."""


class Stage(msgspec.Struct, frozen=True, gc=False):
    """One stage, with its titles by language."""

    key: str
    titles: Mapping[str, str]


class LifecycleDefinition(msgspec.Struct, frozen=True, dict=True):
    """One version of a tenant's lifecycle. `key` is the document's own name for it; conditions and the log know it as
    `stage`.
    """

    key: str
    version: int
    titles: Mapping[str, str]
    owner: str
    description: str
    stages: tuple[Stage, ...]
    initial: str
    moves: tuple[Move, ...]
    examples: tuple[Example, ...] = ()

    @property
    def name(self) -> str:
        """See `Definition`."""
        return STAGE

    @property
    def options(self) -> tuple[str, ...]:
        """See `Definition`."""
        return tuple(stage.key for stage in self.stages)

    @property
    def tells_all(self) -> bool:
        """See `Definition`."""
        return True

    def conditions(self) -> dict[str, Condition]:
        """See `Definition`; they are answered for any day."""
        return moves_by_name(self.moves)

    def everything(self) -> Condition:
        """See `Definition`."""
        return AnyOf(tuple(move.condition for move in self.moves))

    def placed(self) -> Iterator[tuple[str, Condition]]:
        """See `Definition`."""
        return ((f"moves[{index}].when", move.condition) for index, move in enumerate(self.moves))

    def differences(self, former: Definition) -> Iterator[str]:
        """See `Definition`."""
        for name in self.__struct_fields__:
            if name != "version" and getattr(former, name, None) != getattr(self, name):
                yield _LINES.get(name, f"another {name}")

    def verdict(self, asked: Asked) -> Verdict:
        """See `Definition`."""
        if asked.features is None:
            return Verdict(None)
        calendar = asked.calendar
        course = self.machine(calendar.zone.key).course(asked.features, asked.day)
        if course.last is None:
            return Verdict(None)
        leaves_at = None if course.leaves_on is None else calendar.start_of(course.leaves_on)
        return Verdict(course.last.stage, leaves_at, since=calendar.start_of(course.last.day))

    def machine(self, zone: str) -> Machine:
        """What runs it over the days of a tenant's zone."""
        found = self._machines.get(zone)
        if found is None:
            found = self._machines[zone] = Machine(self.options, self.initial, self.moves, Zones(zone))
        return found

    @cached_property
    def _machines(self) -> dict[str, Machine]:
        return {}

    def doubtful(self) -> list[Finding]:
        """What the author should know: the stages that nobody comes to."""
        reached, fresh = set[str](), {self.initial}
        while fresh:
            reached |= fresh
            fresh = {move.to for move in self.moves if not reached.isdisjoint(move.sources)} - reached
        return [
            Finding(f"stages[{index}]", f"no move leads to {stage.key!r} from {self.initial!r}")
            for index, stage in enumerate(self.stages)
            if stage.key not in reached
        ]


def read_lifecycle(said: Said) -> LifecycleDefinition:
    """The lifecycle that a document says, as version 1; raises `InvalidArgument` with the path inside of it."""
    fields = said.fields(*_NEEDED, "tests", needs=_NEEDED)
    stages = tuple(_stages(fields["stages"]))
    keys = tuple(stage.key for stage in stages)
    return LifecycleDefinition(
        key=read_key(fields["lifecycle"]),
        version=1,
        titles=titles(fields["title"]),
        owner=fields["owner"].text(),
        description=fields["description"].text(),
        stages=stages,
        initial=_stage(fields["initial"], keys),
        moves=tuple(_moves(fields["moves"], keys)),
        examples=tuple(_example(one, keys) for one in fields["tests"].items()) if "tests" in fields else (),
    )


_LINES: Final[Mapping[str, str]] = {
    "titles": "other titles",
    "stages": "other stages",
    "initial": "another first stage",
    "moves": "other moves",
    "examples": "other tests",
}
_NEEDED: Final = ("lifecycle", "title", "owner", "description", "stages", "initial", "moves")
_MOVE: Final = ("from", "to", "when")


def _stages(said: Said) -> Iterator[Stage]:
    known: set[str] = set()
    for one in said.items(MOST_STAGES):
        fields = one.fields("stage", "title", needs=("stage", "title"))
        key = read_key(fields["stage"])
        if key == ANY:
            fields["stage"].fail(f"is {ANY}, which stands for every stage in from")
        if key in known:
            fields["stage"].fail(f"{key!r} is declared twice")
        known.add(key)
        yield Stage(key, titles(fields["title"]))


def _moves(said: Said, stages: tuple[str, ...]) -> Iterator[Move]:
    asked = 0
    for one in said.items(MOST_MOVES):
        move = _move(one, stages)
        asked += sum(1 for _ in leaves(move.condition))
        if asked > MOST_ASKED:
            one.fields(*_MOVE)["when"].fail(f"asks with the moves before it more than {MOST_ASKED} times what was done")
        yield move


def _move(said: Said, stages: tuple[str, ...]) -> Move:
    fields = said.fields(*_MOVE, needs=_MOVE)
    to = _stage(fields["to"], stages)
    when = condition(fields["when"])
    for finding in check_by_day(when):
        raise InvalidArgument(f"{fields['when'].path}.{finding.path}", finding.message, "NOT_BY_DAY")
    return Move(_sources(fields["from"], stages, to), to, when)


def _sources(said: Said, stages: tuple[str, ...], to: str) -> tuple[str, ...]:
    if said.value == ANY:
        return tuple(stage for stage in stages if stage != to)
    found: dict[str, Said] = {}
    for one in said.items() if isinstance(said.value, list) else (said,):
        stage = _stage(one, stages)
        if stage == to:
            one.fail(f"is {to!r}, to which the move leads: nobody moves from a stage to itself")
        if stage in found:
            one.fail(f"{stage!r} is given twice")
        found[stage] = one
    return tuple(found)


def _example(said: Said, stages: tuple[str, ...]) -> Example:
    fields = said.fields("name", "now", "events", "expect", needs=("name", "expect"))
    example = read_example(said, "text")
    if example.expected is not None:
        _stage(fields["expect"], stages)
    return example


def _stage(said: Said, stages: tuple[str, ...]) -> str:
    key = said.text()
    if key not in stages:
        like = nearest(key, stages)
        meant = f", did you mean {like!r}?" if like else ""
        said.fail(f"no stage {key!r} is declared{meant}; there are {', '.join(stages)}")
    return key
