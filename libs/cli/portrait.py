"""What a portrait looks like on a terminal of 100 columns."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from portrait.profile.v1 import interaction_pb2 as interaction_pb
from portrait.profile.v1 import profiles_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from libs.cli.plain import plain, word
from libs.cli.tables import table
from libs.cli.texts import many, moment, money, shortened

BAR: Final = 10  # characters of the strongest
SHADES: Final = " ░▒▓█"
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOST_ACTIVITY, MOST_RECENT, MOST_LIKED = 12, 8, 5
_STATES: Final = interaction_pb.ConsentState.DESCRIPTOR
_STATE_LOOKS: Final = {"granted": "green", "denied": "red", "withdrawn": "red"}


def portrait(profile: pb.Profile, zone: tzinfo, at: str) -> RenderableType:
    """A portrait; `at` says of when it is."""
    return Group(_header(profile, zone, at), *_sections(profile, zone))


def _header(profile: pb.Profile, zone: tzinfo, at: str) -> Panel:
    since = f"first {moment(profile.first_seen_at, zone)} · last {moment(profile.last_seen_at, zone)}"
    lines = [f"[bold]{profile.person_id}[/]", f"{many(profile.interactions, 'interaction')} · {since}"]
    if profile.HasField("parked_at"):
        parked = f"{profile.parked_at.partition}:{profile.parked_at.position}"
        lines.append(f"[red]stands still before {parked}, which can't be folded (portrait dead-letter list)[/]")
    return Panel("\n".join(lines), title=f"portrait, {at}", title_align="left", border_style="cyan")


def _sections(profile: pb.Profile, zone: tzinfo) -> Iterator[RenderableType]:
    if profile.traits:
        yield _traits(profile, zone)
    if profile.identifiers or profile.consents:
        yield _beside(_identifiers(profile, zone), _consents(profile))
    if profile.spending:
        yield _spending(profile, zone)
    if profile.activity:
        yield _activity(profile, zone)
    if profile.affinities:
        yield _affinities(profile)
    if profile.active_hours:
        yield _active_hours(profile)
    if profile.recent:
        yield _recent(profile, zone)


def _traits(profile: pb.Profile, zone: tzinfo) -> Table:
    shown = table("trait", "value", "said by", "=when", "others say", title="Traits")
    for name in sorted(profile.traits):
        one = profile.traits[name]
        verified = " [green]✓[/]" if one.verified else ""
        others = ", ".join(f"{other.source or '–'}: {_value(other)}" for other in one.others)
        source = f"{escape(one.source) or '–'}{verified}"
        shown.add_row(
            escape(name), f"[bold]{escape(_value(one))}[/]", source, moment(one.occurred_at, zone), escape(others)
        )
    return shown


def _value(trait: pb.Trait) -> str:
    return shortened(plain(trait).get("value"), 40)


def _identifiers(profile: pb.Profile, zone: tzinfo) -> Table | None:
    if not profile.identifiers:
        return None
    shown = table("type", "value", "=last seen", title="Identifiers")
    for one in profile.identifiers:
        mark = " [green]✓[/]" if one.verified else ""
        shown.add_row(one.type, f"{escape(one.value)}{mark}", f"[dim]{moment(one.last_seen_at, zone)[:10]}[/]")
    return shown


def _consents(profile: pb.Profile) -> Table | None:
    if not profile.consents:
        return None
    shown = table("purpose", "channel", "says", title="Consents")
    for one in profile.consents:
        state = word(_STATES, one.state)
        address = f" {escape(one.address)}" if one.address else ""
        shown.add_row(escape(one.purpose), f"{escape(one.channel)}{address}", f"[{_STATE_LOOKS[state]}]{state}[/]")
    return shown


def _spending(profile: pb.Profile, zone: tzinfo) -> Table:
    counted = (">orders", ">total", ">average", ">largest", ">refunded", ">30 days", ">365 days")
    shown = table("currency", *counted, "=last order", title="Spending")
    for currency in sorted(profile.spending):
        one = profile.spending[currency]
        amounts = (one.total, one.average, one.largest, one.refunded, one.total_last_30_days, one.total_last_365_days)
        figures = [money(currency, amount.minor).removeprefix(f"{currency} ") for amount in amounts]
        shown.add_row(currency, f"{one.orders:,}", *figures, moment(one.last_at, zone)[:10])
    return shown


def _activity(profile: pb.Profile, zone: tzinfo) -> Table:
    shown = table("event", ">times", ">7 days", ">30 days", ">90 days", "=first", "=last", title="Activity")
    often = sorted(profile.activity, key=lambda name: (-profile.activity[name].count, name))
    for name in often[:MOST_ACTIVITY]:
        one = profile.activity[name]
        counts = (one.count, one.last_7_days, one.last_30_days, one.last_90_days)
        shown.add_row(
            escape(name),
            *(f"{count:,}" if count else "[dim]0[/]" for count in counts),
            moment(one.first_at, zone)[:10],
            moment(one.last_at, zone)[:10],
        )
    if len(often) > MOST_ACTIVITY:
        shown.add_row(f"[dim]and {len(often) - MOST_ACTIVITY} more[/]")
    return shown


def _affinities(profile: pb.Profile) -> Table:
    liked: dict[str, list[pb.Affinity]] = defaultdict(list)
    for one in profile.affinities:
        liked[one.dimension].append(one)
    shown = table(*liked, title="Drawn to")
    columns = []
    for ones in liked.values():
        strongest = max(one.score for one in ones)
        columns.append([_bar(one, strongest) for one in ones[:MOST_LIKED]])
    for row in range(max(map(len, columns))):
        shown.add_row(*(column[row] if row < len(column) else "" for column in columns))
    return shown


def _bar(one: pb.Affinity, strongest: float) -> str:
    length = max(1, round(BAR * one.score / strongest)) if strongest > 0 else 1
    return f"{escape(shortened(one.key, 24))}\n[cyan]{'━' * length}[/] [dim]{one.score:,.1f}[/]"


def _active_hours(profile: pb.Profile) -> Table:
    most = max(one.count for one in profile.active_hours)
    counts = {(one.weekday, one.hour): one.count for one in profile.active_hours}
    shown = table("", "0     3     6     9     12    15    18    21    ", title="Active hours")
    for number, name in enumerate(WEEKDAYS, 1):
        shades = (_shade(counts.get((number, hour), 0), most) for hour in range(24))
        shown.add_row(f"[dim]{name}[/]", f"[cyan]{''.join(2 * shade for shade in shades)}[/]")
    return shown


def _shade(count: int, most: int) -> str:
    return SHADES[-(-count * (len(SHADES) - 1) // most)]


def _recent(profile: pb.Profile, zone: tzinfo) -> Table:
    shown = table("=when", "event", "source", title="Recently")
    for one in profile.recent[:MOST_RECENT]:
        shown.add_row(moment(one.occurred_at, zone), escape(one.event), f"[dim]{escape(one.source)}[/]")
    return shown


def _beside(*parts: Table | None) -> RenderableType:
    grid = Table.grid(padding=(0, 4))
    grid.add_row(*(part for part in parts if part is not None))
    return grid
