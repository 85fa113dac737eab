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

_NOTHING: Final = "–"

Line = Callable[[profiles_pb.Profile], str]


def beside(*portraits: tuple[str, profiles_pb.Profile], only_differing: bool = False) -> Table:
    """The same portrait at several moments or in several versions, a column each, without what it never says."""
    table = Table("", box=box.SIMPLE_HEAD)
    for heading, _ in portraits:
        table.add_column(heading, justify="right")
    for name, line in _LINES:
        told = [line(portrait) for _, portrait in portraits]
        if len(set(told)) > 1 or not (only_differing or told[0] == _NOTHING):
            table.add_row(name, *told)
    return table


def _spent(line: Callable[[profiles_pb.Spending], str]) -> Line:
    return lambda portrait: line(portrait.spending[CURRENCY]) if CURRENCY in portrait.spending else _NOTHING


def _money(amount: profiles_pb.Money) -> str:
    return money(amount.currency or CURRENCY, amount.minor)


def _drawn_to(dimension: str) -> Line:
    def line(portrait: profiles_pb.Profile) -> str:
        strongest = [one for one in portrait.affinities if one.dimension == dimension][:SHOWN_AFFINITIES]
        return "\n".join(f"{escape(one.key)} [dim]{one.score:,.0f}[/]" for one in strongest) or _NOTHING

    return line


def _spoken_for(dimension: str) -> Line:
    def line(portrait: profiles_pb.Profile) -> str:
        heaviest = sorted((-one.weight, one.key) for one in portrait.affinities if one.dimension == dimension)
        return "\n".join(f"{escape(key)} [dim]{-weight}[/]" for weight, key in heaviest[:SHOWN_AFFINITIES]) or _NOTHING

    return line


_LINES: Final[Sequence[tuple[str, Line]]] = (
    ("interactions", lambda portrait: f"{portrait.interactions:,}"),
    ("orders", _spent(lambda one: f"{one.orders:,}")),
    ("spent", _spent(lambda one: _money(one.total))),
    ("a basket on average", _spent(lambda one: _money(one.average))),
    ("orders, last 30 days", _spent(lambda one: f"{one.orders_last_30_days:,}")),
    ("spent, last 30 days", _spent(lambda one: _money(one.total_last_30_days))),
    ("strongest departments", _drawn_to("category")),
    ("campaigns, by weight", _spoken_for("content")),
)
