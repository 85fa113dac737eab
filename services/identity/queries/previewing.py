"""What rules would change, asked of a process of its own: to resolve everybody twice takes a tenant's whole memory."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field
from subprocess import PIPE
from typing import Final

import msgspec

from libs.people.identifiers import IdentifierRules
from libs.people.rules_document import written
from libs.runtime.errors import FailedPrecondition, Unavailable
from services.identity.domain.plan import Plan
from services.identity.queries.comparing import NO_MEMORY, Question

_COMPARING: Final = (sys.executable, "-m", "services.identity.queries.comparing")


@dataclass(frozen=True, slots=True)
class Previewing:
    """Asks one question at a time; the process reads the database by itself, and takes some `most_bytes` at most."""

    database_url: str
    most_bytes: int
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def plan(self, tenant: str, region: str, now: IdentifierRules, then: IdentifierRules, sample: int) -> Plan:
        """Compare who is who under two sets of rules; `region` is where phones without a country code are read.

        Raises `FailedPrecondition` where that takes too much memory, and `Unavailable` if the process ends otherwise
        without an answer.
        """
        before, after = ((written(one), one.version) for one in (now, then))
        question = Question(self.database_url, tenant, region, before, after, sample, self.most_bytes)
        async with self._one_at_a_time:
            # In threads, for the event loop has been seen to close the pipe of a process that it had just begun.
            process = await asyncio.to_thread(subprocess.Popen, _COMPARING, stdin=PIPE, stdout=PIPE)
            try:
                answer, _ = await asyncio.to_thread(process.communicate, msgspec.json.encode(question))
            finally:  # whoever asked may have left
                process.kill()
                await asyncio.to_thread(process.wait)
        if process.returncode == NO_MEMORY:
            told = f"to compare everybody takes more memory than PREVIEW_MEMORY_MB allows ({self.most_bytes >> 20:,})"
            raise FailedPrecondition("PREVIEW_TOO_LARGE", told)
        if process.returncode:
            raise Unavailable("preview", f"the process that compares ended with {process.returncode}")
        return msgspec.json.decode(answer, type=Plan)
