"""Every surface has words for every hint, and no error is changed to get its own."""

import re
import string

import pytest

from neo_mcp.cli.main import build_parser
from neo_mcp.cli.terminal.wording import TERMINAL
from neo_mcp.constants import PROGRAM
from neo_mcp.errors import NotFoundError, RateLimitedError
from neo_mcp.hints import LIBRARY, Hint, Wording, to_text
from neo_mcp.server.tools import TOOLS as ALL_TOOLS
from neo_mcp.server.wording import TOOLS

WORDINGS = {"library": LIBRARY, "terminal": TERMINAL, "tools": TOOLS}


def values(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("surface", WORDINGS)
def test_every_surface_words_every_hint_with_the_data_that_it_has(surface: str) -> None:
    wording = WORDINGS[surface]
    assert wording.keys() == set(Hint)
    for hint in Hint:
        assert values(wording[hint]) <= values(TOOLS[hint]), hint


@pytest.mark.parametrize("wording", [LIBRARY, TERMINAL], ids=["library", "terminal"])
def test_neither_the_library_nor_the_terminal_speaks_of_tools(wording: Wording) -> None:
    text = "\n".join(wording.values())
    # As a command, `respond` is the terminal's own.
    assert not [name for name in ALL_TOOLS if name != "respond" and name in text]
    assert "restart this server" not in text


@pytest.mark.parametrize(
    "command", sorted({*re.findall(rf"`{PROGRAM} ([^`]+)`", "\n".join(TERMINAL.values()))})
)
def test_every_command_that_the_terminal_names_is_one(command: str) -> None:
    build_parser().parse_args(command.split())


def test_an_error_has_each_surfaces_own_words() -> None:
    error = NotFoundError("task not found", status=404, is_quoted=True)
    assert str(error).startswith('The API says "task not found" (HTTP 404). ')
    assert "list_tasks" in error.text(TOOLS)
    assert "`pulumi-neo-mcp tasks`" in error.text(TERMINAL)
    assert error.next_step in str(error)


def test_a_next_step_may_be_made_of_several_with_data() -> None:
    step = (Hint.DECIDE_AT.of(url="https://x"), " Then ", Hint.SEE.of(what=Hint.CHECK))
    assert (
        to_text(step, LIBRARY) == "A person can decide at https://x Then Read the task to see Check the task."
    )


def test_a_copy_with_another_hint_leaves_the_error_as_it_was() -> None:
    error = RateLimitedError("slow down", retry_after=3.0)
    other = error.with_hint(Hint.WAIT)
    assert (other.hint, error.hint) == (Hint.WAIT, RateLimitedError.default_next_step)
    assert (type(other), other.retry_after) == (RateLimitedError, 3.0)
    assert str(error) == "slow down (HTTP 429). Wait a little, then try again."
