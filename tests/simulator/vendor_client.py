"""A client that asks as the vendor's own does, written from the contract alone.

It knows nothing of this package: which headers it sends, in which order it asks, which bodies have no time in
them, and what it tries again are facts of the contract. Waiting is passed in, so that a test needs none.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

Json = dict[str, Any]

RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 20.0, 20.0, 20.0)
"""Between the eight tries of a cancel that is refused: about 90 s in all."""

LOCAL_TOOLS = {
    "filesystem__read": {"file_path"},
    "filesystem__grep": {"pattern", "path"},
    "shell__shell_execute": {"command", "cwd", "timeout"},
    "pulumi__pulumi_preview": {"project_name", "stack_name", "local_pulumi_dir"},
}
"""The arguments that it looks for in the calls that it can run."""


class GaveUp(Exception):  # noqa: N818 - its own word for it
    """It tried for as long as it tries."""


@dataclass
class VendorClient:
    """One user's client.

    Attributes:
        runs: The local calls that it ran, in their order.
    """

    http: httpx.AsyncClient
    organization: str
    sleep: Callable[[float], Awaitable[None]]
    runs: list[str] = field(default_factory=list)

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
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as http:
            named = await http.get("/api/user/organizations/default")
            found = {key.lower(): value for key, value in named.json().items()} if named.is_success else {}
            organization = found.get("githublogin") or (await http.get("/api/user")).json()["githubLogin"]
            yield cls(http, organization, sleep)

    @property
    def _tasks(self) -> str:
        return f"/api/preview/agents/{self.organization}/tasks"

    async def create(self, prompt: str, *, entities: list[Json] | None = None, **settings: Any) -> str:  # noqa: ANN401 - any JSON
        """Start a task; once more without an entity that is refused."""
        message: Json = {"type": "user_message", "content": prompt}
        if entities:
            message["entity_diff"] = {"add": entities, "remove": []}
        response = await self.http.post(self._tasks, json={"message": message, **settings}, timeout=120)
        if response.status_code == 400 and entities and "invalid entit" in response.text.lower():
            return await self.create(prompt, **settings)
        response.raise_for_status()
        assert response.status_code == 201
        task: str = response.json()["taskId"]
        return task

    async def respond(self, task: str, event: Json) -> httpx.Response:
        """Post an event, without a time."""
        response = await self.http.post(f"{self._tasks}/{task}", json={"event": event})
        assert response.status_code in {200, 202, 400, 404, 409}, response.text
        return response

    async def confirm(self, task: str, request: str, *, ok: bool, words: str = "") -> httpx.Response:
        """Decide on a request; an answer to a question is a refusal with words."""
        event: Json = {"type": "user_confirmation", "approval_request_id": request, "ok": ok}
        return await self.respond(task, {**event, "instructions": words} if words else event)

    async def message(self, task: str, text: str) -> None:
        """Send a message, patiently while a turn runs."""
        for seconds in RETRY_SECONDS:
            response = await self.respond(task, {"type": "user_message", "content": text})
            if response.is_success:
                return
            assert response.status_code == 409
            await self.sleep(seconds)
        raise GaveUp

    async def cancel(self, task: str) -> int:
        """Ask Neo to stop; gives back how many tries it took."""
        for count, seconds in enumerate(RETRY_SECONDS, 1):
            if (await self.respond(task, {"type": "user_cancel"})).is_success:
                return count
            await self.sleep(seconds)
        raise GaveUp

    async def run(self, task: str, calls: list[Json], *, fails: bool = False) -> None:
        """Announce each call, run it, and give back a result for every one."""
        results = []
        for call in calls:
            response = await self.respond(
                task, {"type": "exec_tool_call", "tool_call_id": call["id"], "name": call["name"]}
            )
            assert response.is_success
            assert LOCAL_TOOLS[call["name"]] <= call["args"].keys(), call
            self.runs.append(call["id"])
            output = {"stdout": "ok", "stderr": "", "exit_code": 0, "truncated": False, "timed_out": False}
            results.append(
                {"tool_call_id": call["id"], "name": call["name"], "content": output, "is_error": fails}
            )
        assert (await self.respond(task, {"type": "tool_result", "tool_results": results})).is_success

    async def events(self, task: str, size: int) -> list[Json]:
        """Every event, page by page; a token that is missing, null or empty ends them."""
        token, found = "", []
        while True:
            query = {"pageSize": str(size), **({"continuationToken": token} if token else {})}
            page = (await self.http.get(f"{self._tasks}/{task}/events", params=query)).json()
            found += page["events"]
            token = page.get("continuationToken") or ""
            if not token:
                return found

    async def follow(self, task: str, last: str = "") -> AsyncIterator[Json]:
        """The task's events as they come, from the one after ``last``."""
        headers = {"accept": "text/event-stream", "cache-control": "no-cache"}
        headers |= {"last-event-id": last} if last else {}
        url = f"{self._tasks}/{task}/events/stream"
        async with self.http.stream("GET", url, headers=headers, timeout=None) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    async def get(self, task: str) -> Json:
        """The task."""
        found: Json = (await self.http.get(f"{self._tasks}/{task}")).json()
        return found


def local_calls(event: Json) -> list[Json]:
    """The calls of an event that are the client's to run."""
    body: Mapping[str, Any] = event["eventBody"]
    if body["type"] != "assistant_message" or not body.get("is_final"):
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
