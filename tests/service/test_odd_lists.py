"""A list with odd tasks shows the others, says how many it left out, and goes on after them."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from anyio.abc import SocketStream

from neo_mcp.core.reconcile import Sent
from neo_mcp.errors import UnexpectedResponseError
from neo_mcp.service.client import make_client
from neo_mcp.service.writes.task_search import TaskSearch
from neo_mcp.simulator import Simulator
from neo_mcp.wire import UserMessage
from tests.api.support import Request, answer, serving
from tests.support.command_line import environment, run
from tests.support.examples import some
from tests.support.host import ORG, World

ODD: list[Any] = [None, 7, "task", {}, {"id": None}, {"id": "a/b"}, {"name": "no id"}]
PATTERNS = [
    "",
    "x",
    "xx",
    ".",
    "x.",
    ".x",
    "..x..",
    "xx..x.x",
    ".x.x.x",
    "x" * 7,
    "..xxx..",
    "x......",
    "......x",
]
"""Lists of tasks: those that can be read are dots."""


@asynccontextmanager
async def api_with(tasks: Sequence[Any], *, page: int = 1000) -> AsyncIterator[str]:
    """An API that answers with these tasks, on pages of at most ``page``; yields its address."""

    async def handle(request: Request, wire: SocketStream) -> None:
        if request.path == "/api/user":
            await wire.send(answer(200, {"githubLogin": "ada", "organizations": [7, {"githubLogin": ORG}]}))
            return
        query = parse_qs(urlsplit(request.target).query)
        start = int(query.get("continuationToken", ["0"])[0])
        end = start + min(page, int(query.get("pageSize", ["100"])[0]))
        token = {"continuationToken": end} if end < len(tasks) else {}
        await wire.send(answer(200, {"tasks": tasks[start:end], **token}))

    async with serving(handle) as server:
        yield server.url


def tasks_of(pattern: str) -> list[Any]:
    return [
        ODD[position % len(ODD)] if mark == "x" else {"id": f"t-{position}", "tokensUsed": 1.5, "name": 7}
        for position, mark in enumerate(pattern)
    ]


@pytest.mark.parametrize("pattern", some(PATTERNS, every=3))
@pytest.mark.parametrize("of_api", [1, 2, 3, 1000])
async def test_every_task_comes_once_and_every_odd_one_is_counted(
    pattern: str, of_api: int, simulator: Simulator
) -> None:
    world = World(simulator)
    for size in (1, 2, 5, 100):
        ids: list[str] = []
        left_out, cursor = 0, None
        async with (
            api_with(tasks_of(pattern), page=of_api) as url,
            world.host(api_url=url) as host,
        ):
            for _ in range(2 * len(pattern) + 2):
                given: dict[str, Any] = {"cursor": cursor} if cursor else {}
                result = await host.call("list_tasks", page_size=size, **given)
                ids += [row["task_id"] for row in result["tasks"]]
                left_out += int(result.get("note", "0").partition(" ")[0])
                cursor = result.get("next_cursor")
                if cursor is None:
                    break
        assert cursor is None
        assert ids == [f"t-{position}" for position, mark in enumerate(pattern) if mark == "."]
        assert left_out == pattern.count("x")


async def test_half_an_emoji_in_one_name_is_no_reason_to_show_none(simulator: Simulator) -> None:
    tasks = [{"id": "t-1", "name": "half \ud83d"}, {"id": "t-2", "name": "whole"}]
    async with api_with(tasks) as url, World(simulator).host(api_url=url) as host:
        result = await host.call("list_tasks")
        text = await host.text("list_tasks")
    assert [row["name"] for row in result["tasks"]] == ["half \ufffd", "whole"]
    assert "left out" not in text


async def test_the_command_line_says_it_beside_the_list(tmp_path: Path) -> None:
    async with api_with(tasks_of(".x.xx"), page=2) as url:
        env = environment(tmp_path, url)
        listed = await run("tasks", env=env)
        as_json = await run("tasks", "--json", env=env)
    assert (listed.status, as_json.status) == (0, 0)
    assert "t-0" in listed.out
    assert "t-2" in listed.out
    assert [row["id"] for row in json.loads(as_json.out)] == ["t-0", "t-2"]
    for done in (listed, as_json):
        assert done.err == "3 tasks are left out: the API's answer about them cannot be read.\n"


async def test_a_task_that_may_be_among_the_odd_ones_is_not_taken_for_missing(simulator: Simulator) -> None:
    sent = Sent.of(UserMessage(content="Hello", timestamp="2026-01-01T00:00:00.000Z"))
    for pattern, is_known in (("..", True), (".x", False)):
        async with api_with(tasks_of(pattern)) as url:
            client = make_client(World(simulator).settings(api_url=url))
            async with client:
                search = TaskSearch(client, ORG).find(sent, others=())
                if is_known:
                    assert (await search).task is None
                else:
                    with pytest.raises(UnexpectedResponseError, match="may be among them"):
                        await search
