"""Keys: what names people in logs, tables and subjects, so that plain values need not."""

from hashlib import sha256
from typing import Final

from libs.runtime.errors import InvalidArgument

KEY_BYTES: Final = 16
_BLOCK_BYTES: Final = 64  # of SHA-256


class Keyring:
    """Makes the keys of one tenant from its secret.

    Everything is filed under these keys: another secret or another formula makes every known person a stranger. The
    secret never rotates, and the formula is held by golden values in the tests.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        """Raises `InvalidArgument` for an empty secret, under which anybody could recompute keys."""
        if not secret:
            raise InvalidArgument("secret", "must not be empty")
        block = sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret
        block = block.ljust(_BLOCK_BYTES, b"\0")
        self._inner, self._outer = (sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))

    def key(self, kind: str, type: str, value: str) -> bytes:  # noqa: A002 - an identifier's type is called type
        """16 bytes: HMAC-SHA256 of kind, type and normalised value, cut in half.

        NUL parts them, which no kind or type contains: no two triples are spelled alike.
        """
        # By the definition of HMAC, for the standard library's takes more than twice as long for so short a text.
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"identifier\0{kind}\0{type}\0{value}".encode())
        outer.update(inner.digest())
        return outer.digest()[:KEY_BYTES]
