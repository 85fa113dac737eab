"""YAML as people write it, read without forgiving: one document, no type beyond JSON's, no name twice."""

import re
from typing import Any, Final

import yaml

from libs.runtime.errors import InvalidArgument

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # a PyYAML that was built without libyaml, which is ten times as fast
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

MOST_BYTES: Final = 262_144
MOST_NODES: Final = 10_000
"""Names, values, lists and mappings, with each alias written out: what is read in a tenth of a second."""
MOST_LEVELS: Final = 100
MOST_TAG_DIRECTIVES: Final = 100
"""Each is compared with all before it."""
LONGEST_NUMBER: Final = 40
"""Characters; longer ones take ever longer to read, and can't be printed in an error."""
LONGEST_NUMBER_AS_NAME: Final = 15
"""Characters; among longer ones there are thousands with one hash, each compared with all before it."""


def read_yaml(text: str) -> Any:
    """What a document holds; raises `InvalidArgument` with the line where it is not YAML."""
    if len(text.encode()) > MOST_BYTES:
        raise InvalidArgument("", f"is longer than {MOST_BYTES:,} bytes", "TOO_LONG")
    try:
        _check_size(text)
        return yaml.load(text, _Strict)  # noqa: S506 - a kind of SafeLoader
    except yaml.YAMLError as error:
        raise InvalidArgument("", f"is not YAML: {_told(error, text)}") from None
    except (ValueError, LookupError, AttributeError) as error:  # what its look or its tag says, and is none: !!int x
        raise InvalidArgument("", f"is not YAML: {error}") from None
    except RecursionError:
        raise InvalidArgument("", "is nested too deeply") from None


def write_yaml(document: Any, *, flow: bool | None = False, width: int = 110) -> str:
    """The text that `read_yaml` reads as this document, for people to read, too.

    `flow` puts what is in braces and brackets: everything (True), nothing (False), or what holds plain values (None).
    """
    return yaml.dump(document, Dumper=_Exact, allow_unicode=True, sort_keys=False, width=width, default_flow_style=flow)


class _Exact(yaml.SafeDumper):
    """A dumper whose texts read back as they were, with breaks of lines that few know, too."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _RARE_BREAKS.search(text) else None)


_RARE_BREAKS: Final = re.compile("[\x85\u2028\u2029]")
_Exact.add_representer(str, _text)


_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_BOOLEAN: Final = "tag:yaml.org,2002:bool"
_NUMBERS: Final = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})


class _Strict(Loader):
    """YAML in which a name stands once: of two types with one name, the former would be lost without a word.

    A date stays the text that it is, as in JSON, and so do yes, no, on and off: somebody's answer "no" is not false.
    """

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in names:
                problem = f"{key.value!r} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            if isinstance(key.value, str):
                names.add(key.value)
            if key.tag in _NUMBERS and len(key.value) > LONGEST_NUMBER_AS_NAME:
                problem = f"a name that is a number of more than {LONGEST_NUMBER_AS_NAME} characters"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep=deep)


_Strict.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag not in {_BOOLEAN, _TIMESTAMP}]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Strict.add_implicit_resolver(_BOOLEAN, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def _check_size(text: str) -> None:
    """Raises for more than anybody can mean, before any of it is built."""
    if text.count("%TAG") > MOST_TAG_DIRECTIVES:
        raise InvalidArgument("", f"says %TAG more than {MOST_TAG_DIRECTIVES} times", "TOO_LONG")
    nodes = levels = 0
    for event in yaml.parse(text, Loader):
        nodes += isinstance(event, yaml.NodeEvent)
        levels += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if nodes > MOST_NODES:
            raise InvalidArgument("", f"has more than {MOST_NODES:,} names and values", "TOO_LONG")
        if levels > MOST_LEVELS:
            raise InvalidArgument("", "is nested too deeply")


def nodes_of(document: Any) -> int:
    """How many names and values a document has that `read_yaml` would read."""
    match document:
        case dict():
            return 1 + len(document) + sum(map(nodes_of, document.values()))
        case list():
            return 1 + sum(map(nodes_of, document))
        case _:
            return 1


def _count(node: yaml.Node, known: dict[yaml.Node, int | None]) -> int:
    """How many nodes there are with each alias written out; raises `YAMLError` for more than anybody can mean."""
    if node in known:
        count = known[node]
        if count is None:
            raise yaml.MarkedYAMLError(problem="an alias stands inside what it names", problem_mark=node.start_mark)
        return count
    known[node] = None
    count = 1
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBERS and len(node.value) > LONGEST_NUMBER:
            problem = f"a number of {len(node.value):,} characters"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        if not node.value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in node.value):
            problem = "half a character, which nothing can be written with"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    elif isinstance(node, yaml.MappingNode):
        count += sum(_count(one, known) for both in node.value for one in both)
    else:
        count += sum(_count(one, known) for one in node.value)
    if count > MOST_NODES:
        problem = f"with aliases written out it has more than {MOST_NODES:,} values"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    known[node] = count
    return count


def _told(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        last = text.rstrip().count("\n")  # an end that comes too early is marked behind it
        return f"line {min(error.problem_mark.line, last) + 1}: {error.problem}"
    return " ".join(str(error).split())
