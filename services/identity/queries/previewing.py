"""What rules would change, asked of a process of its own: to resolve everybody twice takes a tenant's whole memory."""

import asyncio
import contextlib
import sys
from dataclasses import dataclass, field

import msgspec

from libs.people.identifiers import IdentifierRules
from libs.people.rules_document import written
from libs.runtime.errors import Unavailable
from services.identity.domain.plan import Plan
from services.identity.queries.comparing import Question


@dataclass(frozen=True, slots=True)
class Previewing:
    """Asks one question at a time; the process reads the database by itself."""

    database_url: str
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def plan(self, tenant: str, region: str, now: IdentifierRules, then: IdentifierRules, sample: int) -> Plan:
        """Compare who is who under two sets of rules; `region` is where phones without a country code are read.

        Raises `Unavailable` if the process ends without an answer.
        """
        before, after = ((written(one), one.version) for one in (now, then))
        question = Question(self.database_url, tenant, region, before, after, sample)
        async with self._one_at_a_time:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.identity.queries.comparing"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                answer, _ = await process.communicate(msgspec.json.encode(question))
            finally:  # whoever asked may have left
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            raise Unavailable("preview", f"the process that compares ended with {process.returncode}")
        return msgspec.json.decode(answer, type=Plan)
