"""Only what cannot change the meaning of a path becomes part of one."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.wire import check_organization, check_task_id

TRAVERSALS = [
    *(
        "",
        ".",
        "..",
        "...",
        "../",
        "..\\",
        "../..",
        "./x",
        "/",
        "//",
        "\\",
        "/etc/passwd",
        "a/..",
        "a/../b",
        "a\\..\\b",
    ),
    *(
        "..;/",
        ".%2e",
        "%2e%2e",
        "%2E%2E%2F",
        "..%2f",
        "%252e%252e",
        "%c0%ae%c0%ae",
        "..%00",
        "a%2fb",
        "a%5cb",
        "~",
        "~root",
    ),
    *(
        "a?x=1",
        "a#x",
        "a;b",
        "a&b",
        "a=b",
        "a:b",
        "a@b",
        "a,b",
        "a+b",
        "a b",
        " a",
        "a ",
        "a*",
        "a|b",
        "a$b",
        "${x}",
    ),
    *(
        "{x}",
        "a'b",
        'a"b',
        "`a`",
        "<a>",
        "a(b)",
        "[a]",
        "-",
        "-rf",
        "--help",
        ".git",
        ".env",
        "a\tb",
        "a\nb",
        "a\r\nb",
    ),
]
# Cyrillic and full-width letters, combining and invisible marks, other scripts' digits and slashes.
LOOK_ALIKES = [
    "\u0430cme",
    "acm\u0435",
    "\uff41cme",
    "\u00e1cme",
    "acme\u0301",
    "acme\u200b",
    "\ufeffacme",
    "acme\u202e",
    "acme\uff0ex",
    "a\uff0fb",
    "a\u2215b",
    "1\u06623",
    "\uff11\uff12\uff13",
    "task_\u2460",
    "\u00aa",
    "\u00df",
    "\u0131",
    "\ufb00",
    "\u212a",
]
CONTROLS = [f"acme{chr(code)}" for code in (*range(0x21), 0x7F, *range(0x80, 0xA1))]
ENDINGS = [
    f"acme{end}" for end in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\0")
]
SURROGATES = ["acme\ud800", "\udc80", "a\udfffb"]
TOO_LONG = ["a" * 129, "a" * 10_000]
SPECIAL = "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~ "
PLACED = [form for char in SPECIAL for form in (char, f"{char}acme", f"ac{char}me", f"acme{char}")]
ENCODED = [f"acme{quote(char, safe='')}" for char in SPECIAL]
HOSTILE = TRAVERSALS + LOOK_ALIKES + CONTROLS + ENDINGS + SURROGATES + TOO_LONG + PLACED + ENCODED


def test_there_are_a_few_hundred_hostile_ids() -> None:
    assert len(set(HOSTILE)) > 250


@pytest.mark.parametrize("check", [check_organization, check_task_id])
def test_hostile_ids_are_refused_with_a_next_step(check: object) -> None:
    assert callable(check)
    for value in HOSTILE:
        with pytest.raises(InvalidArgumentError) as caught:
            check(value)
        text = str(caught.value)
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 600
        assert caught.value.next_step


@pytest.mark.parametrize(
    "value",
    [
        *("acme", "Acme-Corp", "acme_corp", "acme.io", "_x", "a", "0", "a" * 128, "task_abc123", "a..b"),
        "5f0c2a9e-0a3b-4c61-9f0e-3c5d3a1b2c4d",
    ],
)
def test_ordinary_ids_pass_unchanged(value: str) -> None:
    assert check_organization(value) == value
    assert check_task_id(value) == value


@given(st.text())
def test_what_passes_needs_no_encoding_and_stays_in_its_segment(value: str) -> None:
    try:
        check_task_id(value)
    except InvalidArgumentError:
        return
    assert quote(value, safe="") == value
    assert value not in {"", ".", ".."}
