"""Interactions for benchmarks: eight kinds of events of a fixed seed, as documents and as requests ready to send."""

import json
import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from libs.eventlog.event import varint

SEED: Final = 20_261
DAY: Final = 86_400 * 1_000_000

_KINDS: Final = (
    ("product_viewed", 40),
    ("product_searched", 15),
    ("product_added", 12),
    ("page_viewed", 12),
    ("order_completed", 8),
    ("coupon_redeemed", 5),
    ("content_viewed", 5),
    ("product_reviewed", 3),
)
_NAMES: Final = [name for name, _ in _KINDS]
_WEIGHTS: Final = [weight for _, weight in _KINDS]
_CATEGORIES: Final = [f"category-{n}" for n in range(24)]
_BRANDS: Final = [f"brand-{n}" for n in range(30)]
_SOURCES: Final = ("mini_program", "app", "shop", "web")


@dataclass(frozen=True, slots=True)
class Template:
    """A document around its message id and its person, whose places it leaves open."""

    before: bytes
    between: bytes
    after: bytes

    def document(self, message_id: bytes, person: int, beside: bytes = b"") -> bytes:
        """The document of one message; `message_id` is a UUID as text, `beside` what follows the member number."""
        return b"".join((self.before, message_id, self.between, b"%07d" % person, beside, self.after))


def templates(chance: random.Random, occurred_at: Sequence[str], count: int = 4096) -> list[Template]:
    """Documents to vary; `occurred_at` are RFC 3339 times to choose from."""
    return [_template(chance, chance.choice(occurred_at)) for _ in range(count)]


def _template(chance: random.Random, occurred_at: str) -> Template:
    (name,) = chance.choices(_NAMES, _WEIGHTS)
    item = f"item-{int(chance.paretovariate(1.2) * 10) % 4000}"
    thing = {
        "product_id": item,
        "category": chance.choice(_CATEGORIES),
        "brand": chance.choice(_BRANDS),
        "price": round(chance.uniform(5, 500), 2),
    }
    properties: dict[str, object] = {**thing, "currency": "CNY", "position": chance.randrange(40)}
    if name == "order_completed":
        lines = [{**thing, "quantity": chance.randrange(1, 4)} for _ in range(2)]
        properties = {"total": round(chance.uniform(20, 900), 2), "currency": "CNY", "products": lines}
    document = {
        "message_id": "@id@",
        "type": "track",
        "event": name,
        "occurred_at": occurred_at,
        "source": chance.choice(_SOURCES),
        "identifiers": {"member_no": "m@person@"},
        "properties": properties,
        "context": {"session_id": f"s{chance.randrange(10**6)}"},
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    before, rest = text.split(b"@id@")
    between, after = rest.split(b"@person@")
    return Template(before, between, after)


def message_ids(milliseconds: int, count: int) -> Iterator[bytes]:
    """Fresh UUIDv7s as text."""
    noise = secrets.token_hex(9 * count)
    stamp = f"{milliseconds:012x}"
    for at in range(0, 18 * count, 18):
        rest = noise[at : at + 18]
        yield f"{stamp[:8]}-{stamp[8:]}-7{rest[:3]}-a{rest[3:6]}-{rest[6:]}".encode()


def request(documents: Sequence[bytes]) -> bytes:
    """A serialized `CollectRequest` of documents."""
    return b"".join(part for one in documents for part in (b"\x12", varint(len(one)), one))
