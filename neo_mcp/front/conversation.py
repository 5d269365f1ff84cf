"""Decide which messages to answer without the server, and hand over the rest."""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from neo_mcp.front.answers import name_of
from neo_mcp.front.messages import NOTHING, Members, Shape, UnknownError, check, first_frame, framed, parse

MODERN = "2026-07-28"
"""The protocol version whose requests carry all client information."""

_VERSION = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
_APPS, _PAGE = "io.modelcontextprotocol/ui", "text/html;profile=mcp-app"
_INITIALIZED = "notifications/initialized"

_TEXT = (str, NOTHING)
_ICON = Members({"src": str, "mimeType": str, "sizes": [str]}, frozenset({"src"}))
_CLIENT = Members(
    {
        "name": str,
        "version": str,
        "title": _TEXT,
        "description": _TEXT,
        "websiteUrl": _TEXT,
        "icons": [_ICON],
    },
    frozenset({"name", "version"}),
)
_OBJECTS = Members({}, others=dict)
_KNOWN_CAPABILITIES = Members(
    {
        "roots": Members({"listChanged": bool}),
        "sampling": Members({"context": dict, "tools": dict}),
        "elicitation": Members({"form": dict, "url": dict}),
        "tasks": Members(
            {
                "list": dict,
                "cancel": dict,
                "requests": Members(
                    {"sampling": Members({"createMessage": dict}), "elicitation": Members({"create": dict})}
                ),
            }
        ),
        "experimental": _OBJECTS,
        "extensions": _OBJECTS,
    },
    others=object,
)
_META: dict[str, Shape] = {"progressToken": (str, int), "traceparent": str, "tracestate": str, "baggage": str}
_INITIALIZE = Members(
    {
        "protocolVersion": str,
        "capabilities": _KNOWN_CAPABILITIES,
        "clientInfo": _CLIENT,
        "_meta": Members(_META),
    },
    frozenset({"protocolVersion", "capabilities", "clientInfo"}),
)
_HANDSHAKE_PARAMS = Members({"_meta": Members(_META), "cursor": NOTHING})
_ENVELOPE = Members(
    {
        **_META,
        _VERSION: str,
        _CAPABILITIES: _KNOWN_CAPABILITIES,
        "io.modelcontextprotocol/clientInfo": _CLIENT,
    },
    frozenset({_VERSION, _CAPABILITIES}),
)
_MODERN_PARAMS = Members({"_meta": _ENVELOPE, "cursor": NOTHING}, frozenset({"_meta"}))


class Rest(NamedTuple):
    """A conversation for the server to continue.

    Attributes:
        replayed: Messages, one per line, that bring the server to the same state.
        request_id: The id of the request among them; its answer was given already.
        received: Bytes that are not yet answered.
        has_ended: True at end of input.
        unsent: Bytes of answers that were not sent.
    """

    replayed: bytes
    request_id: str
    received: bytes
    has_ended: bool
    unsent: bytes


class Conversation:
    """A conversation with one host, as long as prepared answers suffice for it.

    Args:
        answers: Results by name.
        read_only: True if the server is read-only.
    """

    def __init__(self, answers: Mapping[str, bytes], *, read_only: bool) -> None:
        self._answers = answers
        self._read_only = read_only
        self._buffer = bytearray()
        self._has_ended = False
        # The request that says which protocol this is, and what `initialize` agreed upon.
        self._opening: dict[str, Any] | None = None
        self._version = ""
        self._shows_apps = False
        self._is_initialized = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Answers to what ``chunk`` completes, in parts to be sent; an empty one is the end of the input.

        Raises:
            UnknownError: At a message that only the server can answer.
        """
        self._has_ended = not chunk
        if self._has_ended and self._buffer:
            # The last line may lack its end.
            chunk = b"\n"
        self._buffer += chunk
        while frame := first_frame(self._buffer):
            answer = self._answer(frame.content)
            del self._buffer[: frame.end]
            if answer:
                yield from framed(*answer, has_header=frame.has_header)
        if self._has_ended and self._buffer:
            raise UnknownError

    def rest(self, unsent: bytes = b"") -> Rest:
        """The conversation for the server to continue, and bytes that were not sent."""
        # No host has an id of that kind in use.
        request_id = f"replayed {os.urandom(16).hex()}"
        messages: list[dict[str, Any]] = []
        if self._opening is not None:
            messages.append({**self._opening, "id": request_id})
        if self._is_initialized:
            messages.append({"jsonrpc": "2.0", "method": _INITIALIZED})
        replayed = "".join(f"{json.dumps(message)}\n" for message in messages)
        return Rest(replayed.encode(), request_id, bytes(self._buffer), self._has_ended, unsent)

    def _answer(self, content: bytes) -> tuple[bytes, ...]:
        """Return one message's answer in parts, of which the largest is shared; empty if none is due.

        Raises:
            UnknownError: If only the server can tell.
        """
        if not content.strip():
            return ()
        message = parse(content)
        if "id" not in message:
            self._note(message)
            return ()
        result = self._result(message)
        request_id = json.dumps(message["id"], ensure_ascii=False).encode()
        return b'{"jsonrpc":"2.0","id":%b,"result":' % request_id, result, b"}"

    def _note(self, notification: dict[str, Any]) -> None:
        """Record a notification; only ``initialized`` changes later answers."""
        if notification["method"] != _INITIALIZED or self._is_modern:
            return
        if self._opening is None:
            raise UnknownError
        check(notification.get("params") or {}, _HANDSHAKE_PARAMS)
        self._is_initialized = True

    def _result(self, request: dict[str, Any]) -> bytes:
        method, params = request["method"], request.get("params") or {}
        if method == "initialize":
            result = self._initialize(params)
            self._opening = request
        elif _VERSION in _meta(params):
            result = self._modern(method, params)
            if self._has_only_probed:
                self._opening = request
        else:
            check(params, _HANDSHAKE_PARAMS)
            result = self._prepared(method, self._version, shows_apps=self._shows_apps)
        return result

    def _initialize(self, params: dict[str, Any]) -> bytes:
        if not self._has_only_probed:
            raise UnknownError
        check(params, _INITIALIZE)
        version, shows_apps = params["protocolVersion"], _shows_apps(params["capabilities"])
        result = self._prepared("initialize", version, shows_apps=shows_apps)
        self._version, self._shows_apps = version, shows_apps
        return result

    def _modern(self, method: str, params: dict[str, Any]) -> bytes:
        check(params, _MODERN_PARAMS)
        meta = params["_meta"]
        if self._version or meta[_VERSION] != MODERN:
            raise UnknownError
        return self._prepared(method, MODERN, shows_apps=_shows_apps(meta[_CAPABILITIES]))

    def _prepared(self, method: str, version: str, *, shows_apps: bool) -> bytes:
        try:
            return self._answers[name_of(method, version, read_only=self._read_only, shows_apps=shows_apps)]
        except KeyError:
            raise UnknownError from None

    @property
    def _is_modern(self) -> bool:
        return self._opening is not None and not self._version

    @property
    def _has_only_probed(self) -> bool:
        """True while the host may still choose the protocol."""
        return self._opening is None or self._opening["method"] == "server/discover"


def _meta(params: dict[str, Any]) -> dict[str, Any]:
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}


def _shows_apps(capabilities: dict[str, Any]) -> bool:
    mime_types = capabilities.get("extensions", {}).get(_APPS, {}).get("mimeTypes")
    return isinstance(mime_types, list) and _PAGE in mime_types
