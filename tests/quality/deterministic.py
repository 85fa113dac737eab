"""Records resolved as the identity service resolves interactions: by rules alone, with composite identifiers."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import yaml

from libs.people.anchor import Anchoring
from libs.people.compose import composed
from libs.people.identifiers import Claimed, IdentifierRules
from libs.people.keys import Keyring
from services.identity.domain.decisions import Decisions
from services.identity.domain.evidence import Evidence, Named, Sighting, combine, observed
from services.identity.domain.resolution import resolve
from services.identity.domain.standing import Case
from tests.quality.records import Listed

RULES: Final = Path(__file__).with_name("rules.yaml")


def resolved(records: Iterable[Listed]) -> Iterator[list[bytes]]:
    """The records of each person whom the rules make out."""
    rules = IdentifierRules.from_document(yaml.safe_load(RULES.read_text(encoding="utf-8")))
    anchoring = Anchoring(rules, Keyring(b"quality"))
    evidence, key_of = Evidence(), {}
    for at, record in enumerate(records):
        sent, _ = anchoring.identify([Claimed("record", record.id.decode())])
        made, _ = anchoring.identify(composed(rules, sent, record.traits))
        key_of[record.id] = sent[0].key
        named = tuple(Named(one.key, one.type.name, one.verified) for one in (*sent, *made))
        combine(evidence, observed(Sighting(at.to_bytes(16), at, at, named)))
    found = resolve(Case(evidence, Decisions(), rules))
    people: dict[bytes, list[bytes]] = {}
    for id_, key in key_of.items():
        people.setdefault(found.person_of(key), []).append(id_)
    yield from people.values()
