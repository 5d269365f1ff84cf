"""Operators see what requests do: traces, metrics, ids in logs; and nothing that is anybody's business."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from neo_mcp.api.exchange import url_template
from neo_mcp.simulator import Fault
from tests.support.collector import Collector, attributes, collecting
from tests.support.host import ORG, PATIENCE, Json, World, until
from tests.support.processes import CANARY, HELLO, Running, environment, running
from tests.support.tasks_client import Http, TasksClient
from tests.support.tasks_servers import DONE, REQUEST, happen, pending

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SECRET_WORDS = "the plans for the harbour"
pytestmark = pytest.mark.scorecard("traces go from host to API; nothing of anybody's is exported or logged")

NOWHERE = "http://127.0.0.1:9"
_URL = re.compile(r"serves (http://\S+)")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running_collector:
        yield running_collector


@asynccontextmanager
async def serving(world: World, home: Path, *options: str, **env: str) -> AsyncIterator[tuple[str, Running]]:
    """A process on HTTP, and its address."""
    given = environment(world.simulator.url, str(home), **env)
    async with running("serve", "--http", "--port", "0", *options, env=given) as server:
        await server.says("serves http://")
        found = _URL.search(server.stderr.decode())
        assert found is not None
        yield found[1].rstrip('",}'), server
        server.process.terminate()
        await server.process.wait()


def hex_of(span: Span) -> tuple[str, str, str]:
    return span.trace_id.hex(), span.parent_span_id.hex(), span.span_id.hex()


def sent_upstream(world: World, path_end: str) -> list[str]:
    return [r.headers.get("traceparent", "") for r in world.simulator.requests if r.path.endswith(path_end)]


class TestTraces:
    @pytest.mark.parametrize("by", ["_meta", "header"])
    async def test_a_hosts_trace_goes_on_through_the_server_to_the_api(
        self, world: World, tmp_path: Path, collector: Collector, by: str
    ) -> None:
        task_id = pending(world, REQUEST)
        headers = {"traceparent": TRACEPARENT, "tracestate": "v=1"} if by == "header" else {}
        async with serving(world, tmp_path, **collector.env) as (url, _), httpx.AsyncClient() as http:
            http.headers.update(headers)
            client = TasksClient(Http(url, http), {})
            message = client.message("tools/call", {"name": "get_task", "arguments": {"task_id": task_id}})
            if by == "_meta":
                message["params"]["_meta"]["traceparent"] = TRACEPARENT
            await client.wire.request(message)
            path = "GET /api/preview/agents/{organization}/tasks/{task}/events"
            await until(lambda: collector.named(path))
        (served,) = collector.named("tools/call get_task")
        assert hex_of(served)[:2] == (TRACE, PARENT)
        (asked,) = collector.named(path)
        assert hex_of(asked)[:2] == (TRACE, served.span_id.hex())
        told = attributes(asked.attributes)
        assert told["http.response.status_code"] == 200
        assert told["server.address"] == "127.0.0.1"
        assert sent_upstream(world, f"/tasks/{task_id}/events") == [f"00-{TRACE}-{asked.span_id.hex()}-01"]
        assert {resource["service.name"] for resource in collector.resources} == {"pulumi-neo-mcp"}

    async def test_a_trace_passes_a_server_that_exports_nothing(self, world: World, tmp_path: Path) -> None:
        task_id = pending(world, REQUEST)
        async with running("serve", env=environment(world.simulator.url, str(tmp_path))) as server:
            await server.initialize()
            arguments = {"task_id": task_id}
            await server.request(
                "tools/call",
                name="get_task",
                arguments=arguments,
                _meta={"traceparent": TRACEPARENT, "tracestate": "v=1", "baggage": "user=alice"},
            )
        assert set(sent_upstream(world, f"/tasks/{task_id}/events")) == {TRACEPARENT}
        asked = [r for r in world.simulator.requests if r.path.endswith(f"/tasks/{task_id}/events")]
        assert [r.headers["tracestate"] for r in asked] == ["v=1"]
        assert not any("baggage" in r.headers for r in world.simulator.requests)

    async def test_each_request_of_a_session_is_part_of_its_own_trace(
        self, world: World, tmp_path: Path
    ) -> None:
        task_ids = [pending(world) for _ in range(2)]
        traces = [f"00-{number:032x}-{PARENT}-01" for number in (1, 2)]
        async with serving(world, tmp_path) as (url, _), httpx.AsyncClient() as http:
            http.headers["accept"] = "application/json, text/event-stream"
            message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
            opened = await http.post(url, json=message, headers={"traceparent": TRACEPARENT})
            http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
            await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
            for number, (task_id, trace) in enumerate(zip(task_ids, traces, strict=True), 1):
                params: Json = {"name": "get_task", "arguments": {"task_id": task_id}}
                message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
                answer = await http.post(url, json=message, headers={"traceparent": trace})
                assert answer.status_code == httpx.codes.OK
        for task_id, trace in zip(task_ids, traces, strict=True):
            assert set(sent_upstream(world, f"/tasks/{task_id}/events")) == {trace}

    async def test_what_happened_last_is_sent_before_the_process_ends(
        self, world: World, tmp_path: Path, collector: Collector
    ) -> None:
        env = environment(world.simulator.url, str(tmp_path), **collector.endpoint)
        async with running("serve", env=env) as server:
            await server.initialize()
            await server.call("list_tasks")
            assert server.process.stdin is not None
            await server.process.stdin.aclose()
            assert await server.exit_status() == 0
        assert collector.named("tools/call list_tasks")
        assert collector.points("mcp.server.operation.duration")

    async def test_what_is_no_trace_goes_nowhere(self, world: World, tmp_path: Path) -> None:
        async with running("serve", env=environment(world.simulator.url, str(tmp_path))) as server:
            await server.initialize()
            for given in ("", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"):
                answer = await server.request(
                    "tools/call", name="list_tasks", arguments={}, _meta={"traceparent": given}
                )
                assert not answer["result"].get("isError"), given
        assert not any("traceparent" in r.headers for r in world.simulator.requests)

    async def test_a_token_in_a_trace_state_stays_here(self, world: World, tmp_path: Path) -> None:
        async with serving(world, tmp_path) as (url, _), httpx.AsyncClient() as http:
            http.headers.update({"traceparent": TRACEPARENT, "tracestate": f"v={CANARY}"})
            await TasksClient(Http(url, http), {}).call("list_tasks")
        assert set(sent_upstream(world, "/tasks")) == {TRACEPARENT}
        assert not any(CANARY in str(r.headers) for r in world.simulator.requests)

    async def test_waits_and_approvals_have_spans_that_say_how_they_ended(
        self, world: World, tmp_path: Path, collector: Collector
    ) -> None:
        task_id = pending(world, REQUEST)
        async with serving(world, tmp_path, **collector.env) as (url, _), httpx.AsyncClient() as http:
            client = TasksClient(Http(url, http), {"elicitation": {"form": {}}})
            await client.call("wait_for_events", task_id=task_id)
            asked = await client.call("respond", task_id=task_id, action="approve")
            assert asked["resultType"] == "input_required"
            await until(lambda: collector.named("approval decision"))
        (wait,) = collector.named("wait for events")
        assert attributes(wait.attributes)["neo_mcp.outcome"] == "matched"
        (approval,) = collector.named("approval decision")
        assert attributes(approval.attributes)["neo_mcp.outcome"] == "asked"
        # The stream belongs to the trace of whoever made it be opened.
        opened = collector.named("GET /api/preview/agents/{organization}/tasks/{task}/events/stream")
        assert {span.trace_id for span in opened} <= {wait.trace_id}

    async def test_nothing_that_anybody_says_is_exported(
        self, world: World, tmp_path: Path, collector: Collector
    ) -> None:
        task_id = pending(world, {"type": "assistant_message", "content": SECRET_WORDS, "is_final": True})
        hostile = f"{SECRET_WORDS} {CANARY}"
        async with serving(world, tmp_path, **collector.env) as (url, _), httpx.AsyncClient() as http:
            client = TasksClient(Http(url, http), {})
            await client.call("wait_for_events", task_id=task_id)
            await client.call("respond", task_id=task_id, action="message", text=hostile)
            for method, params in (
                ("tools/call", {"name": hostile, "arguments": {}}),
                ("prompts/get", {"name": hostile}),
                (hostile, {}),
                ("resources/read", {"uri": f"neo://{ORG}/tasks/{'f' * 8}"}),
            ):
                wire = Http(url, http, header=str(params.get("name") or params.get("uri") or ""))
                answer = await wire.request(client.message(method, params))
                assert "header" not in str(answer)
            world.simulator.faults.add(
                Fault("status", status=403, times=0, body=json.dumps({"message": hostile}).encode())
            )
            await client.call("list_tasks")
            await until(lambda: collector.named("tools/call list_tasks"))
            await until(lambda: {"error.type": "403"}.items() <= _errors(collector).items())
        spans = str(collector.spans)
        for words in (SECRET_WORDS, CANARY, ORG):
            assert words not in spans
            assert words.encode() not in b"".join(collector.bodies)
        for metric in collector.metrics:
            assert all(task_id not in str(point) for point in collector.points(metric))
        assert not any(span.status.message or span.events for span in collector.spans)


def _errors(collector: Collector) -> dict[str, str]:
    return {
        key: value
        for point in collector.points("http.client.request.duration")
        for key, value in point.items()
        if key == "error.type"
    }


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/api/user", "/api/user"),
        ("/api/preview/agents/acme/tasks", "/api/preview/agents/{organization}/tasks"),
        (
            "/api/agents/tasks/tasks/agents/events/stream",
            "/api/agents/{organization}/tasks/{task}/events/stream",
        ),
    ],
)
def test_a_path_is_told_without_its_ids(path: str, template: str) -> None:
    assert url_template(path) == template


class TestMetrics:
    async def test_prometheus_gets_them_at_an_address_of_their_own(
        self, world: World, tmp_path: Path
    ) -> None:
        options = ("--metrics-address", "127.0.0.1:0", "--log-level", "info")
        task_id = pending(world)
        async with (
            serving(world, tmp_path, *options) as (url, server),
            httpx.AsyncClient() as http,
        ):
            client = TasksClient(Http(url, http), {})
            await server.says("/metrics")
            found = re.search(r"served at (http://\S+)", server.stderr.decode())
            assert found is not None
            await client.call("get_task", task_id=task_id)
            held = ""
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    group.start_soon(lambda: client.call("wait_for_events", task_id=task_id))
                    while not re.search(r"^neo_mcp_wait_active 1\.0$", held, re.MULTILINE):
                        held = _plain((await http.get(found[1])).text)
                    happen(world, task_id, DONE)
            text = (await http.get(found[1])).text
            assert (await http.get(url.replace("/mcp", "/metrics"))).status_code == 404
        plain = _plain(text)
        assert re.search(r"^neo_mcp_wait_active 0\.0$", plain, re.MULTILINE)
        for name in ("http_client_request", "http_server_request", "mcp_server_operation", "neo_mcp_wait"):
            assert f"{name}_duration_seconds_count" in plain
        assert task_id not in text
        assert CANARY not in text
        assert ORG not in text
        assert "process_resident_memory_bytes" in text

    async def test_an_address_that_is_taken_is_said_at_once(self, world: World, tmp_path: Path) -> None:
        port = httpx.URL(world.simulator.url).port
        env = environment(world.simulator.url, str(tmp_path))
        options = ("--http", "--port", "0", "--metrics-address", f"127.0.0.1:{port}")
        async with running("serve", *options, env=env) as server:
            assert await server.exit_status() == 2
        assert b"is not available for metrics" in server.stderr

    async def test_without_the_extra_it_is_said_how_to_get_it(self, world: World, tmp_path: Path) -> None:
        code = (
            "import sys\nsys.modules |= {'opentelemetry.sdk': None, 'opentelemetry.sdk.metrics': None}\n"
            "from neo_mcp.cli import main\nsys.exit(main())"
        )
        env = environment(world.simulator.url, str(tmp_path))
        options = ("--http", "--port", "0", "--metrics-address", "127.0.0.1:0")
        async with running("serve", *options, env=env, code=code) as server:
            assert await server.exit_status() == 2
        assert b"pulumi-neo-mcp[telemetry]" in server.stderr
        env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE, "NEO_MCP_LOG_LEVEL": "info"}
        async with running("serve", env=env, code=code) as server:
            await server.initialize()
            # Once there would be something to export.
            await server.call("list_tasks")
            await server.says("pulumi-neo-mcp[telemetry]")


def _plain(text: str) -> str:
    """The exposition without labels."""
    return re.sub(r"\{[^}]*\}", "", text)


class TestStandardOutput:
    @pytest.mark.parametrize(
        ("env", "said"),
        [
            ({"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "console"}, "not supported"),
            ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
            (
                {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "1"},
                "127.0.0.1",
            ),
        ],
    )
    async def test_it_stays_the_protocols_whatever_is_asked_for(
        self, world: World, tmp_path: Path, env: dict[str, str], said: str
    ) -> None:
        async with running("serve", env=environment(world.simulator.url, str(tmp_path), **env)) as server:
            await server.initialize()
            await server.call("list_tasks")
            await server.says(said)
            assert server.process.stdin is not None
            await server.process.stdin.aclose()
            assert await server.exit_status() == 0
        for line in server.written.splitlines():
            assert json.loads(line)["jsonrpc"] == "2.0"

    async def test_without_being_asked_nothing_more_is_loaded(self, world: World, tmp_path: Path) -> None:
        code = (
            "import sys\nfrom neo_mcp.cli import main\n"
            "status = main()\n"
            "print(*(m for m in sys.modules if 'opentelemetry' in m), file=sys.stderr, flush=True)\n"
            "sys.exit(status)"
        )
        async with running("serve", env=environment(world.simulator.url, str(tmp_path)), code=code) as server:
            await server.initialize()
            await server.call("list_tasks")
            assert server.process.stdin is not None
            await server.process.stdin.aclose()
            await server.exit_status()
            await server.says("opentelemetry.trace")
        loaded = server.stderr.decode().split()
        assert not [
            name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.metrics"))
        ]


class TestLogs:
    async def test_as_json_every_line_is_an_object_that_names_its_request(
        self, world: World, tmp_path: Path, collector: Collector
    ) -> None:
        options = ("--log-format", "json", "--log-level", "debug")
        world.simulator.faults.add(Fault("status", status=403, path="/tasks$", times=0))
        async with (
            serving(world, tmp_path, *options, **collector.env) as (url, server),
            httpx.AsyncClient() as http,
        ):
            http.headers.update({"traceparent": TRACEPARENT, "x-request-id": "from-the-proxy.1"})
            result = await TasksClient(Http(url, http), {}).call("list_tasks", page_size=1)
            assert result["isError"]
            await server.says("list_tasks: the tool says")
        lines: list[Json] = [json.loads(line) for line in server.stderr.splitlines()]
        about = [line for line in lines if line.get("request_id") == "from-the-proxy.1"]
        assert {line["trace_id"] for line in about if "trace_id" in line} == {TRACE}
        (failed,) = [line for line in about if line["message"].startswith("list_tasks: ")]
        said = re.search(r"request id ([\w-]+)", result["content"][0]["text"])
        assert said is not None
        assert failed["api_request_id"] == said[1]
        assert failed["level"] == "info"
        assert CANARY not in server.stderr.decode()

    async def test_requests_have_ids_of_their_own_on_stdio(self, world: World, tmp_path: Path) -> None:
        options = ("--log-format", "json", "--log-level", "debug")
        env = environment(world.simulator.url, str(tmp_path))
        async with running("serve", *options, env=env) as server:
            await server.initialize()
            for _ in range(2):
                await server.call("list_tasks")
            await server.says("tools/call list_tasks")
            assert server.process.stdin is not None
            await server.process.stdin.aclose()
            await server.exit_status()
        lines: list[Json] = [json.loads(line) for line in server.stderr.splitlines()]
        asked = [line["request_id"] for line in lines if "GET /api/preview" in line["message"]]
        done = [line["request_id"] for line in lines if line["message"] == "tools/call list_tasks: done"]
        assert len(set(done)) == 2
        assert asked == done

    async def test_an_id_that_is_none_is_replaced(self, world: World, tmp_path: Path) -> None:
        async with serving(world, tmp_path) as (url, _), httpx.AsyncClient() as http:
            for given in ("", "x" * 65, "a b", 'a"b', CANARY):
                answer = await http.get(url, headers={"x-request-id": given})
                assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"]), given
            answer = await http.get(url, headers={"x-request-id": "good-1"})
            assert answer.headers["x-request-id"] == "good-1"
