"""The README is executed or generated: nothing in it is only claimed."""

import base64
import json
import re
import shlex
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from neo_mcp.cli.install.hosts import HOSTS
from neo_mcp.cli.main import build_parser
from tests.generate.readme import README, with_generated_parts
from tests.generate.release import ADDRESS

_ROOT = README.parent
_TEXT = README.read_text("utf-8")
_MAX_WORDS = 900
_FIRST_SCREEN = 12
_EXAMPLE = "https://github.com/example/pulumi-neo-mcp"
_WITH_ADDRESS = with_generated_parts(_TEXT, _EXAMPLE)
_WITHOUT_ADDRESS = with_generated_parts(_TEXT, "")
_OTHERS = ("git clone ", "uvx --from git+", "pipx install git+")
"""What else a reader is told to run, once the project has an address."""


def _snippets(language: str, text: str = _TEXT) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _words(text: str) -> int:
    return len(re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).split())


@pytest.mark.parametrize("text", [_TEXT, _WITH_ADDRESS])
def test_it_is_short_enough_to_finish(text: str) -> None:
    assert _words(text) <= _MAX_WORDS


def test_an_approval_is_seen_on_the_first_screen() -> None:
    assert "](neo_mcp/docs/images/approval.png)" in "\n".join(_WITHOUT_ADDRESS.splitlines()[:_FIRST_SCREEN])


@pytest.mark.parametrize(("section", "lines"), [("Ask", 5), ("How approvals work", 6), ("For a team", 5)])
def test_its_lists_are_short(section: str, lines: int) -> None:
    (text,) = (part for part in _TEXT.split("\n## ") if part.startswith(f"{section}\n"))
    assert len(re.findall(r"^(?:-|\d\.) ", text, re.MULTILINE)) == lines


def test_the_generated_tables_are_those_of_the_code() -> None:
    assert with_generated_parts(_TEXT) == _TEXT, "run `python -m tests.generate.readme`"


def test_what_names_the_project_appears_with_its_address_and_goes_with_it() -> None:
    assert re.fullmatch(r"(?:https://github\.com/[\w.-]+/[\w.-]+)?", ADDRESS)
    for command in _OTHERS:
        assert f"{command}{_EXAMPLE}" in _WITH_ADDRESS
        assert command not in _WITHOUT_ADDRESS
    # A package page has no files beside it.
    assert (
        "(https://raw.githubusercontent.com/example/pulumi-neo-mcp/HEAD/neo_mcp/docs/images/" in _WITH_ADDRESS
    )
    assert not re.findall(r"\]\((?!https:)", _WITH_ADDRESS)
    assert with_generated_parts(_WITH_ADDRESS, "") == _WITHOUT_ADDRESS


def test_a_click_installs_what_install_prints() -> None:
    hosts = {host.name: host for host in HOSTS}
    (cursor,) = re.findall(r"\((https://cursor\.com/[^)]+)\)", _TEXT)
    given = parse_qs(urlsplit(cursor).query)
    entry = {"command": "pulumi-neo-mcp", "args": ["serve"]}
    assert given["name"] == ["neo"]
    assert json.loads(base64.b64decode(given["config"][0])) == entry
    (vscode,) = re.findall(r"\((https://insiders\.vscode\.dev/[^)]+)\)", _TEXT)
    (link,) = parse_qs(urlsplit(vscode).query)["url"]
    make = hosts["vscode"].link
    assert make is not None
    assert link == make("neo", {"type": "stdio", **entry})
    assert json.loads(unquote(link.partition("?")[2])) == {"name": "neo", "type": "stdio", **entry}


@pytest.mark.parametrize("config", _snippets("json"))
def test_a_host_configuration_names_a_command_line_that_exists(config: str) -> None:
    content = json.loads(config)
    (servers,) = content.values()
    (server,) = servers.values()
    assert server["command"] == "pulumi-neo-mcp"
    build_parser().parse_args(server["args"])


@pytest.mark.parametrize(
    "line", [line for code in _snippets("sh", _WITH_ADDRESS) for line in code.splitlines()]
)
def test_a_command_line_in_the_readme_is_one_the_program_takes(line: str) -> None:
    if line.startswith(("git clone", "pipx install")):
        return
    words = shlex.split(line)
    places = [i for i, word in enumerate(words) if re.search(r"(?:^|bin/)pulumi-neo-mcp$", word)]
    for place in places:
        build_parser().parse_args(words[place + 1 :])
    assert places or words[-2].endswith("pytest")


@pytest.mark.parametrize("line", re.findall(r"`pulumi-neo-mcp ([^`]+)`", _TEXT))
def test_a_command_named_in_the_text_is_one_the_program_takes(line: str) -> None:
    build_parser().parse_args(shlex.split(line))


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)", _WITHOUT_ADDRESS))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (_ROOT / link).is_file()


def test_the_licence_is_the_one_the_package_names() -> None:
    assert "Apache License" in Path(_ROOT / "LICENSE").read_text("utf-8")
    assert 'license = "Apache-2.0"' in (_ROOT / "pyproject.toml").read_text("utf-8")
