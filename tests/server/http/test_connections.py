"""Which connection goes for another, and who gets in whatever others hold."""

import ipaddress
import subprocess
import sys
import tracemalloc
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.errors import NeoError
from neo_mcp.server.http.connections import ConnectionLimits, Connections, Pool, Stage
from neo_mcp.server.http.limits import Arrival
from neo_mcp.simulator import Fault
from tests.support.host import ORG, PATIENCE, Json, World, until
from tests.support.people import by_header, serving
from tests.support.processes import environment, running
from tests.support.sockets import answer_on, connected, everything, post, probe, request

pytestmark = pytest.mark.scorecard("one client cannot use up what is everybody's")

MIB = 2**20
LIST: Json = {"name": "list_tasks", "arguments": {"organization": ORG}}
KINDS = {
    "nothing": b"",
    "half of a line": b"POST /mcp HT",
    "half of the headers": b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n",
    "half of a body": post("http://127.0.0.1", "content-length: 100", body=b"{"),
    "half of a chunk": post("http://127.0.0.1", "transfer-encoding: chunked", body=b"f\r\n{"),
    "a request and nothing more": probe(),
    "a request and half of the next": probe() + b"GET /r",
    "a request that is refused": post("http://127.0.0.1", "content-length: 0").replace(b"127", b"128"),
}


class Fake:
    """A connection that remembers whether it had to go."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.is_gone = False

    def give_up(self) -> None:
        self.is_gone = True

    def check_sending(self, now: float) -> None:
        raise NotImplementedError


def table(connections: int = 10, *trusted: str, of_address: int = 10, reserved: int = 2) -> Connections:
    limits = ConnectionLimits(connections=connections, reserved=reserved, of_address=of_address)
    return Connections(limits, [ipaddress.ip_network(name) for name in trusted])


def opened(connections: Connections, *addresses: str) -> list[Fake]:
    made = [Fake(address) for address in addresses]
    for each in made:
        connections.open(each)
    return made


def gone(made: list[Fake]) -> list[int]:
    return [number for number, each in enumerate(made) if each.is_gone]


class TestOrder:
    def test_the_one_that_waits_longest_goes_first(self) -> None:
        assert gone(opened(table(3), *["127.0.0.1"] * 5)) == [0, 1]

    def test_whoever_had_a_request_goes_later_and_whoever_is_answered_last(self) -> None:
        connections = table(6, reserved=1)
        made = opened(connections, *["127.0.0.1"] * 6)
        for known in made[:2]:
            connections.admit(known)
            connections.release(known, Stage.KNOWN)
        connections.put(made[2], Stage.ANSWERED)
        order: list[int] = []
        for _ in range(5):
            (busy,) = opened(connections, "127.0.0.1")
            connections.admit(busy)
            order += [number for number in gone(made) if number not in order]
        # Of the new ones, one stays for as long as another may go.
        assert order == [3, 4, 0, 1, 5]

    def test_whoever_was_answered_and_not_let_in_goes_first(self) -> None:
        connections = table(6, reserved=1)
        made = opened(connections, *["127.0.0.1"] * 6)
        for refused in made[3:5]:
            connections.put(refused, Stage.ANSWERED)
            connections.put(refused, Stage.UNADMITTED)
        opened(connections, "127.0.0.1")
        assert gone(made) == [3]
        opened(connections, *["127.0.0.1"] * 2)
        assert gone(made) == [0, 3, 4]

    def test_new_ones_have_some_time_wherever_all_others_are_known(self) -> None:
        connections = table(10, reserved=3)
        for known in opened(connections, *["127.0.0.1"] * 10):
            connections.admit(known)
            connections.release(known, Stage.KNOWN)
        made = opened(connections, *["127.0.0.1"] * 6)
        assert gone(made) == [0, 1]

    def test_one_that_serves_a_request_stays(self) -> None:
        connections = table(4, reserved=1)
        made = opened(connections, *["127.0.0.1"] * 4)
        for each in made[:3]:
            connections.admit(each)
        more = opened(connections, *["127.0.0.1"] * 9)
        assert gone(made) == [3]
        assert gone(more) == list(range(8))
        assert not any(each.is_gone for each in made[:3])

    def test_some_places_are_left_for_others(self) -> None:
        connections = table(10, reserved=2)
        made = opened(connections, *["127.0.0.1"] * 9)
        for each in made[:8]:
            connections.admit(each)
        with pytest.raises(NeoError, match="all it can"):
            connections.admit(made[8])
        connections.release(made[0], Stage.KNOWN)
        connections.admit(made[8])

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["open", "close", "put", "admit", "release"]),
                st.integers(0, 30),
                st.sampled_from(Stage),
                st.sampled_from(["127.0.0.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", ""]),
            ),
            max_size=80,
        )
    )
    def test_there_are_never_too_many_and_none_goes_that_serves(
        self, steps: list[tuple[str, int, Stage, str]]
    ) -> None:
        connections = table(6, of_address=3, reserved=2)
        held: list[Fake] = []
        admitted: set[Fake] = set()
        for action, number, stage, address in steps:
            one = held[number % len(held)] if held else None
            if action == "open":
                held.append(Fake(address))
                connections.open(held[-1])
            elif one is None:
                continue
            elif action == "close":
                connections.close(one)
                held.remove(one)
                admitted.discard(one)
            elif action == "put":
                connections.put(one, stage)
            elif action == "admit" and one not in admitted:
                try:
                    connections.admit(one)
                    admitted.add(one)
                except NeoError:
                    assert len(admitted) == 4
            elif action == "release":
                connections.release(one, stage)
                admitted.discard(one)
            assert not any(each.is_gone for each in admitted)
            for each in [each for each in held if each.is_gone]:
                connections.close(each)
                held.remove(each)
            assert len(held) <= 6
            waiting = [each.address for each in held if each not in admitted]
            assert all(waiting.count(address) <= 3 for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1"))


class TestAddresses:
    def test_an_address_has_so_many_and_loses_its_own(self) -> None:
        made = opened(table(100, of_address=2), "192.0.2.1", "192.0.2.2", *["192.0.2.1"] * 3)
        assert gone(made) == [0, 2]

    def test_those_behind_a_trusted_proxy_or_on_this_machine_have_no_limit_of_their_own(self) -> None:
        addresses = ["192.0.2.1"] * 5 + ["127.0.0.1"] * 5 + ["::1"] * 5 + ["::ffff:192.0.2.9"] * 5
        assert gone(opened(table(100, "192.0.2.0/24", of_address=2), *addresses)) == []

    @pytest.mark.parametrize(
        ("first", "other", "same"),
        [
            ("2001:db8::1", "2001:db8::ffff:2", True),
            ("2001:db8::1", "2001:db8:0:1::1", False),
            ("::ffff:192.0.2.1", "192.0.2.1", True),
            ("fe80::1%eth0", "fe80::2%eth1", True),
        ],
    )
    def test_what_counts_as_one_address(self, first: str, other: str, *, same: bool) -> None:
        assert bool(gone(opened(table(100, of_address=1), first, other))) is same


class TestPool:
    def test_what_was_held_for_longest_goes(self) -> None:
        pool, made = Pool(100), [Fake() for _ in range(4)]
        for each in made[:3]:
            pool.add(each, 30)
        pool.free(made[0])
        pool.add(made[3], 60)
        assert gone(made) == [1]
        assert pool.used == 90

    def test_what_is_too_much_alone_goes_itself(self) -> None:
        pool, one = Pool(100), Fake()
        pool.add(one, 60)
        pool.add(one, 60)
        assert one.is_gone
        assert pool.used == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_others_hold_probes_and_calls_are_answered(world: World, kind: str) -> None:
    limits = ConnectionLimits(connections=20, reserved=4)
    async with serving(world.settings(), limits=limits) as url, AsyncExitStack() as stack:
        for _ in range(30):
            connection = await stack.enter_async_context(connected(url))
            await connection.send(KINDS[kind])
        for sent in (probe(), probe("/healthz"), request(url, "tools/call", **LIST)) * 4:
            async with connected(url) as another:
                await another.send(sent)
                assert (await answer_on(another)).startswith(b"HTTP/1.1 200 ")
            connection = await stack.enter_async_context(connected(url))
            await connection.send(KINDS[kind])


@pytest.mark.parametrize("answered", ["a request and nothing more", "a request that is refused"])
async def test_one_that_sends_late_outlasts_those_that_were_answered(world: World, answered: str) -> None:
    limits = ConnectionLimits(connections=8, reserved=2)
    async with serving(world.settings(), limits=limits) as url, AsyncExitStack() as stack:
        late = await stack.enter_async_context(connected(url))
        for _ in range(20):
            another = await stack.enter_async_context(connected(url))
            await another.send(KINDS[answered])
            await answer_on(another)
        await late.send(probe())
        assert (await answer_on(late)).startswith(b"HTTP/1.1 200 ")


async def test_one_that_has_to_go_is_told_to_try_again(world: World) -> None:
    limits = ConnectionLimits(connections=3, reserved=1)
    async with serving(world.settings(), limits=limits) as url, AsyncExitStack() as stack:
        first = await stack.enter_async_context(connected(url))
        await first.send(KINDS["half of the headers"])
        silent = await stack.enter_async_context(connected(url))
        for _ in range(4):
            await stack.enter_async_context(connected(url))
        said = await everything(first)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after" in said
        assert await everything(silent) == b""


async def test_requests_in_flight_keep_their_connections(world: World) -> None:
    limits = ConnectionLimits(connections=6, reserved=2)
    task_id = world.simulator.add_task(ORG, status="running")
    waiting: Json = {
        "name": "wait_for_events",
        "arguments": {"task_id": task_id, "timeout_seconds": PATIENCE},
    }
    async with serving(world.settings(), limits=limits) as url, AsyncExitStack() as stack:
        waits = [await stack.enter_async_context(connected(url)) for _ in range(4)]
        for each in waits:
            await each.send(request(url, "tools/call", **waiting))
        await until(lambda: world.simulator.open_streams)
        # That all of them are served shows by the refusal of one more.
        said = b""
        with anyio.fail_after(PATIENCE):
            while not said.startswith(b"HTTP/1.1 503 "):
                async with connected(url) as another:
                    await another.send(request(url, "tools/call", **LIST))
                    said = await answer_on(another)
        for _ in range(20):
            await stack.enter_async_context(connected(url))
        async with connected(url) as balancer:
            await balancer.send(probe())
            assert (await answer_on(balancer)).startswith(b"HTTP/1.1 200 ")
        event = {"type": "assistant_message", "content": "Done.", "is_final": True}
        world.simulator.append_event(ORG, task_id, event, kind="agentResponse")
        for each in waits:
            assert b"turn_ended" in await body_on(each)


async def body_on(connection: anyio.abc.SocketStream) -> bytes:
    said = b""
    with anyio.fail_after(PATIENCE):
        while b"resultType" not in said:
            said += await connection.receive()
    return said


async def test_those_who_are_not_let_in_go_before_those_who_were(world: World, tmp_path: Path) -> None:
    limits = ConnectionLimits(connections=8, reserved=4)
    async with by_header(world, tmp_path, limits=limits) as endpoint, AsyncExitStack() as stack:
        url, headers = endpoint.urls["alice"], endpoint.headers["alice"]
        sent = request(url, "tools/call", headers, **LIST)
        alice = await stack.enter_async_context(connected(url))
        await alice.send(sent)
        assert b" 200 " in await answer_on(alice)
        for _ in range(20):
            stranger = await stack.enter_async_context(connected(url))
            await stranger.send(request(url, "tools/call", **LIST))
            assert b" 401 " in await answer_on(stranger)
        await alice.send(sent)
        assert b" 200 " in await answer_on(alice)


async def test_bodies_on_their_way_are_bounded_together(world: World) -> None:
    limits = ConnectionLimits(incoming_bytes=300_000)
    async with serving(world.settings(), limits=limits) as url, AsyncExitStack() as stack:
        held = [await stack.enter_async_context(connected(url)) for _ in range(4)]
        for each in held:
            await each.send(post(url, "content-length: 1000000", body=b"x" * 100_000))
        assert b" 503 " in await everything(held[0])
        async with connected(url) as another:
            await another.send(request(url, "tools/call", **LIST))
            assert b" 200 " in await answer_on(another)


async def test_a_body_of_a_usual_size_is_not_counted(world: World) -> None:
    world.simulator.faults.add(Fault("latency", path="/tasks$", seconds=PATIENCE, times=0))
    limits = ConnectionLimits(incoming_bytes=20_000)
    async with serving(world.settings(), limits=limits) as url, AsyncExitStack() as stack:
        held = [await stack.enter_async_context(connected(url)) for _ in range(10)]
        for each in held:
            padded = {**LIST, "padding": "x" * 10_000}
            await each.send(request(url, "tools/call", **padded))
        await until(lambda: world.asked("GET", "/tasks") == 10)


async def test_a_body_in_many_pieces_takes_no_more_memory_than_in_few() -> None:
    pieces = iter([b"x"] * 50_000)

    async def receive() -> dict[str, object]:
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    arrival = Arrival({"headers": []}, receive, Pool(MIB))
    tracemalloc.start()
    try:
        await arrival.complete()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB
    message = await arrival.receive()
    assert (message["body"], message["more_body"]) == (b"x" * 50_000, False)


class TestDescriptors:
    @pytest.mark.parametrize(
        ("soft", "hard", "possible"), [(256, 256, 170), (64, 300, 200), (256, 4096, 900)]
    )
    def test_connections_fit_the_files_that_a_process_may_open(
        self, soft: int, hard: int, possible: int
    ) -> None:
        code = (
            "import resource\n"
            f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
            "from neo_mcp.server.http.descriptors import connections_within_limits\n"
            "print(connections_within_limits(900))\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)  # noqa: S603 - our own code
        assert int(done.stdout) == possible
        assert (b"ulimit" in done.stderr) is (possible < 900)

    async def test_a_process_with_few_files_stays_reachable(self, world: World, tmp_path: Path) -> None:
        code = (
            "import resource, sys\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
            "from neo_mcp.cli import main\n"
            "sys.exit(main())\n"
        )
        env = environment(world.simulator.url, str(tmp_path))
        async with (
            running("serve", "--http", "--port", "0", env=env, code=code) as server,
            AsyncExitStack() as stack,
        ):
            await server.says("/mcp")
            url = next(w for w in server.stderr.decode().split() if w.startswith("http://"))
            for _ in range(200):
                await stack.enter_async_context(connected(url))
            for _ in range(5):
                async with connected(url) as another:
                    await another.send(request(url, "tools/call", **LIST))
                    assert b" 200 " in await answer_on(another)
        assert b"Traceback" not in server.stderr
        assert len(server.stderr) < 10_000
