"""The rules of every tenant as this replica knows them, and how interactions are read by them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from libs.eventlog.event import Recorded
from libs.people.anchor import Anchoring
from libs.people.compose import composed
from libs.people.identifiers import DEFAULT_RULES, Claimed, Identified, IdentifierRules, IdentifierType
from libs.people.keys import Keyring
from libs.people.normalise import region_of
from libs.people.rules_document import read_rules
from libs.people.said import INTERACTION_RECORDED, Said, read_said
from libs.runtime.tenants import Tenant, Tenants
from services.identity.domain.evidence import Key, Named, Sighting
from services.identity.domain.rules import RulesHistory, RulesPublished, evolve
from services.identity.store.rules import RulesRows

_SCREENS: Final = ("blocked", "blocked_patterns", "matches")


class Reading:
    """How interactions are read by one version of a tenant's rules.

    Values that these rules refuse are read all the same: they are evidence that joins nobody, so that other rules may
    let it join again. Values that no rules would let pass are never evidence.
    """

    def __init__(self, rules: IdentifierRules, tenant: Tenant) -> None:
        keyring, region = Keyring(tenant.secret), region_of(tenant.locale)
        self.rules = rules
        self.anchoring = Anchoring(rules, keyring, region)
        """As the rules say, refusals included."""
        self.screens = any(screening(type_) for type_ in rules.types.values())
        open_ = IdentifierRules.of(
            rules.version,
            [replace(type_, blocked=frozenset(), blocked_patterns=(), matches=()) for type_ in rules.types.values()],
            rules.shared,
        )
        self._open = Anchoring(open_, keyring, region) if self.screens else self.anchoring

    def identifiers(self, said: Said) -> list[Identified]:
        """The identifiers of an interaction: the one that it is filed under, and all others that some rules let pass.

        Composite ones are made of what these rules let pass, as they are when it is collected: of two phones of which
        one is blocked, the other one is meant.
        """
        if not self.screens:
            return self.anchoring.identify_all(said.claims(), said.all_traits)[0]
        found, _ = self._open.identify(said.claims())
        if self.anchoring.composes:
            usable, _ = self.anchoring.identify(said.claims())
            found += self._open.identify(composed(self.rules, usable, said.all_traits()))[0]
        return found

    def sighting(self, recorded: Recorded, values: dict[Key, str]) -> Sighting | None:
        """What an interaction stamped with these rules says of who is who; None if it is none, or was erased.

        The normal forms of its identifiers are added to `values`.
        """
        said = self.said(recorded)
        return self.seen(recorded, said, self.identifiers(said), values) if said is not None else None

    def said(self, recorded: Recorded) -> Said | None:
        """What an interaction's document says; None if it is no interaction, or was erased."""
        event = recorded.event
        payload = event.payload
        return read_said(payload) if payload and event.type == INTERACTION_RECORDED else None

    def seen(self, recorded: Recorded, said: Said, found: Iterable[Identified], values: dict[Key, str]) -> Sighting:
        """An interaction of which the identifiers were found; see `sighting`."""
        event = recorded.event
        named = []
        for one in found:
            named.append(Named(one.key, one.type.name, one.verified))
            values[one.key] = one.value
        at = event.occurred_at_micros
        return Sighting(event.id, at, recorded.recorded_at, tuple(named), said.source, said.session, said.login)

    def refused(self, values: Iterable[tuple[bytes, str, str]]) -> list[bytes]:
        """Those of (key, type, normal form) that the rules refuse, types that they do not have left aside."""
        if not self.screens:
            return []
        types = self.rules.types
        return [
            key
            for key, type_, value in values
            if type_ in types and screening(types[type_]) and self.anchoring.identify([Claimed(type_, value)])[1]
        ]


def screening(type_: IdentifierType) -> bool:
    """Whether the rules of a type refuse values that others would let pass."""
    return any(getattr(type_, field) for field in _SCREENS)


class Rulebook:
    """All versions of all tenants' rules. Which one is in force is for each transaction to ask."""

    def __init__(self, tenants: Tenants, shipped: IdentifierRules = DEFAULT_RULES) -> None:
        """`shipped` stand for tenants that have published none."""
        self._tenants = tenants
        self._shipped = RulesHistory((shipped,))
        self._histories: dict[str, RulesHistory] = {}
        self._readings: dict[tuple[str, int], Reading] = {}

    def history(self, tenant: str) -> RulesHistory:
        """All versions that this replica knows."""
        return self._histories.get(tenant, self._shipped)

    async def reading(self, rows: RulesRows, version: int) -> Reading:
        """How a version is read by; of one that is nowhere to be found, the last one before it. Raises `NotFound` for
        a tenant that is not declared.
        """
        known = self._readings.get((rows.tenant, version))
        if known is None:
            await self.refresh(rows, version)
            known = self._known(rows.tenant, version)
        return known

    async def refresh(self, rows: RulesRows, version: int) -> None:
        """Learn what was published for a tenant, if a version is not known yet."""
        history = self.history(rows.tenant)
        if version > history.current.version:
            for one in await rows.published(history.current.version):
                history = evolve(history, RulesPublished(read_rules(one.document, one.version)))
            self._histories[rows.tenant] = history

    def _known(self, tenant: str, version: int) -> Reading:
        versions = self.history(tenant).versions
        rules = next(one for one in reversed(versions) if one.version <= version)
        known = self._readings.get((tenant, rules.version))
        if known is None:
            known = self._readings[tenant, rules.version] = Reading(rules, self._tenants.get(tenant))
        return known
