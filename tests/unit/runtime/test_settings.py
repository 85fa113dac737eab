import pytest

from libs.runtime.settings import (
    Port,
    ServiceSettings,
    SettingsInvalid,
    describe,
    read_settings,
    settings_of,
    settings_or_exit,
)


class ShopSettings(ServiceSettings):
    model_config = settings_of("shop")

    port: Port = 7101


@pytest.fixture(autouse=True)
def _database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_SHOP_DATABASE_URL", "postgresql://shop:hunter2@db/shop")


def test_settings_come_from_variables_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_SHOP_DRAIN_SECONDS", "2.5")
    settings = read_settings(ShopSettings)
    assert (settings.port, settings.port_of_metrics, settings.drain_seconds) == (7101, 8101, 2.5)


def test_metrics_take_a_free_port_when_the_service_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_SHOP_PORT", "0")
    assert read_settings(ShopSettings).port_of_metrics == 0


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("PORTRAIT_SHOP_PORT", "many", "PORTRAIT_SHOP_PORT is 'many': input should be a valid integer"),
        ("PORTRAIT_SHOP_PORT", "70000", "PORTRAIT_SHOP_PORT is '70000': input should be less than"),
        ("PORTRAIT_SHOP_PORT", "65000", "PORTRAIT_SHOP_METRICS_PORT must be set"),
        ("PORTRAIT_SHOP_LOG_LEVEL", "loud", "PORTRAIT_SHOP_LOG_LEVEL is 'loud'"),
        ("PORTRAIT_SHOP_PROT", "7000", "PORTRAIT_SHOP_PROT is not a setting; did you mean PORTRAIT_SHOP_PORT?"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as caught:
        settings_or_exit(ShopSettings)
    error = capfd.readouterr().err
    assert caught.value.code == 2
    assert error.startswith(says)
    assert error.count("\n") == 1


def test_what_must_be_set_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTRAIT_SHOP_DATABASE_URL")
    with pytest.raises(SettingsInvalid, match="PORTRAIT_SHOP_DATABASE_URL is not set: the service's own PostgreSQL"):
        read_settings(ShopSettings)


def test_help_lists_every_variable_with_default_and_meaning() -> None:
    lines = describe(ShopSettings).splitlines()
    assert len(lines) == len(ShopSettings.model_fields)
    assert all(len(line.split("  ")) >= 3 for line in lines)
    port = next(line for line in lines if line.startswith("PORTRAIT_SHOP_PORT "))
    assert port.split(maxsplit=2) == ["PORTRAIT_SHOP_PORT", "7101", "port of the gRPC server; 0 takes a free one"]
