"""Profile and identity read an interaction by the same rules and find the same identifiers in it, whatever they are."""

import json
from typing import Any, Final

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from libs.people.anchor import Anchoring
from libs.people.identifiers import Identified
from libs.people.keys import Keyring
from libs.people.normalise import region_of
from libs.people.rules_document import read_rules
from libs.people.said import claims, read_said
from libs.runtime.tenants import Tenants
from services.identity.rulebook import Reading
from services.profile.domain.incoming import anchored
from services.profile.domain.interaction import read_incoming

TENANT: Final = Tenants.demo().get("demo")

VALUES: Final[dict[str, list[str | int]]] = {
    "user_id": ["ann", "Ann", "bob-7", " ann ", "null", 4711, "b|b\\"],
    "phone": ["13800138000", "+86 138 0013 8000", "13900139000", "138****8000", 13900139000],
    "email": ["Li@QQ.com", "li@shop.example", "a@b.c"],
    "device": ["Tablet-1", "kiosk-7", "00000000", "{{device}}"],
    "outlet": ["s1", "S2"],
}
TRAITS: Final[dict[str, list[object]]] = {
    "last_name": ["Li", " LI ", "王", "", None, True],
    "born": ["1990-02-01", 19900201, "unknown", 1.5],
}
PARTS: Final = [*VALUES, "traits.last_name", "traits.born"]
FORMS: Final = {"phone": "phone", "email": "email"}


@st.composite
def types(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """The rules of one type, which may refuse some of its values."""
    texts = st.lists(
        st.sampled_from([str(value) for value in VALUES.get(name, ["li|1990-02-01", "ann|li"])]), max_size=1
    )
    patterns = st.sampled_from([[], [], ["*1*"], ["+86139*"], ["*@shop.example"], ["b*", "k*"], ["*|*"]])
    return {
        "strength": draw(st.sampled_from(["strong", "contact", "weak"])),
        "form": FORMS.get(name) or draw(st.sampled_from(["exact", "caseless"])),
        "priority": draw(st.integers(0, 2)),
        "kind": "outlet" if name == "outlet" else "person",
        "blocked": draw(texts),
        "blocked_patterns": draw(patterns),
        "matches": draw(st.sampled_from([[], [], [], ["*a*", "+*"]])),
    }


@st.composite
def documents_of_rules(draw: st.DrawFn) -> str:
    """Any rules, with composites of types and traits."""
    named = {name: draw(types(name)) for name in draw(st.sets(st.sampled_from(sorted(VALUES)), min_size=1))}
    parts = [part for part in PARTS if part in named or part.startswith("traits.")]
    for name in draw(st.sets(st.sampled_from(["composed", "composed_too"]))):
        of = st.lists(st.sampled_from(parts), min_size=2, max_size=3, unique=True)
        named[name] = {**draw(types(name)), "of": draw(of)}
    return yaml.safe_dump({"types": named})


@st.composite
def interactions(draw: st.DrawFn) -> dict[str, Any]:
    """What somebody sends, in either form of identifiers."""
    one = st.sampled_from([(type_, value) for type_, values in VALUES.items() for value in values] + [("fax", "1")])
    sent = draw(st.lists(one, max_size=5))
    identifiers: Any
    if draw(st.booleans()):
        identifiers = [{"type": type_, "value": value, "verified": draw(st.booleans())} for type_, value in sent]
    else:
        identifiers = {type_: [value for of, value in sent if of == type_] for type_, _ in sent}
        identifiers |= {type_: values[0] for type_, values in identifiers.items() if draw(st.booleans())}
    traits = {name: draw(st.sampled_from(values)) for name, values in TRAITS.items()}
    return {"type": "identify", "identifiers": identifiers, "traits": draw(st.sampled_from([None, {}, traits, traits]))}


BLOCKED_PART: Final = """
types:
  phone: {strength: contact, form: phone, blocked: ["13800138000"]}
  user_id: {strength: weak, form: exact}
  composed: {strength: strong, form: exact, of: [phone, traits.born]}
"""


def told(found: list[Identified]) -> set[tuple[bytes, str, str, bool]]:
    return {(one.key, one.type.name, one.value, one.verified) for one in found}


@given(documents_of_rules(), interactions())
@example(
    BLOCKED_PART,
    {"type": "identify", "identifiers": {"phone": ["13800138000", "13900139000"]}, "traits": {"born": "1990-02-01"}},
)
@example(
    BLOCKED_PART,
    {"type": "identify", "identifiers": {"phone": "13800138000", "user_id": "ann"}, "traits": {"born": "1990-02-01"}},
)
def test_the_anchor_is_the_strongest_that_identity_sees_and_the_rules_let_pass(
    rules: str, said: dict[str, Any]
) -> None:
    document = json.dumps(said).encode()
    published = read_rules(rules, 1)
    profile = Anchoring(published, Keyring(TENANT.secret), region_of(TENANT.locale))
    incoming = read_incoming(document)
    anchor, refused = anchored(incoming, profile)

    identity = Reading(published, TENANT)
    seen = identity.identifiers(read_said(document))
    blocked = identity.refused((one.key, one.type.name, one.value) for one in seen)
    passing = [one for one in seen if one.key not in blocked]
    strongest = profile.anchor(passing)
    assert (anchor and told([anchor])) == (strongest and told([strongest]))

    usable, unusable = profile.identify_all(claims(incoming.identifiers), lambda: incoming.traits or {})
    assert told(usable) == told(passing)
    assert refused == unusable
