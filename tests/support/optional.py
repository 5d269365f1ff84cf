"""Optional needs of tests: programs and packages beyond Python and git, and how to install them.

A test names them by the mark ``needs("haproxy")``. They are looked for before its first fixture is set up,
and where one is missing, the test is skipped: never inside asynchronous code, where a skip ends as a group of
exceptions. The end of a run lists what was skipped for lack of what.
"""

import ctypes
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import nobody

_SHARED = Path(__file__).resolve().parents[2].parent / "shared"
DESCRIPTION = _SHARED / "contract" / "neo-openapi.json"
REGISTRY_SCHEMA = _SHARED / "checks" / "schemas" / "server.schema.json"
TASKS_SCHEMA = _SHARED / "checks" / "schemas" / "ext-tasks-draft-schema.json"
"""What others publish and this repository does not hold."""

BALANCERS = ("nginx", "haproxy")


class Need(NamedTuple):
    """Something that a machine has or has not.

    Attributes:
        find: Gives back where it is, or ``None``.
        install: How to get it, for people.
    """

    find: Callable[[], str | None]
    install: str


def _program(*names: str) -> str | None:
    """The first of these on the path, or in a folder for administrators' programs beside one of the path."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    beside = [str(Path(folder).with_name("sbin")) for folder in folders if Path(folder).name == "bin"]
    path = os.pathsep.join([*folders, *beside])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def _package(name: str) -> str | None:
    return name if importlib.util.find_spec(name) else None


def _of_c_library(name: str) -> str | None:
    return name if sys.platform == "linux" and hasattr(ctypes.CDLL(None), name) else None


def _beside(path: Path) -> Need:
    """A file that others publish, in a folder beside this checkout."""
    where = Path("..") / path.relative_to(_SHARED.parent)
    return Need(lambda: str(path) if path.exists() else None, f"put a copy at {where.as_posix()}")


def _by_apt(*names: str, package: str) -> Need:
    return Need(partial(_program, *names), f"apt-get install {package}")


def _by_npm(name: str, package: str) -> Need:
    return Need(partial(_program, name), f"npm install -g {package}")


def _by_pip(name: str) -> Need:
    return Need(partial(_package, name), "pip install -e '.[test-all]'")


_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NEEDS: dict[str, Need] = {
    "a load balancer": _by_apt(*BALANCERS, package="nginx"),
    "nginx": _by_apt("nginx", package="nginx"),
    "haproxy": _by_apt("haproxy", package="haproxy"),
    "chromium": _by_apt(*_CHROMIUM, package="chromium"),
    "npm": _by_apt("npm", package="npm"),
    "mcpb": _by_npm("mcpb", "@anthropic-ai/mcpb"),
    "claude": _by_npm("claude", "@anthropic-ai/claude-code"),
    "codex": _by_npm("codex", "@openai/codex"),
    "gemini": _by_npm("gemini", "@google/gemini-cli"),
    "playwright": _by_pip("playwright"),
    "axe_playwright_python": _by_pip("axe_playwright_python"),
    "kubernetes_validate": _by_pip("kubernetes_validate"),
    "schemathesis": _by_pip("schemathesis"),
    "mallinfo2": Need(partial(_of_c_library, "mallinfo2"), "use a system with glibc 2.33 or newer"),
    "another user": Need(nobody.find_python, "run as root, with a Python that every user may run"),
    "the API's description": _beside(DESCRIPTION),
    "the registry's schema": _beside(REGISTRY_SCHEMA),
    "the schema of tasks": _beside(TASKS_SCHEMA),
}


@cache
def _found(name: str) -> str | None:
    return NEEDS[name].find()


def is_here(name: str) -> bool:
    return _found(name) is not None


def path_of(name: str) -> str:
    """Where it is, for a test that says by its mark that it needs it."""
    found = _found(name)
    assert found is not None, f'mark the test with needs("{name}"): it is not here'
    return found


def lacking(name: str) -> str:
    """Why a test that needs it is skipped, and how to change that; empty where it is there."""
    return "" if _found(name) else f"needs {name}: {NEEDS[name].install}"


def skip_what_lacks(item: pytest.Item) -> None:
    """Skip a test that needs what is not here, before anything of it begins."""
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if reason := lacking(name):
                pytest.skip(reason)


def require(name: str) -> None:
    """Skip the module that is being imported, where something is missing without which it cannot be."""
    if reason := lacking(name):
        pytest.skip(reason, allow_module_level=True)
