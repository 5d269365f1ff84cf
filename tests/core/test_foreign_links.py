"""Whatever is written where, an exported conversation links to the web alone and loads nothing."""

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from neo_mcp.core.links import host_behind, safe_address, safe_markdown
from neo_mcp.core.render.form_text import FormText
from neo_mcp.core.render.html import page
from neo_mcp.core.render.transcript import transcript
from neo_mcp.core.sanitize import clean
from neo_mcp.core.view.markdown import nodes
from neo_mcp.wire import Event, Task, parse_event
from tests.support.examples import long

URL = "https://app.pulumi.com/acme/neo/tasks/1"
HOST = "evil.example"

ADDRESSES = [
    *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "jav&#x09;ascript:alert(1)", "&#106;avascript:alert(1)"),
    *("javascript&colon;alert(1)", "java%73cript:alert(1)", "vbscript:x", "data:text/html,x", "blob:x"),
    *("data:image/svg+xml;base64,PHN2Zz4=", "file:///etc/passwd", "ms-msdt:/id", "ms-word:ofe|u|http://x"),
    *(
        "search-ms:query=x",
        "smb://evil.example/share",
        "//evil.example/x",
        "///evil.example",
        "/\\evil.example",
    ),
    *(
        "\\\\evil.example\\share",
        "\\\\\\\\evil.example\\\\share",
        "https:\\\\evil.example",
        "https:/evil.example",
    ),
    *("https:evil.example", "http:///evil.example", "ftp://evil.example", "mailto:a@evil.example", "tel:1"),
    *(
        "https://app.pulumi.com@evil.example/",
        "https://app.pulumi.com:443@evil.example",
        "https://a:b@evil.example",
    ),
    *(
        "https://app.pulumi.com%40evil.example",
        "https://app.pulumi.com\\@evil.example",
        "https://\u0430pp.pulumi.com",
    ),
    *(
        "https://app.pulumi\u3002com",
        "https://[::1]/",
        "./x",
        "../x",
        "#x",
        "?x",
        "x",
        "view-source:https://x",
    ),
    "https://\u202emoc.imulup",
]
FORMS = [
    *(
        "[a]({})",
        "[a](<{}>)",
        "[a]({} 'title')",
        '[a]({} "t")',
        "[a](\n{}\n)",
        "<{}>",
        "[a]\n\n[a]: {}",
        "![a]({})",
    ),
    *(
        "[a]: {}",
        "[a]:\n  <{}>\n\n[a][]",
        "![a][b]\n\n[b]: {}",
        "[^1]\n\n[^1]: {}",
        "[![a]({})]({})",
        "[a [b]]({})",
    ),
    *(
        "\t[a]({})",
        "- [a]({})\n  - ![b]({})",
        "| a |\n|---|\n| [a]({}) |",
        "# [a]({})",
        "**[a]({})**",
        "\\[a]({})",
    ),
    *(
        "`` ` `` [a]({}) `",
        "\\` [a]({}) \\`",
        "```\n```\n[a]({})",
        "> [a]({})",
        "[a\n]({})",
        "{}",
        "see {} now",
    ),
    *(
        '<a href="{}">a</a>',
        '<img src="{}">',
        '<base href="{}">',
        "<svg><a xlink:href='{}'>",
        "<math href='{}'>x</math>",
    ),
    *(
        '<style>@import "{}"</style>',
        '<div style="background:url({})">',
        "<iframe src={}>",
        "<!-- {} -->",
        "<?x {} ?>",
    ),
    *('<link rel=stylesheet href="{}">', "<form action={}>", "<meta http-equiv=refresh content='0;url={}'>"),
]
BAD = [form.replace("{}", address) for form, address in product(FORMS, ADDRESSES)]
IMAGES = [form.replace("{}", f"https://{HOST}/pixel.png") for form in FORMS]
"""Safe addresses, which must not be loaded all the same."""


def event(kind: str, **fields: Any) -> Event:  # noqa: ANN401 - any JSON
    body = {"type": kind, "timestamp": "2026-01-01T00:00:00Z", **fields}
    return parse_event(json.dumps({"id": kind, "type": "agentResponse", "eventBody": body}))


def conversation(text: str) -> str:
    """A transcript with ``text`` in every place that somebody else fills."""
    task = Task.model_validate(
        {
            "id": "t1",
            "name": text,
            "status": text,
            "createdAt": text,
            "approvalMode": text,
            "permissionMode": text,
        }
        | {"entities": [{"type": "stack", "name": text, "project": text}]}
    )
    todo = {"id": "c", "name": "todo__TodoWrite", "args": {"todos": [{"content": text, "status": text}]}}
    call = {"id": "d", "name": text, "args": {text: text}}
    context = {"tool_name": text, "plan_description": text, "git_diff": {text: text}}
    return transcript(
        task,
        [
            event("assistant_message", content=text, tool_calls=[todo, call]),
            event("user_message", content=text),
            event("tool_response", tool_call_id="d", name=text, content=text),
            event("user_approval_request", id=text, message=text, sensitivity=text, context=context),
            event("user_confirmation", approval_request_id=text, ok=False, instructions=text),
            event("error", message=text),
            event("warning", message=text),
            event("set_task_name", name=text),
            event("context_compression_event", status=text, message=text),
            event(f"x{text}", more=text),
        ],
        url=URL,
    )


def _any_address(url: str) -> bool:  # noqa: ARG001 - the library passes it
    return True


def acted_on(markdown: str, *flavours: str) -> Iterator[str]:
    """What a renderer that knows no rule would link to, load, or take for HTML."""
    parser = MarkdownIt("commonmark").enable(list(flavours))
    parser.validateLink = _any_address  # type: ignore[method-assign]  # as other renderers
    todo = list(parser.parse(markdown))
    while todo:
        token = todo.pop()
        todo += token.children or []
        if token.type == "link_open":
            yield str(token.attrGet("href"))
        elif token.type in {"image", "html_inline", "html_block"}:
            yield token.type


class Page(HTMLParser):
    """Collects elements and attributes as a browser would see them, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


STRUCTURE = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "h3",
        "p",
        "pre",
        "code",
        "span",
        "strong",
        "em",
    ),
    *("blockquote", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "a", "hr", "br"),
}
PLAIN = {
    ("span", "class"),
    ("code", "class"),
    ("ol", "start"),
    ("th", "style"),
    ("td", "style"),
    ("a", "rel"),
}


def check(text: str) -> None:
    """Assert that a conversation with ``text`` everywhere is harmless in every form of it."""
    markdown = conversation(text)
    for flavours in ((), ("table", "strikethrough")):
        assert [link for link in acted_on(markdown, *flavours) if not safe_address(link)] == []
    found = Page(page(clean(text), markdown))
    assert found.tags <= STRUCTURE
    for tag, name, value in found.attributes:
        if (tag, name) == ("a", "href"):
            assert safe_address(value), value
        elif tag not in {"meta", "html"}:
            assert (tag, name) in PLAIN
            assert "url" not in value
    # Tables have empty lines of their own.
    assert clean(found.text).split() == found.text.split()


def in_turns(form: str, most: int) -> list[str]:
    """Some of the addresses, others for every form."""
    first = FORMS.index(form)
    return [ADDRESSES[(first * most + n) % len(ADDRESSES)] for n in range(most)]


@pytest.mark.parametrize("most", [3, long(len(ADDRESSES))])
@pytest.mark.parametrize("form", FORMS)
def test_no_address_outside_the_rule_is_linked_and_nothing_is_loaded(form: str, most: int) -> None:
    for address in in_turns(form, most):
        check(form.replace("{}", address))


@pytest.mark.parametrize("text", IMAGES)
def test_what_would_be_loaded_from_a_safe_address_is_not(text: str) -> None:
    check(text)


@pytest.mark.parametrize("address", ADDRESSES)
def test_only_addresses_that_look_like_what_they_are_may_be_links(address: str) -> None:
    assert safe_address(address) is None


@example(["`", "| a |\n|---|\n| [a](https://[::1]/) |", "`"])
@given(
    st.lists(
        st.sampled_from(BAD + IMAGES) | st.text(alphabet="![]()<>:/\\`'\"&#;=\n -abx1", max_size=20),
        max_size=4,
    )
)
def test_nor_is_it_when_they_stand_together(pieces: list[str]) -> None:
    check("\n".join(pieces))


def test_a_definition_in_one_message_makes_no_link_or_image_of_anothers_words() -> None:
    task = Task.model_validate({"id": "t1", "name": "x", "status": "idle", "createdAt": "now"})
    said = [
        "[x]: https://evil.example/pixel.png",
        "![a][x] and [app.pulumi.com]",
        "[app.pulumi.com]: https://evil.example",
    ]
    todo = {
        "id": "c",
        "name": "todo__TodoWrite",
        "args": {"todos": [{"content": "done", "status": "completed"}]},
    }
    events = [event("assistant_message", content=words, tool_calls=[todo]) for words in said]
    assert list(acted_on(transcript(task, events, url=URL))) == [URL]


@pytest.mark.parametrize(
    "blank",
    [
        *("&nbsp;", "&#160; ", "&#xA0;", "&emsp;\n", "<br>", "<br />\n> ", "&nbsp;<br>", "\\\n", "\\\n> "),
        *("[](https://a.example)", "[](https://a.example)\\\n", "\u00a0" * 100 + "[ ](https://a.example)"),
    ],
)
@pytest.mark.parametrize("has_code", [False, True])
def test_no_run_of_blanks_moves_words_out_of_sight(blank: str, has_code: bool) -> None:
    text = f"All is well.{blank * 40}It deletes all."
    rendered = MarkdownIt("commonmark", {"html": True}).render(safe_markdown(text, has_code=has_code))
    assert "<br" not in rendered
    assert not re.search(r"[\s\u00a0]{130}", rendered)
    assert "<a " not in rendered
    assert nodes(text)[0] == {"t": "pre", "c": [clean(text)]}
    once = f"a{blank}b"
    assert "\\\\" not in safe_markdown(once, has_code=True)


@pytest.mark.parametrize(
    "hidden",
    ["&#x202e;", "&#8203;", "&shy;", "&zwj;", "&#x1b;[31m", "&#x1B;", "&#xE0041;", "&ZeroWidthSpace;"],
)
def test_a_character_reference_hides_nothing(hidden: str) -> None:
    check(f"a{hidden}b")
    assert hidden not in safe_markdown(f"a{hidden}b")
    assert safe_markdown("&amp; &lt; &eacute; &copy; R&D") == "&amp; &lt; &eacute; &copy; R&D"


def test_a_secret_that_is_spelled_in_references_is_not_shown_as_one() -> None:
    secret = "AKIA" + "IOSFODNN7EXAMPLE"
    text = secret.replace("A", "&#65;")
    assert secret not in Page(page("t", conversation(text))).text
    assert secret not in json.dumps(nodes(text))


@pytest.mark.parametrize(
    ("words", "address", "host"),
    [
        ("app.pulumi.com", "https://evil.example/", "evil.example"),
        ("https://app.pulumi.com/acme", "https://evil.example/app.pulumi.com", "evil.example"),
        ("see app.pulumi.com for more", "https://evil.example", "evil.example"),
        ("https://app.pulumi.com@evil.example", "https://evil.example", "evil.example"),
        ("app\uff0epulumi\uff0ecom", "https://evil.example", "evil.example"),
        ("\u0430pp.pulumi.com", "https://xn--pp-6kc.pulumi.com", "xn--pp-6kc.pulumi.com"),
        ("app.pulumi.com", "https://app.pulumi.com.evil.example/", "app.pulumi.com.evil.example"),
        ("app.pulumi.com", "https://APP.pulumi.com/x", ""),
        ("pulumi.com", "https://www.pulumi.com/docs", ""),
        (
            "https://github.com/acme/shop/blob/main/index.ts",
            "https://github.com/acme/shop/blob/main/index.ts",
            "",
        ),
        ("the documentation", "https://www.pulumi.com/docs", ""),
    ],
)
def test_a_link_that_names_one_host_and_leads_to_another_shows_which(
    words: str, address: str, host: str
) -> None:
    assert host_behind(words, address) == host
    shown = Page(page("t", f"[{words}]({address})")).text
    tree = json.dumps(nodes(f"[{words}]({address})"))
    text = safe_markdown(f"[{words}]({address})")
    for rendered in (shown, tree, text):
        assert (f"({host})" in rendered) == bool(host)


def test_a_tooltip_tells_of_no_other_address() -> None:
    text = '[a](https://evil.example "https://app.pulumi.com")'
    assert not list(acted_on(safe_markdown(text)))
    assert "title=" not in page("t", text)


@pytest.mark.parametrize("address", [a for a in ADDRESSES if re.match(r"\w+://|mailto|tel", a)])
def test_a_bare_address_that_renderers_link_by_themselves_is_written_so_that_they_do_not(
    address: str,
) -> None:
    text = safe_markdown(f"see {address} now")
    assert address not in text or "&" in address
    assert safe_markdown("see https://example.com/a?b=c. And (http://localhost:8080)") == (
        "see https://example.com/a?b=c. And (http://localhost:8080)"
    )


def quote(text: str) -> str:
    form = FormText("Pulumi Neo asks for permission.")
    form.begin_values()
    form.add_values("Task", text)
    form.add_quote("Neo writes", text, tokens=1000, rest="the rest")
    form.add_quote("Diff", text, tokens=1000, rest="the rest", is_code=True)
    return form.text


@pytest.mark.parametrize("most", [3, long(len(ADDRESSES))])
@pytest.mark.parametrize("form", FORMS)
def test_a_form_has_no_such_links_either(form: str, most: int) -> None:
    for address in in_turns(form, most):
        found = [link for link in acted_on(quote(form.replace("{}", address))) if not link.startswith("html")]
        assert [link for link in found if not safe_address(link)] == []


def test_code_in_a_form_stays_as_it_is() -> None:
    code = "+const a: Array<string> = b[0];\n-foo<T>(x)"
    assert "> +const a: Array<string> = b[0];\n> -foo<T>(x)" in quote(code)


RENDERERS: list[Callable[[str], object]] = [safe_markdown, nodes]


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize(
    "unit",
    [
        "[",
        "![",
        "[a](",
        "[a][",
        "`",
        "`a``b```",
        "*a_",
        "&#x1;",
        "<a",
        "a\n",
        "[a]:\n",
        "//",
        "x://",
        "http://",
        "://a:b",
        "mailto:",
    ],
)
def test_a_long_text_of_marks_takes_no_longer_than_others(unit: str, render: Callable[[str], object]) -> None:
    # A parser would take seconds for what is refused to it.
    assert render(unit * (100_000 // len(unit)))
