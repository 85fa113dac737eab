"""Who is calling: known from the credential alone, never from a request's body."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from libs.runtime.errors import PermissionDenied, Unauthenticated


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant, or the platform itself (another service), which may see every tenant's data.

    `name` is whoever calls on the tenant's behalf, for the record; empty where the credential does not tell.
    """

    tenant: str | None
    platform: bool = False
    name: str = ""


_CALLER: Final[ContextVar[Caller]] = ContextVar("caller")


def current_caller() -> Caller:
    """Whoever made the call that is being served; raises `Unauthenticated` outside of one."""
    try:
        return _CALLER.get()
    except LookupError:
        raise Unauthenticated("there is no caller here") from None


def calling_tenant() -> str:
    """The tenant that the call is about; raises `PermissionDenied` for the platform, which is none."""
    tenant = current_caller().tenant
    if tenant is None:
        raise PermissionDenied("this call is a tenant's to make: say which one")
    return tenant


def enter_caller(caller: Caller) -> None:
    """Serve the rest of the current task on behalf of a caller."""
    _CALLER.set(caller)
