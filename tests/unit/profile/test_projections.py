from dataclasses import replace
from typing import Any, cast

import pytest

from libs.eventlog.versions import UnknownFold, Version, VersionedProjection
from libs.runtime.tenants import Tenants
from services.profile.domain.portrait import Portrait
from services.profile.domain.schema import Schema
from services.profile.domain.schema_history import SchemaHistory
from services.profile.projections import FOLD, calendar_of, portraits
from services.profile.schemas import Schemas


class Published:
    """Schemas of which the tenant `demo` has published some."""

    def __init__(self) -> None:
        history = SchemaHistory()
        for name in ("visit_booked", "visit_made", "visit_missed"):
            history, _, _ = history.publish(Schema(name), 1)
        self._histories = {"demo": history}

    def of(self, tenant: str) -> SchemaHistory:
        return self._histories.get(tenant, SchemaHistory())

    async def refresh(self, tenant: str) -> None:
        """Nobody else publishes."""


def declared(**zones: str) -> VersionedProjection[Portrait]:
    """Portraits where the demo's tenant, and others like it, live in these zones."""
    demo = Tenants.demo().get("demo")
    tenants = Tenants({name: replace(demo, id=name, zone=zone) for name, zone in zones.items()})
    return portraits(tenants, cast("Schemas", Published()))


def version(meaning: Any, number: int = 1) -> Version:
    return Version("portraits", number, "portraits", dict(meaning), "active", 0)


def test_the_first_version_means_what_the_tenants_document_says_and_reads_everything_as_it_was_stamped() -> None:
    meaning = declared(demo="Asia/Shanghai").first()
    assert meaning == {"fold": FOLD, "zones": {"demo": "Asia/Shanghai"}, "currencies": {"demo": "CNY"}, "schemas": {}}


async def test_a_version_made_now_reads_by_the_schemas_of_today_and_remembers_tenants_that_are_gone() -> None:
    before = declared(demo="Asia/Shanghai", gone="UTC").first()
    meaning = await declared(demo="Europe/Berlin").today(before)
    assert meaning["zones"] == {"demo": "Europe/Berlin", "gone": "UTC"}
    assert meaning["schemas"] == {"demo": 3}


def test_days_are_read_by_the_calendar_that_they_were_counted_by() -> None:
    old = version(declared(demo="Asia/Shanghai").first())
    new = version(declared(demo="Europe/Berlin").first(), 2)
    assert calendar_of(old, "demo").zone.key == "Asia/Shanghai"
    assert calendar_of(new, "demo").zone.key == "Europe/Berlin"


def test_a_fold_that_this_release_lacks_is_named() -> None:
    with pytest.raises(UnknownFold, match="portraits@4 is folded by fold 99, which this release does not have"):
        declared(demo="UTC").of(version({**declared(demo="UTC").first(), "fold": 99}, 4))
