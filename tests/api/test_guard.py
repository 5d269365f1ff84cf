"""The access token is taken out of whatever passes by, in every way that somebody may have written it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.api import TokenGuard
from neo_mcp.secret import SecretStr
from tests.support.canary import CANARY, EVERY_WAY, encodings, leaks
from tests.support.examples import long

pytestmark = pytest.mark.scorecard("the token comes out nowhere, in no encoding")

GUARD = TokenGuard(SecretStr(CANARY))


@pytest.mark.parametrize("name", encodings())
@pytest.mark.parametrize("frame", ["{}", "before {} after", '"{}"', "{0}{0}"])
def test_the_token_is_gone_in_every_encoding(name: str, frame: str) -> None:
    text = frame.format(encodings()[name])
    assert not leaks(GUARD.text(text))
    assert "[access token]" in GUARD.text(text)
    assert GUARD.data(text.encode()) == GUARD.text(text).encode()


@pytest.mark.parametrize("name", encodings())
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("escape_html", [False, True])
def test_the_token_is_gone_however_deep_it_is_in_json(name: str, depth: int, *, escape_html: bool) -> None:
    text = f'"a" <{encodings()[name]}> & \\ é'
    for _ in range(depth):
        text = json.dumps(text)
        if escape_html:
            # As many servers write JSON.
            for char in "<>&=":
                text = text.replace(char, f"\\u{ord(char):04x}")
    data = GUARD.data(text.encode())
    for _ in range(depth):
        data = json.loads(data).encode()
    assert not leaks(data.decode())
    assert data.decode().startswith('"a" <')
    assert data.decode().endswith("> & \\ é")


@pytest.mark.parametrize("name", encodings())
def test_a_leak_in_any_encoding_would_be_noticed(name: str) -> None:
    assert leaks(f"a {encodings()[name]} b")


@given(st.text(), st.text(), st.sampled_from(list(encodings().values())))
def test_what_surrounds_the_token_stays(before: str, after: str, token: str) -> None:
    got = GUARD.text(before + token + after)
    assert not leaks(got)
    assert got.startswith(before)
    assert got.endswith(after)


@given(st.text() | st.text("\\u0067Qx%=&#;.", max_size=40))
def test_what_does_not_hold_the_token_is_left_alone(text: str) -> None:
    assert GUARD.text(text) == text
    data = text.encode("utf-8", "surrogatepass")
    assert GUARD.data(data) == data


@given(st.lists(st.booleans(), min_size=len(CANARY), max_size=len(CANARY)))
def test_json_that_escapes_some_letters_stays_json_without_the_token(escaped: list[bool]) -> None:
    token = "".join(f"\\u{ord(c):04x}" if hide else c for c, hide in zip(CANARY, escaped, strict=True))
    data = f'{{"a": "x {token} \\u0022\\n", "b\\u0041": [1, "\\ud83d\\ude00"]}}'.encode()
    assert json.loads(GUARD.data(data)) == {"a": 'x [access token] "\n', "bA": [1, "😀"]}


def test_json_values_and_keys_are_seen_to() -> None:
    value = {"a": [CANARY, {CANARY: 1}], "b": None, "c": 2.5}
    assert GUARD.json(value) == {"a": ["[access token]", {"[access token]": 1}], "b": None, "c": 2.5}


def test_names_of_fields_that_are_no_texts_stay() -> None:
    assert GUARD.json({7: CANARY, None: 1}) == {7: "[access token]", None: 1}


@pytest.mark.parametrize("token", [None, SecretStr(""), SecretStr("short")])
def test_without_a_token_nothing_is_touched(token: SecretStr | None) -> None:
    guard = TokenGuard(token)
    assert guard.text(f"short {EVERY_WAY}") == f"short {EVERY_WAY}"
    assert guard.data(b"short") == b"short"


def test_it_does_not_tell_what_it_looks_for() -> None:
    assert not leaks(repr(GUARD))


@pytest.mark.parametrize("size", [100_000, long(1_000_000)])
@pytest.mark.parametrize(
    "unit", ["\\", "\\u00", "\\u006f", "\\\\u006f", "%", "&#", "&#111;", "=6f", "opaque.canary", CANARY[:-1]]
)
def test_any_number_of_beginnings_is_read_through(unit: str, size: int) -> None:
    text = unit * (size // len(unit))
    assert GUARD.text(text) == text
    assert not leaks(GUARD.text(text + CANARY))


@pytest.mark.parametrize("name", [name for name in encodings() if "u00" in encodings()[name]])
@pytest.mark.parametrize("before", [2**18 - 100, 2**18 - 1, 2**18, 2**19 - 50, 2**19 + 2**16 - 50])
def test_the_token_is_gone_wherever_it_is_in_a_long_text(name: str, before: int) -> None:
    text = "x" * before + encodings()[name] + "x" * 2**18
    assert not leaks(GUARD.text(text))
    assert not leaks(GUARD.data(text.encode()).decode())
