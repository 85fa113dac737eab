"""How the messages of `portrait.conditions.v1` say the words of the language.

A field says the word that it is named for; what follows are the exceptions.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "negation": ("not",),
    "events": ("event",),
    "one_of": ("in", "is"),
    "none_of": ("not_in", "is_not"),
    "first_day": ("from",),
    "last_day": ("to",),
}
"""What fields say that have another name than the word of the language, mostly because it is a keyword somewhere."""

INLINE: Final = frozenset({"window", "dates", "bound", "test"})
"""Fields whose messages say their words in the place where the field stands."""

LISTS: Final = {"Conditions": "parts", "Clauses": "clauses", "Keys": "keys", "Values": "values"}
"""Messages that are a list in a document, with the field that holds it."""

NAMED: Final = {"Trait": "name", "Tag": "key", "Score": "key", "Clause": "property", "Each": "of"}
"""Messages that may be a name alone in a document, with the field that holds it."""

NAMING: Final = NAMED.keys() - {"Each"}
"""Those of them that otherwise are a mapping of one entry, which has this name."""


@cache
def fields_of(descriptor: Descriptor) -> Mapping[str, tuple[str, ...]]:
    """The fields that lead to what each word says."""
    found: dict[str, tuple[str, ...]] = {}
    for field in descriptor.fields:
        if field.name in INLINE:
            found |= {word: (field.name, *inner) for word, inner in fields_of(field.message_type).items()}
        else:
            found |= dict.fromkeys(words_of(field.name), (field.name,))
    return found


@cache
def required_of(descriptor: Descriptor) -> tuple[list[str], list[list[str]]]:
    """The fields, and the alternatives, that the rules in the proto require."""
    rules: Any = validate_pb2  # which is generated without its types
    fields = [one.name for one in descriptor.fields if one.GetOptions().Extensions[rules.field].required]
    choices = [one for one in descriptor.oneofs if one.GetOptions().Extensions[rules.oneof].required]
    return fields, [[field.name for field in one.fields] for one in choices]


def words_of(field: str) -> tuple[str, ...]:
    """The words that a field says, first the one that says all that it can."""
    return _WORDS.get(field, (field,))
