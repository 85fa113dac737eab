"""Definitions that were published become live: computed on history first, if they need what nobody kept.

What they need is folded into a layer of its own, behind the live fold and from the owner's log. When the layer is level
it goes live in one transaction that holds the checkpoints of both. Everybody becomes due for the new definitions after
that, portion by portion: for millions of people this takes minutes, and the live fold must not stand still for them.
Killed anywhere, it goes on; whatever is published or retired meanwhile is taken in.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from libs.conditions.plan import Plan
from libs.eventlog.checkpoint import RETIRED, Fenced, PostgresCheckpoints
from libs.eventlog.database import Connection
from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.folding import Folding, OwnLog
from libs.eventlog.log import LogSource
from libs.eventlog.mending import ConsumerMender, Mender
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.shadow import Shadow
from libs.eventlog.verdict import Refused, Retry
from libs.people.placing import Placing
from libs.runtime.clock import Clock
from libs.runtime.errors import FailedPrecondition
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.tagging.catalogue import Catalogue, Catalogues
from services.tagging.compiled import Compiled
from services.tagging.courses import Course
from services.tagging.domain.layers import BASE, Layers
from services.tagging.domain.names import document_name
from services.tagging.folding import FEATURES, INTERACTIONS, FeatureFold
from services.tagging.refolding import consumer_of
from services.tagging.store import refolds
from services.tagging.store.definitions import DefinitionRows, tenants_waiting
from services.tagging.store.features import FeatureRows, Filling, all_filling
from services.tagging.store.marks import MarkRows

LOOK_SECONDS: Final = 0.2
PAUSE_SECONDS: Final = 1.0
NEARLY_LEVEL: Final = 2_000
"""Events that may be missing when the live fold is made to wait for them: a fraction of a second."""

FOLDED_AT_ONCE: Final = 1_000
"""Events of history folded in one go: calls wait for it, and a transaction that says nothing meanwhile is ended."""

PORTION: Final = 1_000
"""People who become due in one transaction when definitions go live; the live fold waits for it if it makes one due."""

_POSITIONS: Final = "SELECT partition, position FROM checkpoints WHERE consumer = $1 AND log = $2"

_HOLD: Final = f"{_POSITIONS} ORDER BY partition FOR UPDATE"

_RETIRE: Final = "UPDATE checkpoints SET position = $3 WHERE consumer = $1 AND log = $2"

_LETTERS: Final = """
    SELECT key, partition, position FROM dead_letters
    WHERE projection = $1 AND log = $2 AND tenant = $3"""

_FORGET_LETTERS: Final = "DELETE FROM dead_letters WHERE projection = $1 AND log = $2"


class Behind(Exception):
    """The layer is not where the live fold is, or something was published meanwhile; nothing was done."""


@dataclass(frozen=True, slots=True)
class Layering:
    """How a layer is folded: by those of a plan's features that it is for."""

    catalogues: Catalogues
    placing: Placing

    def fold_of(self, tenant: str, layer: Filling) -> FeatureFold:
        """The fold of a layer of a tenant, which passes over the events of all others."""
        plans: dict[int, tuple[Compiled, Plan]] = {}
        layers = Layers({layer.number: layer.features})

        async def course_of(connection: Connection, of: str) -> Course | None:
            if of != tenant:
                return None
            catalogue = await self.catalogues.within(connection, tenant)
            compiled = catalogue.filling or catalogue.live
            if layer.features - compiled.plan.features:  # it would miss what happens from here on
                raise Refused(Retry(f"layer {layer.number} is of no use any more"))
            if compiled.version not in plans:
                plans.clear()
                plans[compiled.version] = compiled, compiled.plan.narrowed(layer.features)
            known, plan = plans[compiled.version]
            return Course(known, plan, layers, frozenset({layer.number}))

        return FeatureFold(layer.number, course_of, self.placing)


@dataclass(eq=False)
class Backfill:
    """Brings what was published into force, tenant by tenant, while `held` names the one partition of its lease."""

    pool: asyncpg.Pool
    log: PostgresLog
    catalogues: Catalogues
    layering: Layering
    tenants: Tenants
    source: LogSource
    partitions: int
    clock: Clock
    metrics: Metrics
    held: Collection[int]
    parked_keys: int
    portion: int = PORTION
    folded_at_once: int = FOLDED_AT_ONCE
    _shadows: dict[int, Shadow[Connection]] = field(default_factory=dict, init=False)
    _folds: dict[int, FeatureFold] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Look for what was published until cancelled; outages are waited out."""
        log = structlog.get_logger()
        while True:
            busy = False
            try:
                if self.held:
                    busy = await self.turns()
                else:
                    await self.look()
            except (Behind, Fenced):
                await asyncio.sleep(LOOK_SECONDS)
            except Exception as error:  # noqa: BLE001  else nothing that is published would ever be live
                log.warning("backfill_waits", error=repr(error))
                await asyncio.sleep(PAUSE_SECONDS)
            self.metrics.heartbeat("backfill")
            if not busy:
                await asyncio.sleep(LOOK_SECONDS)

    async def turns(self) -> bool:
        """Bring what waits of all tenants a step further; whether anything waits. What fails is raised last."""
        failures, busy = list[Exception](), False
        for tenant in await self._with_anything_waiting():
            try:
                busy |= await self.turn(tenant)
            except Exception as error:  # noqa: BLE001  told by whoever called, behind all that can be done
                failures.append(error)
        if failures:
            raise failures[0]
        return busy

    async def turn(self, tenant: str) -> bool:
        """Bring what waits of a tenant a step further; whether anything waits.

        Raises `Behind`, or `Fenced` by another replica, to be called again; `FailedPrecondition` while events
        can't be folded for the new definitions.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            if await MarkRows(connection, tenant).go_on(self.portion):
                return True
        async with self.pool.acquire() as connection, connection.transaction():
            catalogue = await self.catalogues.within(connection, tenant)
            layer = await self._layer(connection, tenant, catalogue)
        if catalogue.filling is None:
            return False
        if layer is None:
            await self._flip(tenant, catalogue, None)
            return True
        shadow = self._shadow(tenant, layer)
        if await shadow.turn() <= NEARLY_LEVEL:
            await self._flip(tenant, catalogue, layer)
        return True

    async def look(self) -> None:
        """Know the layers that another replica is filling: what they could not fold is mended by any."""
        async with self.pool.acquire() as connection:
            filling = await all_filling(connection)  # nearly always none, or known
            for tenant in {owner for owner, number in filling if number not in self._shadows}:
                _, layers = await FeatureRows(connection, tenant).layers()
                for layer in layers:
                    self._shadow(tenant, layer)
        for number in self._shadows.keys() - {number for _, number in filling}:
            self._forget(number)

    def fold_of(self, layer: int) -> FeatureFold | None:
        """How a layer that is filling is folded; None for any other, and for one that was begun just now."""
        return self._folds.get(layer)

    def __iter__(self) -> Iterator[Mender]:
        """A mender for each layer that is filling."""
        return (ConsumerMender(shadow.folding) for shadow in tuple(self._shadows.values()))

    async def _with_anything_waiting(self) -> list[str]:
        """The tenants of whom anything waits; asked for so often that it must be one look at all of them."""
        known = {tenant.id: self.catalogues.live(tenant.id).version for tenant in self.tenants}
        async with self.pool.acquire() as connection:
            waiting = await tenants_waiting(connection, known)
        return [tenant for tenant in known if tenant in waiting or self.catalogues.filling(tenant)]

    async def _layer(self, connection: Connection, tenant: str, catalogue: Catalogue) -> Filling | None:
        """The layer that is to be filled for what waits; one for anything else is of no use any more."""
        rows = FeatureRows(connection, tenant)
        needed = _needed(catalogue)
        _, filling = await rows.layers()
        fitting = [one for one in filling if needed == one.features][:1]
        for one in filling:
            if one not in fitting:
                await self._drop(connection, tenant, one)
        if not needed:
            return None
        return fitting[0] if fitting else await rows.begin(needed)

    async def _drop(self, connection: Connection, tenant: str, layer: Filling) -> None:
        await self._end(connection, layer)
        await FeatureRows(connection, tenant).drop(layer.number)
        await refolds.drop(connection, tenant, layer.number)  # behind the layer, of which nobody asks anything any more

    async def _end(self, connection: Connection, layer: Filling) -> None:
        """Let nobody fold a layer apart any more: whoever does not know yet is fenced."""
        consumer = consumer_of(layer.number)
        await connection.execute(_RETIRE, consumer, INTERACTIONS, RETIRED)
        await connection.execute(_FORGET_LETTERS, consumer, INTERACTIONS)
        self._forget(layer.number)

    def _forget(self, number: int) -> None:
        self._shadows.pop(number, None)
        self._folds.pop(number, None)

    def _shadow(self, tenant: str, layer: Filling) -> Shadow[Connection]:
        shadow = self._shadows.get(layer.number)
        if shadow is None:
            name = consumer_of(layer.number)
            fold = self._folds[layer.number] = self.layering.fold_of(tenant, layer)
            folding = Folding(
                name,
                INTERACTIONS,
                PostgresCheckpoints(self.pool, name, INTERACTIONS),
                PostgresDeadLetters(self.pool, name, INTERACTIONS, self.clock),
                fold.fold,
                OwnLog(self.log),
                self.parked_keys,
            )
            everything = range(self.partitions)
            shadow = Shadow(folding, everything, self._ceilings, self.source, self.metrics, self.folded_at_once)
            self._shadows[layer.number] = shadow
        return shadow

    async def _ceilings(self, partitions: Sequence[int]) -> dict[int, int]:
        live = {row["partition"]: row["position"] for row in await self.pool.fetch(_POSITIONS, FEATURES, INTERACTIONS)}
        return {partition: live.get(partition, 0) for partition in partitions}

    async def _flip(self, tenant: str, catalogue: Catalogue, layer: Filling | None) -> None:
        """Let what waits be live; raises `Behind`."""
        await PostgresCheckpoints(self.pool, FEATURES, INTERACTIONS).load(range(self.partitions))
        async with self.pool.acquire() as connection, connection.transaction():
            live = await _held(connection, FEATURES)
            if layer is not None:
                await self._shadow(tenant, layer).turn()  # what it still lacks, while the live fold stands still
                if await _held(connection, consumer_of(layer.number)) != live:
                    raise Behind
            definitions = DefinitionRows(connection, tenant)
            if catalogue.filling is None or await definitions.hold() != catalogue.live.version:
                raise Behind
            wanted = {(document_name(name), one.version) for name, one in catalogue.filling.definitions.items()}
            await definitions.flip(wanted)
            if layer is not None:
                await self._count(connection, tenant, layer)
            changed = catalogue.filling.otherwise_than(catalogue.live)
            await MarkRows(connection, tenant).begin(changed)
        told = structlog.get_logger().bind(tenant=tenant, definitions=sorted(changed))
        told.info("definitions_live", layer=layer and layer.number)

    async def _count(self, connection: Connection, tenant: str, layer: Filling) -> None:
        """Let a layer count. Where events wait to be mended, the two may have folded different ones."""
        live, apart = [
            {(row["partition"], row["position"]): row["key"] for row in rows}
            for rows in [
                await connection.fetch(_LETTERS, name, INTERACTIONS, tenant)
                for name in (FEATURES, consumer_of(layer.number))
            ]
        ]
        if more := apart.keys() - live.keys():
            message = f"{len(more)} events can't be folded for the new definitions, the first at {min(more)}"
            raise FailedPrecondition("DEAD_LETTERS_WAIT", message)
        await FeatureRows(connection, tenant).go_live(layer.number)
        await refolds.hand_on(connection, tenant, layer.number)
        await refolds.request(connection, tenant, set(live.values()), [BASE])
        await self._end(connection, layer)


def _needed(catalogue: Catalogue) -> frozenset[int]:
    """The features that what waits needs, and nobody keeps."""
    if catalogue.filling is None:
        return frozenset()
    return catalogue.filling.plan.features - catalogue.live.plan.features


async def _held(connection: Connection, consumer: str) -> dict[int, int]:
    """The positions of a consumer, which stand still until the transaction ends."""
    return {row["partition"]: row["position"] for row in await connection.fetch(_HOLD, consumer, INTERACTIONS)}
