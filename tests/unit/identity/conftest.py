import pytest

from tests.support.identity import IdentityScenario


@pytest.fixture
def identity() -> IdentityScenario:
    return IdentityScenario()
