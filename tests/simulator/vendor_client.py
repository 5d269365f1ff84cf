"""A client that asks as the vendor's own does, written from the contract alone.

It imports nothing of this package: which headers it sends, in which order it asks, which bodies have no time
in them and what it tries again are facts of the contract. Waiting is passed in, so that tests need none.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Self

import httpx

Json = dict[str, Any]
Handler = Callable[[str, Json], Json]
"""Runs one local call, by its name and arguments; a `ToolError` becomes an error result."""

CREATE_SECONDS = 120.0
CALL_SECONDS = 20.0
TRIES = 8
"""How often it posts what is refused with 409: about 90 s in all."""
RECONNECT_SECONDS = 300.0
"""How long it waits in all for a stream without an event or a keep-alive."""
MAX_DELAY = 30.0
JITTER = 0.25
MAX_LINE = 8 * 1024 * 1024

ARGUMENTS = {
    "filesystem__read": {"file_path"},
    "filesystem__write": {"file_path", "content"},
    "filesystem__directory_tree": {"path"},
    "filesystem__edit": {"file_path", "old_string", "new_string"},
    "filesystem__grep": {"pattern"},
    "filesystem__content_replace": {"pattern", "replacement", "path"},
    "filesystem__grep_ast": {"pattern", "path"},
    "shell__shell_execute": {"command"},
    "pulumi__pulumi_preview": {"project_name", "stack_name", "local_pulumi_dir"},
    "pulumi__pulumi_up": {"project_name", "stack_name", "local_pulumi_dir"},
}
"""The calls that it can run, and the arguments that it cannot do without."""


class GaveUp(Exception):  # noqa: N818 - its own word for it
    """It tried for as long as it tries."""


class ToolError(Exception):
    """A local call that cannot be run."""


def delay(failures: int) -> float:
    """Seconds before the next try, after so many that failed."""
    return float(min(2 ** (failures - 1), MAX_DELAY))


@dataclass
class VendorClient:
    """One user's client.

    Attributes:
        sleep: Waits for so many seconds, or pretends to.
        jitter: How much of the most that may be added to a stream's delay is added, from 0 to 1.
        runs: The local calls that it ran, in their order.
        warnings: What it told its user.
    """

    http: httpx.AsyncClient
    organization: str
    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float] = lambda: 0.0
    runs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def connected(
        cls, url: str, token: str, sleep: Callable[[float], Awaitable[None]]
    ) -> AsyncIterator[Self]:
        """A client that has found its organization."""
        headers = {
            "authorization": f"token {token}",
            "accept": "application/vnd.pulumi+8",
            "user-agent": "pulumi-cli/1 (3.210.0; linux)",
        }
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=CALL_SECONDS) as http:
            named = await http.get("/api/user/organizations/default")
            assert named.status_code in {200, 404}
            found = {key.lower(): value for key, value in named.json().items()} if named.is_success else {}
            organization = found.get("githublogin") or (await http.get("/api/user")).json()["githubLogin"]
            yield cls(http, organization, sleep)

    @property
    def _tasks(self) -> str:
        return f"/api/preview/agents/{self.organization}/tasks"

    async def create(self, prompt: str, *, entities: Sequence[Json] = (), **settings: Any) -> str:  # noqa: ANN401 - any JSON
        """Start a task; once more without the entities if these are refused."""
        message: Json = {"type": "user_message", "content": prompt}
        if entities:
            message["entity_diff"] = {"add": list(entities)}
        body = {"message": message, "source": "cli", **settings}
        response = await self.http.post(self._tasks, json=body, timeout=CREATE_SECONDS)
        if response.status_code == 400 and entities and "invalid entit" in response.text.lower():
            self.warnings.append(response.json()["message"])
            return await self.create(prompt, **settings)
        response.raise_for_status()
        assert response.status_code == 201
        task: str = response.json()["taskId"]
        return task

    async def get(self, task: str) -> Json:
        """The task."""
        return await self._json("GET", f"/{task}")

    async def update(self, task: str, **changes: Any) -> Json:  # noqa: ANN401 - any JSON
        """Change the task's modes, or its name."""
        return await self._json("PATCH", f"/{task}", json=changes)

    async def tasks(self, size: int = 100) -> list[Json]:
        """Every task, page by page."""
        return await self._pages("tasks", "", size)

    async def events(self, task: str, size: int = 1000) -> list[Json]:
        """Every event, page by page."""
        return await self._pages("events", f"/{task}/events", size)

    async def respond(self, task: str, event: Json) -> httpx.Response:
        """Post an event, without a time."""
        response = await self.http.post(f"{self._tasks}/{task}", json={"event": event})
        assert response.status_code in {200, 202, 400, 404, 409}, response.text
        return response

    async def confirm(self, task: str, request: str, *, ok: bool, words: str = "") -> httpx.Response:
        """Decide on a request; an answer to a question is a refusal with words."""
        event: Json = {"type": "user_confirmation", "approval_request_id": request, "ok": ok}
        return await self.respond(task, {**event, "instructions": words} if words else event)

    async def message(self, task: str, text: str) -> int:
        """Send a message, patiently while a turn runs; return how many tries it took."""
        return await self._patiently(task, {"type": "user_message", "content": text})

    async def cancel(self, task: str) -> int:
        """Ask Neo to stop, patiently while it waits for local calls; return how many tries it took."""
        return await self._patiently(task, {"type": "user_cancel"})

    async def _patiently(self, task: str, event: Json) -> int:
        for attempt in range(1, TRIES + 1):
            response = await self.respond(task, event)
            if response.status_code != 409:
                response.raise_for_status()
                return attempt
            if attempt < TRIES:
                await self.sleep(delay(attempt))
        raise GaveUp

    async def run(
        self, task: str, calls: Sequence[Json], handler: Handler | None = None, *, fails: bool = False
    ) -> None:
        """Announce each call, run it, and give back a result for every one.

        Args:
            task: The task's id.
            calls: A batch, as the message has it.
            handler: Runs a call; without one, it gets a made-up result of the right shape.
            fails: Whether every result is an error.
        """
        results = []
        for call in calls:
            named = {"tool_call_id": call["id"], "name": call["name"]}
            (await self.respond(task, {"type": "exec_tool_call", **named})).raise_for_status()
            self.runs.append(call["id"])
            try:
                content, is_error = (handler or run_local_tool)(call["name"], call["args"]), fails
            except ToolError as error:
                content, is_error = {"error": str(error)}, True
            results.append({**named, "content": content, "is_error": is_error})
        (await self.respond(task, {"type": "tool_result", "tool_results": results})).raise_for_status()

    async def follow(self, task: str, last: str = "") -> AsyncIterator[Json]:
        """The task's events from the one after ``last``, over as many connections as it takes.

        A first connection that is refused is an error at once; later ones are tried again until there was no
        progress for too long. A clean end is the end only if the task is idle and waits for no one.
        """
        failures, waited, is_open = 0, 0.0, False
        while True:
            try:
                async with self._connection(task, last) as response:
                    is_open = True
                    async for identity, envelope in _frames(response):
                        failures, waited = 0, 0.0
                        if envelope is not None:
                            last = identity
                            yield envelope
                if await self._is_over(task, last):
                    return
            except httpx.HTTPStatusError as error:
                if not is_open or error.response.status_code < 500:
                    raise
            except httpx.TransportError:
                if not is_open:
                    raise
            if waited >= RECONNECT_SECONDS:
                raise GaveUp
            failures += 1
            seconds = delay(failures) * (1 + JITTER * self.jitter())
            waited += seconds
            await self.sleep(seconds)

    async def _is_over(self, task: str, last: str) -> bool:
        """Whether nothing is left to follow: an idle task that waits for no one, read to its last event."""
        if (await self.get(task))["status"] != "idle":
            return False
        events = await self.events(task)
        return not pending_requests(events) and (not events or events[-1]["id"] == last)

    @asynccontextmanager
    async def _connection(self, task: str, last: str) -> AsyncIterator[httpx.Response]:
        """A stream that the service has opened."""
        headers = {"accept": "text/event-stream", "cache-control": "no-cache"}
        headers |= {"last-event-id": last} if last else {}
        url = f"{self._tasks}/{task}/events/stream"
        async with self.http.stream("GET", url, headers=headers, timeout=None) as response:
            response.raise_for_status()
            yield response

    async def _pages(self, name: str, path: str, size: int) -> list[Json]:
        """Every item of a list; a token that is missing, null or empty ends it."""
        token, found = "", list[Json]()
        while True:
            query = {"pageSize": str(size), **({"continuationToken": token} if token else {})}
            page = await self._json("GET", path, params=query)
            found += page[name]
            token = page.get("continuationToken") or ""
            if not token:
                return found

    async def _json(self, method: str, path: str, **more: Any) -> Json:  # noqa: ANN401 - httpx's arguments
        response = await self.http.request(method, f"{self._tasks}{path}", **more)
        response.raise_for_status()
        found: Json = response.json()
        return found


async def _frames(response: httpx.Response) -> AsyncIterator[tuple[str, Json | None]]:
    """The events with their ids, ``None`` for a keep-alive; nothing of one that was cut off."""
    identity, data = "", list[bytes]()
    async for line in _lines(response):
        name, _, value = line.partition(b":")
        if not line and data:
            yield identity, json.loads(b"\n".join(data))
            data.clear()
        elif line and not name:
            yield identity, None
        elif name == b"data":
            data.append(value.removeprefix(b" "))
        elif name == b"id":
            identity = value.removeprefix(b" ").decode()


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """The complete lines; httpx's own reader also splits at separators that JSON text may contain."""
    rest = bytearray()
    async for chunk in response.aiter_bytes():
        rest += chunk
        if b"\n" not in chunk:
            continue
        *lines, left = bytes(rest).split(b"\n")
        rest = bytearray(left)
        for line in lines:
            assert len(line) <= MAX_LINE
            yield line.removesuffix(b"\r")


def pending_requests(events: Iterable[Json]) -> set[str]:
    """The requests that nothing has resolved yet."""
    pending = set[str]()
    for event in events:
        body = event["eventBody"]
        if body["type"] == "user_approval_request":
            pending.add(body["id"])
        elif body["type"] == "user_confirmation":
            pending.discard(body["approval_request_id"])
        elif ends_turn(event):
            pending.clear()
    return pending


def run_local_tool(name: str, args: Json) -> Json:
    """Pretend to run a call; return a result of the shape that the vendor's client returns.

    Raises:
        ToolError: If there is no such tool, an argument is missing, or the program's path is not absolute.
    """
    if name not in ARGUMENTS:
        raise ToolError(f"{name} is not available")
    if missing := ARGUMENTS[name] - args.keys():
        raise ToolError(f"{name} lacks {', '.join(sorted(missing))}")
    if not PurePosixPath(args.get("local_pulumi_dir", "/")).is_absolute():
        raise ToolError("local_pulumi_dir must be an absolute path")
    if name.startswith("shell__"):
        return {"stdout": "ok", "stderr": "", "exit_code": 0, "truncated": False, "timed_out": False}
    if name.startswith("pulumi__"):
        named = {key: args[key] for key in ("project_name", "stack_name")}
        empty = dict.fromkeys(("deployment_id", "console_url", "branch_name", "events_file"), "")
        return {**named, **empty, "logs": "2 unchanged", "status": "succeeded", "update_summary": "same"}
    return {"content": "ok"}


def local_calls(event: Json) -> list[Json]:
    """The calls of an event that are the client's to run."""
    body: Mapping[str, Any] = event["eventBody"]
    if event["type"] != "agentResponse" or body["type"] != "assistant_message":
        return []
    return [call for call in body.get("tool_calls") or () if call.get("execution_mode") == "cli"]


def is_question(request: Mapping[str, Any]) -> bool:
    """Whether a request wants words."""
    tool = (request.get("context") or {}).get("tool_name") or ""
    return tool == "ask_user" or tool.endswith("__ask_user")


def ends_turn(event: Json) -> bool:
    """Whether the turn is over with this event."""
    body = event["eventBody"]
    if body["type"] in {"error", "cancelled"}:
        return True
    return body["type"] == "assistant_message" and bool(body.get("is_final")) and not local_calls(event)
