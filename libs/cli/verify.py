"""What must hold of every log, checked event by event."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import DecodeError
from portrait.log.v1 import event_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape

from libs.cli.repeats import Ids
from libs.cli.tables import table
from libs.cli.texts import many
from libs.eventlog.event import partition_of
from libs.eventlog.projection import BLANKED, RETRACTED

ID_BYTES: Final = 16
_NAMING: Final[Mapping[str, tuple[type[pb.Retracted | pb.Blanked], str]]] = {
    RETRACTED: (pb.Retracted, "a retraction"),
    BLANKED: (pb.Blanked, "an erasure"),
}
MOST_PROBLEMS: Final = 20  # a broken log has as many as it has events


@dataclass(slots=True)
class Verdict:
    """What was found in one partition; `blank` events were erased, which is no problem."""

    partition: int
    events: int = 0
    blank: int = 0
    problems: int = 0
    examples: list[str] = field(default_factory=list)

    def complain(self, position: int, problem: str) -> None:
        """Note a problem."""
        self.problems += 1
        if len(self.examples) < MOST_PROBLEMS:
            self.examples.append(f"{self.partition}:{position} {problem}")

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "partition": self.partition,
            "events": self.events,
            "blank": self.blank,
            "problems": self.problems,
            "examples": self.examples,
        }


async def verify_partition(
    batches: AsyncIterator[pb.EventBatch], partition: int, head: int, partitions: int, ids: Ids | None = None
) -> Verdict:
    """Check a partition from its start to its head: positions without a gap, times that never run backwards, keys that
    belong here, payloads that can be read, and blanks that somebody asked for. Collects ids, for `repeats`.
    """
    verdict, blanks = Verdict(partition), _Blanks()
    position = recorded_at = 0
    async for batch in batches:
        for index, event in enumerate(batch.events):
            here = batch.positions[index] if batch.positions else batch.first_position + index
            if here != position + 1:
                verdict.complain(here, f"follows {position}: a gap")
            if batch.recorded_at_micros[index] < recorded_at:
                verdict.complain(
                    here, f"was recorded {recorded_at - batch.recorded_at_micros[index]} µs before the last"
                )
            for problem in problems_of(event, here, partition, partitions):
                verdict.complain(here, problem)
            for problem in blanks.heed(event, here):
                verdict.complain(here, problem)
            if ids is not None:
                ids.add(event, (partition, here), batch.recorded_at_micros[index], _named(event, RETRACTED) or ())
            verdict.events += 1
            position, recorded_at = here, max(recorded_at, batch.recorded_at_micros[index])
    if position < head:
        verdict.complain(position, f"is the last, but the head is {head}")
    for position in blanks.unexplained():
        verdict.complain(position, "is blank, and nothing in the log erases it")
    verdict.blank = blanks.erased
    return verdict


def complain_of_repeats(verdicts: Sequence[Verdict], ids: Ids) -> None:
    """Add the ids that stand in the log more often than they may."""
    by_partition = {verdict.partition: verdict for verdict in verdicts}
    for repeat in ids.repeats():
        partition, position = repeat.first
        by_partition[repeat.again[0]].complain(repeat.again[1], f"has the id of {partition}:{position}, which stands")


@dataclass(slots=True)
class _Blanks:
    """Events without a payload, until the event that erased them is met: it comes later, and has the same key."""

    erased: int = 0
    _blank: dict[tuple[str, bytes], set[int]] = field(default_factory=dict)

    def heed(self, event: pb.Event, position: int) -> list[str]:
        """Take an event in; answers what is wrong with what it erases."""
        key = (event.tenant, event.key)
        if not event.payload:
            self._blank.setdefault(key, set()).add(position)
        named = _named(event, BLANKED)
        if not named:
            return []
        here = self._blank.get(key, set())
        still = sorted(named - here)
        here -= named
        self.erased += len(named) - len(still)
        return [f"erases {one}, which still says something" for one in still]

    def unexplained(self) -> list[int]:
        """Positions that nothing erased."""
        return sorted(position for positions in self._blank.values() for position in positions)


def problems_of(event: pb.Event, position: int, partition: int, partitions: int) -> list[str]:
    """What is wrong with one event by itself."""
    found = []
    if len(event.id) != ID_BYTES:
        found.append(f"its id has {len(event.id)} bytes")
    if len(event.key) != ID_BYTES:
        found.append(f"its key has {len(event.key)} bytes")
    elif partition_of(event.key, partitions) != partition:
        found.append(f"its key belongs to partition {partition_of(event.key, partitions)}")
    found += [f"has no {name}" for name in ("tenant", "type", "version") if not getattr(event, name)]
    if event.payload and (problem := _payload_problem(event, position)):
        found.append(problem)
    return found


def _payload_problem(event: pb.Event, position: int) -> str | None:
    """Payloads are JSON, but for retractions and erasures; of a type unknown here they may be anything."""
    if event.type in _NAMING:
        named = _named(event, event.type)
        if named is None:
            return f"its payload is not {_NAMING[event.type][1]}"
        return None if all(one < position for one in named) else "takes back what comes later"
    if event.payload.startswith(b"{"):
        try:
            json.loads(event.payload)
        except (ValueError, RecursionError) as error:
            return f"its payload can't be read: {error}"
    return None


def _named(event: pb.Event, kind: str) -> frozenset[int] | None:
    """The positions that an event of a kind names, none if it is of another; None if it can't be read."""
    if event.type != kind:
        return frozenset()
    try:
        return frozenset(_NAMING[kind][0].FromString(event.payload).positions)
    except DecodeError:
        return None


def verdicts_table(verdicts: list[Verdict]) -> RenderableType:
    """For people."""
    shown = table("partition", ">events", ">blank", ">problems")
    for one in verdicts:
        problems = f"[red]{one.problems:,}[/]" if one.problems else "[green]0[/]"
        shown.add_row(str(one.partition), f"{one.events:,}", f"{one.blank:,}", problems)
    examples = [f"[red]●[/] {escape(example)}" for one in verdicts for example in one.examples]
    return Group(shown, *examples, _sentence(verdicts))


def _sentence(verdicts: list[Verdict]) -> str:
    events, problems = sum(one.events for one in verdicts), sum(one.problems for one in verdicts)
    if problems:
        return f"[red]{many(problems, 'problem')} in {many(events, 'event')}[/]"
    return f"[green]●[/] {many(events, 'event')}: no gap, times in order, ids once, everything readable"
