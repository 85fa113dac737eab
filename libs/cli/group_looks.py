"""What the portrait of a group looks like on a terminal."""

from collections.abc import Iterator
from typing import Final

from portrait.tagging.v1 import group_portrait_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from libs.cli.portraying import amount, standouts, title_of, value_of
from libs.cli.tables import table
from libs.cli.texts import many

_APART: Final = 8
_HAS_ONE: Final = "has one"


def portrait(one: pb.GetGroupPortraitResponse, language: str) -> RenderableType:
    """The whole portrait: what sets the group apart, then each characteristic."""
    of = f"of {one.everyone:,}, {one.group / one.everyone:.1%}"
    parts: list[RenderableType] = [f"[bold]{many(one.group, 'person', 'people')}[/] {of}"]
    apart = standouts(one, _APART)
    if apart:
        shown = _comparisons("What sets them apart")
        for standing in apart:
            title = title_of(standing.distribution, language)
            value = value_of(standing.distribution, standing.row, language)
            label = title if value == title else f"{title}: {value or _HAS_ONE}"
            _add(shown, label, standing.row.comparison)
        parts.append(shown)
    for distribution in one.distributions:
        parts += _distribution(distribution, language)
    return Group(*parts, "[dim]index: 100 is as among everyone; intervals of 95 %; ? may be chance[/]")


def _distribution(one: pb.Distribution, language: str) -> Iterator[RenderableType]:
    shown = _comparisons(f"{escape(title_of(one, language))} [dim]{one.reference}[/]")
    for row in one.rows:
        _add(shown, value_of(one, row, language) or _HAS_ONE, row.comparison)
    if one.HasField("other"):
        _add(shown, f"{one.other.values:,} other values", one.other.comparison)
    if one.HasField("none"):
        _add(shown, "(none)", one.none)
    yield shown
    if one.of_known:
        known = f"{one.known.share.value:.1%} of the group have one, {one.known.share_of_everyone:.1%} of everyone"
        yield f"[dim]{known}[/]"
    if one.HasField("spread"):
        mine, all_ = one.spread.quartiles, one.spread.quartiles_of_everyone
        yield (
            f"median {amount(mine.median)} ({amount(mine.first)} – {amount(mine.third)}), of everyone "
            f"{amount(all_.median)} ({amount(all_.first)} – {amount(all_.third)})"
        )


def _comparisons(title: str) -> Table:
    return table("value", ">people", ">of the group", ">of everyone", ">index", ">interval", "", title=title)


def _add(shown: Table, label: str, one: pb.Comparison) -> None:
    index, interval = "–", ""
    if one.HasField("index"):
        index, interval = f"{one.index.value:,.0f}", f"{one.index.low:,.0f} – {one.index.high:,.0f}"
    mark = "" if not one.HasField("index") else "?" if not one.telling else "▲" if one.lift.value > 1 else "▼"
    shares = f"{one.share.value:.1%}", f"{one.share_of_everyone:.1%}"
    shown.add_row(escape(label), f"{one.group:,}", *shares, index, interval, mark)
