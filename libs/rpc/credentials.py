"""What makes a caller known: an `Authenticator` per kind of credential, chosen where the service is put together."""

from collections.abc import Container
from typing import Any, Final, Protocol

import grpc

from libs.rpc.caller import Caller
from libs.runtime.errors import Unauthenticated

TENANT_METADATA: Final = "portrait-tenant"
PLATFORM: Final = "*"
NAME_METADATA: Final = "portrait-caller"
_LONGEST_NAME: Final = 128

_LOOPBACK: Final = ("ipv4:127.", "ipv6:[::1]:", "ipv6:%5B::1%5D:", "unix:", "unix-abstract:")


class Authenticator(Protocol):
    """Knows callers by their credential: a JWT's claim, a client certificate's identity, or the metadata below."""

    def caller(self, context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
        """Who is calling; raises `Unauthenticated`. Runs before every call, so it must not wait."""
        ...


class DevelopmentCredential:
    """Believes the metadata `portrait-tenant`, and so only those on the same machine; `*` is another service. Who calls
    is the metadata `portrait-caller`, at most 128 characters of it.

    Danger: whoever reaches the port may say who he is. A peer that is not on loopback or a Unix socket is refused.
    """

    def __init__(self, tenants: Container[str], default: str = "demo") -> None:
        self._tenants = tenants
        self._default = default

    def caller(self, context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
        if not context.peer().startswith(_LOOPBACK):
            raise Unauthenticated(f"metadata {TENANT_METADATA} is believed from this machine only")
        tenant = metadata_value(context, TENANT_METADATA) or self._default
        if tenant == PLATFORM:
            return Caller(None, platform=True)
        if tenant not in self._tenants:
            raise Unauthenticated(f"metadata {TENANT_METADATA} names tenant {tenant!r}, which does not exist")
        return Caller(tenant, name=(metadata_value(context, NAME_METADATA) or "")[:_LONGEST_NAME])


def metadata_value(context: grpc.aio.ServicerContext[Any, Any], name: str) -> str | None:
    """The first value of a call's metadata of that name, if it is text."""
    for key, value in context.invocation_metadata() or ():
        if key == name and isinstance(value, str):
            return value
    return None
