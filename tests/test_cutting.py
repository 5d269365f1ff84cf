"""Whatever cuts a text: nothing that was hidden in it comes out, and of a secret no half."""
# ruff: noqa: RUF001 - letters of other scripts are the point

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import neo_mcp
from neo_mcp import hidden_text, telemetry
from neo_mcp.api import responses
from neo_mcp.cli.terminal import paint
from neo_mcp.core import attention, held, sanitize
from neo_mcp.core.render import lines
from neo_mcp.core.sanitize import Tally, clean
from neo_mcp.core.view import diff, items
from neo_mcp.server.resources import parts
from neo_mcp.service import bounds, budget, results
from neo_mcp.service.uris import ResourceAddress, View

Cut = Callable[[str, int], str]

CLEANING: dict[str, Cut] = {
    "core.sanitize.one_line": sanitize.one_line,
    "core.sanitize.Tally.one_line": lambda text, limit: Tally().one_line(text, limit),
    "core.sanitize.Tally.head": lambda text, limit: Tally().head(text, limit)[0],
    "core.attention.first_line": attention.first_line,
    "core.view.items._head": items._head,
    "core.held._beginning": lambda text, _: clean(held._beginning(text)),
    "api.responses.tidy": lambda text, limit: clean(responses.tidy(text, limit=limit)),
    "service.budget.shorten": budget.shorten,
    "service.results.error_words": lambda text, _: results.error_words(text),
    "core.render.lines._shorten": lambda text, _: lines._shorten(text, Tally()),
    "core.render.lines._excerpt": lambda text, _: lines._excerpt(text, Tally()),
}
"""Functions that clean and cut a text from outside."""

CUTTING: dict[str, Cut] = {
    "core.sanitize.cut": sanitize.cut,
    "core.render.lines.cut": lambda text, limit: lines.cut(text, limit, "the rest is elsewhere"),
    "core.render.lines.fitting": lines.fitting,
    "core.render.lines._limit": lines._limit,
    "core.render.lines.first_bytes": lines.first_bytes,
    "core.view.items._cut": items._cut,
    "core.view.diff._cut": lambda text, _: diff._cut(text),
    "service.bounds._short": lambda text, limit: str(bounds._short("text", text, limit)),
    "cli.terminal.paint.cut_to_width": paint.cut_to_width,
    "hidden_text.first_characters": hidden_text.first_characters,
    "telemetry._cut": telemetry._cut,
    "server.resources.parts._cut": lambda text, _: parts._cut(
        text, ResourceAddress(View.TRANSCRIPT, "acme", "t1")
    ),
}
"""Functions that cut a text which is clean already."""

WITHOUT_A_SIGN = {
    "core.sanitize.one_line",
    "core.sanitize.Tally.head",
    "core.attention.first_line",
    "core.render.lines._excerpt",
    "core.render.lines._shorten",
    "core.render.lines.cut",
    "core.render.lines.fitting",
    "core.render.lines.first_bytes",
    "core.view.diff._cut",
    "hidden_text.first_characters",
    "server.resources.parts._cut",
}
"""Functions among them that leave the sign to another, or say how much is missing in words."""

SECRET = "pul-" + "0123456789abcdef" * 2 + "01234567"
HIDING = "\x1b]0;\x07\x1b[31m\u200d\u200c\ufe0f\u180e\ufff3\u202e\u2066\ud800\U000e0041"
PIECES = st.one_of(
    st.text(max_size=12),
    st.text(HIDING + "a0 \n", max_size=12),
    st.sampled_from(
        [
            "\x1b]000000\x07",
            "\x1b]8;;https://x.example\x1b\\",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "1\ufe0f\u20e3",
        ]
    ),
    st.sampled_from(
        ["می\u200cخواهم", "क्\u200dष", "e\u0301" * 5, "\U0001f1e9\U0001f1ea", "word " * 80, "x" * 400]
    ),
)
TEXTS = st.lists(PIECES, max_size=6).map("".join)
LIMITS = st.integers(1, 60) | st.sampled_from([150, 400, 1200])


@pytest.mark.parametrize("name", CLEANING)
@given(text=TEXTS, limit=LIMITS)
@example(text="\x1b]000000\x07", limit=2)
@example(text="ab\x1b]000000\x07", limit=3)
def test_what_is_cleaned_and_cut_is_clean(name: str, text: str, limit: int) -> None:
    shown = CLEANING[name](text, limit)
    assert clean(shown) == shown


@pytest.mark.parametrize("name", CUTTING)
@given(text=TEXTS.map(clean), limit=LIMITS)
def test_what_is_clean_stays_so_wherever_it_is_cut(name: str, text: str, limit: int) -> None:
    shown = CUTTING[name](text, limit)
    assert clean(shown) == shown


@pytest.mark.parametrize("name", CLEANING)
@pytest.mark.parametrize("split", ["", "\u200b", "\ufe0f", "\u200d", "\x1b[0m", "\U000e0041"])
def test_of_a_secret_no_half_is_shown_wherever_it_is_cut(name: str, split: str) -> None:
    secret = split.join([SECRET[:9], SECRET[9:20], SECRET[20:]])
    for before in (0, 1, 30, 130, 155, 370, 385, 390, 1990, 2000):
        text = "word " * (before // 5) + secret + " after" * 80
        for limit in (8, 20, 60, 160, 400):
            assert SECRET[4:12] not in CLEANING[name](text, limit)


def _modules() -> Iterator[tuple[str, ast.Module]]:
    root = Path(neo_mcp.__file__).parent
    for file in sorted(root.rglob("*.py")):
        name = ".".join(file.relative_to(root).with_suffix("").parts)
        if not name.startswith(("simulator", "docs")):
            yield name, ast.parse(file.read_text(encoding="utf-8"))


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}.{child.name}", child
            yield from _functions(child, f"{prefix}.{child.name}")
        else:
            yield from _functions(
                child, f"{prefix}.{child.name}" if isinstance(child, ast.ClassDef) else prefix
            )


def _marks_a_cut(function: ast.AST) -> bool:
    """True if ``function`` puts the sign of a cut right behind a text."""
    return any(
        isinstance(node, ast.JoinedStr | ast.BinOp) and re.search(r"\}…|\+ f?['\"]…", ast.unparse(node))
        for node in ast.walk(function)
    )


def test_every_function_that_cuts_is_known() -> None:
    cutting = {
        name
        for module, tree in _modules()
        for name, function in _functions(tree, module)
        if _marks_a_cut(function)
    }
    assert cutting == {*CLEANING, *CUTTING} - WITHOUT_A_SIGN
