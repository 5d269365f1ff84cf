"""Requests that two programs could read in two ways are refused, and end their connection."""

import json

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.server.http.framing import StrictConnection
from tests.support.host import World
from tests.support.people import serving
from tests.support.processes import HELLO
from tests.support.sockets import answer_on, connected, everything, probe

pytestmark = pytest.mark.scorecard("HTTP serves those only who may use it")

BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}).encode()
LENGTH = b"%d" % len(BODY)
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
NEXT = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
"""What must not be taken for another request."""


def request(
    *lines: bytes,
    body: bytes = BODY,
    first: bytes = b"POST /mcp HTTP/1.1",
    end: bytes = b"\r\n",
    host: bytes = b"host: localhost",
) -> bytes:
    usual = (host, b"content-type: application/json", b"accept: application/json, text/event-stream")
    return end.join([first, *usual, *lines, b"", b""]) + body


UNCLEAR = {
    "a length and chunks": request(b"content-length: " + LENGTH, b"transfer-encoding: chunked", body=CHUNKS),
    "chunks and a length": request(b"transfer-encoding: chunked", b"content-length: " + LENGTH, body=CHUNKS),
    "chunks and no length": request(b"transfer-encoding: chunked", b"content-length: 0", body=CHUNKS),
    "two lengths": request(b"content-length: " + LENGTH, b"content-length: 1"),
    "a length twice": request(b"content-length: " + LENGTH, b"content-length: " + LENGTH),
    "a list of lengths": request(b"content-length: " + LENGTH + b", " + LENGTH),
    "a signed length": request(b"content-length: +" + LENGTH),
    "a negative length": request(b"content-length: -1"),
    "a length in hexadecimal": request(b"content-length: 0x" + b"%x" % len(BODY)),
    "a length with a blank inside": request(b"content-length: 1 0"),
    "an empty length": request(b"content-length: "),
    "a length beyond reason": request(b"content-length: " + b"9" * 30),
    "a length in other digits": request("content-length: ٣".encode()),
    "another coding": request(b"transfer-encoding: gzip", body=CHUNKS),
    "two codings": request(b"transfer-encoding: gzip, chunked", body=CHUNKS),
    "a coding twice": request(b"transfer-encoding: chunked", b"transfer-encoding: chunked", body=CHUNKS),
    "a coding and another": request(
        b"transfer-encoding: chunked", b"transfer-encoding: identity", body=CHUNKS
    ),
    "a coding with a parameter": request(b"transfer-encoding: chunked;q=1", body=CHUNKS),
    "a coding with a tabulator": request(b"transfer-encoding: \x0bchunked", body=CHUNKS),
    "no coding": request(b"transfer-encoding: identity", b"content-length: " + LENGTH),
    "chunks in HTTP/1.0": request(b"transfer-encoding: chunked", body=CHUNKS, first=b"POST /mcp HTTP/1.0"),
    "a folded line": request(b"x: a", b" b", b"content-length: " + LENGTH),
    "a folded length": request(b"content-length:", b" " + LENGTH),
    "a folded first line": request(b"content-length: " + LENGTH, host=b" host: localhost"),
    "bare line feeds": request(b"content-length: " + LENGTH, end=b"\n"),
    "one bare line feed": request(b"x: a\nhost: evil.example", b"content-length: " + LENGTH),
    "a bare line feed at the end": request(b"content-length: " + LENGTH)[: -len(BODY) - 2] + b"\n" + BODY,
    "a bare carriage return": request(b"x: a\rhost: evil.example", b"content-length: " + LENGTH),
    "a blank before the colon": request(b"content-length : " + LENGTH),
    "a tabulator before the colon": request(b"content-length\t: " + LENGTH),
    "a name with a null": request(b"x\0: a", b"content-length: " + LENGTH),
    "a value with a null": request(b"x: a\0b", b"content-length: " + LENGTH),
    "a value with an escape": request(b"x: a\x1b[2Jb", b"content-length: " + LENGTH),
    "a value with a delete": request(b"x: a\x7fb", b"content-length: " + LENGTH),
    "a line without a colon": request(b"nothing", b"content-length: " + LENGTH),
    "no name": request(b": a", b"content-length: " + LENGTH),
    "two hosts": request(b"host: evil.example", b"content-length: " + LENGTH),
    "a host twice": request(b"Host: localhost", b"content-length: " + LENGTH),
    "no host": request(b"content-length: " + LENGTH, host=b"x: y"),
    "another version": request(b"content-length: " + LENGTH, first=b"POST /mcp HTTP/1.2"),
    "a version of long ago": request(b"content-length: " + LENGTH, first=b"POST /mcp HTTP/0.9"),
    "a version to come": request(b"content-length: " + LENGTH, first=b"POST /mcp HTTP/2.0"),
    "two blanks": request(b"content-length: " + LENGTH, first=b"POST  /mcp HTTP/1.1"),
    "a tabulator": request(b"content-length: " + LENGTH, first=b"POST\t/mcp HTTP/1.1"),
    "another server's address": request(
        b"content-length: " + LENGTH, first=b"POST http://evil.example/mcp HTTP/1.1"
    ),
    "an address with a user": request(
        b"content-length: " + LENGTH, first=b"POST http://localhost@evil/mcp HTTP/1.1"
    ),
    "an address by another scheme": request(
        b"content-length: " + LENGTH, first=b"POST ftp://localhost/mcp HTTP/1.1"
    ),
    "a tunnel": request(first=b"CONNECT evil.example:443 HTTP/1.1", body=b""),
    "the whole server": request(first=b"OPTIONS * HTTP/1.1", body=b""),
    "no path": request(b"content-length: " + LENGTH, first=b"POST mcp HTTP/1.1"),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500,
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "chunks that end with a line feed": request(b"transfer-encoding: chunked", body=CHUNKS[:-2] + b"\n"),
    "a chunk that ends with a line feed": request(
        b"transfer-encoding: chunked", body=CHUNKS.replace(b"}\r\n0", b"}\n0")
    ),
    "an extension with a return": request(
        b"transfer-encoding: chunked", body=CHUNKS.replace(b"\r\n{", b";a\rb\r\n{", 1)
    ),
    "a signed chunk": request(b"transfer-encoding: chunked", body=b"+" + CHUNKS),
    "a chunk in other words": request(b"transfer-encoding: chunked", body=b"0x" + CHUNKS),
    "a trailer with a line feed": request(b"transfer-encoding: chunked", body=CHUNKS[:-2] + b"x: y\n\r\n"),
    "a folded trailer": request(b"transfer-encoding: chunked", body=CHUNKS[:-2] + b"x: y\r\n z\r\n\r\n"),
}

CLEAR = {
    "a length": request(b"content-length: " + LENGTH),
    "chunks": request(b"transfer-encoding: chunked", body=CHUNKS),
    "chunks in capitals": request(b"Transfer-Encoding: CHUNKED", body=CHUNKS),
    "an extension": request(b"transfer-encoding: chunked", body=CHUNKS.replace(b"\r\n{", b";a=b\r\n{", 1)),
    "a trailer": request(b"transfer-encoding: chunked", body=CHUNKS[:-2] + b"x: y\r\n\r\n"),
    "HTTP/1.0": request(b"content-length: " + LENGTH, first=b"POST /mcp HTTP/1.0"),
    "its own address": request(b"content-length: " + LENGTH, first=b"POST http://LOCALHOST/mcp?a=b HTTP/1.1"),
    "a value with a tabulator": request(b"x: a\tb", b"content-length: " + LENGTH),
    "a value in another script": request("x: é".encode(), b"content-length: " + LENGTH),
}


@pytest.mark.parametrize("case", UNCLEAR)
async def test_an_unclear_request_ends_its_connection(world: World, case: str) -> None:
    async with serving(world.settings()) as url, connected(url) as connection:
        await connection.send(UNCLEAR[case] + NEXT)
        said = await everything(connection)
    assert said.startswith(b"HTTP/1.1 400 "), said
    assert b"alive" not in said
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("case", CLEAR)
async def test_a_clear_request_is_served(world: World, case: str) -> None:
    async with serving(world.settings()) as url, connected(url) as connection:
        await connection.send(CLEAR[case])
        assert (await answer_on(connection)).startswith(b"HTTP/1.1 200 ")


async def test_requests_may_come_one_after_the_other_at_once(world: World) -> None:
    async with serving(world.settings()) as url, connected(url) as connection:
        await connection.send(probe() * 3 + probe().replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        assert (await everything(connection)).count(b'"ready"') == 4


async def test_what_is_unclear_after_the_answer_has_begun_is_nothing_to_report(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(world.settings()) as url, connected(url) as connection:
        refused = request(b"transfer-encoding: chunked", body=b"5\r\nhello\r\n", host=b"host: evil.example")
        await connection.send(refused)
        assert b" 421 " in await answer_on(connection)
        await connection.send(b"no chunk\r\n")
        await everything(connection)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_head_is_taken_only_if_it_is_clean(noise: bytes, place: int) -> None:
    """However it comes in pieces, and whatever is put where."""
    head = CLEAR["a length"][: -len(BODY)]
    place = min(place, len(head) - 4)
    dirty = head[:place] + noise + head[place:]
    connection = StrictConnection(32_768)
    for start in range(0, len(dirty), 7):
        connection.receive_data(dirty[start : start + 7])
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return
        if isinstance(event, h11.Request):
            break
    else:
        return
    taken = dirty[: dirty.index(b"\r\n\r\n")]
    assert b"\n" not in taken.replace(b"\r\n", b"")
    assert b"\r" not in taken.replace(b"\r\n", b"")
    assert not any(line[:1] in {b" ", b"\t"} for line in taken.split(b"\r\n"))
    assert event.target.startswith(b"/")


def begun(headers: list[tuple[str, str]]) -> tuple[StrictConnection, bytes | None]:
    """A connection whose request is answered with ``headers``, and what is sent at that."""
    connection = StrictConnection(32_768)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    assert isinstance(connection.next_event(), h11.Request)
    return connection, connection.send(h11.Response(status_code=200, headers=headers))


def test_the_headers_of_a_response_with_a_length_leave_with_its_body() -> None:
    connection, first = begun([("content-length", "5")])
    assert first == b""
    assert connection.send(h11.Data(data=b"he")) == b"HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\nhe"
    assert connection.send(h11.Data(data=b"llo")) == b"llo"
    assert connection.send(h11.EndOfMessage()) == b""


def test_the_headers_of_a_stream_leave_at_once() -> None:
    connection, first = begun([("transfer-encoding", "chunked")])
    assert first == b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"
    assert connection.send(h11.Data(data=b"hello")) == b"5\r\nhello\r\n"


def test_a_response_without_a_body_leaves_whole() -> None:
    connection, first = begun([("content-length", "0")])
    assert first == b""
    assert connection.send(h11.EndOfMessage()) == b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n"
