"""Keys: what names people in logs, tables and subjects, so that plain values need not."""

import hmac
from typing import Final

from libs.runtime.errors import InvalidArgument

KEY_BYTES: Final = 16


class Keyring:
    """Makes the keys of one tenant from its secret.

    Everything is filed under these keys: another secret or another formula makes every known person a stranger. The
    secret never rotates, and the formula is held by golden values in the tests.
    """

    __slots__ = ("_begun",)

    def __init__(self, secret: bytes) -> None:
        """Raises `InvalidArgument` for an empty secret, under which anybody could recompute keys."""
        if not secret:
            raise InvalidArgument("secret", "must not be empty")
        self._begun = hmac.new(secret, digestmod="sha256")

    def key(self, kind: str, type: str, value: str) -> bytes:  # noqa: A002 - an identifier's type is called type
        """16 bytes: HMAC-SHA256 of kind, type and normalised value, cut in half.

        NUL parts them, which no kind or type contains: no two triples are spelled alike.
        """
        digest = self._begun.copy()  # the secret takes longer to work in than the value does
        digest.update(f"identifier\0{kind}\0{type}\0{value}".encode())
        return digest.digest()[:KEY_BYTES]
