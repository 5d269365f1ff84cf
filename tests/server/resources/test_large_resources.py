"""Resources of tasks that are larger than an answer may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.server.resources.parts import MAX_ANSWER_BYTES, Part, write_transcript
from neo_mcp.service.uris import ResourceAddress
from neo_mcp.wire import Task, parse_event
from tests.support.host import ORG, Json, World

pytestmark = pytest.mark.scorecard("one client cannot use up what is everybody's")

KIB = 2**10
MIB = 2**20
ROOM = 2 * KIB
"""For what stands around events: a heading, addresses, brackets."""


def said(text: str) -> Json:
    return {"type": "assistant_message", "content": text, "is_final": True}


def asked(file: str, patch: str) -> Json:
    return {
        "type": "user_approval_request",
        "id": "r-1",
        "message": "Look at this.",
        "approval_type": "general",
        "context": {"git_diff": {file: patch}},
    }


def add(world: World, *bodies: Json) -> str:
    task_id = world.simulator.add_task(ORG)
    for body in bodies:
        world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
    return f"neo://{ORG}/tasks/{task_id}"


def size(text: str) -> int:
    return len(text.encode())


class TestManyEvents:
    async def test_a_transcript_is_read_page_after_page(self, world: World) -> None:
        words = [f"Word {number}. " + "x" * 20 * KIB for number in range(60)]
        address = add(world, *map(said, words))
        found: list[int] = []
        async with world.host() as host:
            uri = f"{address}/transcript"
            while uri:
                text = await host.resource_text(uri)
                assert size(text) <= MAX_ANSWER_BYTES + ROOM
                found[:0] = [number for number in range(60) if f"Word {number}." in text]
                first = text.partition("\n")[0]
                uri = first.rpartition(": ")[2].rstrip("*") if "earlier events" in first else ""
        assert found == list(range(60))

    @pytest.mark.parametrize("forward", [False, True])
    async def test_events_are_read_page_after_page(self, world: World, *, forward: bool) -> None:
        words = [f"Word {number}. " + "é" * 20 * KIB for number in range(40)]
        address = add(world, *map(said, words))
        found: list[str] = []
        async with world.host() as host:
            uri = f"{address}/events" + ("?start=0" if forward else "")
            while uri:
                text = await host.resource_text(uri)
                assert size(text) <= MAX_ANSWER_BYTES + ROOM
                part = json.loads(text)
                contents = [event["eventBody"]["content"] for event in part["events"]]
                assert part["first"] == (len(found) if forward else 40 - len(found) - len(contents))
                found = [*found, *contents] if forward else [*contents, *found]
                uri = part.get("later" if forward else "earlier", "")
        assert found == words

    async def test_of_many_large_ones_none_is_missing_later(self, world: World) -> None:
        address = add(world, *[said("x" * MIB) for _ in range(12)])
        async with world.host() as host:
            part = await host.resource(f"{address}/events?start=1&count=11")
            assert (part["first"], part["events"]) == (1, [])
            assert part["later"] == f"{address}/events?start=2&count=11"


class TestOneEvent:
    async def test_its_text_comes_in_pieces(self, world: World) -> None:
        content = "".join(f'{number} "é" \U0001f600\n' for number in range(40_000))
        address = add(world, said("before"), said(content), said("after"))
        pieces: list[str] = []
        async with world.host() as host:
            uri = f"{address}/events?start=1&count=1"
            characters = 0
            while uri:
                text = await host.resource_text(uri)
                assert size(text) <= MAX_ANSWER_BYTES + ROOM
                part = json.loads(text)
                assert part["first"] == 1
                assert part["offset"] == sum(map(len, pieces))
                assert part["earlier"] == f"{address}/events?before=1&count=1"
                assert part["later"] == f"{address}/events?start=2&count=1"
                pieces.append(part["text"])
                characters = part["characters"]
                uri = part.get("rest", "")
            beyond = await host.resource(f"{address}/events?start=1&count=1&offset=99999999")
        whole = "".join(pieces)
        assert characters == len(whole)
        assert json.loads(whole)["eventBody"]["content"] == content
        assert (beyond["text"], "rest" in beyond) == ("", False)

    async def test_a_transcript_says_where_the_rest_of_it_is(self, world: World) -> None:
        address = add(world, said("before"), asked("main.py", "+ line\n" * 60_000), said("after"))
        async with world.host() as host:
            text = await host.resource_text(f"{address}/transcript?start=1&count=1")
        assert size(text) <= MAX_ANSWER_BYTES + ROOM
        assert f"cut here; the whole event: {address}/events?start=1&count=1" in text
        assert text.count("\n```") == 2
        assert f"*Later events: {address}/transcript?start=2&count=1*" in text

    async def test_the_newest_is_told_however_large_it_is(self, world: World) -> None:
        address = add(world, said("before"), said("y" * MIB))
        async with world.host() as host:
            text = await host.resource_text(f"{address}/transcript")
        assert text.startswith(f"*1 earlier events: {address}/transcript?before=1&count=500*")
        assert "> yyy" in text
        assert size(text) <= MAX_ANSWER_BYTES + ROOM

    async def test_many_entities_are_no_way_around(self, world: World) -> None:
        entities = [{"type": "stack", "name": f"s{n}", "project": "p" * 300} for n in range(3000)]
        task_id = world.simulator.add_task(ORG, entities=entities)
        async with world.host() as host:
            for kind in ("", "/transcript"):
                text = await host.resource_text(f"neo://{ORG}/tasks/{task_id}{kind}")
                assert size(text) < 64 * KIB


_BLOCK = st.one_of(
    st.text(max_size=40), st.sampled_from(["```", "````", "```python\nx\n```", "a ``` b", "> quoted", "\n\n"])
)


@given(st.lists(_BLOCK, max_size=6), st.integers(1, 40_000))
def test_no_code_block_stays_open_wherever_an_event_is_cut(pieces: list[str], repeated: int) -> None:
    patch = "\n".join(pieces * repeated)[: 2 * MAX_ANSWER_BYTES]
    event = parse_event(json.dumps({"id": "e", "type": "agentResponse", "eventBody": asked("a``b", patch)}))
    part = Part(ResourceAddress.parse(f"neo://{ORG}/tasks/t/transcript"), [event], 0, has_more=False)
    text = write_transcript(Task(id="t"), part, url="https://example.com")
    assert size(text) <= MAX_ANSWER_BYTES + ROOM
    opened = ""
    for line in text.split("\n"):
        if not opened and line.startswith("```") and "`" not in line.lstrip("`"):
            opened = line[: len(line) - len(line.lstrip("`"))]
        elif opened and line == opened:
            opened = ""
    assert not opened
