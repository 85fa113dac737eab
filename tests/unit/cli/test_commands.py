import socket
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from libs.cli import calling
from libs.cli.__main__ import main
from libs.cli.application import application

SHARED = {"--output", "--tenant", "--address", "--data"}
OF_THIS_MACHINE = {"up", "down"}


def commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = dict(commands(typer.main.get_command(application())))


def test_every_group_that_exists_is_there() -> None:
    assert {path[0] for path in COMMANDS} == {
        *("up", "down", "status", "collect", "retract"),
        *(
            "profile",
            "identity",
            "tag",
            "segment",
            "lifecycle",
            "tiers",
            "schema",
            "quarantine",
            "log",
            "projection",
            "dead-letter",
        ),
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_says_what_it_does_and_has_an_example(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Example: portrait {' '.join(path)}" in said
    assert COMMANDS[path].help


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_the_options_that_all_share(path: tuple[str, ...]) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert (SHARED - {"--tenant", "--address"} if path[0] in OF_THIS_MACHINE else SHARED) <= options


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["colect"], "portrait: No such command 'colect'. Did you mean 'collect'? (see portrait --help)"),
        (["log", "read", "x"], "portrait: Invalid value for 'partition'"),
        (["profile", "show"], "portrait: Missing argument 'person'"),
        (["status", "--wat"], "portrait: No such option: --wat"),
        (["collect"], "portrait: FILES: name at least one file"),
        (["collect", "nowhere.ndjson"], "portrait: nowhere.ndjson: does not exist"),
        (["collect", "--scenario", "../x"], "portrait: --scenario: '../x' is not a name"),
        (["retract"], "portrait: retract: say either --message-id or --import-id"),
        (["profile", "show", "anna"], "portrait: PERSON: 'anna' is neither"),
        (["profile", "show", "phone:1", "--at-least", "3"], "portrait: --at-least: '3' is not partition:position"),
        (["identity", "resolve", "anna"], "portrait: IDENTIFIER: 'anna' is not type:value, such as phone:13800138000"),
        (["identity", "resolve", "a:1", "b:2", "--at-least", "1:2"], "portrait: --at-least: goes with one identifier"),
        (["identity", "explain", "anna"], "portrait: IDENTIFIER: 'anna' is neither a OneID"),
        (["identity", "link", "a:1", "phone:"], "portrait: IDENTIFIER: 'phone:' is not type:value"),
        (["identity", "watch", "--behind", "x"], "portrait: --behind: 'x' is not partition:position"),
        (["identity", "preview", "nowhere.yaml"], "portrait: Invalid value for 'file'"),
        (["identity", "person", "a:1", "--as-of", "soon"], "portrait: --as-of: 'soon' is not a time"),
        (["segment", "count", "not yaml: ["], "portrait: CROWD: 'not yaml: [' is neither the key of a segment"),
        (["segment", "count", "nowhere.yaml"], "portrait: CROWD: 'nowhere.yaml' is neither"),
        (["segment", "overlap", "one"], "portrait: CROWDS: name two to ten to compare, not 1"),
        (["segment", "portrait", "--when", "tag: vip"], "portrait: --when: 'tag: vip' is neither"),
        (["log", "read"], "portrait: PARTITION: name either a partition or a --key"),
        (["log", "read", "--key", "ff"], "portrait: --key: 'ff' is not 32 hexadecimal digits"),
        (["quarantine", "discard", "--because", "x"], "portrait: IDS: name ids, or a --reason"),
    ],
)
def test_what_was_not_understood_is_told_in_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(line)
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_service_that_accepts_and_says_nothing_is_named_with_its_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "LOOK_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        for command in (["tag", "explain", "a:1", "vip"], ["tag", "person", "a:1"], ["segment", "explain", "a:1", "s"]):
            assert main([*command, "--address", address]) == 1
            assert capsys.readouterr().err.startswith(f"portrait: tagging at {address} did not answer in time; ")
        assert main(["lifecycle", "explain", "a:1", "--address", address]) == 1


def test_nobody_at_an_address_is_told_in_one_line_that_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "show", "phone:+8613800138000", "--address", "127.0.0.1:9"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("portrait: nobody answers at 127.0.0.1:9;")
    assert captured.err.count("\n") == 1
