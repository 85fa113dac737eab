"""The baseline of `rebuild`: the same portraits as aggregates of the library `eventsourcing`.

Its in-memory recorder is used rather than its PostgreSQL one, because it is the faster: the ratio is no smaller for a
database in between. Aggregates fold by the very functions that portraits do.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from libs.eventlog.event import NewEvent
from libs.runtime.clock import SECOND
from libs.runtime.tenants import Tenants
from services.profile.domain.calendar import Calendar
from services.profile.domain.event_names import event_name
from services.profile.domain.interaction import read_interaction
from services.profile.domain.portrait import Fact, Portrait, record
from services.profile.domain.schema_history import SchemaHistory
from tests.bench.load import SEED, message_ids, templates
from tests.bench.preload import HISTORY_DAYS, TENANT

ROUNDS: Final = 3

Sealed = Callable[[bytes, bytes, int, bytes], NewEvent]

_SCHEMAS: Final = SchemaHistory().current
_TENANT: Final = Tenants.demo().get(TENANT)
_CALENDAR: Final = Calendar(_TENANT.zone, _TENANT.currency)


class Customer(Aggregate):
    """A portrait that grows by interactions."""

    def __init__(self) -> None:
        self.portrait = Portrait()

    @event("Interacted")
    def interact(self, event_id: str, occurred_at: int, document: str) -> None:
        said = read_interaction(document)
        fact = Fact(bytes.fromhex(event_id), occurred_at, said)
        record(self.portrait, fact, _SCHEMAS.reading(event_name(said)), _CALENDAR)


def events_per_s(people: int, each: int) -> float:
    """How many events a second one process folds when it gets so many aggregates of so many events, the best round."""
    application: Application[UUID] = Application()
    ids = _saved(application, people, each)
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for one in ids:
            application.repository.get(one)
        rates.append(people * each / (time.perf_counter() - began))
    return max(rates)


def rfc3339(at: int) -> str:
    """A moment in microseconds as producers write it."""
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat()


def _saved(application: "Application[UUID]", people: int, each: int) -> list[UUID]:
    chance, now = random.Random(SEED), time.time_ns() // 1000
    days = [now - day * 86_400 * SECOND for day in range(1, HISTORY_DAYS)]
    shapes = [(at, templates(chance, [rfc3339(at)], 32)) for at in days]
    ids = []
    for person in range(people):
        customer = Customer()
        for message_id in message_ids(now // 1000, each):
            at, some = chance.choice(shapes)
            event_id = message_id.replace(b"-", b"").decode()
            customer.interact(event_id, at, chance.choice(some).document(message_id, person).decode())
        application.save(customer)
        ids.append(customer.id)
    return ids
