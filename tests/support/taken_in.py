"""What the profile service would make of the documents of an example."""

from collections import Counter
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES
from libs.people.keys import Keyring
from libs.people.normalise import region_of
from libs.people.said import claims
from libs.runtime.tenants import Tenant
from services.profile.domain.incoming import Accepted, Intake
from services.profile.domain.schema_history import SchemaHistory


def filed_under(tenant: Tenant, documents: Iterable[bytes], history: SchemaHistory | None = None) -> Counter[str]:
    """The types of identifiers that documents are filed under; all must be accepted, and every identifier usable."""
    schemas = (history or SchemaHistory()).current
    intake = Intake(schemas, ZoneInfo(tenant.zone), tenant.clock_ceiling, fresh_id=lambda: bytes(16))
    anchoring = Anchoring(DEFAULT_RULES, Keyring(tenant.secret), region_of(tenant.locale))
    types: Counter[str] = Counter()
    for document in documents:
        accepted = intake.read(document, 0)
        assert isinstance(accepted, Accepted), (accepted, document)
        identified, refused = anchoring.identify(claims(accepted.said.identifiers))
        anchor = anchoring.anchor(identified)
        assert refused == []
        assert anchor is not None
        types[anchor.type.name] += 1
    return types
