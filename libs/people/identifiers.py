"""What may name somebody: the identifier types of a tenant, and identifiers before and after they are read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, Self, get_args

from libs.runtime.errors import InvalidArgument

SubjectKind = Literal["person", "outlet", "household", "account"]

Strength = Literal["strong", "contact", "weak"]
"""strong: given to one subject for good; contact: an address, which may pass on; weak: a machine, which many use."""

Form = Literal["phone", "email", "caseless", "exact"]
"""How a value is spelled: E.164, lower-case address, text whose case means nothing, text whose case matters."""

Reason = Literal[
    "UNKNOWN_TYPE",  # the tenant's rules have no such type
    "MALFORMED",  # empty, over 512 bytes, unprintable, or not a phone number or address
    "PLACEHOLDER",  # stands for "nothing": null, undefined, anonymous, -1, the type's own name
    "UNFILLED_TEMPLATE",  # {{user_id}}, __OAID__: somebody forgot to fill it in
    "MASKED",  # 138****8000: names a thousand people
    "NO_INFORMATION",  # zeros, one character repeated, digits in a row
    "TEST_VALUE",  # what people type to get past a form
    "FACTORY_DEFAULT",  # reported by every device of some make
    "BLOCKED_VALUE",  # the tenant's rules name it
]

_STRENGTHS: Final[Mapping[Strength, int]] = {"strong": 0, "contact": 1, "weak": 2}
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REQUIRED: Final = frozenset({"strength", "form"})
_OPTIONAL: Final = frozenset({"priority", "kind", "blocked"})
_LAST_VERSION: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class IdentifierType:
    """A type of identifier; among types of one strength the higher `priority` wins."""

    name: str
    kind: SubjectKind
    strength: Strength
    priority: int
    form: Form = "exact"
    blocked: frozenset[str] = frozenset()
    rank: tuple[bool, int, int] = field(init=False, repr=False, compare=False)
    """Smaller is stronger; persons come first, for whoever buys in a shop is the subject and the shop is not."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rank", (self.kind != "person", _STRENGTHS[self.strength], -self.priority))


@dataclass(frozen=True, slots=True)
class IdentifierRules:
    """One version of a tenant's identifier types; anchors are stamped with it, so a version never changes meaning."""

    version: int
    types: Mapping[str, IdentifierType]

    @classmethod
    def of(cls, version: int, types: Sequence[IdentifierType]) -> Self:
        """Rules with these types, each under its name."""
        return cls(version, MappingProxyType({type_.name: type_ for type_ in types}))

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Read `{version, types: {name: {strength, form, priority, kind, blocked}}}`.

        The last three may be left out (0, person, none). The document is the whole set of types, not an addition to the
        shipped one, so that a version means the same in every release. Raises `InvalidArgument` with the path.
        """
        entries = _fields("", document, frozenset({"version", "types"}))
        version = _whole("version", entries["version"])
        if not 0 < version <= _LAST_VERSION:
            raise InvalidArgument("version", f"must be from 1 to {_LAST_VERSION}; 0 is what Portrait ships")
        types = _mapping("types", entries["types"])
        if not types:
            raise InvalidArgument("types", "must name at least one identifier type")
        return cls.of(version, [_type(name, entry) for name, entry in types.items()])


@dataclass(frozen=True, slots=True)
class Claimed:
    """An identifier as sent; a whole number counts as its digits."""

    type: str
    value: str | int
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Identified:
    """A usable identifier: its value in normal form, and its 16-byte key."""

    type: IdentifierType
    value: str
    verified: bool
    key: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """An identifier that names nobody; long or unprintable texts are shortened and escaped, fit to be shown."""

    type: str
    value: str
    reason: Reason


DEFAULT_RULES: Final = IdentifierRules.of(
    0,
    [
        IdentifierType("user_id", "person", "strong", 100),
        IdentifierType("member_no", "person", "strong", 90, "caseless"),
        IdentifierType("unionid", "person", "strong", 80),
        IdentifierType("external_userid", "person", "strong", 70),  # WeCom: a customer as an advisor knows them
        IdentifierType("openid", "person", "strong", 60),
        IdentifierType("phone", "person", "contact", 50, "phone"),
        IdentifierType("email", "person", "contact", 40, "email"),
        IdentifierType("device_id", "person", "weak", 30, "caseless"),
        IdentifierType("anonymous_id", "person", "weak", 25),
        IdentifierType("cookie", "person", "weak", 20),
        IdentifierType("push_token", "person", "weak", 10),
        IdentifierType("account_id", "account", "strong", 30),
        IdentifierType("household_id", "household", "strong", 20),
        IdentifierType("outlet_id", "outlet", "strong", 10, "caseless"),
    ],
)


def _type(name: object, document: object) -> IdentifierType:
    at = f"types.{name}"
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise InvalidArgument(at, "a name is up to 64 of a-z, 0-9 and _, and starts with a letter")
    entry = _fields(at, document, _REQUIRED, _OPTIONAL)
    return IdentifierType(
        name,
        kind=_one_of(f"{at}.kind", entry.get("kind", "person"), SubjectKind),
        strength=_one_of(f"{at}.strength", entry["strength"], Strength),
        priority=_whole(f"{at}.priority", entry.get("priority", 0)),
        form=_one_of(f"{at}.form", entry["form"], Form),
        blocked=_texts(f"{at}.blocked", entry.get("blocked", [])),
    )


def _fields(at: str, value: object, required: frozenset[str], optional: frozenset[str] = frozenset()) -> dict[Any, Any]:
    fields = _mapping(at, value)
    prefix = f"{at}." if at else ""
    known = required | optional
    for name in sorted(required - fields.keys()):
        raise InvalidArgument(f"{prefix}{name}", "is missing")
    for name in sorted(map(str, fields.keys() - known)):
        raise InvalidArgument(f"{prefix}{name}", f"is unknown; known are {', '.join(sorted(known))}")
    return fields


def _mapping(at: str, value: object) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise InvalidArgument(at, "must be a mapping")
    return value


def _whole(at: str, value: object) -> int:
    # YAML reads `yes` as a bool, which Python takes for 1.
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidArgument(at, "must be a whole number")
    return value


def _one_of(at: str, value: object, choices: Any) -> Any:
    names = get_args(choices)
    if value not in names:
        raise InvalidArgument(at, f"must be one of {', '.join(names)}, not {value!r}")
    return value


def _texts(at: str, values: object) -> frozenset[str]:
    if not isinstance(values, list):
        raise InvalidArgument(at, "must be a list")
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidArgument(f"{at}[{index}]", "must be text; put numbers in quotes")
    return frozenset(values)
