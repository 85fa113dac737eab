"""What only the demo shows."""

from collections.abc import Callable, Sequence
from typing import Final

from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from rich import box
from rich.markup import escape
from rich.table import Table

from examples.grocery.conversion import CURRENCY
from libs.cli.texts import money

SHOWN_AFFINITIES: Final = 5

Line = Callable[[profiles_pb.Profile], str]


def beside(*portraits: tuple[str, profiles_pb.Profile]) -> Table:
    """The same portrait at several moments, a column each."""
    table = Table("", box=box.SIMPLE_HEAD)
    for moment, _ in portraits:
        table.add_column(f"on {moment}", justify="right")
    for name, line in _LINES:
        table.add_row(name, *(line(portrait) for _, portrait in portraits))
    return table


def _spent(line: Callable[[profiles_pb.Spending], str]) -> Line:
    return lambda portrait: line(portrait.spending[CURRENCY]) if CURRENCY in portrait.spending else "–"


def _money(amount: profiles_pb.Money) -> str:
    return money(amount.currency or CURRENCY, amount.minor)


def _drawn_to(dimension: str) -> Line:
    def line(portrait: profiles_pb.Profile) -> str:
        strongest = [one for one in portrait.affinities if one.dimension == dimension][:SHOWN_AFFINITIES]
        return "\n".join(f"{escape(one.key)} [dim]{one.score:,.0f}[/]" for one in strongest) or "–"

    return line


_LINES: Final[Sequence[tuple[str, Line]]] = (
    ("interactions", lambda portrait: f"{portrait.interactions:,}"),
    ("orders", _spent(lambda one: f"{one.orders:,}")),
    ("spent", _spent(lambda one: _money(one.total))),
    ("a basket on average", _spent(lambda one: _money(one.average))),
    ("orders, last 30 days", _spent(lambda one: f"{one.orders_last_30_days:,}")),
    ("spent, last 30 days", _spent(lambda one: _money(one.total_last_30_days))),
    ("strongest departments", _drawn_to("category")),
)
