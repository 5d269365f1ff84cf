"""The README is executed or generated: nothing in it is only claimed."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from neo_mcp.cli.main import build_parser
from neo_mcp.simulator import DEFAULT_TOKEN, SimulatorConfig, running_simulator
from tests.readme import README, with_generated_parts

_ROOT = README.parent
_TEXT = README.read_text("utf-8")
_SNIPPETS = re.findall(r"```(\w+)\n(.*?)```", _TEXT, re.DOTALL)


def _snippets(language: str) -> list[str]:
    return [code for name, code in _SNIPPETS if name == language]


def test_the_generated_tables_are_those_of_the_code() -> None:
    assert with_generated_parts(_TEXT) == _TEXT, "run `python -m tests.readme`"


@pytest.mark.parametrize("config", _snippets("json"))
def test_a_host_configuration_names_a_command_line_that_exists(config: str) -> None:
    content = json.loads(config)
    (servers,) = content.values()
    (server,) = servers.values()
    assert server["command"] == "pulumi-neo-mcp"
    build_parser().parse_args(server["args"])


@pytest.mark.parametrize("line", [line for code in _snippets("sh") for line in code.splitlines()])
def test_a_command_line_in_the_readme_is_one_the_program_takes(line: str) -> None:
    words = shlex.split(line)
    places = [i for i, word in enumerate(words) if word.endswith("pulumi-neo-mcp")]
    for place in places:
        build_parser().parse_args(words[place + 1 :])
    assert places or words[-2].endswith("pytest")


@pytest.mark.parametrize("line", re.findall(r"`pulumi-neo-mcp ([^`]+)`", _TEXT))
def test_a_command_named_in_the_text_is_one_the_program_takes(line: str) -> None:
    build_parser().parse_args(shlex.split(line))


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)", _TEXT))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (_ROOT / link).is_file()


async def test_the_python_example_runs() -> None:
    (code,) = _snippets("python")
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - this is what the test is for
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator:
        assert "Hello" in await names["main"](simulator.url, DEFAULT_TOKEN)


def test_the_licence_is_the_one_the_package_names() -> None:
    assert "Apache License" in Path(_ROOT / "LICENSE").read_text("utf-8")
    assert 'license = "Apache-2.0"' in (_ROOT / "pyproject.toml").read_text("utf-8")
