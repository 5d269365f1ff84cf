"""Conversations: with the front and the server after it, and with the server alone."""

import json
from functools import cache
from typing import Any

from neo_mcp.config import Settings
from neo_mcp.front.answers import load
from neo_mcp.front.conversation import Conversation, Rest
from neo_mcp.front.messages import UnknownError
from neo_mcp.server.app import NeoServer
from tests.generate.answers import answers_of

ANSWERS = load()
INITIALIZED = b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n'


def greet(*chunks: bytes, read_only: bool = False) -> tuple[bytes, Rest | None]:
    """What the front answers to ``chunks`` and the end of the input, and what it leaves to the server."""
    conversation = Conversation(ANSWERS, read_only=read_only)
    written = bytearray()
    left = [*chunks, b""]
    while left:
        try:
            for part in conversation.feed(left.pop(0)):
                written += part
        except UnknownError:
            rest = conversation.rest()
            return bytes(written), rest._replace(received=rest.received + b"".join(left))
    return bytes(written), None


async def with_front(*chunks: bytes, read_only: bool = False) -> bytes:
    """All that a host reads."""
    written, rest = greet(*chunks, read_only=read_only)
    if rest is None:
        return written
    return written + await answers_of(_server(read_only=read_only), rest=rest)


async def without_front(*chunks: bytes, read_only: bool = False) -> bytes:
    """The same from the server alone."""
    return await answers_of(_server(read_only=read_only), *chunks)


@cache
def _server(*, read_only: bool) -> NeoServer:
    return NeoServer(Settings(read_only=read_only))


def messages(written: bytes) -> list[Any]:
    """The messages in any order: requests are served side by side."""
    return sorted((json.loads(line) for line in written.splitlines()), key=json.dumps)
