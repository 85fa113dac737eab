"""Tiers on the wire."""

from collections.abc import Mapping

from portrait.tagging.v1 import tiers_pb2 as pb

from libs.rpc.times import timestamp
from services.tagging.codec.definitions import STATES
from services.tagging.domain.holding import Held
from services.tagging.domain.kinds import definitions_in
from services.tagging.domain.names import TIER
from services.tagging.domain.published import Published
from services.tagging.domain.tiers import TiersDefinition


def tiers_on_wire(tiers: Published, *, document: bool = True) -> pb.TiersDefinition:
    """Tiers as they were published, and what their document says."""
    said, *_ = definitions_in(tiers)
    assert isinstance(said, TiersDefinition)
    return pb.TiersDefinition(
        key=said.key,
        version=tiers.version,
        document=tiers.document if document else "",
        etag=tiers.etag,
        state=STATES[tiers.state],
        published_at=timestamp(tiers.published_at or None),
        published_by=tiers.published_by,
        titles=said.titles,
        owner=said.owner,
        description=said.description,
        tiers=(
            pb.Tier(
                key=one.key,
                titles=one.titles,
                touches_per_day=one.per_day,
                touches_per_week=one.per_week,
                discount=one.discount,
            )
            for one in said.tiers
        ),
    )


def tier_on_wire(held: Mapping[str, Held]) -> pb.HeldTier | None:
    """The tier among what somebody holds."""
    one = held.get(TIER)
    if one is None:
        return None
    return pb.HeldTier(
        tier=str(one.value),
        since=timestamp(one.since),
        expires_at=timestamp(one.expires_at),
        definition_version=one.version,
        event_id=one.event_id,
    )
