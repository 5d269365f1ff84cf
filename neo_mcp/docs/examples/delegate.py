"""Delegates a task by the server's own rules, with three objects: a client, a task service and an asker.

``python -m neo_mcp.docs.examples.delegate "Close our public buckets"``

The asker is where a program brings its own way of asking a person: here the terminal, elsewhere a chat or a
web page. What has to be asked, and which answers count, is the service's; ``stop`` stops Neo. The settings
and the token are those of the command line.
"""

import os
import sys

import anyio

from neo_mcp.config import load_settings
from neo_mcp.service.approvals.asker import OpenRequest
from neo_mcp.service.approvals.questions import (
    Answer,
    Decision,
    FormAnswer,
    OpenQuestion,
    RefusedError,
)
from neo_mcp.service.client import make_client
from neo_mcp.service.commands.create import create_task
from neo_mcp.service.commands.respond import respond
from neo_mcp.service.commands.wait import wait_for_events
from neo_mcp.service.inputs import CreateTaskInput, RespondInput, WaitInput
from neo_mcp.service.results import Need
from neo_mcp.service.tasks import open_tasks
from neo_mcp.watch import AttentionKind

REQUESTS = {AttentionKind.APPROVAL, AttentionKind.PLAN, AttentionKind.QUESTION}
"""What can be replied to here; anything else ends the program."""


class Terminal:
    """The asker: puts questions to the person who started this program."""

    can_ask = True
    answered_request = None

    async def decide(self, question: Decision, request: OpenRequest | None) -> Answer:  # noqa: ARG002 - the service looks it up again
        """The person's decision.

        Raises:
            RefusedError: If they chose neither; nothing is sent then.
        """
        print(question.message)
        choice = await line(f"{question.yes}, {question.no} or stop?")
        if choice == question.yes and question.to_type:
            typed = await line(f"Name of the {question.place}:")
            return question.read(FormAnswer("accept", {"decision": choice, "confirmation": typed}))
        return question.read(FormAnswer("accept", {"decision": choice}))

    async def answer(self, question: OpenQuestion, proposal: str, request: OpenRequest | None) -> str:  # noqa: ARG002 - as above
        """The person's answer, which they have typed already."""
        return proposal

    async def confirm(self, question: Decision) -> Answer:
        """The decision where the operator's settings leave it to this program."""
        return await self.decide(question, None)


async def main(prompt: str) -> None:
    """Start a task, and reply until its turn is over."""
    settings, person = load_settings(os.environ), Terminal()
    async with make_client(settings) as client, open_tasks(client, settings) as tasks:
        created = await create_task(tasks, person, CreateTaskInput(prompt=prompt))
        print(created.url)
        cursor = created.cursor
        while True:
            news = await wait_for_events(tasks, WaitInput(task_id=created.task_id, cursor=cursor))
            cursor = news.cursor
            print(*news.events or (), sep="\n", flush=True)
            for need in news.needs or ():
                if need.kind not in REQUESTS:
                    print(f"[{need.kind}] {need.message}")
                    return
                try:
                    replied = await respond(tasks, person, await reply(created.task_id, need))
                except RefusedError:
                    replied = await respond(
                        tasks, person, RespondInput(task_id=created.task_id, action="cancel")
                    )
                print(replied.sent)


async def reply(task_id: str, need: Need) -> RespondInput:
    """What is sent for a need: an answer in words, or a decision that the asker then asks for."""
    if need.kind is not AttentionKind.QUESTION:
        return RespondInput(task_id=task_id, action="approve", request_id=need.request_id)
    words = await line(f"{need.message}\nYour answer:")
    return RespondInput(task_id=task_id, action="answer", request_id=need.request_id, text=words)


async def line(prompt: str) -> str:
    """A line from the person."""
    print(prompt, flush=True)
    typed: str = await anyio.to_thread.run_sync(sys.stdin.readline)
    return typed.strip()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
