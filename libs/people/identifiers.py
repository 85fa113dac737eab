"""What may name somebody: the identifier types of a tenant, and identifiers before and after they are read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Self

import msgspec

from libs.people import document as read
from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import InvalidArgument

SubjectKind = Literal["person", "outlet", "household", "account"]

Strength = Literal["strong", "contact", "weak"]
"""strong: given to one subject for good; contact: an address, which may pass on; weak: a machine, which many use."""

Form = Literal["phone", "email", "caseless", "exact"]
"""How a value is spelled: E.164, lower-case address, text whose case means nothing, text whose case matters."""

SharedPolicy = Literal["by_session", "apart"]
"""Whose anonymous interactions under a shared identifier are: of who logged in within the session, or of nobody."""

Reason = Literal[
    "UNKNOWN_TYPE",  # the tenant's rules have no such type
    "MALFORMED",  # empty, over 512 bytes, unprintable, not a phone number or address, or not as the type's `matches`
    "PLACEHOLDER",  # stands for "nothing": null, undefined, anonymous, -1, the type's own name
    "UNFILLED_TEMPLATE",  # {{user_id}}, __OAID__: somebody forgot to fill it in
    "MASKED",  # 138****8000: names a thousand people
    "NO_INFORMATION",  # zeros, one character repeated, digits in a row
    "TEST_VALUE",  # what people type to get past a form
    "FACTORY_DEFAULT",  # reported by every device of some make
    "BLOCKED_VALUE",  # the tenant's rules name it
]

MOST_PER_PERSON: Final = 10_000
MOST_PEOPLE: Final = 10_000
MOST_TYPES: Final = 200
MOST_PATTERNS: Final = 1_000
"""Of all types together; each is tried on every value that is read, and this many take about a millisecond."""
DAY: Final[Micros] = 86_400 * SECOND

_STRENGTHS: Final[Mapping[Strength, int]] = {"strong": 0, "contact": 1, "weak": 2}
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TRAIT: Final = re.compile(r"traits\.\S{1,64}")
_REQUIRED: Final = frozenset({"strength", "form"})
_OPTIONAL: Final = frozenset(
    {"priority", "kind", "blocked", "blocked_patterns", "matches", "per_person", "people", "validity", "parent", "of"}
)
_LAST_VERSION: Final = 2**31 - 1
_FEWEST_PARTS: Final = 2


@dataclass(frozen=True, slots=True)
class PerPerson:
    """How many identifiers of a type one person may have; `within` (microseconds) counts those first seen so close."""

    at_most: int
    within: Micros | None = None


@dataclass(frozen=True, slots=True)
class IdentifierType:
    """A type of identifier, and what its values may join.

    Among types of one strength the higher `priority` wins. A value seen with more than `people` people is shared and
    joins nobody. A value unseen for longer than `validity` (microseconds) may be somebody else's when it comes back.
    What is unlinked from a value of the `parent` type is unlinked from the values of this type seen with it. Values of
    a type with `parts` are composed from those, not sent. Patterns are written as in a shell: `*`, `?`, `[0-9]`.
    """

    name: str
    kind: SubjectKind
    strength: Strength
    priority: int
    form: Form = "exact"
    blocked: frozenset[str] = frozenset()
    blocked_patterns: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    per_person: PerPerson | None = None
    people: int | None = None
    validity: Micros | None = None
    parent: str = ""
    parts: tuple[str, ...] = ()
    rank: tuple[bool, int, int] = field(init=False, repr=False, compare=False)
    """Smaller is stronger; persons come first, for whoever buys in a shop is the subject and the shop is not."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rank", (self.kind != "person", _STRENGTHS[self.strength], -self.priority))


@dataclass(frozen=True, slots=True)
class IdentifierRules:
    """One version of a tenant's identifier types; anchors are stamped with it, so a version never changes meaning."""

    version: int
    types: Mapping[str, IdentifierType]
    shared: SharedPolicy = "by_session"
    personal: Mapping[str, IdentifierType] = field(init=False, repr=False, compare=False)
    """The types that name people, the strongest first."""

    def __post_init__(self) -> None:
        people = (type_ for type_ in self.types.values() if type_.kind == "person")
        ordered = sorted(people, key=lambda type_: (type_.rank, type_.name))
        object.__setattr__(self, "personal", MappingProxyType({type_.name: type_ for type_ in ordered}))

    @classmethod
    def of(cls, version: int, types: Sequence[IdentifierType], shared: SharedPolicy = "by_session") -> Self:
        """Rules with these types, each under its name."""
        return cls(version, MappingProxyType({type_.name: type_ for type_ in types}), shared)

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Read `{version, shared, types: {name: {strength, form, …}}}`, the fields of `IdentifierType`.

        The document is the whole set of types, not an addition to the shipped one, so that a version means the same in
        every release. Raises `InvalidArgument` with the path.
        """
        entries = read.fields("", document, frozenset({"version", "types"}), frozenset({"shared"}))
        version = read.whole("version", entries["version"])
        if not 0 < version <= _LAST_VERSION:
            raise InvalidArgument("version", f"must be from 1 to {_LAST_VERSION}; 0 is what Portrait ships")
        named = read.mapping("types", entries["types"])
        if not named:
            raise InvalidArgument("types", "must name at least one identifier type")
        if len(named) > MOST_TYPES:
            raise InvalidArgument("types", f"has {len(named):,} identifier types; {MOST_TYPES} are the most")
        types = [_type(name, entry) for name, entry in named.items()]
        patterns = sum(len(type_.matches) + len(type_.blocked_patterns) for type_ in types)
        if patterns > MOST_PATTERNS:
            raise InvalidArgument("types", f"has {patterns:,} patterns; {MOST_PATTERNS:,} are the most")
        rules = cls.of(version, types, read.one_of("shared", entries.get("shared", "by_session"), SharedPolicy))
        for type_ in types:
            _check_parent(rules, type_)
            _check_parts(rules, type_)
        return rules


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """An identifier as sent; a whole number counts as its digits."""

    type: str
    value: str | int
    verified: bool = False


class Identified(msgspec.Struct, frozen=True, gc=False):
    """A usable identifier: its value in normal form, and its 16-byte key.

    There may be hundreds of thousands of them, which the garbage collector is better told not to look at.
    """

    type: IdentifierType
    value: str
    verified: bool
    key: bytes


class Refused(msgspec.Struct, frozen=True, gc=False):
    """An identifier that names nobody; long or unprintable texts are shortened and escaped, fit to be shown."""

    type: str
    value: str
    reason: Reason


_ONE: Final = PerPerson(1)
_COOKIE_LIFE: Final = 400 * DAY  # the longest that browsers keep one
_PUSH_TOKEN_LIFE: Final = 270 * DAY  # after so long a silence Firebase gives a token up

DEFAULT_RULES: Final = IdentifierRules.of(
    0,
    [
        IdentifierType("user_id", "person", "strong", 100, per_person=_ONE),
        IdentifierType("member_no", "person", "strong", 90, "caseless", per_person=_ONE),
        IdentifierType("unionid", "person", "strong", 80, per_person=_ONE),
        # WeCom: a customer as an advisor knows them
        IdentifierType("external_userid", "person", "strong", 70, per_person=_ONE, parent="unionid"),
        # one for each mini program and official account; a type for each, with one per person, is stricter still
        IdentifierType("openid", "person", "strong", 60, per_person=PerPerson(5), parent="unionid"),
        IdentifierType("phone", "person", "contact", 50, "phone", per_person=PerPerson(3, 365 * DAY), people=5),
        IdentifierType("email", "person", "contact", 40, "email", per_person=PerPerson(5), people=5),
        IdentifierType("device_id", "person", "weak", 30, "caseless", per_person=PerPerson(20, 365 * DAY), people=3),
        IdentifierType("anonymous_id", "person", "weak", 25, people=3),
        IdentifierType("cookie", "person", "weak", 20, people=3, validity=_COOKIE_LIFE),
        IdentifierType("push_token", "person", "weak", 10, people=3, validity=_PUSH_TOKEN_LIFE, parent="device_id"),
        IdentifierType("account_id", "account", "strong", 30),
        IdentifierType("household_id", "household", "strong", 20),
        IdentifierType("outlet_id", "outlet", "strong", 10, "caseless"),
    ],
)


def _type(name: object, document: object) -> IdentifierType:
    at = f"types.{name}"
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise InvalidArgument(at, "a name is up to 64 of a-z, 0-9 and _, and starts with a letter")
    entry = read.fields(at, document, _REQUIRED, _OPTIONAL)
    type_ = IdentifierType(
        name,
        kind=read.one_of(f"{at}.kind", entry.get("kind", "person"), SubjectKind),
        strength=read.one_of(f"{at}.strength", entry["strength"], Strength),
        priority=read.whole(f"{at}.priority", entry.get("priority", 0)),
        form=read.one_of(f"{at}.form", entry["form"], Form),
        blocked=frozenset(read.texts(f"{at}.blocked", entry.get("blocked", []))),
        blocked_patterns=read.texts(f"{at}.blocked_patterns", entry.get("blocked_patterns", [])),
        matches=read.texts(f"{at}.matches", entry.get("matches", [])),
        per_person=_per_person(f"{at}.per_person", entry["per_person"]) if "per_person" in entry else None,
        people=read.count(f"{at}.people", entry["people"], MOST_PEOPLE) if "people" in entry else None,
        validity=read.duration(f"{at}.validity", entry["validity"]) if "validity" in entry else None,
        parent=_text(f"{at}.parent", entry.get("parent", "")),
        parts=read.texts(f"{at}.of", entry.get("of", [])),
    )
    if type_.people and type_.strength == "strong":
        raise InvalidArgument(f"{at}.people", "a strong identifier names one; make the type a contact or weak")
    return type_


def _per_person(at: str, value: object) -> PerPerson:
    """A number, or a number and the time it is for."""
    if not isinstance(value, dict):
        return PerPerson(read.count(at, value, MOST_PER_PERSON))
    entry = read.fields(at, value, frozenset({"at_most"}), frozenset({"within"}))
    return PerPerson(
        read.count(f"{at}.at_most", entry["at_most"], MOST_PER_PERSON),
        read.duration(f"{at}.within", entry["within"]) if "within" in entry else None,
    )


def _text(at: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidArgument(at, "must be text")
    return value


def _check_parent(rules: IdentifierRules, type_: IdentifierType) -> None:
    at = f"types.{type_.name}.parent"
    line = [type_.name]
    for parent in _ancestors(rules, type_):
        if parent not in rules.types:
            raise InvalidArgument(at, f"there is no type {parent!r}")
        if parent in line:
            raise InvalidArgument(at, f"goes in a circle: {' → '.join([*line, parent])}")
        line.append(parent)


def _ancestors(rules: IdentifierRules, type_: IdentifierType) -> Iterator[str]:
    while type_.parent:
        yield type_.parent
        type_ = rules.types[type_.parent]


def _check_parts(rules: IdentifierRules, type_: IdentifierType) -> None:
    at = f"types.{type_.name}.of"
    if type_.parts and len(set(type_.parts)) < max(_FEWEST_PARTS, len(type_.parts)):
        raise InvalidArgument(at, "must list at least two parts, each once")
    for index, part in enumerate(type_.parts):
        known = rules.types.get(part)
        if known is not None and known.parts:
            raise InvalidArgument(f"{at}[{index}]", f"{part!r} is itself composed")
        if known is None and not _TRAIT.fullmatch(part):
            raise InvalidArgument(f"{at}[{index}]", f"{part!r} is neither a type nor of the form traits.name")
