"""One answer of a person executes once, however often and wherever it is replayed."""

import errno
import io
import os
import stat
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitResult, InputRequiredResult

from neo_mcp.errors import NeoError
from neo_mcp.service.approvals.used_answers import RETENTION_SECONDS, Ledger
from neo_mcp.service.quotas import QuotaError
from tests.support.clocks import ShiftedClock
from tests.support.examples import long
from tests.support.host import MODERN, ORG, Json, Person, World
from tests.support.processes import environment, running
from tests.support.tasks_client import INTERNAL, Refused, accept
from tests.support.tasks_servers import REQUEST, pending, serving

pytestmark = pytest.mark.scorecard("a person's answer counts once, however often it is replayed")

AT_ONCE = 32
APPROVAL: Json = {"type": "user_approval_request", "id": "a1", "message": "Go?"}


async def asked(session: ClientSession, tool: str, arguments: Json) -> InputRequiredResult:
    result = await session.call_tool(tool, arguments, allow_input_required=True)
    assert isinstance(result, InputRequiredResult)
    return result


async def replay(
    sessions: Sequence[ClientSession], tool: str, arguments: Json, question: InputRequiredResult, times: int
) -> Counter[str]:
    """Answer yes ``times`` times, 32 at once, in turn on each session; says how often it was taken."""
    assert question.input_requests is not None
    (form,) = question.input_requests.values()
    yes = form.params.requested_schema["properties"]["decision"]["enum"][0]  # type: ignore[union-attr]  # a form
    answers: Any = {"decision": ElicitResult(action="accept", content={"decision": yes})}
    told: Counter[str] = Counter()
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def once(session: ClientSession) -> None:
        async with limit:
            try:
                result = await session.call_tool(
                    tool,
                    arguments,
                    input_responses=answers,
                    request_state=question.request_state,
                    allow_input_required=True,
                )
            except MCPError as error:
                told[error.error.message] += 1
                return
        assert isinstance(result, CallToolResult)
        told["refused" if result.is_error else "done"] += 1

    async with anyio.create_task_group() as group:
        for number in range(times):
            group.start_soon(once, sessions[number % len(sessions)])
    return told


async def test_a_thousand_replays_of_an_approval_approve_once(world: World) -> None:
    task_id = world.simulator.add_task(ORG, events=[("agentResponse", APPROVAL)])
    arguments = {"task_id": task_id, "action": "approve"}
    async with world.host(Person()) as host:
        question = await asked(host.client.session, "respond", arguments)
        told = await replay([host.client.session], "respond", arguments, question, 1000)
    assert told == {"done": 1, "refused": 999}
    assert len(world.sent(task_id)) == 1


async def test_a_thousand_replays_of_a_start_start_one_task(world: World) -> None:
    arguments = {"prompt": "Go (scenario:hello)", "approval_mode": "auto"}
    async with world.host(Person()) as host:
        question = await asked(host.client.session, "create_task", arguments)
        told = await replay([host.client.session], "create_task", arguments, question, 1000)
    assert told == {"done": 1, "refused": 999}
    assert len(world.bodies("/tasks")) == 1


@asynccontextmanager
async def processes(world: World, tmp_path: Path, *options: str) -> AsyncIterator[list[ClientSession]]:
    """Two servers on HTTP, each a process of its own, and a client of each."""
    async with AsyncExitStack() as stack:
        sessions = []
        for _ in range(2):
            env = environment(world.simulator.url, str(tmp_path))
            server = await stack.enter_async_context(
                running("serve", "--http", "--port", "0", *options, env=env)
            )
            await server.says("serves http://")
            url = next(word for word in server.stderr.decode().split() if word.startswith("http://"))
            client = Client(url, mode=MODERN, elicitation_callback=Person())
            sessions.append((await stack.enter_async_context(client)).session)
        yield sessions


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("respond", {"action": "approve"}),
        long(("create_task", {"prompt": "x (scenario:hello)", "approval_mode": "auto"})),
    ],
)
async def test_processes_that_share_a_key_execute_one_answer_once(
    world: World, tmp_path: Path, key_file: Path, tool: str, arguments: Json
) -> None:
    if tool == "respond":
        arguments = {
            **arguments,
            "task_id": world.simulator.add_task(ORG, events=[("agentResponse", APPROVAL)]),
        }
    async with processes(world, tmp_path, "--key-file", str(key_file)) as sessions:
        question = await asked(sessions[0], tool, arguments)
        told = await replay(sessions[::-1], tool, arguments, question, 100)
    assert told == {"done": 1, "refused": 99}
    assert len([body for body in world.bodies() if "message" in body or "event" in body]) == 1


async def test_an_answer_is_worth_nothing_in_a_process_with_another_key(world: World, tmp_path: Path) -> None:
    task_id = world.simulator.add_task(ORG, events=[("agentResponse", APPROVAL)])
    arguments = {"task_id": task_id, "action": "approve"}
    async with processes(world, tmp_path) as (here, elsewhere):
        question = await asked(here, "respond", arguments)
        told = await replay([elsewhere], "respond", arguments, question, 1)
    assert told == {"Invalid or expired requestState": 1}
    assert world.sent(task_id) == []


async def test_an_answer_that_was_replayed_after_the_fact_is_refused_without_a_shared_folder(
    world: World, tmp_path: Path, key_file: Path
) -> None:
    """Beside a secret that is mounted read-only there is no folder: the task itself tells."""
    (key_file.parent / "key.used").write_text("in the way of the folder")
    task_id = world.simulator.add_task(ORG, events=[("agentResponse", APPROVAL)])
    arguments = {"task_id": task_id, "action": "approve"}
    async with processes(world, tmp_path, "--key-file", str(key_file)) as (here, elsewhere):
        question = await asked(here, "respond", arguments)
        assert await replay([here], "respond", arguments, question, 1) == {"done": 1}
        assert await replay([elsewhere], "respond", arguments, question, 1) == {"refused": 1}
    assert len(world.sent(task_id)) == 1


class TestLedger:
    def test_what_is_claimed_is_claimed_for_every_process(self, key_file: Path) -> None:
        one, other = Ledger.beside(key_file), Ledger.beside(key_file)
        assert one.claim("a")
        assert not one.claim("a")
        assert not other.claim("a")
        assert other.claim("b")
        assert not one.claim("b")

    def test_what_one_person_used_is_not_used_up_for_another(self, key_file: Path) -> None:
        ledger = Ledger.beside(key_file)
        alice, bob = ledger.of("alice"), ledger.of("bob")
        assert alice.claim("a")
        assert not bob.is_used("a")
        assert bob.claim("a")
        assert not Ledger.beside(key_file).of("alice").claim("a")

    def test_the_folder_tells_nothing_to_other_users(self, key_file: Path) -> None:
        assert Ledger.beside(key_file).claim("a secret state")
        folder = key_file.with_name("key.used")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (file,) = folder.iterdir()
        assert "secret" not in file.name
        assert file.read_bytes() == b""

    def test_what_nobody_can_use_any_more_is_forgotten(self, key_file: Path) -> None:
        clock = ShiftedClock()
        ledger = Ledger.beside(key_file, clock)
        for name in ("a", "b", "c"):
            assert ledger.claim(name)
        clock.shift(RETENTION_SECONDS)
        assert ledger.claim("d")
        assert len(list(key_file.with_name("key.used").iterdir())) == 1

    def test_one_user_cannot_fill_the_memory_nor_have_another_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("neo_mcp.service.approvals.used_answers.MAX_USED", 3)
        clock = ShiftedClock()
        ledger = Ledger(clock=clock)
        one, same, other = ledger.of("a", "alice"), ledger.of("b", "alice"), ledger.of("c", "bob")
        assert one.claim("1") and one.claim("2") and same.claim("3")  # noqa: PT018 - three alike
        with pytest.raises(QuotaError, match="nothing was sent"):
            same.claim("4")
        assert not same.is_used("4")
        assert other.claim("4")
        clock.shift(RETENTION_SECONDS)
        assert same.claim("4")

    def test_an_answer_stays_used_whoever_its_user_is_said_to_be(self) -> None:
        ledger = Ledger()
        assert ledger.of("a").claim("1")
        assert not ledger.of("a", "alice").claim("1")

    def test_of_many_processes_that_claim_at_once_one_wins(self, key_file: Path) -> None:
        count = 16
        ledgers = [Ledger.beside(key_file) for _ in range(count)]
        together = threading.Barrier(count)

        def claim(ledger: Ledger, answer: str) -> bool:
            together.wait()
            return ledger.claim(answer)

        with ThreadPoolExecutor(count) as threads:
            for number in range(20):
                assert sum(threads.map(claim, ledgers, [f"answer {number}"] * count)) == 1


def replace_by_a_file(folder: Path) -> Callable[[], None]:
    """Put a file in the place of ``folder``; gives back how to undo it."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_text("in the way")

    def restore() -> None:
        folder.unlink()
        aside.rename(folder)

    return restore


class FailsToClose(io.BytesIO):
    """A file whose last write is refused, as by a network file system that is full."""

    def close(self) -> None:
        super().close()
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def fail(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> Callable[[Path], Callable[[], None]]:
    """Let one step of making a file fail in the folder."""

    def begin(folder: Path) -> Callable[[], None]:
        where: Any = os if name == "utime" else Path
        method = "open" if name == "close" else name
        real = getattr(where, method)

        def failing(file: Path, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever it takes and gives
            if Path(file).parent != folder:
                return real(file, *args, **options)
            if name != "close":
                raise OSError(code, os.strerror(code))
            real(file, *args, **options).close()
            return FailsToClose()

        monkeypatch.setattr(where, method, failing)
        return monkeypatch.undo

    return begin


@pytest.fixture(
    params=[
        ("open", errno.ENOSPC),
        ("open", errno.EROFS),
        ("open", errno.EACCES),
        ("close", errno.EDQUOT),
        ("utime", errno.EIO),
        "a file in its place",
    ],
    ids=str,
)
def breaking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    """Makes the folder of used answers fail; gives back how to undo it."""
    if isinstance(request.param, str):
        return replace_by_a_file
    return fail(monkeypatch, *request.param)


class TestAClaimThatCannotBeStored:
    """It claims nothing, and what it would have allowed is not done."""

    def test_the_answer_is_unused_and_can_be_claimed_afterwards(
        self, key_file: Path, breaking: Callable[[Path], Any]
    ) -> None:
        ledger = Ledger.beside(key_file)
        restore = breaking(key_file.with_name("key.used"))
        for _ in range(2):
            with pytest.raises(NeoError, match="nothing was sent"):
                ledger.claim("a")
            assert not ledger.is_used("a")
        restore()
        assert ledger.claim("a")
        assert not ledger.claim("a")
        assert not Ledger.beside(key_file).claim("a")

    async def test_an_answer_to_a_call_is_refused_and_can_be_given_again(
        self, world: World, key_file: Path, breaking: Callable[[Path], Any]
    ) -> None:
        task_id = world.simulator.add_task(ORG, events=[("agentResponse", APPROVAL)])
        arguments = {"task_id": task_id, "action": "approve"}
        async with world.host(Person(), key_file=key_file) as host:
            question = await asked(host.client.session, "respond", arguments)
            restore = breaking(key_file.with_name("key.used"))
            assert question.input_requests is not None
            yes: Any = {"decision": ElicitResult(action="accept", content={"decision": "approve"})}
            refused = await host.client.session.call_tool(
                "respond", arguments, input_responses=yes, request_state=question.request_state
            )
            assert refused.is_error
            assert "nothing was sent" in str(refused.content)
            assert "can be given again" in str(refused.content)
            assert world.sent(task_id) == []
            restore()
            told = await replay([host.client.session], "respond", arguments, question, 2)
        assert told == {"done": 1, "refused": 1}
        assert len(world.sent(task_id)) == 1

    async def test_an_answer_through_a_task_handle_too(
        self, world: World, key_file: Path, breaking: Callable[[Path], Any]
    ) -> None:
        neo_task = pending(world, REQUEST)
        async with serving(world, key_file=key_file) as client:
            task_id = await client.deferred(neo_task)
            question = await client.get(task_id)
            restore = breaking(key_file.with_name("key.used"))
            with pytest.raises(Refused) as caught:
                await client.update(task_id, **accept(question))
            assert caught.value.code == INTERNAL
            assert "nothing was sent" in str(caught.value)
            assert world.sent(neo_task) == []
            restore()
            for _ in range(2):
                await client.update(task_id, **accept(question))
        assert [sent["ok"] for sent in world.sent(neo_task)] == [True]
