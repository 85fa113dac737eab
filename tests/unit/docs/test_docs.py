"""What the documentation says of names that the code defines."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from portrait.identity.v1 import identities_service_pb2
from portrait.log.v1 import log_service_pb2
from portrait.ops.v1 import projections_service_pb2
from portrait.profile.v1 import (
    collector_service_pb2,
    profiles_service_pb2,
    quarantine_service_pb2,
    schemas_service_pb2,
)
from portrait.tagging.v1 import segments_service_pb2, tags_service_pb2

from libs.runtime.settings import describe
from libs.telemetry.metrics import METRIC_NAMES
from services.profile.domain.rejection import Reason
from services.profile.settings import ProfileSettings

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = sorted(
    page
    for folder in (".", "docs", "docs/adr", "docs/guides", "services/*", "examples/*", "k8s")
    for page in ROOT.glob(f"{folder}/*.md")
)
LINK: Final = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(FENCED.sub("", page.read_text())):
        target = page.parent / path if path else page
        assert target.exists(), path
        if anchor:
            assert anchor in anchors(target), f"{path}#{anchor}"


def test_every_decision_is_in_the_index() -> None:
    decisions = {page.name for page in (ROOT / "docs/adr").glob("0*.md")}
    assert linked_from("docs/adr/README.md") == decisions


def test_every_page_is_in_the_index() -> None:
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= linked_from("docs/README.md")


def test_every_metric_is_explained() -> None:
    assert first_column("docs/operations.md", r"portrait_\w+") == set(METRIC_NAMES)


def test_every_reason_of_quarantine_is_explained() -> None:
    assert set(Reason) <= set(re.findall(r"`([A-Z0-9_]+)`", text("docs/interactions.md")))


def test_every_method_is_listed() -> None:
    listed = {
        (service, method)
        for service, methods in re.findall(r"^\| `(portrait\.[\w.]+)` \| (.+) \|$", text("docs/grpc.md"), re.MULTILINE)
        for method in re.findall(r"`(\w+)`", methods)
    }
    assert listed == {(service.full_name, method.name) for service in services() for method in service.methods}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"PORTRAIT_PROFILE_[A-Z_]+[A-Z]", page.read_text()))
    assert named <= set(re.findall(r"PORTRAIT_PROFILE_[A-Z_]+", describe(ProfileSettings)))


def services() -> Iterable[ServiceDescriptor]:
    for file in (
        collector_service_pb2,
        profiles_service_pb2,
        quarantine_service_pb2,
        schemas_service_pb2,
        identities_service_pb2,
        segments_service_pb2,
        tags_service_pb2,
        log_service_pb2,
        projections_service_pb2,
    ):
        yield from file.DESCRIPTOR.services_by_name.values()


def text(page: str) -> str:
    return (ROOT / page).read_text()


def first_column(page: str, form: str) -> set[str]:
    """The names of a form that rows of the page's tables without other names in their first cell begin with."""
    return set(re.findall(rf"^\| `({form})` \|", text(page), re.MULTILINE))


def linked_from(page: str) -> set[str]:
    return {Path(path).name for path, _ in LINK.findall(text(page))}


def anchors(page: Path) -> set[str]:
    """Headings as the web shows them in addresses."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(page.read_text())}
