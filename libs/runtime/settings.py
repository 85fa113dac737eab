"""Settings of a service: environment variables and nothing else, read once by whoever puts the service together."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.runtime.tenants import SHIPPED

Settings = TypeVar("Settings", bound="ServiceSettings")
Port = Annotated[int, Field(ge=0, le=65_535)]

_METRICS_PORT_OFFSET = 1000


class SettingsInvalid(ValueError):  # named for what is wrong, as Portrait's other errors are
    """The environment does not make sense; every line names a variable."""


class ServiceSettings(BaseSettings):
    """What every service can be told.

    A service's own class sets its prefix (`model_config = settings_of("profile")`) and its port, and adds to the rest.
    """

    model_config = SettingsConfigDict(frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=0, description="port of the gRPC server; 0 takes a free one")
    metrics_port: Port | None = Field(
        default=None, description="port of the Prometheus metrics; unset means port + 1000, and a free one if port is 0"
    )
    database_url: str = Field(description="the service's own PostgreSQL database, postgresql://…")
    nats_url: str = Field(
        default="nats://127.0.0.1:4222", description="NATS servers with JetStream, separated by commas"
    )
    tenants_file: Path = Field(default=SHIPPED, description="YAML document of the tenants")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is logged"
    )
    log_form: Literal["json", "console"] = Field(
        default="json", description="one JSON object a line, or coloured for people"
    )
    otlp_endpoint: str | None = Field(
        default=None, description="where to send traces, http://host:4317; unset: no traces"
    )
    trace_ratio: float = Field(
        default=1.0, ge=0, le=1, description="share of the traces beginning here that is recorded"
    )
    lease_seconds: float = Field(
        default=8.0,
        ge=0.2,
        le=30,
        description="silence after which a replica's partitions go to the others; the same for all replicas",
    )
    parked_keys: int = Field(
        default=100, ge=1, description="keys that a projection may park of a log before it stands still instead"
    )
    drain_seconds: float = Field(default=20.0, ge=0, description="how long running calls may take to end at a shutdown")

    @model_validator(mode="after")
    def _metrics_beside_grpc(self) -> Self:
        if self.metrics_port is None and self.port + _METRICS_PORT_OFFSET > 65_535:  # noqa: PLR2004  # the last port
            raise ValueError("METRICS_PORT must be set: port + 1000 is no port")
        return self

    @property
    def port_of_metrics(self) -> int:
        """The port to serve metrics on; 0 for a free one."""
        if self.metrics_port is not None:
            return self.metrics_port
        return self.port + _METRICS_PORT_OFFSET if self.port else 0


def settings_of(service: str) -> SettingsConfigDict:
    """The configuration of a service's settings class: its variables begin with `PORTRAIT_<SERVICE>_`."""
    return SettingsConfigDict(env_prefix=f"PORTRAIT_{service.upper()}_", frozen=True)


def read_settings(kind: type[Settings]) -> Settings:
    """Read settings from the environment.

    Raises `SettingsInvalid` for a value that won't do, one that is missing, and a variable with the service's prefix
    that does not exist: a misspelt setting would otherwise be a default nobody chose.
    """
    complaints = [_unknown(kind, name) for name in sorted(os.environ) if _is_misspelt(kind, name)]
    try:
        settings = kind()  # type: ignore[call-arg]  # the environment gives them
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        raise SettingsInvalid("\n".join(complaints + [_complaint(kind, one) for one in wrong])) from None
    if complaints:
        raise SettingsInvalid("\n".join(complaints))
    return settings


def settings_or_exit(kind: type[Settings]) -> Settings:
    """Read settings; if they won't do, say so in a line each and exit with 2."""
    try:
        return read_settings(kind)
    except SettingsInvalid as error:
        os.write(2, f"{error}\n".encode())
        raise SystemExit(2) from None


def describe(kind: type[ServiceSettings]) -> str:
    """The table of a service's environment variables, their defaults and meanings, for `--help`."""
    rows = [(_variable(kind, name), _default(field), _meaning(kind, name)) for name, field in kind.model_fields.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {default:<{widths[1]}}  {meaning}" for name, default, meaning in rows)


def _is_misspelt(kind: type[ServiceSettings], variable: str) -> bool:
    prefix = _prefix(kind)
    return variable.startswith(prefix) and variable[len(prefix) :].lower() not in kind.model_fields


def _unknown(kind: type[ServiceSettings], variable: str) -> str:
    near = get_close_matches(variable, [_variable(kind, name) for name in kind.model_fields], n=1)
    return f"{variable} is not a setting; " + (f"did you mean {near[0]}?" if near else "--help lists those there are")


def _complaint(kind: type[ServiceSettings], error: ErrorDetails) -> str:
    if not error["loc"]:
        return f"{_prefix(kind)}{error['msg'].removeprefix('Value error, ')}"
    name = str(error["loc"][0])
    if error["type"] == "missing":
        return f"{_variable(kind, name)} is not set: {_meaning(kind, name)}"
    said = error["msg"][0].lower() + error["msg"][1:]
    return f"{_variable(kind, name)} is {_shown(name, error['input'])}: {said}"


def _shown(name: str, value: Any) -> str:
    # URLs carry passwords, and what is printed here ends in logs.
    return "not valid" if name.endswith("_url") else repr(value)


def _meaning(kind: type[ServiceSettings], name: str) -> str:
    # A service that only changes a default does not say again what the setting means.
    fields = (one.model_fields.get(name) for one in (kind, ServiceSettings))
    return next((field.description for field in fields if field and field.description), "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    if field.default == SHIPPED:
        return "(the demo tenants)"
    return "(unset)" if field.default is None else str(field.default)


def _variable(kind: type[ServiceSettings], name: str) -> str:
    return f"{_prefix(kind)}{name.upper()}"


def _prefix(kind: type[ServiceSettings]) -> str:
    return kind.model_config.get("env_prefix", "")
