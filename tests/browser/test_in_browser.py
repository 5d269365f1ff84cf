"""The page in a browser of its own, served by the real server: the way in, and forms that no host shows."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from neo_mcp.cli.opening import Opening
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.browser import OneTimeLogin
from neo_mcp.server.http.server import running_http
from tests.browser.driver import Browser, Page, expect
from tests.browser.support import HEIGHT, violations
from tests.support.host import ORG, Host, Json, World
from tests.support.view_host import rendering

pytestmark = pytest.mark.scorecard("the task view in a browser: one way in, and a person fills in the forms")

APPROVAL: Json = {"type": "user_approval_request", "id": "a1", "message": "Go?", "sensitivity": "regular"}


@dataclass
class Visit:
    """A tab, the addresses that the server gave out, and what the tab asked for."""

    page: Page
    host: Host
    links: list[str]
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def enter(self, task_id: str = "") -> None:
        """Go in by the newest address; to a task, if one is named."""
        await self.page.goto(self.links[-1])
        await expect(self.page.get_by_role("heading", level=1)).to_have_text("Neo tasks")
        if task_id:
            await self.page.evaluate("address => location.hash = address", f"#/{ORG}/{task_id}")
            await expect(self.page.locator(".task")).to_be_visible()


@asynccontextmanager
async def visiting(
    browser: Browser,
    world: World,
    **settings: Any,  # noqa: ANN401 - the fields of the settings
) -> AsyncIterator[Visit]:
    links: list[str] = []
    server = NeoServer(world.settings(**settings))
    async with (
        running_http(server, host="127.0.0.1", port=0, login=OneTimeLogin(links.append)) as url,
        rendering(url) as client,
        await browser.new_context(viewport={"width": 1024, "height": HEIGHT}) as context,
    ):
        visit = Visit(await context.new_page(), Host(client, server.settings.budget_tokens), links)
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        yield visit


async def test_the_address_is_good_once_and_leaves_no_trace_in_the_bar(
    browser: Browser, world: World
) -> None:
    async with visiting(browser, world) as visit:
        used = visit.links[-1]
        await visit.enter()
        assert "#" not in visit.page.url.removesuffix("#/")
        await visit.page.reload()
        await expect(visit.page.get_by_text("No tasks yet.")).to_be_visible()
        async with await browser.new_context() as another:
            tab = await another.new_page()
            await tab.goto(used)
            await expect(tab.get_by_text("This address was used already")).to_be_visible()
            await tab.goto(used.partition("#")[0])
            await tab.reload()
            await expect(tab.get_by_text("This page was opened without its secret")).to_be_visible()
            assert await violations(tab) == []
        own = used.partition("#")[0]
        assert {url.partition("view/")[0] for url in visit.requests} == {own}
        assert visit.complaints == []


async def test_a_private_file_leads_in(
    browser: Browser, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_page(page: str) -> bool:
        opened.append(page)
        return True

    monkeypatch.setattr("webbrowser.open", open_page)
    async with visiting(browser, world) as visit:
        with closing(Opening(tmp_path)) as opening:
            await opening.open(visit.links[-1])
            await visit.page.goto(opened[0])
            await expect(visit.page.get_by_role("heading", level=1)).to_have_text("Neo tasks")
            assert visit.page.url.startswith(visit.links[0].partition("#")[0])
            assert len(visit.links) == 2


async def test_approving_is_confirmed_in_a_form_of_the_page(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as visit:
        task_id, _ = await visit.host.create("public-bucket")
        await visit.enter(task_id)
        page = visit.page
        await page.get_by_role("button", name="Approve").dblclick()
        form = page.locator("form.asked")
        await expect(form).to_contain_text("Run `pulumi preview` on storefront/prod?")
        await expect(form.get_by_role("heading")).to_be_focused()
        assert await violations(page) == []
        await form.get_by_role("button", name="Submit").click()
        assert world.sent(task_id) == []
        await form.get_by_label("approve").check()
        await form.get_by_label("Words for Neo").fill("at night, please")
        await form.get_by_role("button", name="Submit").click()
        await expect(page.locator(".card.settled")).to_contain_text("was approved")
        await expect(page.locator(".card")).to_have_count(2)
        (sent,) = [event for event in world.sent(task_id) if event["type"] == "user_confirmation"]
        assert sent["ok"] is True


async def test_a_protected_stack_s_name_is_typed_before_anything_is_sent(
    browser: Browser, world: World
) -> None:
    async with visiting(browser, world, protected_stacks=("*",)) as visit:
        task_id, _ = await visit.host.create("public-bucket")
        await visit.enter(task_id)
        page = visit.page
        await expect(page.locator(".card")).to_contain_text("Protected stack")
        await page.get_by_role("button", name="Approve").click()
        form = page.locator("form.asked")
        await form.get_by_label("approve", exact=True).check()
        wanted = (await form.locator(".hint").nth(1).inner_text()).strip()
        await form.get_by_label("type the name of the").fill("something else")
        await form.get_by_role("button", name="Submit").click()
        await expect(page.locator(".card .refusal")).to_contain_text(
            "was not typed exactly as the form shows it"
        )
        assert world.sent(task_id) == []
        await page.get_by_role("button", name="Approve").click()
        await form.get_by_label("approve", exact=True).check()
        await form.get_by_label("type the name of the").fill(wanted)
        await page.keyboard.press("Enter")
        await expect(page.locator(".card.settled")).to_contain_text("was approved")


async def test_a_form_is_left_by_escape_and_nothing_is_sent(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as visit:
        task_id, _ = await visit.host.create("denied-approval")
        await visit.enter(task_id)
        page = visit.page
        await page.get_by_role("button", name="Approve").click()
        await expect(page.locator("form.asked")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator(".card")).to_contain_text("nothing was sent")
        await expect(page.get_by_role("button", name="Approve")).to_be_focused()
        assert world.sent(task_id) == []


async def test_two_tabs_one_answer(browser: Browser, world: World) -> None:
    """What was settled elsewhere goes away by itself."""
    async with visiting(browser, world) as visit:
        task_id = world.simulator.add_task(ORG, status="idle")
        world.simulator.append_event(ORG, task_id, APPROVAL, kind="agentResponse")
        await visit.enter(task_id)
        await expect(visit.page.get_by_role("heading", name="Go?")).to_be_visible()
        await visit.host.call("respond", task_id=task_id, action="deny")
        await expect(visit.page.locator(".card")).to_have_count(0)


async def test_a_server_that_went_away_is_told_of(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as visit:
        task_id, _ = await visit.host.create("hello")
        await visit.enter(task_id)
        await expect(visit.page.locator("#bar .badge")).to_have_text("Done")
        await visit.page.route(re.compile("/view/"), lambda route: route.abort())
        await visit.page.get_by_label("Message to Neo").fill("Are you there?")
        await visit.page.get_by_role("button", name="Send").click()
        await expect(visit.page.locator(".sent")).to_contain_text("The server does not answer.")
        await expect(visit.page.get_by_label("Message to Neo")).to_have_value("Are you there?")


async def test_the_address_leads_to_a_task_and_back_again(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as visit:
        task_id, _ = await visit.host.create("hello")
        await visit.enter()
        await visit.page.locator("ul.tasks a").first.click()
        await expect(visit.page.locator("#bar .badge")).to_have_text("Done")
        assert visit.page.url.endswith(f"#/{ORG}/{task_id}")
        await visit.page.go_back()
        await expect(visit.page.get_by_role("heading", level=1)).to_have_text("Neo tasks")
        await visit.page.go_forward()
        await expect(visit.page.locator("#bar .badge")).to_have_text("Done")


async def test_what_a_form_asks_is_only_text(browser: Browser, world: World) -> None:
    text = (
        "</p><img src=x onerror=window.pwned=1><script>window.pwned=1</script> [x](javascript:window.pwned=1)"
    )
    async with visiting(browser, world) as visit:
        task_id = world.simulator.add_task(ORG, status="idle")
        world.simulator.append_event(ORG, task_id, {**APPROVAL, "message": text}, kind="agentResponse")
        await visit.enter(task_id)
        await visit.page.get_by_role("button", name="Approve").click()
        await expect(visit.page.locator("form.asked .question")).to_contain_text("<img src=x onerror=")
        assert await visit.page.evaluate("window.pwned") is None
        assert await visit.page.locator("img, main script, main a[href^=javascript]").count() == 0
        assert visit.complaints == []
