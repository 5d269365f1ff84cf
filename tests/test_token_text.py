"""Tokens as people and hosts put them into variables and files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.token_text import bare_token, flaw, is_unexpanded

TOKEN = "pul-" + "0a" * 20


@pytest.mark.parametrize(
    "text",
    [
        *(TOKEN, f" {TOKEN}\r\n", f"\ufeff{TOKEN}", f'"{TOKEN}"', f"'{TOKEN}'\n", f"`{TOKEN}`"),
        *(f"\u201c{TOKEN}\u201d", f'\ufeff"{TOKEN}"\r\n', f"\"'{TOKEN}'\"", f"{TOKEN}\u200b"),
    ],
)
def test_what_is_around_a_token_is_taken_off(text: str) -> None:
    assert bare_token(text) == TOKEN


@pytest.mark.parametrize("text", ["", " ", '""', "\ufeff\r\n", "' '"])
def test_what_holds_nothing_is_empty(text: str) -> None:
    assert bare_token(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("${PULUMI_ACCESS_TOKEN}", "$PULUMI_ACCESS_TOKEN", "%PULUMI_ACCESS_TOKEN%", "{{ token }}"),
        *("${env:PULUMI_ACCESS_TOKEN}", "${input:token}", "${{ secrets.TOKEN }}", "$(pulumi-token)"),
    ],
)
def test_a_variable_that_a_host_left_as_it_is_is_told_from_a_token(text: str) -> None:
    assert is_unexpanded(text)
    assert not is_unexpanded(TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "null",
            "None",
            "undefined",
            "<your-token>",
            "<PULUMI_ACCESS_TOKEN>",
            f"PULUMI_ACCESS_TOKEN={TOKEN}",
        ),
        *(f"export PULUMI_ACCESS_TOKEN={TOKEN}", f"Bearer {TOKEN}", f"token {TOKEN}", f"{TOKEN}\n{TOKEN}"),
        *("t\u00f6ken", f"{TOKEN}\x00", f"pul-\u200b{TOKEN}"),
    ],
)
def test_what_can_be_no_token_has_a_reason_that_gives_nothing_of_it_away(text: str) -> None:
    why = flaw(text)
    assert why
    assert TOKEN not in why
    assert flaw(TOKEN) == ""


@given(st.from_regex(r"[!-~]{17,80}", fullmatch=True))
def test_other_tokens_are_taken_as_they_are(token: str) -> None:
    bare = bare_token(token)
    assert bare in token
    assert not flaw(bare) or bare[0] == "<" or "=" in bare


@given(st.text())
def test_nothing_is_left_to_take_off(text: str) -> None:
    assert bare_token(bare_token(text)) == bare_token(text)
