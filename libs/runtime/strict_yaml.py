"""YAML as people write it, read without forgiving: one document, no type beyond JSON's, no name twice."""

import re
from typing import Any, Final

import yaml

from libs.runtime.errors import InvalidArgument

MOST_BYTES: Final = 262_144


def read_yaml(text: str) -> Any:
    """What a document holds; raises `InvalidArgument` with the line where it is not YAML."""
    if len(text.encode()) > MOST_BYTES:
        raise InvalidArgument("", f"is longer than {MOST_BYTES:,} bytes", "TOO_LONG")
    try:
        return yaml.load(text, _Strict)  # noqa: S506 - a kind of SafeLoader
    except yaml.YAMLError as error:
        raise InvalidArgument("", f"is not YAML: {_told(error)}") from None
    except ValueError as error:  # a number or a date that looks like one and is none
        raise InvalidArgument("", f"is not YAML: {error}") from None
    except RecursionError:
        raise InvalidArgument("", "is nested too deeply") from None


_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_BOOLEAN: Final = "tag:yaml.org,2002:bool"


class _Strict(yaml.SafeLoader):
    """YAML in which a name stands once: of two types with one name, the former would be lost without a word.

    A date stays the text that it is, as in JSON, and so do yes, no, on and off: somebody's answer "no" is not false.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for key, _ in node.value:
            if key.value in names and isinstance(key.value, str):
                problem = f"{key.value!r} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            if isinstance(key.value, str):
                names.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Strict.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag not in {_BOOLEAN, _TIMESTAMP}]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Strict.add_implicit_resolver(_BOOLEAN, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def _told(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())
