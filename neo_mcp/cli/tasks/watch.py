"""The ``watch`` command: a task's events as lines as they come, and what Neo is doing in a line below them.

Owns what is shown, and the exit status. Following is :mod:`neo_mcp.watch`; a line's words are the core's.
"""

import argparse
import shutil
from contextlib import AbstractContextManager, closing

from neo_mcp.cli.interrupts import advised
from neo_mcp.cli.terminal.console import followed, out
from neo_mcp.cli.terminal.paint import LiveLine, Painter, cut_to_width
from neo_mcp.cli.terminal.task_ref import TaskAddress, find_task
from neo_mcp.config import Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.core.attention import OVER, Attention, AttentionKind, options_of
from neo_mcp.core.render.lines import LineKind, lines_of
from neo_mcp.core.reported import key_of
from neo_mcp.core.sanitize import clean, named, one_line, quoted
from neo_mcp.core.todos import Todo
from neo_mcp.service.client import make_client
from neo_mcp.watch import Reader, Until, Watcher, status, until_true
from neo_mcp.wire import Event

ENDED, FAILED, NEEDED = 0, 1, 3
_BAR = 20
_REPLIES = {
    AttentionKind.APPROVAL: "approve, or: deny TEXT",
    AttentionKind.PLAN: "approve, or: deny TEXT",
    AttentionKind.QUESTION: "answer TEXT",
}


async def watch(settings: Settings, options: argparse.Namespace) -> int:
    """Follow one task.

    Returns:
        0 if the turn ended well, 1 if not, 3 if something needs attention.
    """
    async with make_client(settings) as client:
        address = await find_task(client, options.task)
        url = client.task_url(address.organization, address.task_id)
        with interruptible(address.name(settings)):
            async with followed(client, address) as watcher:
                return await follow(watcher, address, url, options, settings)


def interruptible(task: str) -> AbstractContextManager[None]:
    """Tell a person who interrupts the watching of ``task`` that Neo goes on, and what to do."""
    return advised(
        f"Neo goes on with the task; `{PROGRAM} watch {task}` returns to it, "
        f"and `{PROGRAM} respond {task} cancel` stops it."
    )


async def follow(
    watcher: Watcher, address: TaskAddress, url: str, options: argparse.Namespace, settings: Settings
) -> int:
    """Show what ``watcher`` sees until what ``options`` wait for.

    Raises:
        NeoError: If the task cannot be followed any more.
    """
    paint, name = out(settings), address.name(settings)
    until = Until.TURN_END if options.until == "turn-end" else Until.ATTENTION
    view = _View(watcher, paint, options.tail)
    with closing(view):
        view.begin(url)
        while True:
            view.show_news()
            needs = watcher.attention()
            view.show_needs(needs, name)
            if Reader(watcher, "").matches(until):
                return _status(needs)
            if watcher.failure is not None:
                raise watcher.failure
            await until_true([watcher], view.has_news)


def _status(needs: tuple[Attention, ...]) -> int:
    kinds = {need.kind for need in needs}
    if not kinds <= OVER:
        return NEEDED
    return ENDED if kinds == {AttentionKind.TURN_ENDED} else FAILED


class _View:
    """The output on the screen, or to the pipe."""

    def __init__(self, watcher: Watcher, paint: Painter, tail: int) -> None:
        self._watcher = watcher
        self._paint = paint
        self._tail = tail
        self._live = LiveLine(paint)
        self._last_id = ""
        self._said = ""
        self._reported: set[bytes] = set()
        self._is_first = True

    def begin(self, url: str) -> None:
        """Print the task's name and address."""
        self._paint.title(f"Task {quoted(self._watcher.log.state.name or self._watcher.task_id)}")
        self._paint.detail(url)

    def close(self) -> None:
        """Leave the screen as a following command expects it."""
        self._live.clear()

    def has_news(self) -> bool:
        """True if there is anything new to show."""
        news = self._watcher.log.last_id != self._last_id or self._line() != self._said
        needs = self._watcher.needs
        return news or not self._reported.issuperset(needs.keys[: needs.count])

    def show_news(self) -> None:
        """Everything since the last time."""
        since = self._watcher.log.since(self._last_id)
        events = list(since.events)
        skipped = since.missing
        if self._is_first and len(events) > self._tail:
            skipped += len(events) - self._tail
            events = events[-self._tail :]
        self._is_first = False
        self._live.clear()
        if skipped:
            self._paint.detail(f"… {skipped:,} earlier events; `{PROGRAM} export` has them all")
        for event in events:
            self._event(event)
        self._last_id = self._watcher.log.last_id
        self._said = self._line()
        if not self._watcher.attention():
            self._live.draw(self._said)

    def _event(self, event: Event) -> None:
        # On a terminal, the live line shows the to-do list.
        hidden = {LineKind.TODO} if self._live.is_on else set()
        self._paint.event(line for line in lines_of(event) if line.kind not in hidden)

    def _line(self) -> str:
        width = shutil.get_terminal_size().columns - 1
        return bar(self._watcher.log.state.todos, one_line(status(self._watcher), 400), width)

    def show_needs(self, needs: tuple[Attention, ...], task: str) -> None:
        """Print the needs that were not printed yet."""
        for need in needs:
            key = key_of(need)
            if key in self._reported:
                continue
            self._reported.add(key)
            if need.kind in OVER:
                text, in_short = clean(need.message).strip(), str(need.kind).replace("_", " ")
                ended_well = need.kind is AttentionKind.TURN_ENDED
                self._paint.result(text or in_short, ended_well=ended_well, is_ours=not text)
            elif need.kind is AttentionKind.LOCAL_TOOLS:
                names = ", ".join(named(call.name) for call in need.calls)
                self._paint.attention(f"waits for a host that runs its tool calls: {names}")
            elif need.request is not None:
                options = options_of(need.request) if need.kind is AttentionKind.QUESTION else ()
                self._paint.question(clean(need.message), options)
                reply = f"{PROGRAM} respond {task} {_REPLIES[need.kind]}"
                self._paint.detail(f"{reply}  (request {named(need.request.id)})")


def bar(todos: tuple[Todo, ...], doing: str, width: int) -> str:
    """How far the to-do list is, and what Neo is doing, in one line of ``width`` columns."""
    if not todos:
        return cut_to_width(f"… {doing}", width)
    done = sum(todo.status == "completed" for todo in todos)
    filled = _BAR * done // len(todos)
    return cut_to_width(f"[{'█' * filled}{'░' * (_BAR - filled)}] {doing}", width)
