"""A transcript as a web page: pleasant to read, and unable to do anything."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.render.html import page

ACTIVE = {
    "script",
    "iframe",
    "img",
    "object",
    "embed",
    "link",
    "form",
    "input",
    "svg",
    "video",
    "audio",
    "base",
}


class Reader(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def assert_harmless(html: str) -> None:
    found = read(html)
    assert not ACTIVE & set(found.tags)
    for name, value in found.attributes:
        assert not name.startswith("on")
        assert name not in {"src", "srcset", "style", "action"}
        if name == "href":
            assert not re.match(r"\s*(?:javascript|data|vbscript|file):", value, re.IGNORECASE)


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![a](https://example.com/pixel.png)",
        "[a](javascript:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        '<https://example.com/"onclick=alert(1)>',
        "```diff\n+<b onclick=x>\n```",
        "```\n</code></pre><script>\n```",
        "| <script> | a |\n|---|---|\n| <iframe> | b |",
        "<!-- --><style>*{}</style>",
    ],
)
def test_nothing_in_it_can_act(markdown: str) -> None:
    assert_harmless(page("<script>", markdown))


@given(st.text(alphabet="<>&\"'`[]()!|*_#-\n \\abhrefjavascript:/=", max_size=60))
def test_whatever_is_written_cannot_act(markdown: str) -> None:
    assert_harmless(page(markdown, markdown))


def test_its_own_policy_forbids_all_but_its_style() -> None:
    html = page("A task", "Hello")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert policy is not None
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert "default-src 'none'" in policy[1]
    assert f"style-src 'sha256-{digest}'" in policy[1]


def test_markdown_becomes_a_page() -> None:
    html = page(
        "A task", "# A task\n\n**Neo** `code`\n\n- [x] done\n\n```diff\n@@ -1 +1 @@\n-a\n+b\n c\n```\n"
    )
    assert "<title>A task</title>" in html
    assert "<h1>A task</h1>" in html
    assert "<strong>Neo</strong> <code>code</code>" in html
    assert (
        '<span class="hunk">@@ -1 +1 @@</span>\n<span class="del">-a</span>\n<span class="add">+b</span>\n c'
        in html
    )


def test_links_tell_nobody_where_they_come_from() -> None:
    assert 'rel="noopener noreferrer nofollow"' in page("x", "<https://example.com>")
