"""CONTRIBUTING names files and commands that exist."""

import re
import shlex
from pathlib import Path

import pytest

from neo_mcp.cli.main import build_parser

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
_PATH = re.compile(r"(?:neo_mcp|tests|\.ci|\.github)/[\w./-]*\w|\b[A-Z]+\.md\b")
_MODULE = re.compile(r"python -m (tests(?:\.\w+)+)")
_JOBS = ("event type", "`create_task`", "resuming a stream", "host for `install`", "approval form")


def paths_in(text: str) -> set[str]:
    return set(_PATH.findall(text))


@pytest.mark.parametrize("path", sorted(paths_in(TEXT)))
def test_a_path_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / ".github" / path).exists()


def test_a_path_that_does_not_exist_would_be_found() -> None:
    assert paths_in("Look at `neo_mcp/core/no_such.py`, `tests/none`.") == {
        "neo_mcp/core/no_such.py",
        "tests/none",
    }


@pytest.mark.parametrize("module", sorted(set(_MODULE.findall(TEXT))))
def test_a_module_that_is_run_exists(module: str) -> None:
    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize("line", re.findall(r"`pulumi-neo-mcp ([^`…]+)", TEXT))
def test_a_command_exists(line: str) -> None:
    build_parser().parse_args(shlex.split(line.removesuffix(" --fault ")))


@pytest.mark.parametrize("job", _JOBS)
def test_each_job_has_a_section_that_names_code_and_tests(job: str) -> None:
    (section,) = (part for part in TEXT.split("\n## ") if job in part.splitlines()[0])
    assert {path.partition("/")[0] for path in paths_in(section)} >= {"neo_mcp", "tests"}


@pytest.mark.parametrize("name", re.findall(r"`((?:[A-Z][a-z]+){2,}|_[a-z]+)`", TEXT))
def test_a_name_in_the_code_is_there(name: str) -> None:
    sources = (ROOT / path for path in paths_in(TEXT) if path.endswith(".py"))
    assert any(re.search(rf"\b{name}\b", source.read_text("utf-8")) for source in sources)
