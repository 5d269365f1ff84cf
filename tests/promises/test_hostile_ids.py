"""Hostile ids and organization names, wherever one can be given, cause no request and a clear error."""

import re
from collections.abc import AsyncIterator

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, PromptReference, ResourceTemplateReference

from neo_mcp.core.cursor import PagePlace, encode_cursor, encode_page
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import is_blank
from neo_mcp.server.prompts import PROMPTS
from neo_mcp.service.inputs import MAX_NAME
from neo_mcp.service.task_names import parse_task_name
from neo_mcp.wire import check_organization, parse_entity
from neo_mcp.wire.ids import bare_name
from tests.support.host import ORG, Host, Json, World
from tests.support.hostile import HOSTILE

pytestmark = pytest.mark.scorecard("hostile ids and names cause no request")

SENDABLE = [value for value in HOSTILE if value == value.encode("utf-8", "ignore").decode()]
"""All but halves of surrogate pairs, which no host can put into a message."""

GIVEN = [value for value in SENDABLE if not is_blank(bare_name(value))]
"""Where what shows nothing is as good as none."""

TEMPLATE = "neo://{organization}/tasks/{task_id}/transcript"
NAMES_A_TASK: dict[str, Json] = {
    "get_task": {},
    "update_task": {"name": "x"},
    "wait_for_events": {"timeout_seconds": 0.01},
    "respond": {"action": "message", "text": "x"},
}
WITH_AN_ORGANIZATION: dict[str, Json] = {
    "create_task": {"prompt": "x"},
    "list_tasks": {},
    **{name: {**more, "task_id": "t"} for name, more in NAMES_A_TASK.items()},
}


@pytest.fixture
async def host(world: World) -> AsyncIterator[Host]:
    async with world.host() as host:
        yield host
    assert world.simulator.requests == []


def is_clear(text: str) -> bool:
    """Whether an error says what is wrong and what to do, and cannot be mistaken for anything else."""
    says = any(
        words in text
        for words in (
            *("is not a valid", "There is no resource", "is no range", "is required", "takes a list"),
            *("is not the address of a task", "of another Pulumi Cloud"),
        )
    )
    return says and text.isascii() and text.isprintable() and len(text) < 600


def names_none(value: str) -> bool:
    """True if a text names no task: quotation marks and blanks around an id are none of it."""
    try:
        parse_task_name(value, lambda *_: "https://app.pulumi.com")
    except InvalidArgumentError:
        return True
    return False


def names_no_organization(value: str) -> bool:
    """True if a text names no organization, likewise; a slash behind it is none of it."""
    try:
        check_organization(bare_name(bare_name(value).rstrip("/")))
    except InvalidArgumentError:
        return True
    return False


def test_there_are_more_than_five_hundred() -> None:
    assert len(GIVEN) > 800
    assert sum(map(names_none, GIVEN)) > 750
    assert sum(map(names_no_organization, GIVEN)) > 750


@pytest.mark.parametrize("tool", NAMES_A_TASK)
async def test_as_a_task_id_of_a_tool(host: Host, tool: str) -> None:
    for value in filter(names_none, GIVEN):
        text = await host.refused(tool, task_id=value, **NAMES_A_TASK[tool])
        assert is_clear(text)


async def test_among_the_task_ids_of_a_wait(host: Host) -> None:
    for value in filter(names_none, GIVEN):
        for ids in ([value], ["fine", value], [value, "fine"]):
            text = await host.refused("wait_for_events", task_ids=ids, timeout_seconds=0.01)
            assert is_clear(text)


@pytest.mark.parametrize("tool", WITH_AN_ORGANIZATION)
async def test_as_the_organization_of_a_tool(host: Host, tool: str) -> None:
    for value in filter(names_no_organization, GIVEN):
        text = await host.refused(tool, organization=value, **WITH_AN_ORGANIZATION[tool])
        assert is_clear(text)
        assert "such as `acme`" in text


PATHS = ["{}/tasks", "{}/tasks/t", "{}/tasks/t/events", "acme/tasks/{}", "acme/tasks/{}/transcript"]
PLAIN = re.compile(r"neo://\w+/tasks(/\w+(/(transcript|events))?)?", re.ASCII)


@pytest.mark.parametrize("path", PATHS)
async def test_in_the_address_of_a_resource(host: Host, path: str) -> None:
    for value in GIVEN:
        uri = "neo://" + path.format(value)
        # With a slash in it, what is given can make an ordinary address of something else.
        if not PLAIN.fullmatch(uri):
            _, text = await host.refused_resource(uri)
            assert is_clear(text)


@pytest.mark.parametrize("tool", ["wait_for_events", "list_tasks"])
async def test_as_a_cursor(host: Host, tool: str) -> None:
    more = {"task_id": "t"} if tool == "wait_for_events" else {}
    foreign = [
        encode_cursor(ORG, "other", "e"),
        encode_page("other", PagePlace("x")),
        encode_cursor(ORG, "t", "e")[:-1],
    ]
    foreign += [encode_page(ORG, PagePlace("x"))] if more else [encode_cursor(ORG, "t", "")]
    for value in GIVEN + foreign:
        text = await host.refused(tool, cursor=value, **more)
        assert "cursor" in text
        assert "Leave the cursor out" in text


async def test_as_a_cursor_of_the_resources(host: Host) -> None:
    for value in GIVEN:
        with pytest.raises(MCPError) as caught:
            await host.client.list_resources(cursor=value)
        assert caught.value.error.code == INVALID_PARAMS


@pytest.mark.parametrize("prompt", ["catch_up", "run_local_tools"])
async def test_as_an_argument_of_a_prompt(host: Host, prompt: str) -> None:
    # What a person may type around a name is taken off, and the rest judged.
    for value in (value for value in SENDABLE if value == value.strip() and names_none(value)):
        with pytest.raises(MCPError) as caught:
            await host.client.get_prompt(
                prompt, {**dict.fromkeys(PROMPTS[prompt].arguments, "x"), "task_id": value}
            )
        assert caught.value.error.code == INVALID_PARAMS


async def test_as_what_a_completion_knows(host: Host) -> None:
    for value in GIVEN:
        for reference in (ResourceTemplateReference(uri=TEMPLATE), PromptReference(name="catch_up")):
            known = {"organization": value}
            typed = {"name": "task_id", "value": ""}
            result = await host.client.complete(reference, typed, context_arguments=known)
            assert result.completion.values == []


async def test_as_the_name_of_an_entity(host: Host) -> None:
    for value in GIVEN:
        names = [f"stack {value}", f"stack shop/{value}", f"repository {value}/x", f"pull request {value}#1"]
        for name in names:
            # Slashes can make a name of one part and another; white space around a name is no part of it.
            if "/" not in value and value == value.strip() and parse_entity(name) is None:
                text = await host.refused("create_task", prompt="x", entities=[name])
                assert ("is too long for one of" if len(name) > MAX_NAME else "names no entity") in text
