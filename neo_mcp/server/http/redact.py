"""An HTTP endpoint's refusals, without what is of no use to a client.

Whatever refuses, below the protocol's handlers, may quote what it was sent, and so the access token. The SDK
names a session that it does not store, and tells what is no message in the words of its validation library.
"""

import json
from typing import Any

from mcp_types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neo_mcp.api import TokenGuard

_FIRST_ERROR = 400
_SESSION_ID = b"mcp-session-id"
_VALIDATION = "Validation error: "
_NO_MESSAGE = (
    "Invalid request: the body is not one JSON-RPC 2.0 message with an id that is text or an integer"
)


def without_token_in_refusals(app: ASGIApp, guard: TokenGuard) -> ASGIApp:
    """``app``, whose answers with an error status hold no token, nor a session that is not there."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        left_out = {b"content-length"}
        if scope["type"] == "http" and "mcp-session-id" not in Headers(scope=scope):
            left_out.add(_SESSION_ID)

        async def send_without(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] >= _FIRST_ERROR:
                # Held back: how long the body is shows when it has come.
                start = message
                return
            if start is not None and message["type"] == "http.response.body":
                is_whole = not message.get("more_body")
                body = message.get("body", b"")
                message = {**message, "body": guard.own.data(_in_words(body) if is_whole else body)}
                headers = [(name, value) for name, value in start["headers"] if name not in left_out]
                if is_whole:
                    headers.append((b"content-length", str(len(message["body"])).encode()))
                await send({**start, "headers": headers})
                start = None
            await send(message)

        await app(scope, receive, send_without)

    return guarded


def _in_words(body: bytes) -> bytes:
    """The body of a refusal; the same in words if it is the report of the library that validates messages."""
    if _VALIDATION.encode() not in body:
        return body
    try:
        content: Any = json.loads(body)
    except ValueError:
        return body
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict) or not str(error.get("message")).startswith(_VALIDATION):
        return body
    return json.dumps({**content, "error": {"code": INVALID_REQUEST, "message": _NO_MESSAGE}}).encode()
