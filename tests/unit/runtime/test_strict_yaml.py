from typing import Any

import pytest
import yaml

from libs.runtime.errors import InvalidArgument
from libs.runtime.strict_yaml import MOST_BYTES, MOST_LEVELS, MOST_NODES, read_yaml, write_yaml


def test_dates_and_answers_stay_the_texts_that_they_are() -> None:
    assert read_yaml("[2026-11-11, no, on, true, False]") == ["2026-11-11", "no", "on", True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: 'a' stands twice"),
        ("[a", "line 1"),
        ("!!timestamp 2026-02-30", "is not YAML"),
        ("[" * 5000, "nested too deeply"),
        ("a" * 300_000, "is longer than"),
        ("!!python/object/apply:os.system [ls]", "is not YAML"),
        ("? [a]\n: b", "unhashable key"),
        ("!!int ''", "is not YAML"),
        ("!!bool maybe", "is not YAML"),
        ("!!timestamp soon", "is not YAML"),
        ("0x" + "f" * 5000, "a number of 5,002 characters"),
        (":".join(["1"] * 5000) + ".5", "a number of 10,001 characters"),
        ('["\\ud800"]', "line 1: (half a character|found invalid Unicode character)"),
        ("{" + "1" * 16 + ": x}", "line 1: a name that is a number of more than 15 characters"),
        ("&a [*a]", "an alias stands inside what it names"),
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        read_yaml(text)


def test_an_alias_says_what_it_names_again() -> None:
    assert read_yaml("a: &few [1, 2]\nb: *few\nc: {<<: &one {d: 3}, e: 4}\nf: {<<: *one}") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": 3, "e": 4},
        "f": {"d": 3},
    }


@pytest.mark.parametrize(
    "again",
    [
        pytest.param("[*a{0}, *a{0}]", id="lists"),
        pytest.param("{{<<: [*a{0}, *a{0}]}}", id="merges"),
    ],
)
def test_aliases_of_aliases_that_say_a_billion_things_are_refused_at_once(again: str) -> None:
    bomb = "n0: &a0 {x: 1}\n" + "".join(f"n{n}: &a{n} {again.format(n - 1)}\n" for n in range(1, 30))
    with pytest.raises(InvalidArgument, match="with aliases written out"):
        read_yaml(bomb)


def test_what_is_written_is_read_as_it_was() -> None:
    texts = [
        "no",
        "2026-11-11",
        "1e3",
        "",
        " x ",
        "a\nb\r\n",
        "0\x85",
        "\u2028",
        "\u2029",
        "\x00\x7f\ufeff",
        "护肤 😀",
        "=",
        "<<",
    ]
    document: dict[str, Any] = {
        "texts": texts,
        "others": [None, True, 3, 3.0, 1e300, -0.5, [], {}],
        **dict.fromkeys(filter(None, texts)),
    }
    assert repr(read_yaml(write_yaml(document))) == repr(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(f"[{'1,' * 131_000}1]", "more than 10,000 names and values", id="ones"),
        pytest.param(f"[{'{a: b},' * 30_000}]", "more than 10,000 names and values", id="maps"),
        pytest.param("a: &a {x: 1}\nb:\n" + "  - {<<: *a}\n" * 15_000, "more than 10,000 names", id="merges"),
        pytest.param(f"[{'!!str a,' * 25_000}]", "more than 10,000 names and values", id="tags"),
        pytest.param("".join(f"- &a{n} x\n" for n in range(20_000)), "more than 10,000 names", id="anchors"),
        pytest.param("---\n" * 65_000, "more than 10,000 names and values", id="documents"),
        pytest.param("[" * 101 + "]" * 101, "nested too deeply", id="levels in brackets"),
        pytest.param("? " * 131_000, "nested too deeply", id="levels by indentation"),
        pytest.param("".join(f"%TAG !{n}! x\n" for n in range(16_000)) + "--- a", "says %TAG more", id="directives"),
    ],
)
def test_more_than_anybody_can_mean_is_refused_before_it_is_built(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(text.encode()) <= MOST_BYTES
    monkeypatch.delattr(yaml, "load")
    with pytest.raises(InvalidArgument, match=message):
        read_yaml(text)


def test_what_just_fits_is_read() -> None:
    assert len(read_yaml(f"[{'1,' * (MOST_NODES - 1)}]")) == MOST_NODES - 1
    assert read_yaml("[" * MOST_LEVELS + "]" * MOST_LEVELS)
