"""A round of chaos: load, faults, recovery, and the question whether every promise was kept."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, Self

from tests.chaos.ledger import Ledger
from tests.chaos.load import people_of, producers, sending
from tests.chaos.plan import STRIKES_WITHIN, Plan, Strike
from tests.chaos.recovery import RECOVERED_WITHIN, recovered
from tests.chaos.stage import Stage, staged
from tests.chaos.verification import Verification

AFTERMATH: Final = 0.7  # seconds of load after the last fault


@dataclass
class Theatre:
    """Plays rounds one after the other on one stage; after a round that failed, on a new one.

    What was lost or doubled stays so, and would be found in every later round again.
    """

    profile_mutant: str = ""
    consumer_mutant: str = ""
    recovered_within: float = RECOVERED_WITHIN
    _open: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)
    _set: "tuple[Stage, Ledger, Verification] | None" = field(default=None, init=False)

    async def play(self, plan: Plan) -> list[str]:
        """Play a round; answers what was violated."""
        if self._set is None:
            stage = await self._open.enter_async_context(
                staged(profile_mutant=self.profile_mutant, consumer_mutant=self.consumer_mutant)
            )
            self._set = stage, Ledger(), Verification(stage)
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


async def _play(plan: Plan, stage: Stage, ledger: Ledger, verification: Verification, within: float) -> list[str]:
    began = time.monotonic()
    print(f"\n{plan}", flush=True)  # noqa: T201 - a person watches, or looks for the seed that failed
    async with producers(stage, plan, ledger) as made:
        async with sending(made), asyncio.TaskGroup() as faults:
            for strike in plan.strikes:
                faults.create_task(_strike(stage, strike))
            faults.create_task(asyncio.sleep(STRIKES_WITHIN))
        async with sending(made):
            await asyncio.sleep(AFTERMATH)
        struck = time.monotonic()
        late = await recovered(stage, made, plan.seed, within)
    recovered_at = time.monotonic()
    violations = late + await verification.violations(ledger, people_of(plan.seed))
    print(  # noqa: T201 - as above
        f"  {len(ledger.acknowledged)} acknowledged, {len(ledger.unknown)} unknown, {len(ledger.taken_back)} taken "
        f"back in {struck - began:.1f} s; recovered after {recovered_at - struck:.1f} s; "
        f"looked through in {time.monotonic() - recovered_at:.1f} s",
        flush=True,
    )
    ledger.close()
    return violations


async def _strike(stage: Stage, strike: Strike) -> None:
    await asyncio.sleep(strike.at)
    async with stage.quiet[strike.fault.part]:
        await strike.fault.strike(stage)
