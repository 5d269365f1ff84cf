"""Patterns of protected stacks: every text protects the stack that it plainly names, or is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.config import Settings, load_settings
from neo_mcp.core.operation import operation
from neo_mcp.errors import ConfigurationError
from neo_mcp.stack_patterns import GRAMMAR, StackPattern, matches, parse_patterns
from neo_mcp.wire import ToolCall, UserApprovalRequest

ACCEPTED = [
    "shop/prod",
    "acme/shop/prod",
    "prod",
    "/shop/prod",
    "shop/prod/",
    "/shop/prod/",
    "/acme/shop/prod/",
    "/prod",
    "'shop/prod'",
    '"shop/prod"',
    "`shop/prod`",
    "\u201cshop/prod\u201d",
    "\"'shop/prod'\"",
    "'shop/prod",
    '["shop/prod"]',
    "['shop/prod']",
    "[shop/prod]",
    '["x/y", "shop/prod"]',
    '["x/y","/shop/prod/"]',
    "'x/y','shop/prod'",
    "'x/y,shop/prod'",
    " shop/prod ,\tx/y\n",
    "x/y,\n  shop/prod",
    "SHOP/Prod",
    "*/prod",
    "shop/*",
    "*",
    "*/*/*",
    "acme/*/prod",
    "sh*p/p*d",
    "s*/*",
    "*o*/pr*",
    "x/y,prod",
]
REFUSED = [
    "shop/prod;x/y",
    "shop/prod x/y",
    "shop/prod\nx/y",
    "shop / prod",
    "${PROTECTED}",
    "$PROTECTED",
    "$(cat stacks)",
    "{{ protected }}",
    "%PROTECTED%",
    "<stack>",
    "shop/prod,${MORE}",
    "shop/prod,",
    ",shop/prod",
    "shop/prod,,x/y",
    ",",
    "''",
    "[]",
    "/",
    "//",
    "shop//prod",
    "//shop/prod",
    "shop/prod//",
    "prod/",
    "a/acme/shop/prod",
    "shop\\prod",
    '["shop\\/prod"]',
    '{"stack":"shop/prod"}',
    "urn:pulumi:prod::shop::a:b:C::n",
    "https://app.pulumi.com/acme/shop/prod",
    "shop:prod",
    "shop|prod",
    "shop/prod # comment",
    "shop/pro?",
    "shop/[pq]rod",
    "shop/{prod,dev}",
    "!shop/prod",
    "^shop/prod$",
    "shop/.*prod",
    "shop/**",
    "**/prod",
    "./shop/prod",
    "../prod",
    "~/prod",
    "shop/prod.",
    "shop/prod\x00",
    "shop/pr\x1bod",
    "shop/pr\u200bod",
    "shop/\ufeffprod",
    "shop\u2044prod",
    "shop/\uff50rod",
    "shop/pr\u043ed",
    "shop/prod\uff0cx/y",
    "shop/prod\u00a0x/y",
    "Pulumi.prod.yaml",
    "shop/Pulumi.prod.yml",
    "shop/prod=x",
    "a+b",
]


def is_protected(stack: str, patterns: tuple[str, ...], organization: str = "acme") -> bool:
    """Whether updating a stack counts as protected."""
    request = UserApprovalRequest.model_validate(
        {"id": "a", "context": {"tool_name": "pulumi__up", "tool_call_id": "c"}}
    )
    call = ToolCall.model_validate({"id": "c", "name": "pulumi__up", "args": {"stack": stack}})
    return operation(request, call, [], patterns, organization).is_protected


def load(text: str, tmp_path: Path) -> Settings:
    return load_settings({"NEO_MCP_PROTECTED_STACKS": text}, home=tmp_path)


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_is_accepted_protects_what_was_meant(text: str, tmp_path: Path) -> None:
    patterns = load(text, tmp_path).protected_stacks
    assert is_protected("shop/prod", patterns)
    assert is_protected("acme/shop/prod", patterns)
    if text not in {"*", "*/*/*", "shop/*", "s*/*"}:
        assert not is_protected("shop/dev", patterns)


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_stops_the_start_and_shows_the_grammar(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(text, tmp_path)
    assert f"NEO_MCP_PROTECTED_STACKS must be {GRAMMAR}" in str(caught.value)


_NAME = st.text("abAB01-_.*", min_size=1, max_size=5)
_NOISE = st.sampled_from(["", "'", '"', "`", " ", "[", "]", "/", "//", ",", ";", "$", "{", "\n", "\\", "."])


@given(st.lists(_NAME, min_size=1, max_size=4), _NOISE, _NOISE, _NOISE)
def test_every_text_protects_what_it_names_or_is_refused(
    names: list[str], before: str, after: str, between: str
) -> None:
    text = f"{before}{'/'.join(names)}{between}{after}"
    try:
        patterns = parse_patterns(text)
    except ValueError:
        return
    stack = "/".join(name.replace("*", "x") for name in names)
    assert is_protected(stack, patterns, names[0].replace("*", "x"))


@given(st.text(max_size=30))
def test_any_text_is_patterns_of_the_grammar_or_refused(text: str) -> None:
    try:
        patterns = parse_patterns(text)
    except ValueError:
        return
    assert patterns
    for pattern in patterns:
        assert StackPattern.parse(pattern).text == pattern
        # Nothing that a person could read in the text is left out of the patterns.
        assert pattern in text
    assert {c for c in text if c.isalnum()} == {c for c in "".join(patterns) if c.isalnum()}


@pytest.mark.parametrize(
    ("pattern", "stack", "protects"),
    [
        ("shop/prod", "shop/prod", True),
        ("Shop/PROD", "shop/prod", True),
        ("*/prod", "shop/prod", True),
        ("prod", "shop/prod", True),
        ("prod*", "shop/prod-eu", True),
        ("payments/*", "shop/prod", False),
        ("prod", "prod/dev", False),
        ("shop/prod", "shop/prod-eu", False),
        ("acme/shop/prod", "shop/prod", True),
        ("ACME/shop/*", "shop/prod", True),
        ("other/shop/prod", "shop/prod", False),
        ("other/shop/prod", "other/shop/prod", True),
        ("other/*/*", "shop/prod", False),
    ],
)
def test_patterns_of_protected_stacks(pattern: str, stack: str, *, protects: bool) -> None:
    assert is_protected(stack, (pattern,)) is protects


@given(st.lists(st.text("ab", max_size=4), min_size=1, max_size=4), st.lists(st.text("ab", max_size=3)))
def test_a_star_stands_for_any_characters(pieces: list[str], filling: list[str]) -> None:
    filling = [*filling, *[""] * len(pieces)]
    name = "".join(piece + fill for piece, fill in zip(pieces[:-1], filling, strict=False)) + pieces[-1]
    assert matches(name, "*".join(pieces))
    assert not matches(f"{name}c", "*".join(pieces)) or not pieces[-1]


def test_a_pattern_with_many_stars_takes_no_longer_than_the_name_is_long() -> None:
    assert not matches("a" * 20_000, "*a" * 1_000 + "*b")


def test_a_pattern_is_put_into_words() -> None:
    assert StackPattern.parse("prod").meaning == "any organization, any project, stack prod"
    assert StackPattern.parse("shop/*").meaning == "any organization, project shop, any stack"
