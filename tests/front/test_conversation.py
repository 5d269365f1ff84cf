"""The front answers as the server does, and leaves to the server what it does not know exactly."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.front.conversation import MODERN
from tests.front.support import INITIALIZED, greet, messages, with_front, without_front
from tests.generate.answers import APPS, HANDSHAKE, LISTS, envelope, initialize, line

CAPABILITIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "apps": APPS,
    "everything": {
        **APPS,
        "roots": {"listChanged": True},
        "sampling": {"context": {}, "tools": {}},
        "elicitation": {"form": {}, "url": {}},
        "tasks": {"list": {}, "requests": {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}}},
        "experimental": {"some": {"thing": [1, "2", None]}},
        "something": ["new", {"er": True}],
    },
    "other pages": {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html"]}}},
    "odd pages": {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": "text/html;profile=mcp-app"}}},
}
CANCELLED = line("notifications/cancelled", {"requestId": 1, "reason": "It took too long."}, None)
UNKNOWN = line("notifications/of/any/kind", {"x": 1}, None)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("capabilities", CAPABILITIES.values(), ids=CAPABILITIES)
@pytest.mark.parametrize("version", HANDSHAKE)
async def test_a_host_with_a_handshake_is_answered_without_the_server(
    version: str, capabilities: dict[str, Any], *, read_only: bool
) -> None:
    sent = initialize(version, capabilities) + INITIALIZED + UNKNOWN
    sent += b"".join(line(method, None, n) for n, method in enumerate((*LISTS, "ping"), 1)) + CANCELLED
    written, rest = greet(sent, read_only=read_only)
    assert rest is None
    assert messages(written) == messages(await without_front(sent, read_only=read_only))
    assert written.count(b"\n") == 5


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("capabilities", CAPABILITIES.values(), ids=CAPABILITIES)
async def test_a_host_without_a_handshake_is_answered_without_the_server(
    capabilities: dict[str, Any], *, read_only: bool
) -> None:
    params = envelope(capabilities)
    sent = b"".join(line(method, params, n) for n, method in enumerate(("server/discover", *LISTS)))
    sent += INITIALIZED + CANCELLED + UNKNOWN
    written, rest = greet(sent, read_only=read_only)
    assert rest is None
    assert messages(written) == messages(await without_front(sent, read_only=read_only))
    assert written.count(b"\n") == 4


async def test_what_a_client_renders_is_said_by_each_request_or_by_the_handshake() -> None:
    sent = line("tools/list", envelope({}), 1) + line("tools/list", envelope(APPS), 2)
    written, rest = greet(sent)
    assert rest is None
    plain, apps = (json.loads(each) for each in written.splitlines())
    assert len(apps["result"]["tools"]) == len(plain["result"]["tools"]) + 2
    assert messages(written) == messages(await without_front(sent))


@pytest.mark.parametrize(
    "request_id", [0, -7, 10**17, "", "7", "\u00e9\u2028\x7f", "a\\u0000", 'quoted "it"']
)
async def test_an_id_comes_back_as_it_was(request_id: int | str) -> None:
    ping = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "ping"}).encode() + b"\n"
    sent = initialize("2025-11-25", {}) + ping
    written, rest = greet(sent)
    assert rest is None
    assert written == await without_front(sent)


LINES = (
    b"{not json\n",
    b"\xff\n",
    b"[]\n",
    b'{"jsonrpc": "2.0", "id": 5, "method": "ping", "method": "tools/list"}\n',
    b'{"jsonrpc": "2.0", "id": 5, "method": "ping", "extra": 1}\n',
    b'{"jsonrpc": "1.0", "id": 5, "method": "ping"}\n',
    b'{"jsonrpc": "2.0", "id": true, "method": "ping"}\n',
    b'{"jsonrpc": "2.0", "id": null, "method": "ping"}\n',
    b'{"jsonrpc": "2.0", "id": 5.0, "method": "ping"}\n',
    b'{"jsonrpc": "2.0", "id": 1234567890123456789, "method": "ping"}\n',
    b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}\n',
    b'\xef\xbb\xbf{"jsonrpc": "2.0", "id": 5, "method": "ping"}\n',
    b'{"jsonrpc": "2.0", "id": 5, "method": "ping", "params": {"x": NaN}}\n',
    b'{"jsonrpc": "2.0", "id": 5, "result": {}}\n',
    line("ping", {"unknown": 1}, 5),
    line("ping", {"x": "y" * 20_000}, 5),
    line("ping", {"_meta": {"unknown": [[[[[[]]]]]]}}, 5),
    line("ping", {"_meta": {"progressToken": True}}, 5),
    line("ping", envelope({}), 5),
    line("tools/list", {"cursor": "x"}, 5),
    line("prompts/list", {"cursor": ""}, 5),
    line("server/discover", None, 5),
    line("server/discover", envelope({}), 5),
    line("tools/list", envelope({}, "2026-12-31"), 5),
    line("tools/list", envelope({"roots": {"listChanged": "yes"}}), 5),
    line("no/such/method", None, 5),
    line("logging/setLevel", {"level": "info"}, 5),
    line("completion/complete", {"ref": {}, "argument": {}}, 5),
    line("prompts/get", {"name": "catch_up", "arguments": {"task_id": "abcdef"}}, 5),
    line("tools/call", {"name": "no_such_tool", "arguments": {}}, 5),
    line("resources/read", {"uri": "neo://docs/api"}, 5),
    line("notifications/initialized", {"x": 1}, None),
    initialize("2025-11-25", {}, 5),
    initialize("2026-07-28", {}, 5),
    initialize("1999-01-01", {}, 5),
    initialize("2025-06-18", {"roots": []}, 5),
    line("initialize", {"protocolVersion": "2025-11-25"}, 5),
)
OPENINGS = {
    "nothing": b"",
    "a handshake": initialize("2025-06-18", APPS) + INITIALIZED,
    "a handshake only": initialize("2024-11-05", {}),
    "a request without one": line("tools/list", envelope({}), 0),
    "a probe": line("server/discover", envelope({}), 0),
    "a probe and a handshake": line("server/discover", envelope({})) + initialize("2025-11-25", {}, 9),
}


class TestTheServerTakesOver:
    """Whatever is not exactly known is the server's, with all that comes after it."""

    @pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS)
    async def test_it_goes_on_where_the_front_has_stopped(self, opening: bytes) -> None:
        afterwards = (
            line("tools/list", None, 20) + line("tools/list", envelope({}), 21) + line("ping", None, 22)
        )
        for each in LINES:
            sent = opening + each + afterwards
            assert messages(await with_front(sent)) == messages(await without_front(sent)), each

    @pytest.mark.parametrize("sent", LINES)
    def test_it_is_asked(self, sent: bytes) -> None:
        _, rest = greet(OPENINGS["a handshake"] + sent)
        assert rest is not None
        assert rest.received.startswith(sent[:100])

    async def test_the_request_that_was_answered_is_not_answered_again(self) -> None:
        sent = initialize("2025-11-25", {}, 1) + INITIALIZED + line("no/such/method", None, 1)
        written = messages(await with_front(sent))
        assert [message["id"] for message in written] == [1, 1]
        assert written == messages(await without_front(sent))

    @pytest.mark.parametrize("end", [b"", b'{"id": 7', b'{"jsonrpc": "2.0", "id": 7, "method": "ping"}'])
    async def test_the_last_message_may_lack_its_end(self, end: bytes) -> None:
        sent = initialize("2025-11-25", {}) + end
        assert messages(await with_front(sent)) == messages(await without_front(sent))


@pytest.mark.parametrize("start", ["with the front", "without"])
@pytest.mark.parametrize("between", [b"", INITIALIZED, CANCELLED, line("server/discover", envelope({}), 3)])
async def test_after_nothing_but_probes_a_handshake_is_served(start: str, between: bytes) -> None:
    """As of a host whose patience with the answer has run out."""
    sent = line("server/discover", envelope({}), 0) + between + initialize("2025-11-25", {}, 1) + INITIALIZED
    talk = with_front if start == "with the front" else without_front
    answers = {each["id"]: each for each in messages(await talk(sent + line("logging/setLevel", None, 2)))}
    assert answers[1]["result"]["protocolVersion"] == "2025-11-25"
    assert answers[0]["result"]["supportedVersions"] == ["2026-07-28"]
    assert answers[2]["error"]["code"] in {-32601, -32602}


@pytest.mark.parametrize("start", ["with the front", "without"])
async def test_after_another_request_it_is_refused(start: str) -> None:
    sent = line("tools/list", envelope({}), 0) + initialize("2025-11-25", {}, 1)
    talk = with_front if start == "with the front" else without_front
    answers = {each["id"]: each for each in messages(await talk(sent))}
    assert answers[1]["error"]["code"] == -32022


PIECES = st.sampled_from(
    [
        *(initialize(version, APPS, 1) for version in HANDSHAKE),
        *(line(method, None, n) for n, method in enumerate((*LISTS, "ping"), 2)),
        *(line(method, envelope(APPS), n) for n, method in enumerate(("server/discover", *LISTS), 6)),
        *(INITIALIZED, CANCELLED, UNKNOWN, b"\n", b" \r\n"),
        *(line("no/such/method", None, 11), line("tools/list", {"cursor": "x"}, 12), b"broken\n"),
        line("tools/call", {"name": "no_such_tool", "arguments": {}}, 13),
    ]
)


@given(st.lists(PIECES, max_size=8), st.data())
async def test_whatever_a_host_sends_and_however_it_is_split_the_answers_are_the_same(
    pieces: list[bytes], data: st.DataObject
) -> None:
    sent = b"".join(pieces)
    places = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    chunks = [sent[a:b] for a, b in zip([0, *places], [*places, len(sent)], strict=True) if b > a]
    assert messages(await with_front(*chunks)) == messages(await without_front(sent))


@pytest.mark.parametrize(
    "params",
    [None, {"cursor": None}, {"_meta": {}}, {"_meta": {"progressToken": "x", "traceparent": "00-0-0-00"}}],
)
async def test_parameters_may_say_nothing(params: dict[str, Any] | None) -> None:
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}
    sent = initialize("2025-11-25", {}) + json.dumps(ask).encode() + b"\n"
    written, rest = greet(sent)
    assert rest is None
    assert messages(written) == messages(await without_front(sent))


NAMES = st.sampled_from(
    [
        *(
            "roots",
            "sampling",
            "elicitation",
            "tasks",
            "extensions",
            "experimental",
            "listChanged",
            "form",
            "list",
        ),
        *("requests", "io.modelcontextprotocol/ui", "mimeTypes", "list_changed", "name", "version", "title"),
        *("icons", "src", "sizes", "progressToken", "progress_token", "x"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.just(0.5) | st.sampled_from(["", "1", "true"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


OBJECTS = st.dictionaries(NAMES, JSON, max_size=3)


@given(OBJECTS, OBJECTS, OBJECTS, st.sampled_from([*HANDSHAKE, MODERN]))
async def test_whatever_a_host_says_of_itself_the_answers_are_the_same(
    capabilities: dict[str, Any], client: dict[str, Any], meta: dict[str, Any], version: str
) -> None:
    client = {"name": "host", "version": "1"} | client
    if version == MODERN:
        meta = envelope(capabilities)["_meta"] | {"io.modelcontextprotocol/clientInfo": client} | meta
        sent = line("tools/list", {"_meta": meta})
    else:
        hello = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": client}
        sent = line("initialize", hello, 0) + line("tools/list", {"_meta": meta})
    assert messages(await with_front(sent)) == messages(await without_front(sent))
