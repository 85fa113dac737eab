"""`portrait log`: looking into a service's log."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Annotated, Any, Final

import typer
from portrait.log.v1 import event_pb2 as event_pb
from portrait.log.v1 import log_service_pb2 as pb
from portrait.log.v1.log_service_pb2_grpc import LogStub
from rich.markup import escape

from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.errors import BadInput
from libs.cli.plain import document, plain
from libs.cli.progress import watching
from libs.cli.repeats import Ids
from libs.cli.tables import table
from libs.cli.texts import moment_of, shortened
from libs.cli.verify import Verdict, complain_of_repeats, verdicts_table, verify_partition

COMMANDS = Commands("The log of everything that was recorded.")

POLL: Final = 0.5  # seconds
KEY_BYTES: Final = 16
SAID: Final = ("event", "type", "name")  # the first of these that a payload has says what it is about


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the log."""

    partition: int
    position: int
    recorded_at: int
    event: event_pb.Event

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        place = {"partition": self.partition, "position": self.position, "recorded_at_micros": self.recorded_at}
        return {**place, **plain(self.event)}

    def cells(self, zone: tzinfo) -> tuple[str, ...]:
        """For people, who may not need to see what a payload says of somebody."""
        event = self.event
        said = document(event.payload) if event.payload.startswith(b"{") else None
        about = next((str(said[name]) for name in SAID if said.get(name)), "") if isinstance(said, dict) else ""
        kind = event.type if event.payload else f"{event.type} [dim](blank)[/]"
        place = f"{self.partition}:{self.position}"
        key = f"[dim]{event.key.hex()[:12]}[/]"
        return place, moment_of(self.recorded_at, zone)[:19], event.tenant, kind, escape(shortened(about, 40)), key


COLUMNS: Final = (">position", "=recorded", "tenant", "=event", "about", "key")


@COMMANDS.command("tail", "portrait log tail --follow")
async def tail(
    calling: Calling,
    *,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="So many of the newest events.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is recorded, until Ctrl-C.")] = False,
) -> None:
    """The newest events of all partitions, in the order of recording."""
    heads = await _heads(calling)
    found = [one for partition, head in heads.items() for one in await _newest(calling, partition, head, lines)]
    found.sort(key=lambda one: one.recorded_at)
    _show(calling, found[-lines:] if lines else [])
    while follow:
        await asyncio.sleep(POLL)
        now = await _heads(calling)
        new = [
            one
            for partition, head in now.items()
            if head > heads[partition]
            async for one in _read(calling, partition, heads[partition] + 1, head - heads[partition])
        ]
        heads = now
        _show(calling, sorted(new, key=lambda one: one.recorded_at), header=False)


@COMMANDS.command("read", "portrait log read 3 --from 1200 --limit 10 -o json")
async def read(
    calling: Calling,
    partition: Annotated[int | None, typer.Argument(min=0, help="The partition.")] = None,
    *,
    from_: Annotated[int, typer.Option("--from", min=1, help="First position.")] = 1,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    key: Annotated[str, typer.Option(help="Instead of a partition: every event of this key (a person's id).")] = "",
) -> None:
    """A run of one partition, or everything of one key; with -o json the whole events."""
    if bool(key) == (partition is not None):
        raise BadInput("PARTITION", "name either a partition or a --key")
    if partition is not None:
        found = [one async for one in _read(calling, partition, from_, limit)]
    else:
        request = pb.ReadKeyRequest(key=_key(key), from_position=from_)
        answers = calling.stream(LogStub(calling.channel).ReadKey, request)
        found = [one async for answer in answers for one in _recorded(answer.batch)][:limit]
    _show(calling, found)


@COMMANDS.command("verify", "portrait log verify")
async def verify(calling: Calling) -> None:
    """Read the whole log, of all tenants, archives too, and check it: no gap, no time that runs backwards, no id twice,
    nothing unreadable, nothing blank but what was erased.

    The exit status is 1 if anything is wrong.
    """
    platform = calling.as_platform()
    heads = await _heads(platform)
    verdicts: list[Verdict] = []
    ids = Ids()
    with watching("log", sum(heads.values())) as watcher:
        for partition, head in heads.items():
            batches = _batches(platform, pb.ReadLogRequest(partition=partition))
            verdict = await verify_partition(batches, partition, head, len(heads), ids)
            verdicts.append(verdict)
            watcher.advance(verdict.events, sum(one.events for one in verdicts))
    complain_of_repeats(verdicts, ids)
    calling.show_each((one.as_data() for one in verdicts), lambda: verdicts_table(verdicts))
    if any(one.problems for one in verdicts):
        raise typer.Exit(1)


async def _heads(calling: Calling) -> dict[int, int]:
    answer = await calling.ask(LogStub(calling.channel).GetHeads, pb.GetHeadsRequest())
    return {head.partition: head.position for head in answer.heads}


async def _batches(calling: Calling, request: pb.ReadLogRequest) -> AsyncIterator[event_pb.EventBatch]:
    async for answer in calling.stream(LogStub(calling.channel).ReadLog, request):
        yield answer.batch


async def _read(calling: Calling, partition: int, from_: int, limit: int) -> AsyncIterator[Recorded]:
    request = pb.ReadLogRequest(partition=partition, from_position=from_, limit=limit)
    async for batch in _batches(calling, request):
        for one in _recorded(batch):
            yield one


async def _newest(calling: Calling, partition: int, head: int, most: int) -> list[Recorded]:
    """The last events that the tenant may see. Their number in a run is not known before, so the run is doubled."""
    run = most
    while most:
        first = max(1, head - run + 1)
        found = [one async for one in _read(calling, partition, first, run) if one.position <= head]
        if len(found) >= most or first == 1:
            return found[-most:]
        run *= 2
    return []


def _recorded(batch: event_pb.EventBatch) -> Iterator[Recorded]:
    for index, event in enumerate(batch.events):
        position = batch.positions[index] if batch.positions else batch.first_position + index
        yield Recorded(batch.partition, position, batch.recorded_at_micros[index], event)


def _show(calling: Calling, found: list[Recorded], *, header: bool = True) -> None:
    if calling.as_json:
        for one in found:
            calling.line(one.as_data())
    elif header:
        shown = table(*COLUMNS)
        for one in found:
            shown.add_row(*one.cells(calling.zone))
        calling.console.print(shown)
    else:
        for one in found:
            calling.console.print("  ".join(one.cells(calling.zone)), soft_wrap=True)


def _key(said: str) -> bytes:
    try:
        key = bytes.fromhex(said)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadInput("--key", f"{said!r} is not 32 hexadecimal digits")
    return key
