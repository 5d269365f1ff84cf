"""A chat room in miniature: messages go to Neo, its messages come back, one task for the whole conversation.

``python -m neo_mcp.docs.examples.chat_bot``

To an approval or a plan, ``yes`` approves; anything else declines, and instructs Neo what to do instead. In a
real chat, :func:`ask` posts a message and waits for a reply, and has to check who may approve.
"""

import os
import sys

import anyio

from neo_mcp import NeoClient
from neo_mcp.watch import Attention, Hub, Reader, Until, Watcher, wait
from neo_mcp.wire import AssistantMessage, UserConfirmation, UserMessage

API_URL = os.environ.get("PULUMI_BACKEND_URL", "https://api.pulumi.com")
TOKEN = os.environ.get("PULUMI_ACCESS_TOKEN")
FOR_EVER = float("inf")
PEOPLES = ("user_message", "user_confirmation")


async def main() -> None:
    """Talk until the input ends."""
    async with NeoClient(token=TOKEN, api_url=API_URL) as neo, anyio.create_task_group() as background:
        first = await ask("What should Neo do?")
        if first:
            organization = await neo.resolve_organization()
            task_id = (await neo.create_task(first, organization=organization)).task_id
            async with Hub(neo, background).follow(organization, task_id) as watcher:
                await talk(neo, watcher)
        background.cancel_scope.cancel()


async def talk(neo: NeoClient, watcher: Watcher) -> None:
    """Show Neo's messages, and send the person's replies."""
    seen = ""
    while True:
        # First the arrival of what was sent, so that the state before is not taken for its outcome.
        await wait([Reader(watcher, seen)], until=Until.ANY, kinds=PEOPLES, seconds=FOR_EVER)
        await wait([Reader(watcher, seen)], until=Until.ATTENTION, seconds=FOR_EVER)
        if watcher.failure is not None:
            raise watcher.failure
        news = Reader(watcher, seen).read()
        seen = news.last_event_id
        for event in news.since.events:
            if isinstance(event.body, AssistantMessage) and event.body.content:
                print(f"neo> {event.body.content}", flush=True)
        reply = await ask(news.needs[0].message if news.needs[0].request else "")
        if not reply:
            return
        await neo.respond(watcher.task_id, answer_to(news.needs[0], reply), organization=watcher.organization)


def answer_to(need: Attention, reply: str) -> UserMessage | UserConfirmation:
    """A decision, an answer, or a new message; to the API, an answer is words with a request declined."""
    if need.request is None:
        return UserMessage(content=reply)
    approved = reply == "yes" and not need.request.is_question
    return UserConfirmation(
        approval_request_id=need.request.id, ok=approved, instructions=None if approved else reply
    )


async def ask(question: str) -> str:
    """A line from the person; empty at the end of the input."""
    print(f"{question}\nyou> ", end="", flush=True)
    line: str = await anyio.to_thread.run_sync(sys.stdin.readline)
    return line.strip()


if __name__ == "__main__":
    anyio.run(main)
