import json
from importlib import import_module
from pathlib import Path
from typing import Any

from libs.rpc.client import SERVICE_CONFIG

PROTOS = Path(__file__).parents[3] / "protos"


def services() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for proto in PROTOS.glob("portrait/**/*.proto"):
        module = ".".join(proto.relative_to(PROTOS).with_suffix("").parts)
        for service in import_module(f"{module}_pb2").DESCRIPTOR.services_by_name.values():
            found[service.full_name] = service
    return found


def named() -> list[dict[str, str]]:
    config = json.loads(SERVICE_CONFIG.read_text(encoding="utf-8"))
    return [name for method in config["methodConfig"] for name in method["name"] if name]


def test_the_published_config_names_only_what_exists() -> None:
    known = services()
    for name in named():
        assert name["service"] in known
        assert name.get("method") in {None, *known[name["service"]].methods_by_name}


def test_no_stream_has_a_time_limit() -> None:
    known = services()
    for name in named():
        methods = known[name["service"]].methods_by_name
        for method in [methods[name["method"]]] if "method" in name else methods.values():
            assert not method.client_streaming
            assert not method.server_streaming
