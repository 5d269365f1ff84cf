"""Every scenario of the simulator, through the real server, as a person sees it in their host.

Approving, denying and answering is done by the page's own controls; the host asks the person by its form.
"""

import pytest

from neo_mcp.simulator.catalogue import scenarios
from tests.browser.driver import Browser, expect
from tests.browser.real import hosting, reply, rests
from tests.browser.support import violations
from tests.support.host import Person, World

pytestmark = pytest.mark.scorecard("every scenario is seen through in the task view, with the host deciding")

NO = 1
ENDS = {
    "denied-approval": "The cluster has six nodes now",
    "everything": "That was one of everything, in green.",
    "failing-deploy": "The deployment of checkout/prod failed",
    "hello": "Hello! I can look after the infrastructure",
    "local-tools": "I read the program and its preview.",
    "long-run": "Drift over 41 stacks",
    "multi-stack-upgrade": "Three stacks are ready for version 7",
    "policy-fix": "Encryption for ledger",
    "public-bucket": "is private now, once you merge",
    "question": "with a queue and its dead-letter queue",
}
"""What stands at the end of each scenario's first turn, as a reader sees it."""


def test_there_is_an_expectation_for_every_scenario() -> None:
    assert set(ENDS) == set(scenarios())


@pytest.mark.parametrize("scenario", sorted(ENDS))
async def test_every_scenario_is_seen_through(browser: Browser, world: World, scenario: str) -> None:
    person = Person()
    async with hosting(browser, world, person) as (on, host):
        task_id, _ = await host.create(scenario)
        await on.open_task(task_id)
        replies = []
        while (word := await rests(on)) == "needed":
            replies.append(await reply(on, host, task_id))
        asked = [what for what in replies if "approval" in what or "plan" in what]
        assert len(person.forms) == len(asked)
        ended = "Failed" if scenario == "failing-deploy" else "Done"
        assert word == ended
        view = (await host.client.call_tool("view_task", {"task_id": task_id})).structured_content
        assert view is not None
        assert await on.text("h1") == f"“{view['title']}”"
        items = on.view.locator("li.item")
        await expect(items.last).to_contain_text(ENDS[scenario])
        await expect(items).to_have_count(view["total"])
        kinds = [item["kind"] for item in view["items"]]
        assert await on.view.locator("li.item.tool").count() == kinds.count("tool")
        assert await on.view.locator("li.item.unknown").count() == 0
        todos = await on.view.locator(".todo > :last-child").all_inner_texts()
        assert todos == [f"“{todo['content']}”" for todo in view["todos"]]
        await on.view.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        text = await on.view.locator("#page").text_content()
        assert text is not None
        assert "undefined" not in text
        assert "[object" not in text
        assert "NaN" not in text
        assert on.complaints == []
        assert on.requests == []
        assert await violations(on.view) == []


async def test_a_denial_with_words_reaches_neo_without_a_form(browser: Browser, world: World) -> None:
    person = Person()
    async with hosting(browser, world, person) as (on, host):
        task_id, _ = await host.create("denied-approval")
        await on.open_task(task_id)
        await rests(on)
        await on.view.get_by_label("Words for Neo (optional)").fill("too expensive")
        await on.view.get_by_role("button", name="Deny").click()
        await expect(on.view.locator(".card.settled")).to_contain_text("was denied")
        assert await rests(on) == "needed"
        assert person.forms == []
        (sent,) = [event for event in world.sent(task_id) if event["type"] == "user_confirmation"]
        assert (sent["ok"], sent["instructions"]) == (False, "too expensive")
        await expect(on.view.locator(".item.decision").last).to_contain_text("You denied too expensive")


async def test_who_clicks_approve_and_then_says_no_has_said_no(browser: Browser, world: World) -> None:
    """The page adds convenience, never authority: the host's form decides."""
    person = Person(choice=NO)
    async with hosting(browser, world, person) as (on, host):
        task_id, _ = await host.create("denied-approval")
        await on.open_task(task_id)
        await rests(on)
        await on.view.get_by_role("button", name="Approve").click()
        await expect(on.view.locator(".card.settled")).to_contain_text("The person DENIED")
        assert len(person.forms) == 1
        (sent,) = [event for event in world.sent(task_id) if event["type"] == "user_confirmation"]
        assert sent["ok"] is False


async def test_a_host_that_cannot_ask_shows_why_not_and_where(browser: Browser, world: World) -> None:
    async with hosting(browser, world, None) as (on, host):
        task_id, _ = await host.create("denied-approval")
        await on.open_task(task_id)
        await rests(on)
        await expect(on.view.locator(".card")).to_contain_text("approve at the task's page")
        await expect(on.view.get_by_role("button", name="Approve")).to_have_count(0)
        await expect(on.view.get_by_role("button", name="Deny")).to_be_visible()


async def test_a_dismissed_form_sends_nothing_and_says_so(browser: Browser, world: World) -> None:
    async with hosting(browser, world, Person(action="cancel")) as (on, host):
        task_id, _ = await host.create("denied-approval")
        await on.open_task(task_id)
        await rests(on)
        await on.view.get_by_role("button", name="Approve").click()
        await expect(on.view.locator(".card")).to_contain_text(
            "No decision was made: the form was dismissed; nothing was sent."
        )
        assert [event["type"] for event in world.sent(task_id)] == []


async def test_the_list_shows_the_tasks_of_the_organization(browser: Browser, world: World) -> None:
    async with hosting(browser, world, None) as (on, host):
        task_id, _ = await host.create("hello")
        await on.open()
        row = on.view.locator("ul.tasks li").first
        await row.get_by_role("link").click()
        assert await rests(on) == "Done"
        assert on.of("view_task")[0]["task_id"] == task_id
