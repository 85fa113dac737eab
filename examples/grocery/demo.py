"""`python -m examples.grocery.demo`: a supermarket's year, collected and shown on a stack that is gone afterwards."""

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Sequence
from time import monotonic
from typing import Final

from rich.console import Console
from rich.markup import escape

from examples.grocery.books import Books
from examples.grocery.conversion import TENANT, ZONE
from examples.grocery.scene import Scene
from examples.grocery.shop import Shop
from examples.grocery.story import FEWEST, tell
from examples.grocery.tables import households
from libs.cli.calling import Calling, console
from libs.cli.errors import explained
from libs.cli.texts import lasting
from libs.devstack.signals import ended_by_signals
from libs.devstack.stack import Stack
from libs.rpc.client import channel

HOUSEHOLDS: Final = 300
INTERRUPTED: Final = 130  # what shells answer for a program that Ctrl-C ended
TRACEBACK: Final = "PORTRAIT_TRACEBACK"  # set, it shows where an error comes from


async def show(shown: Console, limit: int | None) -> bool:
    """Start everything, tell the story, stop everything; False if a signal ended it before."""
    with ended_by_signals():
        began = monotonic()
        shown.print("Starting PostgreSQL, NATS and the services, for this demo alone …")
        async with Stack() as stack, channel(stack.services["profile"].target) as line:
            shown.print(f"[green]✓[/] up in {lasting(monotonic() - began)}")
            address = stack.services["profile"].target
            shop = Shop(Calling(line, address, TENANT, ZONE, stack.data, "table", shown))
            await tell(Scene(shown, shop, stack, Books(shop, stack, households(limit))))
        took = lasting(monotonic() - began)
        shown.print(f"\n[green]✓[/] Everything is as it should be, and nothing is left behind. {took}")
        return True
    return False


def main(arguments: Sequence[str]) -> int:
    """Show it; 0, or 1 and one clear line."""
    options = argparse.ArgumentParser(prog="python -m examples.grocery.demo", description="Portrait, at a supermarket.")
    options.add_argument("--households", type=_enough, default=HOUSEHOLDS, help="so many (default: %(default)s)")
    options.add_argument("--full", action="store_true", help="all 2,469 households")
    said = options.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no box to draw shall not end the demo
    try:
        done = asyncio.run(show(console(), None if said.full else said.households))
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        why, status = explained(error)
        console(sys.stderr).print(f"[bold red]demo:[/] {escape(why)}", soft_wrap=True)
        return status
    if not done:
        sys.stderr.write("stopped\n")
    return 0 if done else INTERRUPTED


def _enough(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if number < FEWEST:
        raise argparse.ArgumentTypeError(f"it takes {FEWEST} to tell the story")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
