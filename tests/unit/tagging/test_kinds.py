"""Documents that were read lately are not read again, and what is kept of them is bounded."""

import pytest

from services.tagging.domain.kinds import SHORT, read_definitions
from tests.support.documents import document

SAID = document("vip", "{did: {event: bought}}")
LONG = f"{SAID}# {'x' * SHORT}\n"
WITH_AN_ANCHOR = f"{SAID}# &x\n"


@pytest.mark.parametrize("said", [SAID, LONG, WITH_AN_ANCHOR])
def test_a_document_is_read_once_for_each_version(said: str) -> None:
    first = read_definitions(said, 1)
    assert read_definitions(said, 1) is first
    assert (first[0].version, read_definitions(said, 2)[0].version) == (1, 2)


def test_another_version_of_a_document_is_the_same_with_another_number() -> None:
    scored = f"{SAID}score: {{half_life: 90d, evidence: [{{did: bought, weight: 1}}], levels: {{sure: 0.6}}}}\n"
    first, second = (read_definitions(scored, version) for version in (1, 2))
    assert [(one.name, one.version) for one in second] == [("vip", 2), ("score:vip", 2)]
    assert [list(one.differences(other)) for one, other in zip(first, second, strict=True)] == [[], []]


@pytest.mark.parametrize("said", [LONG, WITH_AN_ANCHOR])
def test_of_documents_that_may_say_much_only_a_few_are_kept(said: str) -> None:
    first = read_definitions(said, 1)
    for version in range(2, 66):
        read_definitions(said, version)
    assert read_definitions(said, 1) is not first
