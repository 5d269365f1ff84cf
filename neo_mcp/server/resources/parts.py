"""A part of a task's events, in an answer of a bounded size: which events it has, and how they are written.

Owns the sizes. A model's context is what an answer is for, so it is far below what a task may hold; a note
names the address of what is left out. No more of a task is held than a part.
"""

import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

from neo_mcp.core.render.lines import question_ids
from neo_mcp.core.render.transcript import event_block, heading
from neo_mcp.core.sanitize import Tally, exact_json, removed_note
from neo_mcp.core.sizes import event_bytes
from neo_mcp.core.state import fold
from neo_mcp.core.times import dated
from neo_mcp.service.uris import ResourceAddress, View
from neo_mcp.wire import Event, Task

MAX_EVENTS = 500
MAX_ANSWER_BYTES = 256 * 2**10
MAX_ENTITIES = 50

_MAX_HELD = 8 * 2**20
"""Bytes of the events from which an answer is made: a transcript shows only the beginning of results."""

_FENCE = re.compile(r"(`{3,})[a-z]*")


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a task's events.

    Attributes:
        address: Of which it is the answer.
        first: Number of the first of them, from 0.
        has_more: Whether there are later ones.
    """

    address: ResourceAddress
    events: Sequence[Event]
    first: int
    has_more: bool

    def fitted(self, texts: Sequence[str]) -> "Part":
        """As many of them as fit by their ``texts``, and one at least.

        Those from an index on are taken from the first on, others from the last.
        """
        order = range(len(texts)) if self.address.start is not None else range(len(texts) - 1, -1, -1)
        remaining, taken = MAX_ANSWER_BYTES, 0
        for index in order:
            remaining -= len(texts[index].encode("utf-8", "replace")) + 2
            if remaining < 0 and taken:
                break
            taken += 1
        if self.address.start is not None:
            return replace(self, events=self.events[:taken], has_more=self.has_more or taken < len(texts))
        return replace(self, events=self.events[len(texts) - taken :], first=self.first + len(texts) - taken)

    @property
    def earlier(self) -> ResourceAddress | None:
        """Where those before it are, if there are any."""
        if not self.first:
            return None
        return replace(self.address, start=None, before=self.first, count=_count(self.address), offset=0)

    @property
    def later(self) -> ResourceAddress | None:
        """Likewise those after."""
        if not self.has_more:
            return None
        start = self.first + len(self.events)
        return replace(self.address, start=start, before=None, count=_count(self.address), offset=0)


async def select(events: AsyncIterator[Event], address: ResourceAddress) -> Part:
    """The part that ``address`` asks for.

    Args:
        events: All events of the task, oldest first.
        address: Which of them.
    """
    if address.start is None:
        return await _last(events, address)
    return await _from(events, address, address.start)


async def _from(events: AsyncIterator[Event], address: ResourceAddress, start: int) -> Part:
    """As many events from the one numbered ``start`` as may be held."""
    held: list[Event] = []
    size = seen = 0
    before = ""
    has_more = False
    async for event in events:
        is_full = len(held) >= _count(address) or size > _MAX_HELD
        if has_more := seen == address.before or (bool(held) and is_full):
            break
        event = dated(event, before)  # noqa: PLW2901 - the same event
        before = event.body.timestamp or before
        if seen >= start:
            held.append(event)
            size += event_bytes(event)
        seen += 1
    return Part(address, held, min(start, seen), has_more)


async def _last(events: AsyncIterator[Event], address: ResourceAddress) -> Part:
    """As many events before the part's end as may be held."""
    held: deque[tuple[Event, int]] = deque()
    size = seen = 0
    before = ""
    has_more = False
    async for event in events:
        if has_more := seen == address.before:
            break
        event = dated(event, before)  # noqa: PLW2901 - the same event
        before = event.body.timestamp or before
        seen += 1
        held.append((event, event_bytes(event)))
        size += held[-1][1]
        while len(held) > _count(address) or (size > _MAX_HELD and len(held) > 1):
            size -= held.popleft()[1]
    return Part(address, [event for event, _ in held], seen - len(held), has_more)


def _count(address: ResourceAddress) -> int:
    return min(address.count or MAX_EVENTS, MAX_EVENTS)


def write_transcript(task: Task, part: Part, *, url: str) -> str:
    """The part as Markdown, under a heading that names the task."""
    written = list(_blocks(part.events))
    fitted = part.fitted([block for block, _ in written])
    start = fitted.first - part.first
    written = written[start : start + len(fitted.events)]
    if len(written) == 1:
        whole = replace(part.address, view=View.EVENTS, start=fitted.first, before=None, count=1)
        written = [(_cut(written[0][0], whole), written[0][1])]
    task = task.model_copy(update={"entities": task.entities[:MAX_ENTITIES]})
    is_planning = task.plan_mode and not fold(part.events).plan_accepted
    tally = Tally()
    title = heading(task, url=url, tally=tally, is_planning=is_planning)
    removed = tally.removed + sum(count for _, count in written)
    blocks = [title, *(block for block, _ in written if block)]
    blocks += [f"*{removed_note(removed)}*"] if removed else []
    earlier = f"*{fitted.first} earlier events: {fitted.earlier}*\n\n" if fitted.earlier else ""
    later = f"\n*Later events: {fitted.later}*\n" if fitted.later else ""
    return earlier + "\n\n".join(blocks) + "\n" + later


def write_events(part: Part) -> str:
    """The part as JSON: every event uncut; of one that is too large alone, a piece of its text."""
    texts = [exact_json(event.model_dump(mode="json", by_alias=True), indent=1) for event in part.events]
    fitted = part.fitted(texts)
    start = fitted.first - part.first
    facts = {
        key: str(value) for key, value in (("earlier", fitted.earlier), ("later", fitted.later)) if value
    }
    written = "\n, ".join(texts[start : start + len(fitted.events)])
    if len(fitted.events) == 1 and len(written.encode("utf-8", "replace")) > MAX_ANSWER_BYTES:
        return _piece(fitted, written, facts)
    rest = "".join(f',\n "{key}": {exact_json(value)}' for key, value in facts.items())
    return f'{{\n "first": {fitted.first},\n "events": [{written}]{rest}\n}}'


def _piece(part: Part, text: str, facts: dict[str, str]) -> str:
    offset = part.address.offset
    piece = _head(text[offset:], MAX_ANSWER_BYTES // 2)
    end = offset + len(piece)
    rest = replace(part.address, start=part.first, before=None, count=1, offset=end)
    more = {"rest": str(rest)} if end < len(text) else {}
    content = {"first": part.first, "events": [], "offset": offset, "characters": len(text), "text": piece}
    return exact_json({**content, **more, **facts}, indent=1)


def _blocks(events: Sequence[Event]) -> Iterator[tuple[str, int]]:
    """Each event as Markdown, and how much was removed from it."""
    questions: set[str] = set()
    for event in events:
        questions |= question_ids([event])
        tally = Tally()
        yield event_block(event, tally, questions), tally.removed


def _cut(block: str, whole: ResourceAddress) -> str:
    """``block`` in the size of an answer; a code block that is open where it is cut is closed."""
    if len(block.encode("utf-8", "replace")) <= MAX_ANSWER_BYTES:
        return block
    lines = _head(block, MAX_ANSWER_BYTES).split("\n")
    if not lines[-1].strip("`"):
        # It may be the beginning of a fence.
        lines.pop()
    fence = ""
    for line in lines:
        match = _FENCE.fullmatch(line)
        if match and not fence:
            fence = match[1]
        elif line == fence:
            fence = ""
    closing = [fence] if fence else []
    return "\n".join([*lines, *closing, "", f"*It is cut here; the whole event: {whole}*"])


def _head(text: str, limit: int) -> str:
    """The beginning of ``text``, of so many bytes."""
    return text[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
