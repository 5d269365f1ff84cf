"""Markdown as nodes: formatted where it may be, text otherwise, and never anything else."""

import json
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.links import safe_address
from neo_mcp.core.sanitize import clean
from neo_mcp.core.view.markdown import nodes
from neo_mcp.core.view.model import Element, Node, Tag
from tests.core.events import TEXT

TAGS = set(get_args(Tag))


def elements(found: list[Node]) -> Iterator[Element]:
    for node in found:
        if not isinstance(node, str):
            yield node
            yield from elements(node["c"])


def texts(found: list[Node]) -> Iterator[str]:
    for node in found:
        if isinstance(node, str):
            yield node
        else:
            yield from texts(node["c"])


def test_what_people_write_is_formatted() -> None:
    text = "# Plan\n\n1. **Look** at `a`\n2. ~~Do~~\n\n> said\n\n|a|b|\n|-|-|\n|1|2|\n\n"
    text += "```ts\nlet x\n```\n\n---\n"
    found = nodes(text)
    assert [node["t"] for node in found if not isinstance(node, str)] == [
        *("h1", "ol", "blockquote", "table", "pre", "hr")
    ]
    assert {element["t"] for element in elements(found)} >= {"strong", "code", "s", "li", "th", "td", "tr"}
    (code,) = [element for element in elements(found) if element.get("lang")]
    assert code == {"t": "code", "lang": "ts", "c": ["let x\n"]}


def test_items_of_a_tight_list_are_no_paragraphs() -> None:
    assert nodes("- a\n- b\n  c") == [
        {"t": "ul", "c": [{"t": "li", "c": ["a"]}, {"t": "li", "c": ["b\nc"]}]},
    ]


def test_a_list_says_where_it_starts() -> None:
    (element,) = nodes("3. c\n4. d")
    assert not isinstance(element, str)
    assert element["start"] == 3


@pytest.mark.parametrize(
    ("address", "is_link"),
    [
        ("https://app.pulumi.com/acme?x=1#y", True),
        ("http://127.0.0.1:8080/", True),
        ("HTTPS://example.com", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,<script>", False),
        ("vbscript:x", False),
        ("file:///etc/passwd", False),
        ("ftp://example.com/", False),
        ("mailto:a@example.com", False),
        ("//example.com", False),
        ("/local", False),
        ("#here", False),
        ("https://app.pulumi.com@evil.example/", False),
        ("https://evil.example\\@app.pulumi.com/", False),
        ("https://a b/", False),
        ("https://exa\u202emple.com/", False),
        ("https:example.com", False),
        ("https://", False),
        ("https://example.com/" + "x" * 3000, False),
        ("https://user:ghp_0123456789012345678901234567890123456789@example.com/", False),
        ("https://example.com/?t=ghp_0123456789012345678901234567890123456789", False),
    ],
)
def test_only_plain_web_addresses_are_links(address: str, *, is_link: bool) -> None:
    assert (safe_address(address) is not None) is is_link
    for text in (f"[word]({address})", f"<{address}>", f"[word][1]\n\n[1]: <{address}>"):
        found = nodes(text)
        hrefs = [element["href"] for element in elements(found) if element["t"] == "a"]
        assert all(safe_address(href) for href in hrefs)
        # What was cleaned is another address.
        assert is_link or not hrefs or clean(address) != address


def test_a_link_that_may_be_none_keeps_its_words_where_they_were() -> None:
    assert nodes("a [b **c**](ftp://x/) d") == [
        {"t": "p", "c": ["a b ", {"t": "strong", "c": ["c"]}, " d"]},
    ]


def test_html_is_text() -> None:
    text = "<script>alert(1)</script>\n\n<img src=x onerror=alert(1)> <b>b</b> <!-- c -->"
    found = nodes(text)
    assert {element["t"] for element in elements(found)} == {"p"}
    assert "".join(texts(found)) == text.replace("\n\n", "")


def test_an_image_is_a_link() -> None:
    found = nodes("![alt](https://example.com/x.png)")
    assert [element["t"] for element in elements(found)] == ["p", "a"]


@pytest.mark.parametrize(
    "hidden",
    ["a&#x202e;b", "&#x1b;[31mred", "a&#8203;b", "&#x200b;", "`a\u200bb`", "```\n\x1b[31mx\n```"],
)
def test_what_nobody_sees_is_gone_however_it_was_written(hidden: str) -> None:
    for text in texts(nodes(hidden)):
        assert clean(text) == text


def test_a_secret_behind_character_references_is_taken_out() -> None:
    hidden = "".join(f"&#{ord(char)};" for char in "ghp_0123456789012345678901234567890123456789")
    assert "0123456789" not in "".join(texts(nodes(f"token {hidden} end")))


@given(st.one_of(TEXT, st.text("[]()<>!`*_~#>-+|:/\\&;x1 \n\t.\u202e\x1b", max_size=120)))
def test_whatever_the_text_its_nodes_are_of_the_allow_list_and_clean(text: str) -> None:
    found = nodes(text)
    for element in elements(found):
        assert element["t"] in TAGS
        assert element.keys() <= {"t", "c", "href", "lang", "start"}
        assert ("href" in element) == (element["t"] == "a")
        assert safe_address(element.get("href", "https://x")) is not None
    for said in texts(found):
        assert clean(said) == said
    json.dumps(found).encode()


@pytest.mark.parametrize(
    "text",
    [
        ">" * 5000,
        "- " * 3000,
        "[" * 5000,
        "*a " * 9000,
        "*a* " * 9000,
        "|a" * 4000,
        "`" * 9000 + "a",
        "&" * 9000,
    ],
)
def test_a_text_made_to_be_costly_is_not(text: str) -> None:
    found = nodes(text)
    assert len(json.dumps(found)) < 20 * len(text) + 10_000
