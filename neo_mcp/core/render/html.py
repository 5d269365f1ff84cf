"""A transcript as one static web page without external resources.

Owns the page around it and the colours of diffs; Markdown is the work of markdown-it. Neo's text is
untrusted: its HTML is shown as text, its images are links, and the page's own policy forbids scripts and
external resources.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from neo_mcp.core.links import honest, host_behind, safe_address
from neo_mcp.core.sanitize import clean, one_line

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }
pre { overflow-x: auto; padding: .7rem; border: 1px solid #8884; border-radius: 6px; font-size: 14px; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
pre code { overflow-wrap: normal; }
blockquote { margin: .5rem 0; padding-left: 1rem; border-left: 3px solid #8888; }
table { border-collapse: collapse; }
td, th { border: 1px solid #8884; padding: .2rem .5rem; }
.add { color: #1a7f37; }
.del { color: #cf222e; }
.hunk { color: #8250df; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
_KINDS = {"+": "add", "-": "del", "@": "hunk"}


def page(title: str, markdown: str) -> str:
    """A whole HTML document.

    Args:
        title: Of the window.
        markdown: The transcript, without invisible characters. Those that its own spelling hides are removed
            here.
    """
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(one_line(title))}</title>",
        f"<style>{_STYLE}</style>",
    ]
    body = _rendered(markdown)
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        *head,
        "</head>",
        "<body>",
        body,
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _rendered(markdown: str) -> str:
    parser = _parser()
    env: EnvType = {}
    tokens = parser.parse(clean(markdown), env)
    for token in tokens:
        token.content = clean(token.content)
        if token.children:
            token.children = list(_shown(token.children))
    return str(parser.renderer.render(tokens, parser.options, env))


def _shown(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield a line's tokens, with hidden characters removed and with the host that a link leads to."""
    opened: Token | None = None
    words: list[str] = []
    for token in tokens:
        token.content = clean(token.content)
        words.append(token.content)
        if token.type == "link_open":
            opened, words = token, []
            # A tooltip could show another address.
            opened.attrs.pop("title", None)
        yield token
        if token.type == "link_close" and opened is not None:
            if host := host_behind("".join(words), str(opened.attrGet("href") or "")):
                yield Token("text", "", 0, content=f" ({host})")
            opened = None


def _parser() -> MarkdownIt:
    parser = honest(MarkdownIt("commonmark", {"html": False}).enable("table"))
    # Without images there is "!" and a link: nothing is loaded from addresses in Neo's text.
    parser.disable("image")
    parser.validateLink = lambda url: safe_address(url) is not None  # type: ignore[method-assign]  # its way
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("link_open", _link)
    return parser


def _fence(_: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    del options, env
    token = tokens[index]
    lines = token.content.rstrip("\n").split("\n")
    shown = map(_diff_line, lines) if token.info.strip() == "diff" else map(escape, lines)
    return f"<pre><code>{chr(10).join(shown)}</code></pre>\n"


def _diff_line(line: str) -> str:
    kind = _KINDS.get(line[:1])
    return f'<span class="{kind}">{escape(line)}</span>' if kind else escape(line)


def _link(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: Any,  # noqa: ANN401 - the library's
) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return renderer.renderToken(tokens, index, options, env)
