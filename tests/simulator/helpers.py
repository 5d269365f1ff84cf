"""A small client for tests, which holds every answer against the published description."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx

from neo_mcp.simulator import DEFAULT_ORGANIZATION, Simulator
from tests.simulator.description import AVAILABLE, check_response, validate

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # a client would load every certificate of the system first
WHEN = "2026-01-01T00:00:00Z"
Event = dict[str, Any]


class Api:
    """One person's view of one organisation."""

    def __init__(
        self, simulator: Simulator, person: str = "alice", organization: str = DEFAULT_ORGANIZATION
    ) -> None:
        self.simulator = simulator
        self.organization = organization
        self.tasks = f"/api/preview/agents/{organization}/tasks"
        self.http = httpx.AsyncClient(
            base_url=simulator.url,
            verify=NO_TLS,
            headers={"authorization": f"token pul-sim-{person}"},
            event_hooks={"response": [check_response]} if AVAILABLE else {},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def create(self, content: str, **settings: object) -> str:
        """Start a task, wait until it stops by itself, and give back its id."""
        response = await self.http.post(self.tasks, json={"message": message(content), **settings})
        assert response.status_code == 201, response.text
        task: str = response.json()["taskId"]
        await self.settle(task)
        return task

    async def settle(self, task: str) -> None:
        await self.simulator.wait_idle(self.organization, task)

    async def get(self, task: str) -> dict[str, Any]:
        response = await self.http.get(f"{self.tasks}/{task}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def send(self, task: str, event: Event) -> httpx.Response:
        """Respond to a task, and wait until it stops by itself."""
        response = await self.http.post(f"{self.tasks}/{task}", json={"event": {"timestamp": WHEN, **event}})
        if response.is_success:
            await self.settle(task)
        return response

    async def decide(self, task: str, *, ok: bool, instructions: str | None = None) -> httpx.Response:
        """Settle the oldest pending approval."""
        approval = (await self.pending(task))[0]["id"]
        event = {"type": "user_confirmation", "approval_request_id": approval, "ok": ok}
        return await self.send(
            task, event if instructions is None else {**event, "instructions": instructions}
        )

    async def patch(self, task: str, **changes: object) -> httpx.Response:
        return await self.http.patch(f"{self.tasks}/{task}", json=changes)

    async def events(self, task: str) -> list[Event]:
        """The bodies of all events."""
        return [envelope["eventBody"] for envelope in await self.envelopes(task)]

    async def envelopes(self, task: str) -> list[Event]:
        response = await self.http.get(f"{self.tasks}/{task}/events", params={"pageSize": 1000})
        assert response.status_code == 200, response.text
        assert "continuationToken" not in response.json()
        found: list[Event] = response.json()["events"]
        return found

    async def types(self, task: str) -> list[str]:
        return [event["type"] for event in await self.events(task)]

    async def last(self, task: str) -> Event:
        return (await self.events(task))[-1]

    async def pending(self, task: str) -> list[Event]:
        """Approval requests that no confirmation names yet, as a client would find them."""
        events = await self.events(task)
        settled = {event.get("approval_request_id") for event in events}
        return [e for e in events if e["type"] == "user_approval_request" and e["id"] not in settled]

    @asynccontextmanager
    async def stream(
        self, task: str, last_event_id: str | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Follow a task: the parsed envelopes, each validated."""
        headers = {"last-event-id": last_event_id} if last_event_id else {}
        async with self.http.stream("GET", f"{self.tasks}/{task}/events/stream", headers=headers) as response:
            assert response.status_code == 200
            yield _envelopes(response)


def message(content: str, **more: object) -> Event:
    return {"type": "user_message", "content": content, "timestamp": WHEN, **more}


async def _envelopes(response: httpx.Response) -> AsyncIterator[Event]:
    identity = None
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            identity = line.removeprefix("id: ")
        elif line.startswith("data: "):
            envelope = json.loads(line.removeprefix("data: "))
            if AVAILABLE:
                validate("AgentConsoleEvent", envelope)
            assert envelope["id"] == identity
            yield envelope
