"""To whom the HTTP endpoint is open: addresses, Host and Origin headers, and settings that go together."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from neo_mcp.config import Auth, Settings
from neo_mcp.errors import ConfigurationError
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.exposure import is_loopback
from neo_mcp.server.http.server import running_http
from tests.support.authority import AUDIENCE
from tests.support.examples import long
from tests.support.host import World
from tests.support.people import ACCEPT, NO_TLS, SECRET, bearer, secret_file, serving
from tests.support.processes import HELLO, environment, running

pytestmark = pytest.mark.scorecard("HTTP serves those only who may use it")

INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
OAUTH = {"auth": Auth.OAUTH, "oauth_issuer": "https://issuer.example"}
EVERYWHERE = ("127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 - checked on each of them is the point


FOREIGN = (
    ({"host": "evil.example"}, 421),
    ({"host": "evil.example:80"}, 421),
    ({"host": "127.0.0.1.evil.example"}, 421),
    ({"host": "localhost.evil.example:80"}, 421),
    ({"host": "evil.example", "origin": "http://evil.example"}, 421),
    ({"origin": "http://evil.example"}, 403),
    ({"origin": "http://evil.example:80"}, 403),
    ({"origin": "http://localhost.evil.example"}, 403),
    ({"origin": "null"}, 403),
)
"""What a page elsewhere has a browser send, by a name of its own that leads here or from where it is."""


def with_secret(world: World, folder: Path, **changes: Any) -> Settings:  # noqa: ANN401 - the settings' fields
    return world.settings(auth=Auth.BEARER, auth_secret_file=secret_file(folder, SECRET), **changes)


def reachable(url: str, bound: str) -> str:
    """How this machine reaches what is bound to every address."""
    here = "[::1]" if ":" in bound else "127.0.0.1"
    return f"http://{here}:{httpx.URL(url).port}/mcp"


@pytest.fixture
def post() -> Callable[..., Any]:
    async def post(url: str, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(verify=NO_TLS, trust_env=False, timeout=30) as client:
            return await client.post(url, json=INITIALIZE, headers={**ACCEPT, **headers})

    return post


Post = Callable[..., Any]


@pytest.mark.parametrize("address", EVERYWHERE)
class TestHeaders:
    @pytest.fixture(autouse=True)
    def has_ipv6(self, address: str) -> None:
        try:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
                probe.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")

    async def test_a_foreign_page_gets_nothing(
        self, world: World, tmp_path: Path, address: str, post: Post
    ) -> None:
        """With and without credentials: a page learns not even who may come in."""
        async with serving(with_secret(world, tmp_path), host=address) as url:
            for headers, status in FOREIGN:
                for credentials in (bearer(SECRET), {}):
                    answer = await post(reachable(url, address), **credentials, **headers)
                    assert answer.status_code == status, headers
                    assert "www-authenticate" not in answer.headers

    async def test_this_machine_is_served(
        self, world: World, tmp_path: Path, address: str, post: Post
    ) -> None:
        here: list[dict[str, str]] = [
            {},
            {"host": "localhost"},
            {"host": "[::1]:80"},
            {"origin": "http://localhost:6274"},
        ]
        async with serving(with_secret(world, tmp_path), host=address) as url:
            for headers in here:
                answer = await post(reachable(url, address), **bearer(SECRET), **headers)
                assert answer.status_code == 200, headers
                assert (await post(reachable(url, address), **headers)).status_code == 401


async def test_what_the_operator_names_is_accepted(world: World, tmp_path: Path, post: Post) -> None:
    settings = with_secret(
        world,
        tmp_path,
        public_url="https://neo.example.com/mcp",
        allowed_hosts=("neo.internal", "10.0.0.7:8365"),
        allowed_origins=("https://chat.example.com/",),
    )

    async def status(**headers: str) -> int:
        answer: httpx.Response = await post(url, **bearer(SECRET), **headers)
        return answer.status_code

    async with serving(settings) as url:
        for host in ("neo.example.com", "neo.example.com:443", "neo.internal:80", "10.0.0.7:8365"):
            assert await status(host=host) == 200, host
        for host in ("example.com", "neo.example.com.evil.example", "10.0.0.7"):
            assert await status(host=host) == 421, host
        for origin in ("https://neo.example.com", "https://chat.example.com"):
            assert await status(origin=origin) == 200, origin
        for origin in ("http://neo.example.com", "https://chat.example.com.evil.example"):
            assert await status(origin=origin) == 403, origin


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"auth": Auth.BEARER}, "--auth-secret-file"),
        ({"auth_secret_file": Path("x")}, "--auth bearer only"),
        ({"auth": Auth.OAUTH}, "--oauth-issuer"),
        ({**OAUTH, "oauth_issuer": "http://issuer.example"}, "https"),
        (OAUTH, "--token-store or"),
        ({**OAUTH, "token_store": Path("nowhere")}, "folder"),
        ({**OAUTH, "token_store": Path(), "pulumi_token_header": True}, "either"),
        (
            {**OAUTH, "pulumi_token_header": True, "oauth_jwks_url": "http://issuer.example"},
            "--oauth-jwks-url",
        ),
        ({"oauth_scopes": ("neo",)}, "--auth oauth only"),
        ({"token_store": Path()}, "--auth oauth only"),
        ({"public_url": AUDIENCE}, "--auth bearer or"),
        ({"public_url": "http://neo.example.com/mcp"}, "--public-url"),
    ],
)
async def test_settings_that_are_not_safe_are_refused(
    world: World, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        async with serving(world.settings(**changes)):
            pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])  # noqa: S104 - refused is the point
@pytest.mark.parametrize("header", [False, True])
async def test_without_authentication_nothing_but_loopback_is_served(
    world: World, host: str, *, header: bool
) -> None:
    settings = world.settings(pulumi_token_header=header)
    with pytest.raises(ConfigurationError, match="--auth bearer"):
        async with running_http(NeoServer(settings), host=host, port=0):
            pass


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("localhost.example", False),
        ("0.0.0.0", False),  # noqa: S104 - as above
        ("", False),
        ("127.0.0.1.example", False),
    ],
)
def test_what_counts_as_this_machine(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback


class TestProcess:
    @pytest.fixture
    def env(self, world: World, tmp_path: Path) -> dict[str, str]:
        return environment(world.simulator.url, str(tmp_path))

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--http", "--host", "0.0.0.0"], "--auth bearer"),  # noqa: S104 - refused is the point
            long((["--http", "--public-url", AUDIENCE], "--auth bearer")),
            (["--http", "--auth", "bearer"], "--auth-secret-file"),
            long((["--http", "--auth", "basic"], "one of none, bearer, oauth")),
            long((["--auth", "bearer"], "requires --http")),
            (["--pulumi-token-header"], "requires --http"),
        ],
        ids=str,
    )
    async def test_what_is_not_safe_does_not_start(
        self, env: dict[str, str], arguments: list[str], told: str
    ) -> None:
        async with running("serve", *arguments, env=env) as server:
            assert await server.exit_status() == 2
            await server.says(told)
        assert b"Traceback" not in server.stderr

    async def test_a_public_address_with_authentication_is_served_with_a_word_on_tls(
        self, env: dict[str, str], tmp_path: Path, post: Post
    ) -> None:
        file = secret_file(tmp_path, SECRET)
        file.chmod(0o644)
        arguments = ["--host", "0.0.0.0", "--auth", "bearer", "--auth-secret-file", str(file)]  # noqa: S104 - as above
        async with running("serve", "--http", "--port", "0", *arguments, env=env) as server:
            await server.says("/mcp")
            await server.says("without TLS")
            await server.says(f"chmod 600 {file}")
            url = next(w for w in server.stderr.decode().split() if w.startswith("http://"))
            here = reachable(url, "0.0.0.0")  # noqa: S104 - as above
            assert (await post(here)).status_code == 401
            assert (await post(here, **bearer(SECRET))).status_code == 200
            server.process.terminate()
            assert await server.exit_status() == 0
        assert SECRET.encode() not in server.stderr
