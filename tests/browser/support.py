"""A host with the task view in a frame, in a real Chromium, for tests of the page.

Nothing here reaches a network: whatever the page asks for is answered here or cut off, and noted.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio

from neo_mcp.server.apps.bundle import page as page_source
from tests.browser import example
from tests.browser.driver import Browser, ConsoleMessage, Frame, Page, Route, async_playwright, expect
from tests.support.host import PATIENCE, until
from tests.support.optional import path_of

HERE = Path(__file__).parent
HOST_PAGE = (HERE / "host.html").read_text("utf-8")
HOST_URL = "http://host.test/"
WIDTHS = (320, 768, 1280)
THEMES = ("light", "dark")
HEIGHT = 820

Json = dict[str, Any]
Answer = Callable[[str, Json], Awaitable[Json | None]]
"""Answers a tool's call: with its result, or an object with an error; ``None`` leaves it unanswered."""


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    # Machines that test have other things to do; what is expected comes, or never does.
    expect.set_options(timeout=1000 * PATIENCE)
    async with async_playwright() as playwright:
        # Containers have no namespaces for Chromium's own sandbox; all that it opens are our own pages.
        browser = await playwright.chromium.launch(executable_path=path_of("chromium"), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


def result(content: Json, text: str = "") -> Json:
    """A tool's result."""
    return {"content": [{"type": "text", "text": text}], "structuredContent": content}


def refusal(text: str) -> Json:
    """A tool's refusal."""
    return {"isError": True, "content": [{"type": "text", "text": text}]}


LOST: Json = {"error": {"code": -32000, "message": "Connection closed"}}
"""What a host says whose server is gone."""


class Feed:
    """Answers as a server does whose task a test changes: a look with a cursor waits for ``tell``.

    Attributes:
        responses: What ``respond`` says, one after the other; the last one again and again.
        most: The most looks that were under way at the same time.
    """

    def __init__(self, view: Json) -> None:
        self.view = view
        self.older: Callable[[int], list[Json]] = lambda _: []
        self.responses: list[Json] = [result({"sent": "It was sent."})]
        self.most = 0
        self._looking = 0
        self._told = 0
        self._news: list[Json] = []
        self._sent: Json | None = None

    def tell(self, *items: Json, **changes: object) -> None:
        """Something happened: these items are new or changed, and the head is different."""
        self.view = {**self.view, **changes}
        self.view["total"] = max([self.view["total"], *(item["index"] + 1 for item in items)])
        self._told += 1
        self._news.append(result({**self.view, "items": list(items), "cursor": f"told-{self._told}"}))

    def fail(self, *answers: Json) -> None:
        """The next looks end like this."""
        self._news += answers

    async def __call__(self, tool: str, arguments: Json) -> Json | None:
        if tool == "view_tasks":
            return result(example.tasks())
        if tool == "respond":
            return self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        if "before" in arguments:
            return result({**self.view, "items": self.older(arguments["before"])})
        self._looking += 1
        self.most = max(self.most, self._looking)
        try:
            if "cursor" not in arguments:
                self._sent = None
                return result(self.view)
            # A page whose time is made to pass may give a look up whose answer is on its way.
            await until(lambda: self._news or self._missed(arguments["cursor"]))
            if (missed := self._missed(arguments["cursor"])) is not None:
                return missed
            news = self._news.pop(0)
            if "cursor" in news.get("structuredContent", {}):
                self._sent = news
            return news
        finally:
            self._looking -= 1

    def _missed(self, cursor: str) -> Json | None:
        """The last news, if the page that looks with ``cursor`` has not seen them."""
        return self._sent if self._sent and self._sent["structuredContent"]["cursor"] != cursor else None


class Stage:
    """A host's window with the page in its frame.

    Attributes:
        calls: What the page called, in order: tools and arguments.
        requests: Addresses that something in the window asked for, but the host's own.
        complaints: What the browser's console said, such as what a policy stopped; and errors of scripts.
    """

    def __init__(self, page: Page, answer: Answer, host_page: str) -> None:
        self.page = page
        self.answer = answer
        self._host_page = host_page
        self.calls: list[tuple[str, Json]] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._scopes: set[anyio.CancelScope] = set()
        self._is_closed = False

    async def prepare(self) -> None:
        """Take the window over."""
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await self.page.expose_function("callTool", self._call)
        await self.page.route("**/*", self._route)
        await self.page.goto(HOST_URL)

    async def open(
        self,
        opening: Iterable[tuple[str, Json]] = (),
        *,
        html: str = "",
        size: str = f"{HEIGHT}px",
        **context: Any,  # noqa: ANN401 - what a host says of itself
    ) -> None:
        """Put the page into the frame, and tell it what it was opened for."""
        context.setdefault("containerDimensions", {"height": HEIGHT})
        arguments = [html or page_source().html, context, [list(one) for one in opening], size]
        await self.page.evaluate(
            "([html, context, opening, size]) => openApp(html, context, opening, size)", arguments
        )
        await self.view.locator("main:not([aria-busy])").wait_for()

    async def open_task(self, task_id: str, **context: Any) -> None:  # noqa: ANN401 - likewise
        await self.open([("ui/notifications/tool-input", {"arguments": {"task_id": task_id}})], **context)

    @property
    def view(self) -> Frame:
        """The page's frame."""
        return self.page.frames[1]

    async def heard(self, method: str) -> list[Json]:
        """What the page told its host by this method."""
        script = "method => heard.filter(message => message.method === method)"
        messages: list[Json] = await self.page.evaluate(script, method)
        return messages

    async def notify(self, method: str, params: Json) -> None:
        await self.page.evaluate("([method, params]) => notify(method, params)", [method, params])

    async def stop_clock(self) -> None:
        """Let no time pass for the page but by ``clock.run_for``, so that nothing depends on the machine."""
        start = datetime.now(UTC)
        await self.page.clock.install(time=start)
        await self.page.clock.pause_at(start + timedelta(seconds=1))

    async def pass_time_until(self, holds: Callable[[], Awaitable[object]]) -> None:
        """Let the stopped clock run on until ``holds`` does."""
        with anyio.fail_after(PATIENCE):
            while not await holds():
                await self.page.clock.run_for(500)

    async def resize(self, width: int) -> None:
        """Give the window another width, and the page the time to follow."""
        await self.page.set_viewport_size({"width": width, "height": HEIGHT})
        await self.view.wait_for_function("width => innerWidth === width", arg=width)
        await self.page.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    async def text(self, selector: str) -> str:
        """What a reader sees there, in one line."""
        return re.sub(r"\s+", " ", await self.view.locator(selector).first.inner_text()).strip()

    async def called(self, tool: str, times: int = 1) -> list[Json]:
        """The arguments of the calls of a tool, once there are so many."""
        await until(lambda: len(self.of(tool)) >= times)
        return self.of(tool)

    def of(self, tool: str) -> list[Json]:
        return [arguments for name, arguments in self.calls if name == tool]

    async def _call(self, tool: str, arguments: Json, _: object) -> Json | None:
        if self._is_closed:
            return None
        self.calls.append((tool, arguments))
        answer: Json | None = None
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            answer = await self.answer(tool, arguments)
        self._scopes.discard(scope)
        return answer if answer is None or "error" in answer else {"result": answer}

    async def close(self) -> None:
        """End the calls that are under way; a page that calls again gets no answer."""
        self._is_closed = True
        for scope in self._scopes:
            scope.cancel()
        await until(lambda: not self._scopes)

    async def _route(self, route: Route) -> None:
        if route.request.url == HOST_URL:
            await route.fulfill(body=self._host_page, content_type="text/html")
            return
        self.requests.append(route.request.url)
        await route.abort()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@asynccontextmanager
async def stage(
    browser: Browser,
    answer: Answer,
    *,
    width: int = 1280,
    theme: str = "light",
    host_page: str = HOST_PAGE,
    **options: Any,  # noqa: ANN401 - Playwright's own
) -> AsyncIterator[Stage]:
    """A window of the browser with a host in it."""
    async with await browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme="dark" if theme == "dark" else "light",
        locale="en-GB",
        timezone_id="UTC",
        **options,
    ) as context:
        made = Stage(await context.new_page(), answer, host_page)
        await made.prepare()
        try:
            yield made
        finally:
            await made.close()


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


async def violations(frame: Page | Frame, *, only: str = "") -> list[str]:
    """What axe finds wrong with what is on the page; by one of its rules alone, if one is named."""
    await frame.evaluate(_axe())
    options = {"resultTypes": ["violations"], **({"runOnly": [only]} if only else {})}
    found = await frame.evaluate("options => axe.run(options)", options)
    return [
        f"{one['id']}: {one['help']}: " + "; ".join(node["html"][:160] for node in one["nodes"][:3])
        for one in found["violations"]
    ]
