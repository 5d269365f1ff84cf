"""Tokens as people and hosts put them into variables and files."""

from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.token_text import bare_token, flaw, is_unexpanded, unusable

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
        *(
            "$env:PULUMI_ACCESS_TOKEN",
            "$Env:TOKEN",
            "env:PULUMI_ACCESS_TOKEN",
            "__TOKEN__",
            "__PULUMI_ACCESS_TOKEN__",
        ),
        *("#{TOKEN}#", "#{TOKEN}", "%(TOKEN)s", "{env:TOKEN}", "$secrets.TOKEN"),
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
        *(
            "your-token-here",
            "YOUR_PULUMI_TOKEN",
            "changeme",
            "change-me",
            "yourToken",
            "pul-your-token",
            "REPLACE_ME",
        ),
        *("insert your token here", "<token>", "placeholder", "PULUMI_ACCESS_TOKEN", "PULUMI_ACCESS_TOKEN="),
        *(
            "***",
            "*",
            "pul-****",
            f"{TOKEN[:8]}***",
            "[redacted]",
            "[access token]",
            "pul-...",
            f"{TOKEN[:8]}...",
        ),
        *(
            "op://vault/x",
            "https://app.pulumi.com",
            "file:///run/t",
            "/run/secrets/t",
            "~/token",
            "./t",
            "../t",
        ),
        *("@token.txt", "@/run/t", "C:\\token.txt", "/home/me/.pulumi/credentials.json", "/secrets/token"),
        *('{"accessToken":"pul-x"}', '["pul-x"]', f'{{"a":"{TOKEN}"}}', "{"),
        *("pul-xxxxxxxx", "xxx", "XXXX-XXXX", "pul-xxxx", "pul-abcdxxxxxxxxxxxx"),
        *("t\u00f6ken", f"{TOKEN}\x00", f"pul-\u200b{TOKEN}"),
    ],
)
def test_what_can_be_no_token_has_a_reason_that_gives_nothing_of_it_away(text: str) -> None:
    why = flaw(text)
    assert why
    assert TOKEN not in why
    assert flaw(TOKEN) == ""


@given(st.from_regex(r"[!-~]{17,80}", fullmatch=True))
def test_what_is_bare_was_there(token: str) -> None:
    assert bare_token(token) in token


@given(st.from_regex(r"[!#$%&()+\-0-9>?A-WY-Z\]^_a-wyz|}]{17,80}", fullmatch=True))
def test_other_texts_are_taken_as_they_are(token: str) -> None:
    assert bare_token(token) == token
    assert not flaw(token)


_BYTES = st.binary(min_size=16, max_size=80)
_URL_SAFE = _BYTES.map(lambda raw: urlsafe_b64encode(raw).decode().rstrip("="))
REAL = st.one_of(
    st.binary(min_size=20, max_size=20).map(lambda raw: f"pul-{raw.hex()}"),
    _BYTES.map(bytes.hex),
    _BYTES.map(lambda raw: b64encode(raw).decode()),
    _URL_SAFE,
    # JWTs, encrypted ones (one part may be empty), and opaque ones with a prefix.
    st.tuples(_URL_SAFE, _URL_SAFE, _URL_SAFE).map(lambda parts: "eyJ" + ".".join(parts)),
    st.tuples(_URL_SAFE, _URL_SAFE, _URL_SAFE).map(lambda parts: f"eyJ{parts[0]}..{parts[1]}.{parts[2]}"),
    st.tuples(
        st.sampled_from(["ya29.", "glpat-", "xoxb-", "ghp_", "hvs.", "v1:", "me.", "my-"]), _URL_SAFE
    ).map("".join),
    st.uuids().map(str),
)
"""Tokens of the kinds that Pulumi Cloud, self-hosted services and identity providers give out."""


@given(REAL)
def test_a_real_token_is_never_refused(token: str) -> None:
    assert bare_token(token) == token
    assert not is_unexpanded(token)
    assert flaw(token) == ""
    assert unusable(token) == ""


def test_letters_alone_may_be_a_token_too() -> None:
    for token in (
        "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "YWJjZGVmZ2hpamtsbW5v=",
        "/9j/4AAQSkZJRgABAQAAAQ",
        "hereBeDragonsAndMore",
    ):
        assert flaw(token) == ""


@given(st.text())
def test_nothing_is_left_to_take_off(text: str) -> None:
    assert bare_token(bare_token(text)) == bare_token(text)
