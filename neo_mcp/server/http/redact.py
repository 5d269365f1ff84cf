"""Remove the access token from an HTTP endpoint's refusals.

Whatever refuses, below the protocol's handlers, may quote what it was sent.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neo_mcp.api import TokenGuard

_FIRST_ERROR = 400


def without_token_in_refusals(app: ASGIApp, guard: TokenGuard) -> ASGIApp:
    """``app``, whose answers with an error status never hold the token."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None

        async def send_without(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] >= _FIRST_ERROR:
                # Held back: how long the body is shows when it has come.
                start = message
                return
            if start is not None and message["type"] == "http.response.body":
                message = {**message, "body": guard.own.data(message.get("body", b""))}
                headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                if not message.get("more_body"):
                    headers.append((b"content-length", str(len(message["body"])).encode()))
                await send({**start, "headers": headers})
                start = None
            await send(message)

        await app(scope, receive, send_without)

    return guarded
