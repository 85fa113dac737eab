"""Calls that once lost somebody's events are not made here."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = sorted(file for folder in ("libs", "services") for file in (ROOT / folder).rglob("*.py"))
NOTIFY = re.compile(r"\b(NOTIFY|pg_notify)\b")


def test_nobody_uses_the_ordered_consumer_that_drops_at_its_pending_limit() -> None:
    # pitfall 8
    assert offenders(lambda word: word == "ordered_consumer") == []


def test_nobody_notifies_in_the_append_for_it_takes_a_lock_on_the_whole_cluster() -> None:
    assert offenders(lambda word: NOTIFY.search(word) is not None) == []


def test_partitions_never_come_from_the_hash_that_python_salts() -> None:
    assert offenders(lambda word: word == "hash", only=ast.Call) == []


def test_acknowledged_events_never_wait_in_memory_for_the_disk() -> None:
    assert offenders(lambda word: "synchronous_commit" in word and "off" in word.lower()) == []


def offenders(refused: Callable[[str], bool], only: type[ast.AST] = ast.AST) -> list[str]:
    """Find places whose code, rather than comment or docstring, says a refused word."""
    return [place for node_type, word, place in said() if issubclass(node_type, only) and refused(word)]


@cache
def said() -> list[tuple[type[ast.AST], str, str]]:
    """What all the code says, and where."""
    return [
        (node_type, word, f"{file.relative_to(ROOT)}:{line}")
        for file in SOURCES
        for node_type, word, line in words(ast.parse(file.read_text()))
    ]


def words(tree: ast.Module) -> Iterator[tuple[type[ast.AST], str, int]]:
    """Yield the names and texts that code is made of; a called name also counts as a call."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word):
                yield type(node), word, node.lineno
            case ast.keyword(arg=str(word)):
                yield ast.keyword, word, node.value.lineno
            case ast.Constant(value=str(word)) if id(node) not in prose:
                yield ast.Constant, word, node.lineno
            case ast.Call(func=ast.Name(id=word)):
                yield ast.Call, word, node.lineno
            case _:
                pass
