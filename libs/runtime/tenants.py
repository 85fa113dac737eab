"""Tenants: who shares the system, each with its zone, currency, clock and secret, from one YAML document."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import NotFound

SHIPPED: Final = Path(__file__).with_name("tenants.yaml")

Environment = Literal["live", "sandbox"]
TenantClock = Literal["wall", "event"]

_ID: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_REQUIRED: Final = frozenset({"environment", "zone", "currency", "locale", "secret"})
_OPTIONAL: Final = frozenset({"clock", "clock_ceiling", "source_ranks"})
_SHORTEST_LIVE_SECRET: Final = 32


class TenantsInvalid(ValueError):  # named for what is wrong, as the errors beside it
    """A tenants document can't be used; names the file and the path inside it."""

    def __init__(self, file: Path, path: str, message: str) -> None:
        super().__init__(f"{file}: {path}: {message}" if path else f"{file}: {message}")
        self.file = file
        self.path = path


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant. `clock_ceiling` is in microseconds; the secret keys identifiers and must never change."""

    id: str
    environment: Environment
    zone: str
    currency: str
    locale: str
    clock: TenantClock
    clock_ceiling: Micros | None
    secret: bytes = field(repr=False)
    source_ranks: Mapping[str, int]


class Tenants:
    """All tenants of a deployment; a missing one raises `NotFound`."""

    def __init__(self, tenants: Mapping[str, Tenant]) -> None:
        self._tenants = dict(tenants)

    @staticmethod
    def load(path: Path | str = SHIPPED, environment: Mapping[str, str] = os.environ) -> "Tenants":
        """Read a document; raises `TenantsInvalid`. `environment` resolves `env:` secrets."""
        file = Path(path)
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise TenantsInvalid(file, "", f"can't be read: {error}") from error
        return _Reader(file, environment).tenants(document)

    @staticmethod
    def demo() -> "Tenants":
        """The tenants that Portrait ships with."""
        return Tenants.load(SHIPPED)

    def get(self, tenant_id: str) -> Tenant:
        """The tenant of that id; raises `NotFound`."""
        try:
            return self._tenants[tenant_id]
        except KeyError:
            raise NotFound("tenant", tenant_id) from None

    def __iter__(self) -> Iterator[Tenant]:
        return iter(self._tenants.values())

    def __len__(self) -> int:
        return len(self._tenants)

    def __contains__(self, tenant_id: object) -> bool:
        return tenant_id in self._tenants


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns a parsed document into tenants, complaining with the path of what is wrong."""

    file: Path
    environment: Mapping[str, str]

    def tenants(self, document: Any) -> Tenants:
        entries = document.get("tenants") if isinstance(document, dict) else None
        if not isinstance(entries, dict) or not entries:
            raise self._invalid("tenants", "must map tenant ids to their settings")
        return Tenants({tenant_id: self._tenant(tenant_id, entry) for tenant_id, entry in entries.items()})

    def _tenant(self, tenant_id: Any, entry: Any) -> Tenant:
        at = f"tenants.{tenant_id}"
        self._check(at, isinstance(tenant_id, str) and _ID.fullmatch(tenant_id), "an id is a-z, 0-9, _ and -")
        self._check(at, isinstance(entry, dict), "must be a mapping")
        for name in sorted(_REQUIRED - entry.keys()):
            raise self._invalid(f"{at}.{name}", "is missing")
        for name in sorted(map(str, entry.keys() - _REQUIRED - _OPTIONAL)):
            raise self._invalid(f"{at}.{name}", f"is unknown; known are {', '.join(sorted(_REQUIRED | _OPTIONAL))}")
        environment = self._one_of(f"{at}.environment", entry["environment"], "live", "sandbox")
        clock = self._one_of(f"{at}.clock", entry.get("clock", "wall"), "wall", "event")
        ceiling = entry.get("clock_ceiling")
        self._check(f"{at}.clock", clock == "wall" or environment == "sandbox", "live tenants run on the wall clock")
        self._check(
            f"{at}.clock_ceiling", (clock == "event") == (ceiling is not None), "goes with an event clock, and only so"
        )
        return Tenant(
            id=tenant_id,
            environment=cast("Environment", environment),
            zone=self._zone(f"{at}.zone", entry["zone"]),
            currency=self._text(f"{at}.currency", entry["currency"], _CURRENCY.fullmatch, "must be an ISO 4217 code"),
            locale=self._text(f"{at}.locale", entry["locale"], _LOCALE.fullmatch, "must be a BCP 47 tag such as zh-CN"),
            clock=cast("TenantClock", clock),
            clock_ceiling=None if ceiling is None else self._moment(f"{at}.clock_ceiling", ceiling),
            secret=self._secret(f"{at}.secret", entry["secret"], sandbox=environment == "sandbox"),
            source_ranks=self._ranks(f"{at}.source_ranks", entry.get("source_ranks", {})),
        )

    def _secret(self, at: str, reference: Any, *, sandbox: bool) -> bytes:
        text = self._text(at, reference, lambda text: ":" in text, "must be env:NAME, file:PATH or plain:TEXT")
        scheme, _, rest = text.partition(":")
        match scheme:
            case "env":
                self._check(at, rest in self.environment, f"environment variable {rest} is not set")
                secret = self.environment[rest].encode()
            case "file":
                try:
                    secret = (self.file.parent / rest).read_bytes().strip()
                except OSError as error:
                    raise self._invalid(at, f"can't be read: {error}") from error
            case "plain":
                self._check(at, sandbox, "plain secrets are for sandboxes")
                secret = rest.encode()
            case _:
                raise self._invalid(at, "must be env:NAME, file:PATH or plain:TEXT")
        self._check(at, secret, "is empty")
        self._check(at, sandbox or len(secret) >= _SHORTEST_LIVE_SECRET, "a live tenant needs at least 32 bytes")
        return secret

    def _ranks(self, at: str, ranks: Any) -> Mapping[str, int]:
        self._check(at, isinstance(ranks, dict), "must map sources to whole numbers")
        for source, rank in ranks.items():
            whole = isinstance(rank, int) and not isinstance(rank, bool)
            self._check(f"{at}.{source}", isinstance(source, str) and whole, "must be a whole number")
        return MappingProxyType(dict(ranks))

    def _zone(self, at: str, zone: Any) -> str:
        try:
            return ZoneInfo(zone).key
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise self._invalid(at, f"{zone!r} is not an IANA time zone") from error

    def _moment(self, at: str, value: Any) -> Micros:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time(), UTC)
        self._check(at, isinstance(value, datetime), "must be a date or a time")
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return int(moment.timestamp()) * SECOND + cast("int", moment.microsecond)

    def _one_of(self, at: str, value: Any, *choices: str) -> str:
        self._check(at, value in choices, f"must be {' or '.join(choices)}, not {value!r}")
        return cast("str", value)

    def _text(self, at: str, value: Any, valid: Callable[[str], object], message: str) -> str:
        self._check(at, isinstance(value, str) and valid(value), message)
        return cast("str", value)

    def _check(self, at: str, holds: object, message: str) -> None:
        if not holds:
            raise self._invalid(at, message)

    def _invalid(self, at: str, message: str) -> TenantsInvalid:
        return TenantsInvalid(self.file, at, message)
