"""Interactions as producers send them, ordinary and odd, and the facts that a fold sees of them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from libs.runtime.clock import SECOND, Micros
from services.profile.domain.calendar import Calendar
from services.profile.domain.event_names import event_name
from services.profile.domain.incoming import event_id_of
from services.profile.domain.interaction import read_interaction
from services.profile.domain.portrait import Fact, Portrait, record
from services.profile.domain.schema_defaults import SHIPPED
from services.profile.domain.schema_set import SchemaSet

DAY: Final[Micros] = 86_400 * SECOND
SHANGHAI: Final = Calendar("Asia/Shanghai", "CNY")
SCHEMAS: Final = SchemaSet(0, SHIPPED)


def moment(text: str) -> Micros:
    """Microseconds of a time in ISO 8601; without an offset it is one of UTC."""
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(at.timestamp()) * SECOND + at.microsecond


NOON: Final = moment("2026-03-01T12:00:00+08:00")


def tracked(event: str, properties: Mapping[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    """A document that says that somebody did something."""
    return {
        "type": "track",
        "event": event,
        "source": "app",
        "identifiers": {"user_id": "u1"},
        "properties": dict(properties or {}),
        **rest,
    }


def identified(traits: Mapping[str, Any], **rest: Any) -> dict[str, Any]:
    """A document that says what somebody is like."""
    return {"type": "identify", "source": "app", "identifiers": {"user_id": "u1"}, "traits": dict(traits), **rest}


def fact(document: Mapping[str, Any], at: Micros = NOON, message_id: str = "m1") -> Fact:
    """The document as the fold sees it, read from its JSON; its own message id goes before the one given."""
    message_id = document.get("message_id") or message_id
    return Fact(event_id_of(message_id), at, read_interaction(msgspec.json.encode(document)))


def folded(facts: Iterable[Fact], calendar: Calendar = SHANGHAI) -> Portrait:
    """The portrait of facts, in the order given."""
    portrait = Portrait()
    for one in facts:
        record(portrait, one, SCHEMAS.reading(event_name(one.interaction)), calendar)
    return portrait


def portrait_of(*documents: Mapping[str, Any], calendar: Calendar = SHANGHAI, at: Micros = NOON) -> Portrait:
    """The portrait of documents that happened a second apart from `at` on."""
    return folded((fact(one, at + i * SECOND, f"m{i}") for i, one in enumerate(documents)), calendar)


_WORDS: Final = st.sampled_from(["a", "b", "skincare", "上海", "", "O'Neil \u0000", "x" * 300])
_NUMBERS: Final = st.one_of(
    st.integers(-3, 10_000),
    st.decimals(-5, 10_000, places=2).map(float),
    st.decimals(0, 10_000, places=3).map(str),
    st.sampled_from(
        [0.1, 0.285, 1e15, 2**53, 2**53 - 1, 2**70, 1e308, 5e-324, "19.90", " 7 ", "1e3", "NaN", "¥5", True]
    ),
)
_JSON: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**70), st.floats(allow_nan=False, allow_infinity=False))
    | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=4,
)
_KEYS: Final = st.one_of(_WORDS, st.integers(0, 5), st.just(2**80), st.none(), st.just(["a"]))
_CURRENCIES: Final = st.sampled_from(["CNY", "usd", "JPY", "KWD", "¥", 156, None])
_SOURCES: Final = st.sampled_from(["app", "web", "store", ""])

_PRODUCT: Final = st.fixed_dictionaries(
    {},
    optional={
        "product_id": _KEYS,
        "sku": _KEYS,
        "category": _KEYS,
        "brand": _KEYS,
        "price": _NUMBERS,
        "quantity": _NUMBERS,
        "amount": _NUMBERS,
        "channel": _KEYS,
        "outlet_id": _KEYS,
        "content_kind": _KEYS,
    },
)
_ORDER: Final = st.fixed_dictionaries(
    {},
    optional={
        "revenue": _NUMBERS,
        "total": _NUMBERS,
        "currency": _CURRENCIES,
        "outlet_id": _KEYS,
        "products": st.one_of(st.lists(_PRODUCT, max_size=4), st.lists(_JSON, max_size=2), st.just("none")),
    },
)
_PROPERTIES: Final = {
    "Product Viewed": _PRODUCT,
    "product-added": _PRODUCT,
    "product_removed": _PRODUCT,
    "Order Completed": _ORDER,
    "order_refunded": _ORDER,
    "package_viewed": _PRODUCT,
    "message_ignored": _PRODUCT,
    "完成测肤": st.dictionaries(_WORDS, _JSON, max_size=3),
}
"""Eight events, spelled as producers do, and what they carry."""

_IDENTIFIERS: Final = st.one_of(
    st.dictionaries(
        st.sampled_from(["user_id", "phone", "openid"]),
        st.one_of(_WORDS, st.integers(0, 5), st.none(), st.lists(st.one_of(_WORDS, st.integers(0, 5)), max_size=2)),
        max_size=3,
    ),
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["user_id", "phone"]), "value": st.one_of(_WORDS, st.integers(0, 5))},
            optional={"verified": st.booleans()},
        ),
        max_size=3,
    ),
)
_TRAITS: Final = st.dictionaries(
    st.sampled_from(["city", "age", "tags"]),
    st.one_of(_JSON, st.fixed_dictionaries({"value": _JSON, "verified": st.booleans()})),
    max_size=3,
)
_CONSENTS: Final = st.one_of(
    st.dictionaries(st.sampled_from(["sms", "email"]), st.booleans(), max_size=2),
    st.lists(
        st.fixed_dictionaries(
            {
                "purpose": st.sampled_from(["marketing", "service"]),
                "channel": st.sampled_from(["sms", "email"]),
                "state": st.sampled_from(["granted", "denied", "withdrawn"]),
            },
            optional={
                "address": st.sampled_from(["", "+8613800138000"]),
                "basis": _WORDS,
                "expires_at": st.sampled_from(["2027-01-01T00:00:00Z", "2026-06-01", "some day", None]),
            },
        ),
        max_size=3,
    ),
)


def _tracked() -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(sorted(_PROPERTIES)).flatmap(
        lambda event: st.fixed_dictionaries(
            {"type": st.just("track"), "event": st.just(event), "source": _SOURCES, "identifiers": _IDENTIFIERS},
            optional={"properties": _PROPERTIES[event], "traits": _TRAITS, "consents": _CONSENTS},
        )
    )


def _others() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "type": st.sampled_from(["identify", "page", "screen", "group", "alias"]),
            "source": _SOURCES,
            "identifiers": _IDENTIFIERS,
        },
        optional={"traits": _TRAITS, "consents": _CONSENTS, "properties": _PRODUCT},
    )


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Documents of every type, well-formed, with values from ordinary to absurd."""
    return st.one_of(_tracked(), _tracked(), _others())


def moments() -> st.SearchStrategy[Micros]:
    """Times with many ties, within some years, and now and then of another age."""
    return st.one_of(
        st.sampled_from([NOON, NOON + 1, NOON - DAY]),
        st.integers(-800, 800).map(lambda days: NOON + days * DAY),
        st.integers(moment("1900-01-02"), NOON),
    )


def facts(max_size: int = 12) -> st.SearchStrategy[list[Fact]]:
    """Facts of one anchor, each with an id of its own."""
    return st.lists(st.tuples(documents(), moments()), max_size=max_size).map(
        lambda pairs: [fact(document, at, f"m{i}") for i, (document, at) in enumerate(pairs)]
    )
