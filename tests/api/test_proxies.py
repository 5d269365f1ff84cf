"""Requests go through the proxy that the environment names; what fails there is named as the proxy's."""

import ssl
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import anyio
import certifi
import pytest
from anyio.abc import SocketAttribute, SocketStream

from neo_mcp.api import Certificates, Proxy, proxy_of
from neo_mcp.api.documents import DocumentError, fetch_document
from neo_mcp.api.http_clients import read_proxy
from neo_mcp.api.probe import Trouble, TroubleKind, probe
from neo_mcp.api.settings import check_api_url
from neo_mcp.errors import ConfigurationError, ConnectionFailedError, NeoError
from neo_mcp.network_settings import Variable
from tests.api.support import FakeClock, answer, answering, client_for

API = "https://api.pulumi.example"
NAMES = (
    "HTTPS_PROXY",
    "ALL_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
)
PASSWORDS = ["plain", "p@ss", "p:ss", "p/ss", "p#ss?", "p%ss", "päss", "p ss"]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def read(value: str, monkeypatch: pytest.MonkeyPatch) -> Proxy | None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    return proxy_of(check_api_url(API))


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("proxy.corp", "http://proxy.corp"),
        ("proxy.corp:8080", "http://proxy.corp:8080"),
        ("proxy.corp:", "http://proxy.corp"),
        ("//proxy.corp:8080", "http://proxy.corp:8080"),
        ("HTTP://Proxy.Corp:8080/", "http://Proxy.Corp:8080"),
        ("https://proxy.corp", "https://proxy.corp"),
        ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ("socks5h://127.0.0.1:1080", "socks5h://127.0.0.1:1080"),
        ("socks://127.0.0.1:1080/", "socks5://127.0.0.1:1080"),
        ("http://[fd07::1]:8080", "http://[fd07::1]:8080"),
        ("my_proxy:3128", "http://my_proxy:3128"),
    ],
)
def test_an_address_is_read_in_many_forms(value: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(value, monkeypatch) == Proxy("HTTPS_PROXY", url, None)


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("is_encoded", [True, False])
async def test_credentials_are_sent_as_they_are_meant_and_never_shown(
    password: str, *, is_encoded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "%" in password and not is_encoded:
        return
    async with answering(answer(407)) as proxy:
        written = quote(password, safe="") if is_encoded else password
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:{written}@127.0.0.1:{proxy.port}")
        async with client_for(API, FakeClock()) as client:
            with pytest.raises(ConnectionFailedError) as caught:
                await client.get_user()
    (request,) = proxy.requests
    scheme, _, sent = request.headers["proxy-authorization"].partition(" ")
    assert (scheme, b64decode(sent).decode()) == ("Basic", f"ada:{password}")
    text = str(caught.value)
    assert f"the proxy http://***@127.0.0.1:{proxy.port} (HTTPS_PROXY): 407 Proxy Auth" in text
    assert "HTTPS_PROXY needs another user and password: http://USER:PASSWORD@127.0.0.1:" in text
    assert written not in text.replace("USER:PASSWORD@", "").replace("***@", "")


async def test_a_proxy_that_asks_for_a_login_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(answer(407)) as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        clock = FakeClock()
        async with client_for(API, clock) as client:
            with pytest.raises(ConnectionFailedError, match="https_proxy needs a user and password"):
                await client.get_user()
        assert (len(proxy.requests), clock.sleeps) == (1, [])
        reply = await probe(API)
    assert isinstance(reply, Trouble)
    assert reply.kind is TroubleKind.PROXY
    assert "407" in reply.why
    assert "https_proxy" in reply.why


@pytest.mark.parametrize("status", [403, 502, 503])
async def test_a_proxy_that_refuses_is_named(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(answer(status)) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        async with client_for(API, FakeClock()) as client:
            with pytest.raises(ConnectionFailedError, match=rf"\(ALL_PROXY\): {status} .*Check ALL_PROXY"):
                await client.get_user()
    assert len(proxy.requests) > 1


async def test_a_proxy_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, free_tcp_port: int
) -> None:
    for scheme in ("http", "https", "socks5"):
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{free_tcp_port}")
        async with client_for(API, FakeClock()) as client:
            with pytest.raises(ConnectionFailedError, match=f"the proxy {scheme}://127.0.0.1.*HTTPS_PROXY"):
                await client.get_user()


async def test_a_plain_proxy_that_is_written_with_tls_is_said_to_be_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with plain(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{port}")
        async with client_for(API, FakeClock()) as client:
            with pytest.raises(ConnectionFailedError, match="write http:// in HTTPS_PROXY"):
                await client.get_user()


async def test_hosts_without_a_proxy_are_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(answer(502)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "::1/128, fd07::/64, *.pulumi.example")
        async with client_for(API, FakeClock()) as client:
            with pytest.raises(ConnectionFailedError) as caught:
                await client.get_user()
    assert proxy.requests == []
    assert "proxy http" not in str(caught.value)


@asynccontextmanager
async def plain(*replies: bytes) -> AsyncIterator[int]:
    """A server that gives these replies, each to whatever comes, and then closes; yields its port."""

    async def handle(wire: SocketStream) -> None:
        async with wire:
            try:
                for reply in replies:
                    await wire.receive()
                    if reply:
                        await wire.send(reply)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, handle)
        yield listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, no query
        tasks.cancel_scope.cancel()


SOCKS: dict[str, tuple[Sequence[bytes], str, bool]] = {
    "refuses the host": ([b"\5\0", b"\5\4\0\1\0\0\0\0\0\0"], "Host unreachable", True),
    "asks for a login": ([b"\5\xff"], "needs a user and password: socks5://USER:PASSWORD@", False),
    "is no SOCKS proxy": ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "does not answer as a SOCKS 5 proxy", True),
    "closes at once": ([], "does not answer as a SOCKS 5 proxy", True),
    "answers with nothing": ([b"\5\0", b""], "does not answer as a SOCKS 5 proxy", True),
    "answers with half": ([b"\5\0", b"\5\0"], "does not answer as a SOCKS 5 proxy", True),
    "answers at random": ([b"\5\0", b"\xff" * 40], "does not answer as a SOCKS 5 proxy", True),
}


@pytest.mark.parametrize("kind", SOCKS)
async def test_a_socks_proxy_is_used_and_its_faults_are_named(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies, words, is_repeated = SOCKS[kind]
    async with plain(*replies) as port:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{port}")
        clock = FakeClock()
        async with client_for(API, clock) as client:
            with pytest.raises(ConnectionFailedError) as caught:
                await client.create_task("x")
    assert words in str(caught.value)
    assert f"the proxy socks5://127.0.0.1:{port} (ALL_PROXY)" in str(caught.value)
    assert bool(clock.sleeps) == is_repeated


async def test_a_login_that_a_socks_proxy_does_not_take_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for replies, words in (([b"\5\2", b"\1\1"], "another user"), ([b"\5\0"], "Take the user")):
        async with plain(*replies) as port:
            monkeypatch.setenv("ALL_PROXY", f"socks5://ada:s3cret@127.0.0.1:{port}")
            async with client_for(API, FakeClock()) as client:
                with pytest.raises(ConnectionFailedError, match=words) as caught:
                    await client.get_user()
        assert "s3cret" not in str(caught.value)


async def test_without_the_package_a_socks_proxy_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    async with client_for(API) as client:
        with pytest.raises(ConfigurationError, match="the package socksio is missing"):
            await client.get_user()


async def test_other_documents_take_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(answer(502)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(DocumentError):
            await fetch_document("https://issuer.example/keys", Certificates())
    assert [request.target for request in proxy.requests] == ["issuer.example:443"]
    monkeypatch.setenv("HTTPS_PROXY", "foo://proxy.corp")
    with pytest.raises(DocumentError, match=r"HTTPS_PROXY is foo://proxy.corp"):
        await fetch_document("https://issuer.example/keys", Certificates())
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv("SSL_CERT_FILE", "/missing.pem")
    with pytest.raises(DocumentError, match=r"SSL_CERT_FILE is '/missing.pem', which does not exist"):
        await fetch_document("https://issuer.example/keys", Certificates())


def test_a_certificate_file_that_comes_later_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    certificates = Certificates()
    address = check_api_url(API)
    with pytest.raises(NeoError):
        certificates.context_for(address)
    file.write_bytes(Path(certifi.where()).read_bytes())
    assert certificates.context_for(address).cert_store_stats()["x509"]


@pytest.mark.parametrize("trusted", [None, "SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("log", ["missing/keys", "."])
def test_a_key_log_that_cannot_be_written_is_reported_whichever_certificates_are_trusted(
    trusted: str | None, log: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if trusted is not None:
        (tmp_path / "0123abcd.0").write_bytes(Path(certifi.where()).read_bytes())
        monkeypatch.setenv(trusted, str(tmp_path if trusted == "SSL_CERT_DIR" else tmp_path / "0123abcd.0"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / log))
    address, certificates = check_api_url(API), Certificates()
    with pytest.raises(ConfigurationError, match=r"^SSLKEYLOGFILE is .*, which cannot be written: \w"):
        certificates.context_for(address)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert isinstance(certificates.context_for(address), ssl.SSLContext)


@pytest.mark.parametrize("part", ["u", "p"])
def test_a_login_that_socks_does_not_take_is_refused_in_words(part: str) -> None:
    long = "x" * 256
    login = f"{long}:p" if part == "u" else f"u:{long}"
    with pytest.raises(ConfigurationError, match="more than 255 bytes") as caught:
        read_proxy(Variable("ALL_PROXY", f"socks5h://{login}@proxy.example:1080"))
    assert long not in str(caught.value)
    proxy = read_proxy(Variable("ALL_PROXY", f"http://{login}@proxy.example:1080"))
    assert proxy.credentials is not None
    assert long not in f"{proxy} {proxy!r}"
