"""Links in text from outside: to the web alone, and nothing is loaded by looking."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from neo_mcp.core.links import safe_address, safe_markdown
from neo_mcp.core.render.html import page
from neo_mcp.core.render.transcript import event_block
from neo_mcp.wire import Event, UserMessage

UNSAFE = [
    "ms-msdt:/id PCWDiagnostic",
    "smb://host/share",
    "//host/share",
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "vscode://open",
    "\\\\host\\share",
    "https://good.example@evil.example/",
    "./file.md",
    "mailto:a@b.c",
    "HTTPS://h%20ost",
]


@pytest.mark.parametrize("address", UNSAFE)
def test_only_plain_addresses_of_the_web_are_links(address: str) -> None:
    assert safe_address(address) is None


def _any_address(url: str) -> bool:  # noqa: ARG001 - the library passes it
    return True


def links(markdown: str) -> list[str]:
    """What a renderer that knows no rule would link, load or take for HTML."""
    parser = MarkdownIt("commonmark")
    parser.validateLink = _any_address  # type: ignore[method-assign]  # as other renderers
    found: list[str] = []
    todo = list(parser.parse(markdown))
    while todo:
        token = todo.pop()
        todo += token.children or []
        if token.type == "link_open":
            found.append(str(token.attrGet("href")))
        elif token.type in {"image", "html_inline", "html_block"}:
            found.append(token.type)
    return found


@pytest.mark.parametrize("address", UNSAFE)
@pytest.mark.parametrize(
    "form", ["[a]({})", "[a](<{}>)", "[a]({} 'title')", "<{}>", "[a]\n\n[a]: {}", "![a]({})"]
)
def test_links_to_elsewhere_become_text(form: str, address: str) -> None:
    text = safe_markdown(f"Look: {form.format(address)} now")
    assert links(text) == []
    words = address.split(" ", maxsplit=1)[0].replace("\\", "").strip("/.")
    assert words in text.replace("\\", "")


def test_images_become_links() -> None:
    text = safe_markdown("See ![the plan](https://example.com/plan.png).")
    assert text == "See [the plan](https://example.com/plan.png)."


@pytest.mark.parametrize(
    "text",
    [
        "[docs](https://example.com/docs) and <https://example.com>",
        "`[a](javascript:x)` and `<b>`",
        "```ts\nconst a: Array<string> = [b](c);\n![x](y)\n```",
        "    <b>indented</b> code",
        "a < b and c > d, list[0], - [x] done",
    ],
)
def test_good_links_and_code_stay_as_they_are(text: str) -> None:
    assert safe_markdown(text) == text


def test_code_beside_a_bad_link_stays_as_it_is() -> None:
    text = safe_markdown("[a](smb://h)\n\n```ts\nArray<string>[0]\n```\n\nand `<b>` <i>here</i>")
    assert "```ts\nArray<string>[0]\n```" in text
    assert "`<b>`" in text
    assert links(text) == []


@given(st.text(alphabet="![]()<>:/\\`'\"&#;=\n -abjsmhtp1", max_size=60))
@example("[a]:\n<b>")
@example("[&#x6a;](&#106;avascript:x)")
@example("`[a`](smb://x)`")
@example("[a](smb:\n//x)")
def test_whatever_is_written_nothing_unsafe_is_left(text: str) -> None:
    assert all(safe_address(link) for link in links(safe_markdown(text)))


@pytest.mark.parametrize("address", UNSAFE)
def test_exports_have_no_such_link(address: str) -> None:
    event = Event(
        id="1", type="userInput", body=UserMessage(content=f"[a](<{address}>) ![b](https://e.example/x)")
    )
    block = event_block(event)
    assert [link for link in links(block) if not safe_address(link)] == []
    html = page("t", block)
    assert all(safe_address(href) for href in re.findall(r'href="([^"]*)"', html))
    assert "<img" not in html


def test_a_table_that_a_parser_would_fill_up_is_text() -> None:
    small, wide = ("|a" * columns + "|\n" + "|-" * columns + "|\n" + "|b\n" * 50 for columns in (50, 500))
    link = "\n[x](https://example.com/)"
    assert safe_markdown(small + link) == small + link
    assert safe_markdown(wide + link) == wide + link.replace("[", "\\[")
