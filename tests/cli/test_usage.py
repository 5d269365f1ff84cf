"""Options that have no effect where they are given are refused, and errors name what is right."""

import re
import shlex

import pytest

from neo_mcp.cli import usage
from neo_mcp.cli.main import build_parser, main
from neo_mcp.simulator.catalogue import scenarios

BEFORE = {"respond": ["TASK", "approve"], "create": ["Hello"]}
VALUES = {"--tail": "3", "--until": "turn-end", "--port": "1", "--limit": "5", "--env": "A=b"}
SWITCHES = {"--open", "--force", "--sandbox", "--with-token", "--print", "--links", "--pulumi-token-header"}
RULES = [
    (command, option, rule)
    for command, rules in usage._RULES.items()
    for rule in rules
    for option in rule.options
]


def words_of(command: str, option: str) -> list[str]:
    value = [] if option in SWITCHES else [VALUES.get(option, "x")]
    return [command, *BEFORE.get(command, []), option, *value]


def other(command: str, rule: usage._Rule) -> list[str]:
    if rule.other == "cancel":
        return []
    return (
        ["--http", "http://127.0.0.1/mcp"] if (command, rule.other) == ("install", "--http") else [rule.other]
    )


@pytest.mark.parametrize(("command", "option", "rule"), RULES, ids=str)
def test_an_option_without_effect_is_refused(
    command: str, option: str, rule: usage._Rule, capsys: pytest.CaptureFixture[str]
) -> None:
    words = words_of(command, option)
    without, with_it = words, [*words, *other(command, rule)]
    if rule.other == "cancel":
        with_it = ["cancel" if word == "approve" else word for word in words]
    wrong, right = (without, with_it) if rule.is_needed else (with_it, without)
    with pytest.raises(SystemExit) as ended:
        build_parser(wrong).parse_args(wrong)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"{option} " in said
    assert rule.other in said
    if rule.is_needed or command != "serve":
        options = build_parser(right).parse_args(right)
        assert options.command == command


ALL = dict(build_parser()._subparsers._group_actions[0].choices.items())  # type: ignore[union-attr]  # no public list


@pytest.mark.parametrize("command", ALL)
def test_every_option_that_is_misspelled_is_recognized(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [flag for flag in ALL[command]._option_string_actions if flag.startswith("--")]
    required = {"watch": ["x"], "export": ["x"], **BEFORE}.get(command, [])
    for option in options:
        wrong = option[:-1] + option[-1] * 2
        with pytest.raises(SystemExit):
            build_parser([command]).parse_args([command, *required, wrong])
        said = capsys.readouterr().err
        (meant,) = re.findall(r"did you mean (--[\w-]+)\?", said)
        assert meant in options
        assert meant == option


@pytest.mark.parametrize(
    ("line", "owner"),
    [("serve --time-scale 2", "simulate"), ("tasks --scenario hello", "demo"), ("watch x --plan", "create")],
)
def test_an_option_of_another_command_is_named_with_it(
    line: str, owner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        build_parser(shlex.split(line)).parse_args(shlex.split(line))
    assert f"is an option of {owner})" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("--organisation acme tasks", "--organization"),
        ("--log-levle=debug serve", "--log-level"),
        ("tasks --org acme", "--organization"),
        ("help", "--help"),
        ("VERSION", "--version"),
        ("sandbox", "--sandbox"),
    ],
)
def test_an_option_is_recognized_wherever_it_is_and_by_its_beginning(
    line: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(line)
    with pytest.raises(SystemExit):
        build_parser(words).parse_args(words)
    assert f"id you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["tasks --no-such", "--no-such tasks", "watch", "respond x", "no-such"])
def test_a_usage_error_is_two_lines_of_which_the_second_leads_to_help(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(line)
    with pytest.raises(SystemExit):
        build_parser(words).parse_args(words)
    problem, usage = capsys.readouterr().err.splitlines()
    assert problem.startswith("pulumi-neo-mcp")
    command = words[0] if words[0] in ALL else ""
    assert usage.split() == f"Usage: pulumi-neo-mcp {command} --help".split()


NUMBERS = {
    "serve --http --port": ["70000", "-1", "x", "1.5", ""],
    "simulate --port": ["70000", "-1", "x"],
    "simulate --time-scale": ["nan", "inf", "-1", "x"],
    "simulate --resolve-after": ["nan", "inf", "-1", "x"],
    "demo --speed": ["nan", "inf", "-1", "x"],
    "tasks --limit": ["0", "-1", "x", "1.5"],
    "watch x --tail": ["0", "-1", "x"],
}


@pytest.mark.parametrize(("line", "value"), [(line, value) for line in NUMBERS for value in NUMBERS[line]])
def test_a_number_out_of_its_limits_is_refused_with_them(
    line: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    *words, option = shlex.split(line)
    with pytest.raises(SystemExit):
        build_parser(words).parse_args([*words, f"{option}={value}"])
    said = capsys.readouterr().err
    assert re.search(rf"argument {option}: must be a .* from \d", said), said


def test_an_unknown_scenario_is_an_error_that_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--scenario", "nope"]) == 2
    said = capsys.readouterr().err
    assert "There is no scenario 'nope'." in said
    assert said.rstrip().endswith(f"The scenarios are: {', '.join(scenarios())}.")


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("taks", "tasks"),
        ("instal", "install"),
        ("respond x aprove", "approve"),
        ("respond x cancle", "cancel"),
        ("create x --approval-mode manaul", "manual"),
        ("create x --permission-mode readonly", "read-only"),
        ("watch x --until turn_end", "turn-end"),
        ("export x --format mardown", "markdown"),
        ("docs refrence", "reference"),
        ("install curser --yes", "cursor"),
    ],
)
def test_a_word_that_is_misspelled_is_recognized(
    line: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(shlex.split(line))
    except SystemExit as ended:
        status = int(str(ended.code))
    assert status == 2
    assert f"Did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["frobnicate", "respond x explode", "docs weather", "install nonsense"])
def test_a_word_that_is_none_is_refused_with_those_there_are(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(shlex.split(line))
    except SystemExit as ended:
        status = int(str(ended.code))
    said = capsys.readouterr().err
    assert status == 2
    assert "Did you mean" not in said
    assert re.search(r"choose from|The pages are|Known:", said)
