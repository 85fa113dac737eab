"""A million people as the tagging service keeps them, and the same days of theirs as tables that others count from."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from libs.conditions.calendar import Calendar
from libs.conditions.event import Event
from libs.conditions.features import Features, encode
from libs.conditions.plan import Plan
from libs.runtime.clock import SECOND, Micros
from services.tagging.domain.holding import Held, Holding
from services.tagging.domain.holding import encode as encode_holding

ZONE: Final = "Asia/Shanghai"
NOW: Final[Micros] = 1_772_000_000 * SECOND
DAY: Final[Micros] = 86_400 * SECOND
VIP: Final = 0.05
CITIES: Final = ("上海", "北京", "广州", "成都")
KINDS: Final = 20_000
"""Different histories; of a million people fifty have each."""

_AT_ONCE: Final = 20_000


@dataclass(frozen=True)
class Town:
    """So many people with a year of orders and looks each, drawn by a seed."""

    people: int
    seed: int

    @cached_property
    def vips(self) -> NDArray[np.bool_]:
        """Who holds the tag."""
        return np.random.default_rng(self.seed).random(self.people) < VIP

    @cached_property
    def kinds(self) -> list[tuple[list[Event], str]]:
        """The histories: what happened, and where they live."""
        chance = np.random.default_rng(self.seed + 1)
        return [self._history(chance, number) for number in range(min(KINDS, self.people))]

    def states(self, plan: Plan) -> list[bytes]:
        """What is kept of each history."""
        found = []
        for events, _ in self.kinds:
            features = Features()
            for event in events:
                plan.fold(features, event)
            found.append(encode(features))
        return found

    def person(self, number: int) -> bytes:
        """An id, as good as random: people of one history do not lie beside one another."""
        return ((number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128).to_bytes(16, "big")

    def rows(self, states: list[bytes], tenant: str, layer: int) -> Iterator[tuple[str, bytes, int, bytes, bytes]]:
        """Rows of `features`."""
        for number in range(self.people):
            person = self.person(number)
            yield tenant, person, layer, person, states[number % len(states)]

    def holdings(self, tenant: str) -> Iterator[tuple[str, bytes, int, bytes]]:
        """Rows of `holdings`: everybody holds something."""
        other = {"reader": Held(True, "", NOW, bytes(16), 1, "rule", 1.0)}
        plain, vip = (encode_holding(Holding(1, more | other)) for more in ({}, {"vip": other["reader"]}))
        for number in range(self.people):
            yield tenant, self.person(number), 1, vip if self.vips[number] else plain

    @cached_property
    def days(self) -> pa.Table:
        """What each person did on each day: how many orders, of how much, and how many looks."""
        calendar, each = Calendar(ZONE), []
        for events, _ in self.kinds:
            of: dict[int, list[int]] = {}
            for event in events:
                day = of.setdefault(calendar.day(event.occurred_at), [0, 0, 0])
                if event.name == "viewed":
                    day[2] += 1
                else:
                    day[0], day[1] = day[0] + 1, day[1] + int(event.properties["total"])
            each.append(np.array([(day, *numbers) for day, numbers in sorted(of.items())], np.int32).reshape(-1, 4))
        numbers = np.arange(self.people, dtype=np.int32)
        facts = np.concatenate([each[number % len(each)] for number in range(self.people)])
        whose = np.repeat(numbers, [len(each[number % len(each)]) for number in range(self.people)])
        columns = {name: facts[:, at] for at, name in enumerate(("day", "orders", "total", "looks"))}
        return pa.table({"person": whose, **columns})

    @cached_property
    def table(self) -> pa.Table:
        """What is held and said of each person."""
        cities = [self.kinds[number % len(self.kinds)][1] for number in range(self.people)]
        return pa.table({"person": np.arange(self.people, dtype=np.int32), "vip": self.vips, "city": cities})

    def _history(self, chance: np.random.Generator, number: int) -> tuple[list[Event], str]:
        city = CITIES[int(chance.integers(len(CITIES)))]
        said = {"city": city}
        events = []
        for index in range(int(chance.poisson(3)) + 1):
            at = NOW - int(chance.exponential(60) * DAY)
            total = {"total": int(chance.integers(5, 500))}
            events.append(
                Event(number.to_bytes(8, "big") + index.to_bytes(8, "big"), "order_completed", at, total, said)
            )
        looks = (NOW - int(chance.exponential(40) * DAY) for _ in range(int(chance.poisson(4))))
        events += [Event(bytes(16), "viewed", at) for at in looks]
        return events, city


async def lines(table: pa.Table) -> AsyncIterator[bytes]:
    """Rows as COPY reads them."""
    for batch in table.to_batches(max_chunksize=_AT_ONCE):
        columns: list[list[object]] = [column.to_pylist() for column in batch.columns]
        yield "".join("\t".join(map(str, row)) + "\n" for row in zip(*columns, strict=True)).encode()


def edits() -> Mapping[str, str]:
    """A rule as it is edited, condition after condition, and the question in SQL that must be answered the same."""
    today = Calendar(ZONE).day(NOW)
    found: dict[str, str] = {}
    for days, least in ((7, 1), (30, 1), (30, 2), (30, 3), (90, 3), (365, 5)):
        orders = f"{{did: {{event: order_completed, times: {{at_least: {least}}}, within: {days}d}}}}"
        ordered = f"SELECT person FROM days WHERE day > {today - days} GROUP BY person HAVING sum(orders) >= {least}"
        found[orders] = f"SELECT count(*) FROM ({ordered}) AS met"
        spent = f"{{did: {{event: order_completed, sum: {{of: total, at_least: {least * 100}}}, within: {days}d}}}}"
        sums = f"SELECT person FROM days WHERE day > {today - days} GROUP BY person HAVING sum(total) >= {least * 100}"
        found[f"{{all: [{{tag: vip}}, {spent}]}}"] = (
            f"SELECT count(*) FROM people JOIN ({sums}) AS met USING (person) WHERE vip"
        )
        silent = "{did_not: {event: viewed, within: 14d}}"
        looked = f"SELECT person FROM days WHERE day > {today - 14} AND looks > 0"
        found[f"{{all: [{{any: [{{tag: vip}}, {{trait: {{city: 上海}}}}]}}, {spent}, {silent}]}}"] = (
            f"SELECT count(*) FROM people JOIN ({sums}) AS met USING (person) WHERE (vip OR city = '上海')"
            f" AND NOT EXISTS (SELECT FROM ({looked}) AS looked WHERE looked.person = people.person)"
        )
    return found
