from io import StringIO
from zoneinfo import ZoneInfo

from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.log.v1.event_pb2 import Position
from portrait.profile.v1 import interaction_pb2 as interaction_pb
from portrait.profile.v1 import profiles_service_pb2 as pb
from rich.cells import cell_len
from rich.console import Console

from libs.cli.portrait import portrait

SHANGHAI = ZoneInfo("Asia/Shanghai")
THEN = Timestamp(seconds=1_772_330_400)
PERSON = "5f1c" * 8


def shown(profile: pb.Profile) -> str:
    console = Console(file=StringIO(), width=100, highlight=False)
    console.print(portrait(profile, SHANGHAI, "now"))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert max(map(cell_len, text.splitlines())) <= 100
    return text


def money(minor: int) -> pb.Money:
    return pb.Money(currency="CNY", minor=minor)


def full() -> pb.Profile:
    other = pb.Trait(value=Value(string_value="北京"), source="app", occurred_at=THEN)
    city = pb.Trait(value=Value(string_value="上海"), source="crm", verified=True, occurred_at=THEN, others=[other])
    return pb.Profile(
        person_id=PERSON,
        interactions=1_234,
        first_seen_at=THEN,
        last_seen_at=THEN,
        traits={"city": city, "note": pb.Trait(value=Value(string_value="[red]" + "x" * 500), occurred_at=THEN)},
        identifiers=[pb.SeenIdentifier(type="phone", value="+8613800138000", verified=True, last_seen_at=THEN)],
        consents=[pb.ConsentStanding(purpose="marketing", channel="sms", state=interaction_pb.CONSENT_STATE_WITHDRAWN)],
        spending={"CNY": pb.Spending(orders=3, total=money(128_050), average=money(42_683), last_at=THEN)},
        activity={f"event_{n}": pb.Activity(count=n, first_at=THEN, last_at=THEN) for n in range(1, 20)},
        affinities=[
            pb.Affinity(dimension=dimension, key=f"{dimension}-{n}" * 5, score=9.5 - n)
            for dimension in ("item", "category", "brand", "content", "channel")
            for n in range(12)
        ],
        active_hours=[pb.ActiveHour(weekday=7, hour=23, count=4), pb.ActiveHour(weekday=1, hour=0, count=1)],
        recent=[pb.TimelineEntry(event="order_completed", occurred_at=THEN, source="shop")],
    )


def test_everything_known_fits_in_100_columns() -> None:
    text = shown(full())
    for said in (PERSON, "1,234 interactions", "上海", "app: 北京", "+8613800138000 ✓", "withdrawn", "1,280.50"):
        assert said in text
    assert "and 7 more" in text  # events


def test_what_a_customer_wrote_is_never_taken_for_colours() -> None:
    assert "[red]xxx" in shown(full())


def test_hours_are_those_of_the_week_and_the_busiest_is_darkest() -> None:
    lines = {line.split()[0]: line for line in shown(full()).splitlines() if line.strip()}
    assert lines["Sun"].rstrip().endswith("██")
    assert "░░" in lines["Mon"]


def test_a_portrait_of_nothing_is_its_head() -> None:
    assert len(shown(pb.Profile(person_id=PERSON)).splitlines()) == 4


def test_a_portrait_that_stands_still_says_before_what() -> None:
    assert "stands still before 3:17" in shown(pb.Profile(parked_at=Position(partition=3, position=17)))


def test_liking_that_turned_to_dislike_still_has_a_bar() -> None:
    assert "-4.0" in shown(pb.Profile(affinities=[pb.Affinity(dimension="item", key="p1", score=-4)]))
