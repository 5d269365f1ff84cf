"""Broken messages, thousands of them: the server lives, and answers what can be answered."""

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import Scorecard
from tests.support.ends import MODERN_META
from tests.support.fuzzing import Talk, events_with_odd_text, mutations, templates, with_odd_text
from tests.support.host import ERAS, LEGACY, ORG, Json, World
from tests.support.processes import HELLO, environment, running

pytestmark = pytest.mark.scorecard("broken and odd messages are survived, and answered")

FEW, MANY = 200, 5000
"""For each era."""

SEED = 20_260_728


@pytest.fixture
def env(world: World, tmp_path: Path) -> dict[str, str]:
    return environment(world.simulator.url, str(tmp_path))


async def talk(env: dict[str, str], era: str, lines: Iterator[bytes]) -> Talk:
    """Hold a conversation of broken and valid messages, and check everything about it."""
    meta = {} if era == LEGACY else {"_meta": MODERN_META}

    def valid(name: str) -> Json:
        params = {"name": "list_tasks", "arguments": {"page_size": 1}, **meta}
        return {"jsonrpc": "2.0", "id": name, "method": "tools/call", "params": params}

    def opened() -> Iterator[bytes]:
        method, params = ("initialize", HELLO) if era == LEGACY else ("server/discover", meta)
        yield json.dumps({"jsonrpc": "2.0", "id": "first", "method": method, "params": params}).encode()
        yield from lines

    async with running("serve", env=env) as server:
        held = Talk(server)
        await held.hold(opened(), valid)
        assert await server.process.wait() == 0
        assert b"Traceback" not in server.stderr, server.stderr.decode()[-4000:]
    assert held.bad == []
    assert held.expected.judge(held.got) == []
    return held


def odd(world: World, era: str, choose: Callable[[Sequence[str]], Iterable[str]]) -> Iterator[bytes]:
    task_id = world.simulator.add_task(ORG)
    messages = (m for template in templates(era, task_id) for m in with_odd_text(template, choose))
    for number, message in enumerate(messages):
        yield json.dumps({**message, "id": number} if message.get("id") == 0 else message).encode()


@pytest.mark.parametrize("era", ERAS)
async def test_odd_text_in_any_field_is_answered(world: World, env: dict[str, str], era: str) -> None:
    dice = random.Random(f"{SEED} {era}")  # noqa: S311 - the same every time
    held = await talk(env, era, odd(world, era, lambda texts: dice.sample(texts, 1)))
    assert held.got.total() > 200


@pytest.mark.scorecard
@pytest.mark.long
@pytest.mark.parametrize("era", ERAS)
async def test_all_odd_text_in_any_field_is_answered(
    world: World, env: dict[str, str], era: str, scorecard: Scorecard
) -> None:
    held = await talk(env, era, odd(world, era, lambda texts: texts))
    scorecard(f"odd text in every field, {era}", f"{held.got.total():,} answers, all due", "all", ok=True)


async def test_odd_text_in_any_field_from_neo_is_shown(world: World, env: dict[str, str]) -> None:
    dice = random.Random(SEED)  # noqa: S311 - the same every time
    task_id = world.simulator.add_task(ORG)
    for envelope, event_id in events_with_odd_text(lambda texts: dice.sample(texts, 3)):
        world.simulator.append_raw(ORG, task_id, envelope, event_id)
    uri = f"neo://{ORG}/tasks/{task_id}"
    async with running("serve", env=env) as server:
        await server.initialize()
        seen: list[str] = []
        while len(seen) < 2 or seen[-1] != seen[-2]:
            since = {"cursor": seen[-1]} if seen else {}
            arguments = {"task_id": task_id, "until": "any", "timeout_seconds": 0.1, **since}
            result = await server.call("wait_for_events", **arguments)
            assert result.get("isError") is not True, result
            seen.append(result["structuredContent"]["cursor"])
        assert (await server.call("get_task", task_id=task_id)).get("isError") is not True
        for view in ("", "/transcript", "/events", "/transcript?start=0&count=500", "/events?start=0"):
            assert "result" in await server.request("resources/read", uri=uri + view)
    assert b"Traceback" not in server.stderr


def fuzzed(world: World, era: str, count: int) -> Iterator[bytes]:
    dice = random.Random(f"{SEED} {era}")  # noqa: S311 - the same every time
    task_id = world.simulator.add_task(ORG)
    kinds = templates(era, task_id)
    for number in range(count):
        template = dice.choice(kinds)
        yield mutations({**template, "id": 10**6 + number} if "id" in template else template, dice)


@pytest.mark.parametrize("era", ERAS)
async def test_hundreds_of_fuzzed_messages_are_survived(world: World, env: dict[str, str], era: str) -> None:
    await talk(env, era, fuzzed(world, era, FEW))


@pytest.mark.scorecard
@pytest.mark.long
@pytest.mark.parametrize("era", ERAS)
async def test_ten_thousand_fuzzed_messages_are_survived(
    world: World, env: dict[str, str], era: str, scorecard: Scorecard
) -> None:
    held = await talk(env, era, fuzzed(world, era, MANY))
    answered = f"{held.got.total():,} answers due, all came; {len(held.results):,} valid ones"
    scorecard(f"{MANY:,} fuzzed messages, {era}", answered, "lives, all answered", ok=True)
