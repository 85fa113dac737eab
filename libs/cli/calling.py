"""What every command is handed: a line to the service, and a way to show what it says."""

import getpass
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal, TypeVar

import grpc
from google.protobuf.message import Message
from rich.console import Console, RenderableType

from libs.cli.plain import plain
from libs.rpc.client import metadata_for
from libs.rpc.credentials import PLATFORM

Output = Literal["table", "json"]

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

LOOK_SECONDS = 20.0  # what is known of one person takes a fraction of one
PAPER_WIDTH = 100  # columns where no terminal says how wide it is


@dataclass(frozen=True, slots=True)
class Calling:
    """Calls a service on behalf of a tenant and prints the answers as tables or as JSON.

    `data` is the data folder; `zone` the one in which times are shown and read.
    """

    channel: grpc.aio.Channel
    address: str
    tenant: str
    zone: tzinfo
    data: Path
    output: Output
    console: Console

    @property
    def as_json(self) -> bool:
        """Whether a program reads the output."""
        return self.output == "json"

    def for_tenant(self, tenant: str) -> "Calling":
        """The same line on behalf of another tenant."""
        return replace(self, tenant=tenant)

    def as_platform(self) -> "Calling":
        """The same line on behalf of the platform, which sees every tenant's events."""
        return self.for_tenant(PLATFORM)

    async def ask(self, method: grpc.aio.UnaryUnaryMultiCallable[Q, A], request: Q, seconds: float | None = None) -> A:
        """Call a method. Errors: AioRpcError."""
        return await method(request, metadata=metadata_for(self.tenant, whoever()), timeout=seconds)

    async def look(self, method: grpc.aio.UnaryUnaryMultiCallable[Q, A], request: Q) -> A:
        """Call a method that tells of one person, and wait no longer than `LOOK_SECONDS`. Errors: AioRpcError."""
        return await self.ask(method, request, LOOK_SECONDS)

    async def stream(self, method: grpc.aio.UnaryStreamMultiCallable[Q, A], request: Q) -> AsyncIterator[A]:
        """Call a method that answers more than once. Errors: AioRpcError."""
        answers = method(request, metadata=metadata_for(self.tenant))
        try:
            async for answer in answers:
                yield answer
        finally:
            answers.cancel()

    def show(self, data: Message | dict[str, Any], look: Callable[[], RenderableType]) -> None:
        """Print one thing: as one JSON document, or as it looks to people."""
        if self.as_json:
            self.line(data)
        else:
            self.console.print(look())

    def show_each(self, rows: Iterable[Message | dict[str, Any]], look: Callable[[], RenderableType]) -> None:
        """Print several: as one JSON document a line, or all of them in one table."""
        if self.as_json:
            for row in rows:
                self.line(row)
        else:
            self.console.print(look())

    def line(self, data: Message | dict[str, Any]) -> None:
        """Print a JSON document in one line, at once, for whoever reads a stream of them."""
        said = plain(data) if isinstance(data, Message) else data
        sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def whoever() -> str:
    """Who sits at the command line, for the record of what they decide; metadata holds ASCII only."""
    try:
        return getpass.getuser().encode("ascii", "replace").decode()
    except (OSError, KeyError):  # a user without a name, as in many containers
        return ""


def console(file: Any = None) -> Console:
    """A console on stdout or another stream, 100 columns wide where it is no terminal."""
    stream = file or sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PAPER_WIDTH, highlight=False)
