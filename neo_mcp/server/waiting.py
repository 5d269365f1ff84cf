"""The wait_for_events tool: one task or many, until something needs somebody."""

import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import anyio

from neo_mcp.core.attention import Attention
from neo_mcp.core.cursor import join_cursors, split_cursor
from neo_mcp.core.sanitize import clean, one_line
from neo_mcp.errors import InvalidArgumentError, NeoError
from neo_mcp.server.call import Call
from neo_mcp.server.fit import NEEDS_SHARE, describe_needs, fit_events, needs_cost, next_step, room_of
from neo_mcp.server.inputs import WaitInput
from neo_mcp.server.results import TaskNews, WaitResult
from neo_mcp.watch import News, Reader, Since, status, wait
from neo_mcp.wire import Event

_ASK_SECONDS = 3.0
_REFILLED = 2000


async def wait_for_events(call: Call, args: WaitInput) -> WaitResult:
    """Wait for one task or several, then say what happened and what needs somebody."""
    task_ids = _task_ids(args)
    organization = await call.organization(args.organization)
    seen = split_cursor(args.cursor or "", organization, task_ids)
    settings = call.app.settings
    kinds = frozenset(args.kinds or ())
    async with AsyncExitStack() as stack:
        readers = [
            Reader(await stack.enter_async_context(call.app.hub.follow(organization, task_id)), event_id)
            for task_id, event_id in seen.items()
        ]
        await wait(
            readers,
            until=args.until,
            kinds=kinds,
            seconds=args.timeout_seconds or settings.wait_seconds,
            on_progress=_reporter(call),
        )
        matched = [reader for reader in readers if reader.matches(args.until, kinds)]
        if not matched:
            await _look_at_quiet(readers)
            matched = [reader for reader in readers if reader.matches(args.until, kinds)]
        return await _Findings(
            call, args, kinds, readers, matched or _followed(readers), found=bool(matched)
        ).result()


def _task_ids(args: WaitInput) -> list[str]:
    if (args.task_id is None) == (args.task_ids is None):
        raise InvalidArgumentError("Give task_id, or task_ids for several tasks.")
    return [args.task_id] if args.task_id is not None else list(dict.fromkeys(args.task_ids or ()))


def _reporter(call: Call) -> Callable[[str], Awaitable[None]] | None:
    """Sends progress notifications, if the host wants any."""
    asked = call.ctx.meta is not None and "progress_token" in call.ctx.meta
    # Within a process, progress is told without a token; over HTTP, doing without saves many waiters' time.
    if call.ctx.request is not None and not asked:
        return None
    steps = itertools.count(1)

    async def report(text: str) -> None:
        await call.ctx.session.report_progress(next(steps), None, clean(text))

    return report


async def _look_at_quiet(readers: Sequence[Reader]) -> None:
    """Ask the API about tasks that seem to run: a turn that was killed elsewhere ends without an event."""
    with anyio.move_on_after(_ASK_SECONDS):
        async with anyio.create_task_group() as group:
            for reader in readers:
                if reader.watcher.failure is None:
                    group.start_soon(_look, reader)


async def _look(reader: Reader) -> None:
    with suppress(NeoError):
        await reader.watcher.look()


def _followed(readers: Sequence[Reader]) -> list[Reader]:
    """The tasks that can be read.

    Raises:
        NeoError: If none can.
    """
    followed = [reader for reader in readers if reader.watcher.failure is None]
    for reader in readers:
        if not followed and reader.watcher.failure is not None:
            raise reader.watcher.failure
    return followed


@dataclass(frozen=True, slots=True)
class _Findings:
    """What a wait found, on its way to a result.

    Attributes:
        shown: The tasks whose news are shown, so that their cursors move on.
        found: Whether they match, rather than the time being up.
    """

    call: Call
    args: WaitInput
    kinds: frozenset[str]
    readers: Sequence[Reader]
    shown: Sequence[Reader]
    found: bool

    async def result(self) -> WaitResult:
        """The result, within its budget."""
        budget = self.args.budget_tokens or self.call.app.settings.budget_tokens
        room = room_of(budget) // len(self.shown)
        cursors: dict[str, str] = {}
        told: list[TaskNews] = []
        needs: list[Attention] = []
        for reader in self.readers:
            task_id = reader.watcher.task_id
            cursors[task_id] = reader.event_id
            if reader in self.shown:
                news = reader.read()
                cursors[task_id] = news.last_event_id
                needs += news.needs
                told.append(await self._news(reader, news, room))
            else:
                doing = one_line(status(reader.watcher))
                told.append(TaskNews(task_id=task_id, matched=False, activity=doing))
        cursor = join_cursors(self.readers[0].watcher.organization, cursors)
        running = any(not reader.watcher.at_rest for reader in self.readers)
        hint = next_step(needs, running=running)
        if self.args.task_id is not None:
            return WaitResult(**dict(told[0]), cursor=cursor, next=hint)
        return WaitResult(matched=self.found, tasks=told, cursor=cursor, next=hint)

    async def _news(self, reader: Reader, news: News, room: int) -> TaskNews:
        organization, task_id = reader.watcher.organization, reader.watcher.task_id
        needs = describe_needs(news.needs, organization, task_id, int(room * NEEDS_SHARE))
        left = room - needs_cost(needs)
        wanted = self._wanted(news.since.events)
        lines, omitted, note = fit_events(wanted, news.needs, organization, task_id, left)
        if news.since.missing and not omitted:
            # Everything that is held fits, so what came before it counts too.
            earlier = await self._refill(reader, news.since)
            lines, omitted, note = fit_events([*earlier, *wanted], news.needs, organization, task_id, left)
        if not news.cursor_known:
            unknown = "[The cursor's event is not in this task any more: events are from the start.]"
            note = f"{unknown} {note}" if note else unknown
        return TaskNews(
            task_id=task_id,
            matched=self.found,
            needs=needs,
            activity=None if needs else clean(news.activity),
            events=lines,
            omitted=omitted or None,
            note=note,
        )

    def _wanted(self, events: Sequence[Event]) -> Sequence[Event]:
        return [event for event in events if event.body.type in self.kinds] if self.kinds else events

    async def _refill(self, reader: Reader, since: Since) -> Sequence[Event]:
        """The newest of the events between the cursor and those that the log holds, from the API."""
        earlier: deque[Event] = deque(maxlen=_REFILLED)
        watcher = reader.watcher
        after = reader.event_id if watcher.log.knows(reader.event_id) else ""
        found = not after
        pages = self.call.app.client.iter_events(watcher.task_id, organization=watcher.organization)
        async for event in pages:
            if since.events and event.id == since.events[0].id:
                break
            if found:
                earlier.append(event)
            found = found or event.id == after
        return self._wanted(list(earlier))
