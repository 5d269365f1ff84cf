"""Wait for one task or several until something needs attention."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import anyio

from neo_mcp.core.attention import Attention
from neo_mcp.core.cursor import Position, join_cursors, split_cursor
from neo_mcp.core.render.lines import estimate_tokens
from neo_mcp.core.reported import MAX_KEYS
from neo_mcp.errors import InvalidArgumentError, NeoError
from neo_mcp.service.budget import (
    describe_needs,
    fit_events,
    form_budget,
    needs_budget,
    omitted_note,
    shorten,
    tokens_of,
    with_removed_note,
)
from neo_mcp.service.budget_calls import elsewhere_note
from neo_mcp.service.inputs import WaitInput
from neo_mcp.service.next_steps import next_step
from neo_mcp.service.results import TaskNews, WaitResult
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.whole_needs import are_whole, with_bodies
from neo_mcp.watch import EventIds, News, Reader, Since, Window, bounded_event, is_wanted, status, wait
from neo_mcp.wire import Event, check_task_id

Progress = Callable[[str], Awaitable[None]]
"""Called with a line on the current activity of tasks during a wait."""

_ASK_SECONDS = 3.0

_OTHERS_SHARE = 0.3
"""Share of a result's budget for the activity of the tasks that did not match."""

_TASK_TOKENS = 90
"""Tokens reserved per task, besides needs and events, if there are several."""

_CURSOR_TOKENS, _KEY_TOKENS = 13, 2
"""Cursor tokens per task, and per reported need."""

_MIN_TOKENS = 12
_MIN_SECONDS = 0.1


async def wait_for_events(
    tasks: TaskService, args: WaitInput, on_progress: Progress | None = None
) -> WaitResult:
    """Wait for one task or several, then report what happened and what needs attention."""
    task_ids = _task_ids(args)
    organization = await tasks.organization(args.organization)
    seen = split_cursor(args.cursor or "", organization, task_ids)
    settings = tasks.settings
    kinds = frozenset(args.kinds or ())
    async with AsyncExitStack() as stack:
        stack.enter_context(tasks.quotas.waits.taken(len(task_ids)))
        readers = [
            Reader(
                await stack.enter_async_context(tasks.hub.follow(organization, task_id)),
                position.event_id,
                position.reported,
            )
            for task_id, position in seen.items()
        ]
        matched = await wait(
            readers,
            until=args.until,
            kinds=kinds,
            seconds=_seconds(args.timeout_seconds, settings.wait_seconds),
            on_progress=on_progress,
        )
        if not matched:
            await _check_quiet(readers)
            matched = [reader for reader in readers if reader.matches(args.until, kinds)]
        # One snapshot: events that arrive while older ones are fetched belong to the next wait.
        news = {reader.watcher.task_id: reader.read() for reader in matched or _readable(readers)}
        builder = _ResultBuilder(tasks, args, readers, news, matched=bool(matched))
        return await (builder.result() if args.task_id is None else builder.shared_result())


async def report(
    tasks: TaskService, args: WaitInput, reader: Reader, news: News, *, matched: bool
) -> WaitResult:
    """Build the result of a wait on one task from its news.

    Raises:
        NeoError: If older events are needed and cannot be read.
    """
    return await _ResultBuilder(
        tasks, args, [reader], {reader.watcher.task_id: news}, matched=matched
    ).result()


def _seconds(given: float | None, usual: float) -> float:
    # Not too short to see what has happened already.
    return usual if given is None else max(given, _MIN_SECONDS)


def _task_ids(args: WaitInput) -> list[str]:
    if args.task_id is None and args.task_ids is None:
        raise InvalidArgumentError("Give `task_id`, or `task_ids` with at least one.")
    if args.task_id is not None and args.task_ids is not None:
        raise InvalidArgumentError("Give `task_id` or `task_ids`, not both.")
    given = [args.task_id] if args.task_id is not None else args.task_ids or ()
    # Check all ids before any request is sent.
    return list(dict.fromkeys(map(check_task_id, given)))


async def _check_quiet(readers: Sequence[Reader]) -> None:
    """Refresh the tasks that seem to run: a turn killed elsewhere ends without an event."""
    with anyio.move_on_after(_ASK_SECONDS):
        async with anyio.create_task_group() as group:
            for reader in readers:
                if reader.watcher.failure is None:
                    group.start_soon(_check, reader)


async def _check(reader: Reader) -> None:
    with suppress(NeoError):
        await reader.watcher.look()


def _readable(readers: Sequence[Reader]) -> list[Reader]:
    """Return the readers whose tasks can be read.

    Raises:
        NeoError: If none can.
    """
    followed = [reader for reader in readers if reader.watcher.failure is None]
    for reader in readers:
        if not followed and reader.watcher.failure is not None:
            raise reader.watcher.failure
    return followed


@dataclass(frozen=True, slots=True)
class _ResultBuilder:
    """Builds the result of a wait.

    Attributes:
        news: News of the tasks in the result, by id; only their cursors advance.
        matched: True if they matched, false if the wait timed out.
        whole: Needs with their bodies, cached by task.
    """

    tasks: TaskService
    args: WaitInput
    readers: Sequence[Reader]
    news: Mapping[str, News]
    matched: bool
    whole: dict[str, Sequence[Attention]] = field(default_factory=dict)

    async def shared_result(self) -> WaitResult:
        """The result on one task, which is the last one where that depends on the same."""
        (reader,), (news,) = self.readers, self.news.values()
        is_placed = news.before is None and news.cursor_known
        if not is_placed or news.since.missing or not are_whole(reader.watcher, news.needs):
            # Much may change while something is read again.
            return await self.result()
        # The cursor, which is one of the arguments, says what is new of the events.
        basis = (self.args, self.matched, news.activity, *self.tasks.basis_of(reader.watcher, news.pending))
        last = self.tasks.last_wait
        result = last.get(basis)
        if result is None:
            result = await self.result()
            last.put(basis, result)
        return result

    async def result(self) -> WaitResult:
        """The result, within its budget; of several tasks as many as fit, those with news first."""
        budget = self.args.budget_tokens or self.tasks.settings.budget_tokens
        tokens = form_budget(budget) - self._cursor_tokens()
        if self.args.task_id is not None:
            shown = [self.args.task_id]
        else:
            shown = sorted(self.news, key=lambda task_id: not self.news[task_id].is_new)
        result = await self._within(tokens, shown)
        while (cost := result.rendered(self.tasks.wording).tokens) > budget and (
            len(shown) > 1 or tokens > _MIN_TOKENS
        ):
            if len(shown) > 1:
                shown = shown[: max(min(len(shown) * budget // cost, len(shown) - 1), 1)]
            else:
                tokens = max(min(tokens * budget // cost, tokens * 9 // 10), _MIN_TOKENS)
            result = await self._within(tokens, shown)
        return result

    async def _within(self, tokens: int, shown: Sequence[str]) -> WaitResult:
        if self.args.task_id is None:
            return self._assemble(await self._describe_several(tokens, shown))
        (reader,) = self.readers
        return self._assemble(
            {self.args.task_id: await self._news(reader, self.news[self.args.task_id], tokens)}
        )

    def _assemble(self, described: Mapping[str, TaskNews]) -> WaitResult:
        """Assemble the result from the described tasks."""
        positions = {
            reader.watcher.task_id: self._position(reader, described[reader.watcher.task_id])
            for reader in self.readers
        }
        cursor = join_cursors(self.readers[0].watcher.organization, positions)
        hint = next_step(
            [each.pending for task_id, each in self.news.items() if described[task_id].needs is not None],
            running=any(reader.may_go_on for reader in self.readers),
            others=any(each.needs is None for each in described.values()),
            read_only=self.tasks.settings.read_only,
        )
        if self.args.task_id is not None:
            return WaitResult(**dict(described[self.args.task_id]), cursor=cursor, next=hint)
        return WaitResult(matched=self.matched, tasks=list(described.values()), cursor=cursor, next=hint)

    def _cursor_tokens(self) -> int:
        """Tokens that the cursor may take beyond that of one task without needs."""
        known = sum(min(len(news.pending.order), MAX_KEYS) for news in self.news.values())
        return _CURSOR_TOKENS * (len(self.readers) - 1) + _KEY_TOKENS * max(known + len(self.readers) - 3, 0)

    def _position(self, reader: Reader, described: TaskNews) -> Position:
        """Return the reader's next position; unchanged if its task is not in the result."""
        if described.needs is None:
            return Position(reader.event_id, reader.reported)
        return self.news[reader.watcher.task_id].position(len(described.needs))

    async def _describe_several(self, tokens: int, shown: Collection[str]) -> dict[str, TaskNews]:
        """The news of the tasks shown, and a line on each of the others, sharing ``tokens``."""
        limit = max(int(tokens * _OTHERS_SHARE) // len(self.readers), _MIN_TOKENS)
        described = {
            reader.watcher.task_id: TaskNews(
                task_id=reader.watcher.task_id,
                matched=False,
                activity=shorten(status(reader.watcher), limit),
            )
            for reader in self.readers
        }
        others = [each for task_id, each in described.items() if task_id not in shown]
        share = (tokens - tokens_of(others, self.tasks.wording)) // len(shown) - _TASK_TOKENS
        for reader in self.readers:
            task_id = reader.watcher.task_id
            if task_id in shown:
                described[task_id] = await self._news(reader, self.news[task_id], max(share, _MIN_TOKENS))
        return described

    async def _news(self, reader: Reader, news: News, tokens: int) -> TaskNews:
        organization, task_id = reader.watcher.organization, reader.watcher.task_id
        page = self.tasks.page_to_reply(organization, task_id)
        elsewhere = elsewhere_note(reader.watcher.log.state, reader.watcher.announced_here)
        tokens -= estimate_tokens(elsewhere or "")
        progress = self.tasks.local_results.progress(reader.watcher.key, reader.watcher.log)
        pending = news.pending
        whole = await self._whole(reader, news)
        limit = needs_budget(whole, tokens)
        wording = self.tasks.wording
        needs = describe_needs(
            whole, organization, task_id, limit, progress, wording=wording, page=page, new=pending.new
        )
        activity = None if needs else shorten(news.activity, max(tokens // 2, _MIN_TOKENS))
        left = tokens - tokens_of(needs, wording) - (estimate_tokens(activity) if activity else 0)
        since = Since(self._filter_kinds(news.since.events), news.since.missing)
        quoted = whole[: pending.new]
        if since.missing and not fit_events(Since(since.events), quoted, organization, task_id, left).omitted:
            # All stored events fit, so fetch the older ones too.
            since = await self._refill(reader, news)
        fitted = fit_events(since, quoted, organization, task_id, left)
        unknown = "[The event at the cursor no longer exists; events are listed from the start.]"
        notes = [
            None if news.cursor_known else unknown,
            fitted.note,
            omitted_note(needs, whole, reader.watcher.log.state),
            elsewhere,
        ]
        removed = fitted.removed + sum(need.removed for need in needs)
        note = with_removed_note(" ".join(filter(None, notes)), removed)
        return TaskNews(
            task_id=task_id,
            matched=self.matched,
            needs=needs,
            activity=activity,
            events=fitted.lines,
            omitted=fitted.omitted or None,
            note=note,
        )

    async def _whole(self, reader: Reader, news: News) -> Sequence[Attention]:
        """The needs with their bodies; they are the same however often a result is made."""
        task_id = reader.watcher.task_id
        if task_id not in self.whole:
            self.whole[task_id] = await with_bodies(reader.watcher, news.needs)
        return self.whole[task_id]

    @property
    def kinds(self) -> frozenset[str]:
        """Types of events that are reported; empty for all."""
        return frozenset(self.args.kinds or ())

    def _filter_kinds(self, events: Sequence[Event]) -> Sequence[Event]:
        return [event for event in events if event.body.type in self.kinds] if self.kinds else events

    async def _refill(self, reader: Reader, news: News) -> Since:
        """Fetch the events after the cursor that have something to show, also those that the log dropped.

        If there are too many, the most recent ones are returned.
        """
        window, ids = Window(), EventIds()
        watcher, since = reader.watcher, news.since
        after = reader.event_id if watcher.log.knows(reader.event_id) else ""
        reached = not after
        pages = self.tasks.client.iter_events(watcher.task_id, organization=watcher.organization)
        async for event in pages:
            if since.events and event.id == since.events[0].id:
                break
            if reached and is_wanted(event, self.kinds) and ids.add(event.id):
                window.extend((bounded_event(event),))
            if event.id == news.last_event_id:
                break
            reached = reached or event.id == after
        window.extend([event for event in self._filter_kinds(since.events) if ids.add(event.id)])
        events = window.after(0)
        return Since(events, len(ids) - len(events))
