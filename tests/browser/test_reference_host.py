"""The page in the reference host of the MCP Apps SDK, in front of the real server."""

import pytest

from tests.browser.driver import Browser, expect
from tests.browser.real import hosting, rests
from tests.browser.reference import NotBroughtError, reference_page
from tests.support.host import Person, World

pytestmark = [
    pytest.mark.scorecard("the task view works in the reference host of the apps SDK"),
    pytest.mark.needs("npm"),
]


@pytest.fixture(scope="module")
def host_page() -> str:
    try:
        return reference_page()
    except NotBroughtError as error:
        pytest.skip(f"the reference host cannot be had: {error}")


@pytest.mark.parametrize(
    ("person", "said"),
    [(Person(), "was approved"), (Person(choice=1), "DENIED")],
    ids=["approves", "denies"],
)
async def test_a_person_decides_by_the_form_of_the_host(
    browser: Browser, world: World, host_page: str, person: Person, said: str
) -> None:
    async with hosting(browser, world, person, host_page=host_page) as (on, host):
        task_id, _ = await host.create("denied-approval")
        await on.open_task(task_id)
        assert await rests(on) == "needed"
        await on.view.get_by_role("button", name="Approve").dblclick()
        await expect(on.view.locator(".card.settled")).to_contain_text(said)
        assert len(person.forms) == 1
        (sent,) = [event for event in world.sent(task_id) if event["type"] == "user_confirmation"]
        assert sent["ok"] is (said == "was approved")
        assert await on.heard("error") == []
        assert on.complaints == []


async def test_denying_with_words_needs_no_form(browser: Browser, world: World, host_page: str) -> None:
    person = Person()
    async with hosting(browser, world, person, host_page=host_page) as (on, host):
        task_id, _ = await host.create("denied-approval")
        await on.open_task(task_id)
        await rests(on)
        await on.view.get_by_label("Words for Neo (optional)").fill("too expensive")
        await on.view.get_by_role("button", name="Deny").click()
        await expect(on.view.locator(".card.settled")).to_contain_text("was denied")
        assert person.forms == []


async def test_a_refusal_of_the_server_passes_through_it(
    browser: Browser, world: World, host_page: str
) -> None:
    async with hosting(browser, world, Person(action="cancel"), host_page=host_page) as (on, host):
        task_id, _ = await host.create("denied-approval")
        await on.open_task(task_id)
        await rests(on)
        await on.view.get_by_role("button", name="Approve").click()
        await expect(on.view.locator(".card .refusal")).to_contain_text("nothing was sent")


async def test_it_learns_who_the_page_is_opens_its_links_and_closes_it(
    browser: Browser, world: World, host_page: str
) -> None:
    async with hosting(browser, world, None, host_page=host_page) as (on, host):
        task_id, _ = await host.create("hello")
        await on.open(
            [("ui/notifications/tool-result", {"content": [], "structuredContent": {"task_id": task_id}})]
        )
        assert await rests(on) == "Done"
        assert (await on.heard("initialized"))[0]["params"]["name"] == "pulumi-neo-mcp-task-view"
        link = on.view.get_by_role("link", name="Open in Pulumi Cloud")
        await link.click()
        await on.page.wait_for_function("() => heard.some(one => one.method === 'ui/open-link')")
        (opened,) = await on.heard("ui/open-link")
        assert opened["params"]["url"] == await link.get_attribute("href")
        await on.page.evaluate("bridge.sendHostContextChange({theme: 'dark'})")
        await on.view.locator("html[data-theme=dark]").wait_for()
        assert await on.page.evaluate("bridge.teardownResource({})") == {}
        assert await on.heard("error") == []
