"""Delegates a task by the server's own rules, with three objects: a client, a task service and an asker.

``python -m neo_mcp.docs.examples.delegate "Close our public buckets"``

The asker is a program's own way to ask a person: here the terminal, elsewhere a chat or a web page. What is
asked, and which answers count, is the service's.
"""

import os
import sys
from typing import Literal

import anyio

from neo_mcp.config import load_settings
from neo_mcp.service.approvals.asker import OpenRequest
from neo_mcp.service.approvals.questions import Answer, Decision, FormAnswer, OpenQuestion, RefusedError
from neo_mcp.service.client import make_client
from neo_mcp.service.commands.create import create_task
from neo_mcp.service.commands.respond import respond
from neo_mcp.service.commands.wait import wait_for_events
from neo_mcp.service.inputs import CreateTaskInput, RespondInput, WaitInput
from neo_mcp.service.tasks import open_tasks


class Terminal:
    """The asker: puts questions to the person who started this program."""

    can_ask = True
    answered_request = None

    async def decide(self, question: Decision, request: OpenRequest | None) -> Answer:  # noqa: ARG002 - the service looks it up again
        """The person's decision; where they choose neither, ``read`` raises and nothing is sent."""
        print(question.message)
        form = {"decision": await ask(f"{question.yes}, {question.no} or stop?")}
        if question.to_type and form["decision"] == question.yes:
            form["confirmation"] = await ask(f"Name of the {question.kind}:")
        return question.read(FormAnswer("accept", form))

    async def answer(self, question: OpenQuestion, proposal: str, request: OpenRequest | None) -> str:  # noqa: ARG002 - as above
        """The person's answer, which they have typed already."""
        return proposal

    async def confirm(self, question: Decision) -> Answer:
        """The decision where the settings leave it to this program."""
        return await self.decide(question, None)


async def main(prompt: str) -> None:
    """Create a task, then reply until its turn is over; stop Neo where the person decides nothing."""
    settings, person = load_settings(os.environ), Terminal()
    async with make_client(settings) as client, open_tasks(client, settings) as tasks:
        created = await create_task(tasks, person, CreateTaskInput(prompt=prompt))
        task_id, cursor = created.task_id, created.cursor
        while True:
            news = await wait_for_events(tasks, WaitInput(task_id=task_id, cursor=cursor))
            cursor = news.cursor
            print(*news.events or (), sep="\n", flush=True)
            for need in news.needs or ():
                if need.request_id is None:
                    return print(f"[{need.kind}] {need.message}")
                is_question = need.kind == "question"
                action: Literal["answer", "approve"] = "answer" if is_question else "approve"
                text = await ask(need.message) if is_question else None
                reply = RespondInput(task_id=task_id, action=action, text=text, request_id=need.request_id)
                try:
                    await respond(tasks, person, reply)
                except RefusedError:
                    await respond(tasks, person, RespondInput(task_id=task_id, action="cancel"))


async def ask(prompt: str) -> str:
    """A line from the person."""
    print(prompt, flush=True)
    line: str = await anyio.to_thread.run_sync(sys.stdin.readline)
    return line.strip()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
