"""Needs with their whole bodies, as far as the result's budget allows.

Owns which bodies are read again: the first ones, as many as a result may show more of than a preview.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from neo_mcp.core.attention import Attention
from neo_mcp.core.held import body_of, is_preview
from neo_mcp.errors import NeoError
from neo_mcp.watch import Watcher

MAX_READ = 2
"""Maximum requests whose bodies are read again for one result: each may be megabytes."""


async def with_bodies(watcher: Watcher, needs: Sequence[Attention]) -> tuple[Attention, ...]:
    """Return ``needs``, the first of them whole; if a body cannot be read, its preview stays."""
    result = list(needs)
    read = 0
    for index, need in enumerate(result):
        if read >= MAX_READ:
            break
        if _is_preview(watcher, need):
            read += 1
            with suppress(NeoError):
                result[index] = await _whole(watcher, need)
    return tuple(result)


def are_whole(watcher: Watcher, needs: Sequence[Attention]) -> bool:
    """True if no body has to be read again."""
    return not any(_is_preview(watcher, need) for need in needs)


def _is_preview(watcher: Watcher, need: Attention) -> bool:
    if need.request is not None:
        return body_of(watcher.log.state, need.request) is None
    return any(map(is_preview, need.calls))


async def _whole(watcher: Watcher, need: Attention) -> Attention:
    if need.request is None:
        calls = await watcher.whole_calls()
        return replace(need, calls=tuple(calls.get(call.id, call) for call in need.calls))
    body = await watcher.body(need.request.id)
    return need if body is None else replace(need, request=body.request, message=body.request.message)
