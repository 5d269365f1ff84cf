"""Several people at one endpoint, by each way in which the server tells them from one another."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import httpx2
from mcp import Client
from mcp.client.session import ElicitationFnT, IncomingMessage
from mcp.client.streamable_http import streamable_http_client

from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.config import Auth, Settings
from neo_mcp.secret import SecretBytes, SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.connections import ConnectionLimits
from neo_mcp.server.http.server import running_http
from tests.support.authority import AUDIENCE, Authority, running_authority
from tests.support.host import BUDGET, MODERN, Host, World

SECRET = "correct-horse-battery-staple-and-then-some"
SECRETS = {"alice": SECRET, "bob": "another-secret-that-is-long-enough-to-be-one", "carol": "c" * 40}
PEOPLE = ("alice", "bob", "carol")
ACCEPT = {"accept": "application/json, text/event-stream"}
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Loading certificates takes longer than most tests."""

KEY = SecretBytes(b"one key for all processes there are")


def pulumi_token(person: str) -> str:
    return f"pul-sim-{person}"


@dataclass
class Endpoint:
    """Where people connect, and what each of them sends along."""

    urls: Mapping[str, str]
    headers: Mapping[str, Mapping[str, str]]

    @asynccontextmanager
    async def host(
        self,
        person: str,
        answers: ElicitationFnT | None = None,
        *,
        mode: str = MODERN,
        notified: list[IncomingMessage] | None = None,
    ) -> AsyncIterator[Host]:
        """The person's host."""

        async def note(message: IncomingMessage) -> None:
            if notified is not None:
                notified.append(message)

        async with httpx2.AsyncClient(headers=dict(self.headers[person]), verify=NO_TLS, timeout=60) as http:
            transport = streamable_http_client(self.urls[person], http_client=http)
            client = Client(
                transport, mode=mode, elicitation_callback=answers, message_handler=note, cache=None
            )
            async with client:
                yield Host(client, BUDGET)

    @asynccontextmanager
    async def http(self, person: str | None) -> AsyncIterator[httpx.AsyncClient]:
        """A bare client with what the person sends along."""
        headers = {**ACCEPT, **(self.headers[person] if person else {})}
        async with httpx.AsyncClient(headers=headers, verify=NO_TLS, trust_env=False, timeout=60) as client:
            yield client


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    clock: Clock = SYSTEM_CLOCK,
    **more: Any,  # noqa: ANN401 - as running_http has it
) -> AsyncIterator[str]:
    async with running_http(
        NeoServer(settings, clock=clock), **{"host": "127.0.0.1", "port": 0, **more}
    ) as url:
        yield url


def secret_file(folder: Path, *secrets: str) -> Path:
    file = folder / f"secrets-{len(list(folder.iterdir()))}"
    file.write_text("".join(f"{secret}\n" for secret in secrets))
    file.chmod(0o600)
    return file


def token_folder(folder: Path, *people: str) -> Path:
    store = folder / "tokens"
    store.mkdir(mode=0o700)
    for person in people:
        (store / person).write_text(pulumi_token(person) + "\n")
    return store


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


@asynccontextmanager
async def by_bearer(world: World, folder: Path) -> AsyncIterator[Endpoint]:
    """An operator is a person of their own: each has a process, and all of them share a key."""
    urls = {}
    async with AsyncExitStack() as stack:
        for person in PEOPLE:
            settings = world.settings(
                token=SecretStr(pulumi_token(person)),
                organization=None,
                auth=Auth.BEARER,
                auth_secret_file=secret_file(folder, SECRETS[person]),
                key=KEY,
                key_file=folder / "key",
            )
            urls[person] = await stack.enter_async_context(serving(settings))
        yield Endpoint(urls, {person: bearer(SECRETS[person]) for person in PEOPLE})


@asynccontextmanager
async def by_oauth(world: World, folder: Path) -> AsyncIterator[Endpoint]:
    """One process; users and their Pulumi tokens are in its store."""
    async with running_authority() as authority:
        settings = oauth_settings(world, authority, token_store=token_folder(folder, *PEOPLE))
        async with serving(settings) as url:
            headers = {person: bearer(authority.token(person)) for person in PEOPLE}
            yield Endpoint(dict.fromkeys(PEOPLE, url), headers)


@asynccontextmanager
async def by_header(
    world: World,
    folder: Path,
    *,
    limits: ConnectionLimits | None = None,
    **changes: Any,  # noqa: ANN401 - the settings' fields
) -> AsyncIterator[Endpoint]:
    """One process behind one secret; every request brings its Pulumi token."""
    settings = world.settings(
        token=None,
        organization=None,
        auth=Auth.BEARER,
        auth_secret_file=secret_file(folder, SECRET),
        pulumi_token_header=True,
        **changes,
    )
    async with serving(settings, limits=limits) as url:
        yield Endpoint(dict.fromkeys(PEOPLE, url), {person: brought(person) for person in PEOPLE})


@asynccontextmanager
async def by_header_alone(world: World, folder: Path) -> AsyncIterator[Endpoint]:  # noqa: ARG001 - as the others
    """The same on this machine, where nobody is asked who they are."""
    settings = world.settings(token=None, organization=None, pulumi_token_header=True)
    async with serving(settings) as url:
        headers = {person: {"x-pulumi-access-token": pulumi_token(person)} for person in PEOPLE}
        yield Endpoint(dict.fromkeys(PEOPLE, url), headers)


def brought(person: str) -> dict[str, str]:
    return {**bearer(SECRET), "x-pulumi-access-token": pulumi_token(person)}


def oauth_settings(world: World, authority: Authority, **changes: Any) -> Settings:  # noqa: ANN401 - the settings' fields
    given: dict[str, Any] = {
        "token": None,
        "organization": None,
        "auth": Auth.OAUTH,
        "oauth_issuer": authority.url,
        "public_url": AUDIENCE,
        **changes,
    }
    return world.settings(**given)


WAYS = {
    "bearer": by_bearer,
    "oauth": by_oauth,
    "header": by_header,
    "header-alone": by_header_alone,
}
