"""The syntax of requests, without anything that two programs could read in two ways.

A proxy and this server must agree on where a request ends and for whom it is. What the parser takes
leniently, so that they might not, is refused: a length given twice or beside chunks, folded lines, bare line
feeds, control characters, a second Host, a target that names another server than Host does.
"""

import re
from collections.abc import Iterator

import h11
from h11._receivebuffer import ReceiveBuffer

_UNCLEAN = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|[^\t\r\n\x20-\x7e\x80-\xff]")
_REQUEST_LINE = re.compile(rb".* (HTTP/[0-9]\.[0-9])")
_VERSIONS = {b"HTTP/1.0", b"HTTP/1.1"}
_LENGTH = re.compile(rb"[0-9]{1,20}")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)


class StrictConnection(h11.Connection):
    """The server's side of a connection, for requests that are clear.

    ``next_event`` raises ``RemoteProtocolError`` for all others. The headers of a response leave with the
    beginning of its body, in one write, if its length is known.
    """

    def __init__(self, max_header_bytes: int) -> None:
        super().__init__(h11.SERVER, max_header_bytes)
        # The only place that sees lines as they came: the parser's events have them tidied up.
        self._receive_buffer = _StrictBuffer()
        self._unsent_headers: list[bytes] = []

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """As in h11; the target of a request is a path."""
        event = super().next_event()
        return _with_path(event) if isinstance(event, h11.Request) else event

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        """As in h11; the headers of a response with a length are returned with what is sent next."""
        data = super().send_with_data_passthrough(event)
        if data is None:
            return None
        data, self._unsent_headers = [*self._unsent_headers, *data], []
        if isinstance(event, h11.Response) and any(name == b"content-length" for name, _ in event.headers):
            data, self._unsent_headers = [], data
        return data


class _StrictBuffer(ReceiveBuffer):
    """A buffer of received bytes that yields lines only if they are clean."""

    _taken = bytearray()

    def _extract(self, count: int) -> bytearray:
        self._taken = super()._extract(count)
        return self._taken

    def maybe_extract_at_most(self, count: int) -> bytearray | None:
        """Part of a body."""
        data = super().maybe_extract_at_most(count)
        self._taken = bytearray()
        return data

    def maybe_extract_next_line(self) -> bytearray | None:
        """The line before a chunk."""
        line = super().maybe_extract_next_line()
        if line is not None:
            _check_clean(line)
        return line

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """The lines of a head, or what follows the last chunk."""
        lines = super().maybe_extract_lines()
        if lines is not None:
            _check_clean(self._taken)
            self._taken = bytearray()
            if lines and (match := _REQUEST_LINE.fullmatch(lines[0])):
                _check_head(match[1], lines[1:])
        return lines


def _check_clean(raw: bytearray) -> None:
    if _UNCLEAN.search(raw):
        raise h11.LocalProtocolError("folded lines, bare line ends or control characters")


def _check_head(version: bytes, lines: list[bytearray]) -> None:
    if version not in _VERSIONS:
        raise h11.LocalProtocolError("neither HTTP/1.0 nor HTTP/1.1", error_status_hint=505)
    lengths, codings = list(_values(lines, b"content-length")), list(_values(lines, b"transfer-encoding"))
    if len(lengths) + len(codings) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        raise h11.LocalProtocolError("the length of the body is not clear")
    if codings and (version == b"HTTP/1.0" or codings[0].lower() != b"chunked"):
        raise h11.LocalProtocolError("the body is encoded in a way that is not known")
    if len(list(_values(lines, b"host"))) > 1:
        raise h11.LocalProtocolError("more than one Host")


def _values(lines: list[bytearray], name: bytes) -> Iterator[bytes]:
    for line in lines:
        given, _, value = bytes(line).partition(b":")
        if given.strip().lower() == name:
            yield value.strip(b" \t")


def _with_path(request: h11.Request) -> h11.Request:
    """``request``, whose target may also be an address if it is one of the server that Host names."""
    if request.target.startswith(b"/"):
        return request
    host = next((value for name, value in request.headers if name == b"host"), b"")
    match = _ABSOLUTE.fullmatch(request.target)
    if match is None or not host or match[1].lower() != host.lower():
        raise h11.RemoteProtocolError("the target is neither a path nor an address of Host's")
    path = match[2] if match[2].startswith(b"/") else b"/" + match[2]
    return h11.Request(
        method=request.method, headers=list(request.headers), target=path, http_version=request.http_version
    )
