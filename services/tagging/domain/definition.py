"""What a tag's definition says, and how it is read from the document that people write."""

from collections.abc import Mapping
from typing import Final, Literal, cast, get_args

import msgspec

from libs.conditions.comparisons import Scalar
from libs.conditions.numbers import SCALE
from libs.conditions.reading import read_document
from libs.conditions.said import Said
from libs.conditions.tree import Amount, AnyOf, Condition, Did
from libs.conditions.windows import Days, Hours
from libs.runtime.clock import Micros
from libs.runtime.strict_yaml import read_yaml
from services.tagging.domain.examples import Example, read_example
from services.tagging.domain.names import DAY, one_of, read_key
from services.tagging.domain.taxonomy import CATEGORIES
from services.tagging.domain.values import ValueType, read_value

Source = Literal["rule", "statistic", "first_last", "ranking", "imported", "set_by_hand", "inferred"]

_TOLD: Final[frozenset[Source]] = frozenset({"imported", "set_by_hand"})
"""Sources of which nothing is computed."""


class Rung(msgspec.Struct, frozen=True, gc=False):
    """A value and when somebody has it; with no value, it is what the condition measures."""

    value: Scalar | None
    condition: Condition


class Completion(msgspec.Struct, frozen=True, gc=False):
    """A value concluded for those of whom nothing better is known; `confidence` is above 0 and at most 1."""

    value: Scalar
    condition: Condition
    confidence: float


class TagDefinition(msgspec.Struct, frozen=True):
    """One version of a tag.

    Of `rungs`, the first that holds gives the value. `time_to_live` is how long a value that was set by hand or
    imported stands. Who meets `cleaning` does not have the tag, whoever says so. `completions` come last.
    """

    key: str
    version: int
    titles: Mapping[str, str]
    category: str
    owner: str
    description: str
    value_type: ValueType
    source: Source
    options: tuple[str, ...] = ()
    rungs: tuple[Rung, ...] = ()
    confidence: float = 1.0
    time_to_live: Micros | None = None
    cleaning: Condition | None = None
    completions: tuple[Completion, ...] = ()
    examples: tuple[Example, ...] = ()

    def conditions(self) -> dict[str, Condition]:
        """Everything that is to be answered for this tag, by the name that it has in a plan; see `tag_of`."""
        found = {rung_name(self.key, index): rung.condition for index, rung in enumerate(self.rungs)}
        if self.cleaning is not None:
            found[cleaning_name(self.key)] = self.cleaning
        found |= {completion_name(self.key, index): one.condition for index, one in enumerate(self.completions)}
        return found

    def everything(self) -> Condition:
        """One condition that reads whatever this tag reads."""
        return AnyOf(tuple(self.conditions().values()))


def rung_name(key: str, index: int) -> str:
    """The name of a rung in a plan."""
    return f"tag:{key}/{index}"


def cleaning_name(key: str) -> str:
    """The name of a tag's cleaning in a plan."""
    return f"tag:{key}/cleaning"


def completion_name(key: str, index: int) -> str:
    """The name of a completion in a plan."""
    return f"tag:{key}/completion/{index}"


def tag_of(name: str) -> str:
    """The key of the tag that a name in a plan belongs to."""
    return name.removeprefix("tag:").partition("/")[0]


def read_definition(document: str, version: int) -> TagDefinition:
    """The definition that a YAML document says, as the version given.

    Raises `InvalidArgument` with the path inside the document, or with the line where it is not YAML, and `TooLarge`.
    """
    said = Said(read_yaml(document))
    fields = said.fields(*_FIELDS, needs=_NEEDED)
    source: Source = cast("Source", one_of(fields["source"], get_args(Source)))
    value_type: ValueType = cast("ValueType", one_of(fields["value"], get_args(ValueType)))
    rungs = _rungs(said, fields, source, value_type)
    options = _options(said, fields, rungs, value_type)
    key = read_key(fields["tag"])
    return TagDefinition(
        key=key,
        version=version,
        titles={language: title.text() for language, title in fields["title"].entries().items()},
        category=one_of(fields["category"], tuple(CATEGORIES)),
        owner=fields["owner"].text(),
        description=fields["description"].text(),
        value_type=value_type,
        source=source,
        options=options,
        rungs=rungs,
        confidence=_confidence_of(said, fields, source),
        time_to_live=_days(fields["time_to_live"]) if "time_to_live" in fields else None,
        cleaning=_condition(fields["cleaning"]) if "cleaning" in fields else None,
        completions=tuple(_completion(one, value_type, options) for one in fields["completion"].items())
        if "completion" in fields
        else (),
        examples=tuple(read_example(one, value_type) for one in fields["tests"].items()) if "tests" in fields else (),
    )


_NEEDED: Final = ("tag", "title", "category", "owner", "description", "value", "source")
_FIELDS: Final = (
    *_NEEDED,
    *("options", "when", "ladder", "confidence", "time_to_live", "cleaning", "completion", "tests"),
)


def _rungs(said: Said, fields: Mapping[str, Said], source: Source, value_type: ValueType) -> tuple[Rung, ...]:
    given = [name for name in ("when", "ladder") if name in fields]
    if source in _TOLD:
        for name in given:
            fields[name].fail(f"says nothing of what is {source}; a tag with rules has the source rule")
        return ()
    if len(given) != 1:
        said.fail(f"needs when or ladder, and not both, because its source is {source}")
    if given == ["ladder"]:
        if value_type != "enum":
            fields["ladder"].fail(f"is for the value enum, not {value_type}")
        rungs = tuple(_rung(one) for one in fields["ladder"].items())
        if len({rung.value for rung in rungs}) < len(rungs):
            fields["ladder"].fail("has a value twice; join the two with any")
        return rungs
    condition = _condition(fields["when"])
    if value_type == "flag":
        return (Rung(True, condition),)
    if value_type == "enum" and source != "ranking":
        fields["when"].fail("gives no option; write a ladder")
    _check_measured(fields["when"], condition, source)
    return (Rung(None, condition),)


def _check_measured(said: Said, condition: Condition, source: Source) -> None:
    if not isinstance(condition, Did):
        said.fail("must be one did, because what it measures is the value")
    amount = condition.test if isinstance(condition.test, Amount) else Amount()
    if (source == "ranking") != (amount.per is not None):
        said.fail("needs per if the source is ranking, and only then: the value that has the most is the tag's")
    if isinstance(amount.window, Hours):
        said.fail("measures within hours, which changes at any moment; count in days")


def _rung(said: Said) -> Rung:
    fields = said.fields("value", "when", needs=("value", "when"))
    return Rung(fields["value"].text(), _condition(fields["when"]))


def _options(said: Said, fields: Mapping[str, Said], rungs: tuple[Rung, ...], value_type: ValueType) -> tuple[str, ...]:
    ladder = tuple(str(rung.value) for rung in rungs if value_type == "enum" and rung.value is not None)
    if "options" not in fields:
        if value_type == "enum" and not ladder:
            said.fail("needs options, or a ladder, because the value is an enum")
        return ladder
    if value_type != "enum":
        fields["options"].fail(f"are for the value enum, not {value_type}")
    options = tuple(one.text() for one in fields["options"].items())
    for value in ladder:
        if value not in options:
            fields["options"].fail(f"lack {value}, which the ladder has")
    return options


def _confidence_of(said: Said, fields: Mapping[str, Said], source: Source) -> float:
    if (source == "inferred") != ("confidence" in fields):
        said.fail("needs confidence if its source is inferred, and only then")
    return _confidence(fields["confidence"]) if source == "inferred" else 1.0


def _completion(said: Said, value_type: ValueType, options: tuple[str, ...]) -> Completion:
    fields = said.fields("value", "when", "confidence", needs=("value", "when", "confidence"))
    value = read_value(fields["value"], value_type, options)
    return Completion(value, _condition(fields["when"]), _confidence(fields["confidence"]))


def _confidence(said: Said) -> float:
    confidence = said.number()
    if not 0 < confidence <= SCALE:
        said.fail("must be above 0 and at most 1")
    return confidence / SCALE


def _condition(said: Said) -> Condition:
    return read_document(said.value, said.path)


def _days(said: Said) -> Micros:
    length = said.length()
    return length.days * DAY if isinstance(length, Days) else length.micros
