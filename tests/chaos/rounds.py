"""A round of chaos: load, faults, recovery, and the question whether every promise was kept."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, Self

from tests.chaos.deciding import desks
from tests.chaos.load import at_work, producers
from tests.chaos.plan import STRIKES_WITHIN, Plan, Strike
from tests.chaos.recovery import RECOVERED_WITHIN, recovered
from tests.chaos.stage import Database, Stage, staged
from tests.chaos.tagging import office
from tests.chaos.town import generation_of, people_of
from tests.chaos.verification import Verification

AFTERMATH: Final = 0.7  # seconds of load after the last fault


@dataclass
class Theatre:
    """Plays the rounds of a generation one after the other on one stage; after a round that failed, on a new one.

    What was lost or doubled stays so, and would be found in every later round again.
    """

    mutants: Mapping[Database, str] = field(default_factory=dict)
    recovered_within: float = RECOVERED_WITHIN
    tags: bool = True
    _open: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)
    _set: "tuple[Stage, Verification] | None" = field(default=None, init=False)
    _generation: int = field(default=0, init=False)

    async def play(self, plan: Plan) -> list[str]:
        """Play a round; answers what was violated."""
        if self._generation != generation_of(plan.seed):
            await self.close()
            self._generation = generation_of(plan.seed)
        if self._set is None:
            stage = await self._open.enter_async_context(staged(self.mutants, tags=self.tags))
            self._set = stage, Verification(stage)
        violations = ["the round did not end"]
        try:
            violations = await _play(plan, *self._set, self.recovered_within)
        finally:
            if violations:
                await self.close()
        return violations

    async def close(self) -> None:
        """End everything that runs."""
        self._set = None
        await self._open.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _play(plan: Plan, stage: Stage, verification: Verification, within: float) -> list[str]:
    began = time.monotonic()
    print(f"\n{plan}", flush=True)  # noqa: T201 - a person watches, or looks for the seed that failed
    ledger, minutes, tag_minutes = verification.ledger, verification.minutes, verification.tag_minutes
    async with (
        producers(stage, plan, ledger) as made,
        desks(stage, plan, minutes) as manned,
        office(stage, plan, tag_minutes) as tagging,
    ):
        everybody = [*made, *manned, *tagging.busy]
        async with at_work(everybody), asyncio.TaskGroup() as faults:
            for strike in plan.strikes:
                faults.create_task(_strike(stage, strike))
            faults.create_task(asyncio.sleep(STRIKES_WITHIN))
        async with at_work(everybody):
            await asyncio.sleep(AFTERMATH)
        struck = time.monotonic()
        late = await recovered(stage, made, tagging, plan.seed, within)
    recovered_at = time.monotonic()
    violations = late + await verification.violations(people_of(plan.seed))
    print(  # noqa: T201 - as above
        f"  {len(ledger.acknowledged)} acknowledged, {len(ledger.unknown)} unknown, {len(ledger.taken_back)} taken "
        f"back, {len(minutes.decided)} decided, {len(tag_minutes.defined)} defined, {len(tag_minutes.told)} told in "
        f"{struck - began:.1f} s; recovered after {recovered_at - struck:.1f} s; "
        f"looked through in {time.monotonic() - recovered_at:.1f} s",
        flush=True,
    )
    verification.close()
    return violations


async def _strike(stage: Stage, strike: Strike) -> None:
    await asyncio.sleep(strike.at)
    async with stage.quiet[strike.fault.part]:
        await strike.fault.strike(stage)
