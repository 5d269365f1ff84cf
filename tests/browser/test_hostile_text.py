"""Text is only ever text: in every field of everything that the page is given."""

from functools import partial
from typing import Any

import pytest

from tests.browser import example
from tests.browser.driver import Browser, expect
from tests.browser.hostile import ADDRESSES, STRINGS
from tests.browser.support import Feed, Json, Stage, refusal, result, stage

pytestmark = pytest.mark.scorecard("text in the task view is only text: 200 hostile strings in every field")

TAGS = {
    "a", "article", "aside", "blockquote", "body", "br", "button", "code", "dd", "details", "div", "dl",
    "dt", "em", "fieldset", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html",
    "input", "label", "legend", "li", "link", "main", "meta", "noscript", "ol", "p", "path", "pre",
    "progress", "s", "script", "section", "span", "strong", "style", "summary", "svg", "table", "tbody",
    "td", "textarea", "th", "thead", "time", "title", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "aria-busy", "aria-disabled", "aria-hidden", "aria-label", "aria-labelledby", "aria-describedby",
    "autocomplete", "charset", "checked", "class", "content", "d", "data-height", "data-index",
    "data-theme", "datetime", "for", "hidden", "href", "http-equiv", "id", "lang", "max", "maxlength",
    "minlength", "name", "open", "rel", "required", "role", "rows", "spellcheck", "start", "step",
    "style", "tabindex", "target", "title", "type", "value", "viewBox",
}  # fmt: skip
SURVEY = """() => {
  const tags = new Set(), attributes = new Set(), links = new Set(), styled = new Set();
  for (const one of document.querySelectorAll("*")) {
    tags.add(one.localName);
    for (const { name } of one.attributes) attributes.add(name);
    if (one.hasAttribute("href")) links.add(one.getAttribute("href"));
    if (one.hasAttribute("style") && one !== document.documentElement) styled.add(one.localName);
  }
  const scripts = document.querySelectorAll("script, style, link, meta, base").length;
  return { tags: [...tags], attributes: [...attributes], links: [...links], styled: [...styled], scripts };
}"""
_AT_ONCE = 50
"""Strings that one update of the page brings, in every field of every entry and need."""

STRUCTURE = {"t", "k", "index", "task_id", "organization", "cursor", "first", "total", "answers", "turn"}
"""Where a word decides what something is; those get their own test."""

STRUCTURAL = ("__proto__", "constructor", "toString", "script", "iframe", "STYLE", "svg", "onclick", "")


def poisoned(value: object, text: str, *, structure: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """``value`` with ``text`` in the place of every text in it."""
    match value:
        case str():
            return text
        case dict():
            return {
                key: each if key in STRUCTURE and not structure else poisoned(each, text, structure=structure)
                for key, each in value.items()
            }
        case list():
            return [poisoned(each, text, structure=structure) for each in value]
        case _:
            return value


def with_kinds(made: Json, like: Json) -> Json:
    """``made`` with what ``like`` says that it is."""
    return {**made, **{key: like[key] for key in ("kind", "state") if key in like}}


async def nothing_happened(on: Stage, scripts: int) -> None:
    await on.view.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = await on.view.evaluate(SURVEY)
    assert set(found["tags"]) <= TAGS
    assert set(found["attributes"]) <= ATTRIBUTES
    assert found["styled"] == []
    assert found["scripts"] == scripts
    strange = [link for link in found["links"] if not link.lower().startswith(("http://", "https://", "#/"))]
    assert strange == []
    for frame in on.page.frames:
        assert await frame.evaluate("window.pwned") is None
    assert len(on.page.frames) == 2
    assert on.requests == []
    # Not even an attempt that the policy would have stopped.
    assert on.complaints == []


async def survey_of_scripts(on: Stage) -> int:
    count: int = (await on.view.evaluate(SURVEY))["scripts"]
    return count


def test_there_are_two_hundred_hostile_strings() -> None:
    assert len(STRINGS) >= 200


async def test_in_every_field_of_every_entry_and_need(browser: Browser) -> None:
    # One of every shape; all fields of their kind are in them.
    entries = list({(item["kind"], "diff" in item): item for item in example.items()}.values())
    feed = Feed(example.task())
    async with stage(browser, feed) as on:
        await on.open_task(example.TASK_ID)
        scripts = await survey_of_scripts(on)
        for start in range(0, len(STRINGS), _AT_ONCE):
            some = list(enumerate(STRINGS))[start : start + _AT_ONCE]
            news = [
                with_kinds({**poisoned(like, text), "index": 100 + n * len(entries) + m}, like)
                for n, text in some
                for m, like in enumerate(entries)
            ]
            needs = [
                with_kinds({**poisoned(like, text), "id": f"{m}-{n}"}, like)
                for n, text in some
                for m, like in enumerate((example.APPROVAL, example.QUESTION, example.PLAN))
            ]
            feed.tell(*news, attention=needs)
            shown_entries = (start + len(some)) * len(entries)
            await expect(on.view.locator("li.item")).to_have_count(shown_entries)
            await expect(on.view.locator(".card")).to_have_count(len(needs))
            await nothing_happened(on, scripts)
        shown = await on.view.locator(".item.user .prose").evaluate_all(
            "all => all.map(one => one.textContent)"
        )
        assert shown == STRINGS


async def test_in_every_field_of_the_head(browser: Browser) -> None:
    feed = Feed(example.task())
    async with stage(browser, feed) as on:
        await on.stop_clock()
        await on.open_task(example.TASK_ID)
        scripts = await survey_of_scripts(on)
        for start in range(0, len(STRINGS), 10):
            text = " ".join(STRINGS[start : start + 10])
            head = {key: each for key, each in example.task().items() if key not in {"items", *STRUCTURE}}
            feed.tell(**poisoned(head, text))
            is_shown = "text => document.querySelector('h1').textContent === `“${text}”`"
            await on.pass_time_until(partial(on.view.evaluate, is_shown, text))
            await nothing_happened(on, scripts)


async def test_in_the_words_that_say_what_something_is(browser: Browser) -> None:
    like = example.task(attention=[example.APPROVAL, example.QUESTION])
    feed = Feed(like)
    async with stage(browser, feed) as on:
        await on.open_task(example.TASK_ID)
        scripts = await survey_of_scripts(on)
        for word in STRUCTURAL:
            view = poisoned(like, word, structure=True)
            view["items"] = [{**item, "index": n} for n, item in enumerate(view["items"])]
            feed.view = view
            await on.open_task(example.TASK_ID)
            await expect(on.view.locator("h1")).to_have_text(f"“{word}”" if word else "Neo task")
            await expect(on.view.locator("li.item.unknown")).to_have_count(len(view["items"]))
            await nothing_happened(on, scripts)


async def test_in_addresses(browser: Browser) -> None:
    links = [example.paragraph(example.tag("a", f"link {n}", href=href)) for n, href in enumerate(ADDRESSES)]
    entities = [{"kind": "stack", "label": f"entity {n}", "url": url} for n, url in enumerate(ADDRESSES)]
    item = {"index": 0, "id": "a", "kind": "assistant", "who": "Neo", "text": links}
    feed = Feed(example.task(items=[item], total=1, entities=entities))
    async with stage(browser, feed) as on:
        await on.stop_clock()
        await on.open_task(example.TASK_ID)
        own = on.view.get_by_role("link", name="Open in Pulumi Cloud")
        await expect(on.view.get_by_text(f"link {len(ADDRESSES) - 1}")).to_be_visible()
        assert await on.view.locator("main a").count() == 0
        for url in ADDRESSES:
            feed.tell(url=url, activity=url)
            is_shown = "text => document.querySelector('.doing').title === text"
            await on.pass_time_until(partial(on.view.evaluate, is_shown, url))
            await expect(own).to_be_hidden()


async def test_in_the_list_and_in_refusals(browser: Browser) -> None:
    rows = [
        {**poisoned(example.tasks()["tasks"][0], text), "task_id": f"t{n}", "attention": None}
        for n, text in enumerate(STRINGS)
    ]

    async def answer(tool: str, _: Json) -> Json:
        if tool == "view_task":
            return refusal("".join(STRINGS[:60]))
        return result({"organization": "acme", "tasks": rows, "next": None})

    async with stage(browser, answer) as on:
        await on.open()
        scripts = await survey_of_scripts(on)
        await expect(on.view.locator("ul.tasks li")).to_have_count(len(rows))
        await nothing_happened(on, scripts)
        await on.view.locator("ul.tasks a").first.click()
        await expect(on.view.get_by_role("heading", name="This did not work")).to_be_visible()
        await nothing_happened(on, scripts)
