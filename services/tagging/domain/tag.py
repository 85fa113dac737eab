"""What a tag's definition says, and how it is read from the document that people write."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, cast, get_args

from libs.conditions.comparisons import OneOf
from libs.conditions.numbers import SCALE
from libs.conditions.said import Said
from libs.conditions.tree import Amount, Condition, Did, Trait
from libs.conditions.windows import Hours
from services.tagging.domain.examples import read_example
from services.tagging.domain.fields import condition, duration, titles
from services.tagging.domain.ladder import Completion, Laddered, Rung
from services.tagging.domain.names import one_of, read_key
from services.tagging.domain.taxonomy import CATEGORIES
from services.tagging.domain.values import ValueType, read_value
from services.tagging.domain.verdict import Origin

Source = Literal["rule", "statistic", "first_last", "ranking", "trait", "imported", "set_by_hand", "inferred"]

_TOLD: Final[frozenset[Source]] = frozenset({"imported", "set_by_hand"})
"""Sources of which nothing is computed."""


class TagDefinition(Laddered, frozen=True, kw_only=True):
    """One version of a tag: of `rungs`, the first that holds gives the value."""

    key: str
    category: str
    source: Source

    @property
    def name(self) -> str:
        """See `Definition`."""
        return self.key

    @property
    def found_as(self) -> Origin:
        """How somebody comes by the value of a rung."""
        return "inferred" if self.source == "inferred" else "rule"

    def placed(self) -> Iterator[tuple[str, Condition]]:
        """See `Definition`."""
        for path, condition_ in super().placed():
            # Its place within the document is that of the trait, which the condition says itself.
            yield "" if self.source == "trait" and path == "when" else path, condition_


def read_tag(said: Said) -> TagDefinition:
    """The tag that a document says, as version 1; raises `InvalidArgument` with the path inside of it."""
    fields = said.fields(*_FIELDS, needs=_NEEDED)
    source: Source = cast("Source", one_of(fields["source"], get_args(Source)))
    value_type: ValueType = cast("ValueType", one_of(fields["value"], get_args(ValueType)))
    if (source == "trait") != ("trait" in fields):
        said.fail("needs trait if its source is trait, and only then")
    rungs = () if source == "trait" else _rungs(said, fields, source, value_type)
    options = _options(said, fields, rungs, value_type)
    if source == "trait":
        rungs = (_rung_of_trait(fields, value_type, options),)
    key = read_key(fields["tag"])
    return TagDefinition(
        key=key,
        version=1,
        titles=titles(fields["title"]),
        category=one_of(fields["category"], tuple(CATEGORIES)),
        owner=fields["owner"].text(),
        description=fields["description"].text(),
        value_type=value_type,
        source=source,
        options=options,
        rungs=rungs,
        confidence=_confidence_of(said, fields, source),
        time_to_live=duration(fields["time_to_live"]) if "time_to_live" in fields else None,
        cleaning=condition(fields["cleaning"]) if "cleaning" in fields else None,
        completions=tuple(_completion(one, value_type, options) for one in fields["completion"].items())
        if "completion" in fields
        else (),
        examples=tuple(read_example(one, value_type, scored="score" in fields) for one in fields["tests"].items())
        if "tests" in fields
        else (),
    )


_NEEDED: Final = ("tag", "title", "category", "owner", "description", "value", "source")
_FIELDS: Final = (
    *_NEEDED,
    *("options", "when", "ladder", "trait", "confidence", "time_to_live", "cleaning", "completion", "score", "tests"),
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
    when = condition(fields["when"])
    if value_type == "flag":
        return (Rung(True, when),)
    if value_type == "enum" and source != "ranking":
        fields["when"].fail("gives no option; write a ladder")
    _check_measured(fields["when"], when, source)
    return (Rung(None, when),)


def _rung_of_trait(fields: Mapping[str, Said], value_type: ValueType, options: tuple[str, ...]) -> Rung:
    """What a trait says is the value; a flag is had where it says true, and of an enum only the options count."""
    for other in ("when", "ladder"):
        if other in fields:
            fields[other].fail("has no place beside a trait, which says the value")
    name = fields["trait"].text()
    match value_type:
        case "flag":
            return Rung(True, Trait(name, OneOf((True,))))
        case "enum":
            return Rung(None, Trait(name, OneOf(options)))
        case _:
            return Rung(None, Trait(name))


def _check_measured(said: Said, when: Condition, source: Source) -> None:
    if not isinstance(when, Did):
        said.fail("must be one did, because what it measures is the value")
    amount = when.test if isinstance(when.test, Amount) else Amount()
    if (source == "ranking") != (amount.per is not None):
        said.fail("needs per if the source is ranking, and only then: the value that has the most is the tag's")
    if isinstance(amount.window, Hours):
        said.fail("measures within hours, which changes at any moment; count in days")


def _rung(said: Said) -> Rung:
    fields = said.fields("value", "when", needs=("value", "when"))
    return Rung(fields["value"].text(), condition(fields["when"]))


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
    return Completion(value, condition(fields["when"]), _confidence(fields["confidence"]))


def _confidence(said: Said) -> float:
    confidence = said.number()
    if not 0 < confidence <= SCALE:
        said.fail("must be above 0 and at most 1")
    return confidence / SCALE
