"""Where a command finds things: the data folder, the service to call, the tenant's time zone."""

from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
import yaml

from libs.devstack.folder import DataFolder, StackState
from libs.devstack.ports import DEFAULT_PORTS, LOOPBACK
from libs.runtime.tenants import SHIPPED

DATA: Final = Path(".data")

Data = Annotated[
    Path, typer.Option("--data", envvar="PORTRAIT_DATA", help="Data folder of the stack.", show_default=True)
]


def address_of(service: str, stack: StackState | None) -> str:
    """Where a service answers: in the running stack if there is one, else at its published port."""
    if stack is not None:
        for part in stack.parts:
            if part.name == service:
                return part.address
    return f"{LOOPBACK}:{DEFAULT_PORTS[service]}"


def running_stack(data: Path) -> StackState | None:
    """What runs on a data folder."""
    return DataFolder(data).read() if data.is_dir() else None


def answers_here(address: str, stack: StackState | None) -> bool:
    """Whether an address is that of a part of the stack."""
    return stack is not None and any(part.address == address for part in stack.parts)


def zone_of(tenant: str, stack: StackState | None) -> tzinfo:
    """The tenant's time zone where its document is at hand, else this machine's.

    Only the zone is read: the rest of the document may need secrets that only the services have.
    """
    file = Path(stack.tenants_file) if stack and stack.tenants_file else SHIPPED
    try:
        return ZoneInfo(yaml.safe_load(file.read_text(encoding="utf-8"))["tenants"][tenant]["zone"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, ZoneInfoNotFoundError):
        local = datetime.now().astimezone().tzinfo
        assert local is not None, "astimezone() sets it"
        return local
