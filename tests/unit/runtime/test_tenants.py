from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.runtime.errors import NotFound
from libs.runtime.tenants import Tenants, TenantsInvalid

SHOP = """
tenants:
  shop:
    environment: live
    zone: Asia/Shanghai
    currency: CNY
    locale: zh-CN
    secret: env:SHOP_SECRET
"""
SECRET = {"SHOP_SECRET": "0123456789abcdef0123456789abcdef"}


def written(folder: Path, text: str) -> Path:
    file = folder / "tenants.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_portrait_ships_with_tenants_to_play_with() -> None:
    tenants = Tenants.demo()
    assert {tenant.id for tenant in tenants} == {"demo", "grocery", "shop", "clinic", "other"}
    assert (tenants.get("demo").zone, tenants.get("demo").currency) == ("Asia/Shanghai", "CNY")
    assert tenants.get("grocery").clock == "event"
    assert tenants.get("grocery").clock_ceiling == datetime(2018, 2, 1, tzinfo=UTC).timestamp() * 1_000_000


def test_an_unknown_tenant_is_not_found() -> None:
    with pytest.raises(NotFound, match="tenant 'nobody'"):
        Tenants.demo().get("nobody")


def test_a_secret_comes_from_the_environment(tmp_path: Path) -> None:
    assert Tenants.load(written(tmp_path, SHOP), SECRET).get("shop").secret == SECRET["SHOP_SECRET"].encode()


def test_a_secret_comes_from_a_file_beside_the_document(tmp_path: Path) -> None:
    (tmp_path / "shop.key").write_text(SECRET["SHOP_SECRET"] + "\n")
    file = written(tmp_path, SHOP.replace("env:SHOP_SECRET", "file:shop.key"))
    assert Tenants.load(file, {}).get("shop").secret == SECRET["SHOP_SECRET"].encode()


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    tenant = Tenants.load(written(tmp_path, SHOP), SECRET).get("shop")
    assert SECRET["SHOP_SECRET"] not in repr(tenant)


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        (("zone: Asia/Shanghai", "zone: Asia/Atlantis"), "tenants.shop.zone", "'Asia/Atlantis' is not an IANA"),
        (("zone: Asia/Shanghai", "zone: 8"), "tenants.shop.zone", "8 is not an IANA"),
        (("currency: CNY", "currency: yuan"), "tenants.shop.currency", "ISO 4217"),
        (("locale: zh-CN", "lokale: zh-CN"), "tenants.shop.locale", "is missing"),
        (("locale: zh-CN", "locale: zh-CN\n    colour: red"), "tenants.shop.colour", "is unknown"),
        (("environment: live", "environment: production"), "tenants.shop.environment", "must be live or sandbox"),
        (("env:SHOP_SECRET", "env:NOT_SET"), "tenants.shop.secret", "NOT_SET is not set"),
        (("env:SHOP_SECRET", "plain:abc"), "tenants.shop.secret", "for sandboxes"),
        (("env:SHOP_SECRET", "file:nowhere.key"), "tenants.shop.secret", "can't be read"),
        (("env:SHOP_SECRET", "abc"), "tenants.shop.secret", "must be env:NAME"),
        (("locale: zh-CN", "locale: zh-CN\n    clock: event"), "tenants.shop.clock", "wall clock"),
        (("locale: zh-CN", "locale: zh-CN\n    clock_ceiling: 2018-01-01"), "tenants.shop.clock_ceiling", "goes with"),
        (("locale: zh-CN", "locale: zh-CN\n    source_ranks: {crm: high}"), "tenants.shop.source_ranks.crm", "whole"),
        (("  shop:", "  Shop!:"), "tenants.Shop!", "an id is"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_path(
    tmp_path: Path, change: tuple[str, str], path: str, says: str
) -> None:
    file = written(tmp_path, SHOP.replace(*change))
    with pytest.raises(TenantsInvalid) as caught:
        Tenants.load(file, SECRET)
    assert str(caught.value).startswith(f"{file}: {path}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a", "tenants: {}", "tenants: [a]"])
def test_a_document_without_tenants_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TenantsInvalid, match="must map tenant ids"):
        Tenants.load(written(tmp_path, text), {})


def test_a_document_that_is_no_yaml_or_not_there_names_the_file(tmp_path: Path) -> None:
    for file in (written(tmp_path, "tenants: {"), tmp_path / "nowhere.yaml"):
        with pytest.raises(TenantsInvalid, match="can't be read") as caught:
            Tenants.load(file, {})
        assert caught.value.file == file


def test_a_live_secret_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TenantsInvalid, match="at least 32 bytes"):
        Tenants.load(written(tmp_path, SHOP), {"SHOP_SECRET": "short"})
