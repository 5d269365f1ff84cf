"""A token that must not be seen, the ways in which it might be, and an API that repeats it where it can."""

import base64
import codecs
import html
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

CANARY = "opaque.canary_7Qx3f9a1c-Zk~tail"
"""In no shape that anything knows: only who holds it can tell that it is one."""


def encodings(token: str = CANARY) -> dict[str, str]:
    """The token as something may have written it."""
    raw = token.encode()
    return {
        "plain": token,
        "reversed": token[::-1],
        "rot13": codecs.encode(token, "rot13"),
        "hex": raw.hex(),
        "upper hex": raw.hex().upper(),
        "base64": base64.b64encode(raw).decode().rstrip("="),
        "base64 after a letter": base64.b64encode(b"A" + raw + b"\n").decode(),
        "base64 within a header": base64.b64encode(b"Authorization: token " + raw + b"\r\n").decode(),
        "base64url": base64.urlsafe_b64encode(b"??" + raw + b">>").decode(),
        "URL": "".join(f"%{byte:02X}" for byte in raw),
        "lower URL": "".join(f"%{byte:02x}" for byte in raw),
        "double URL": "".join(f"%25{byte:02X}" for byte in raw),
        "JSON escapes": "".join(f"\\u{byte:04x}" for byte in raw),
        "JSON in JSON": "".join(f"\\\\u{byte:04X}" for byte in raw),
        "HTML decimal": "".join(f"&#{byte};" for byte in raw),
        "HTML hex": "".join(f"&#x{byte:x};" for byte in raw),
        "quoted-printable": "".join(f"={byte:02X}" for byte in raw),
        "string escapes": "".join(f"\\x{byte:02x}" for byte in raw),
        "some letters": "".join(f"\\u{byte:04X}" if byte % 3 else chr(byte) for byte in raw),
    }


EVERY_WAY = " | ".join(encodings().values())


def leaks(text: str) -> list[str]:
    """Names of the encodings in which the token can be read from ``text``."""
    cores = encodings() | {
        "base64 after a letter": base64.b64encode(b"A" + CANARY.encode()).decode()[2:-4],
        "base64 within a header": base64.b64encode(b"AA" + CANARY.encode()).decode()[3:-4],
        "base64url": base64.urlsafe_b64encode(b"??" + CANARY.encode()).decode()[3:-4],
        "URL": encodings()["URL"].lower(),
        "HTML named": html.escape(CANARY),
    }
    return [name for name, core in cores.items() if core in text or core in text.lower()]


def all_leaks(data: bytes) -> list[str]:
    """The same for what a process wrote: as it is, and with the JSON in it read."""
    text = data.decode("utf-8", "replace")
    found = leaks(text)
    for line in text.splitlines():
        try:
            value = json.loads(line.removeprefix("data: "))
        except ValueError:
            continue
        found += leaks("\n".join(_texts(value)))
    return found


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)


@dataclass
class Echo:
    """An API that takes the canary, serves as the simulator does, and repeats the token in its headers.

    Attributes:
        sent: What it was sent, byte for byte, request after request.
    """

    port: int
    sent: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def leaks(self) -> list[str]:
        """Where in the requests the token was, but for the header that carries it."""
        header = f"authorization: token {CANARY}\r\n".encode()
        found: list[str] = []
        for request in self.sent:
            assert request.lower().count(header.lower()) == 1
            head, _, body = request.partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"authorization:")]
            found += all_leaks(b"\r\n".join([*lines, body]))
        return found


@asynccontextmanager
async def echoing(api_url: str, token: str) -> AsyncIterator[Echo]:
    """Stand before the API at ``api_url``, whose token is ``token``."""
    host, _, port = api_url.removeprefix("http://").partition(":")
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    echo = Echo(listener.extra(SocketAttribute.local_port))  # noqa: S610 - anyio's, no query

    async def connection(wire: SocketStream) -> None:
        async with wire, await anyio.connect_tcp(host, int(port)) as upstream:
            try:
                request = await _whole_request(wire)
                echo.sent.append(request)
                await upstream.send(_readdressed(request, token))
                await _answer(upstream, wire)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, connection)
        yield echo
        group.cancel_scope.cancel()


async def _whole_request(wire: SocketStream) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += await wire.receive()
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [
        line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    while len(body) < int(lengths[0] if lengths else 0):
        more = await wire.receive()
        request += more
        body += more
    return request


def _readdressed(request: bytes, token: str) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"token {CANARY}".encode() in head
    head = head.replace(CANARY.encode(), token.encode()).replace(b"keep-alive", b"close")
    return head + b"\r\n\r\n" + body


async def _answer(upstream: SocketStream, wire: SocketStream) -> None:
    """Pass the answer on, with headers that repeat the token."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await upstream.receive()
    head, _, body = answer.partition(b"\r\n\r\n")
    extra = f"X-Pulumi-Warning: you sent {EVERY_WAY}\r\nX-Pulumi-Request-ID: {CANARY}\r\nX-Echo: {CANARY}"
    await wire.send(head + b"\r\n" + extra.encode() + b"\r\nConnection: close\r\n\r\n" + body)
    async for chunk in upstream:
        await wire.send(chunk)
