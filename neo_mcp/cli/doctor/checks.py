"""The doctor's checks of the network and the account: each finds out facts, in bounded time.

Owns the order in which one thing depends on another. What the facts mean is
:mod:`neo_mcp.cli.doctor.findings`.
"""

from contextlib import aclosing
from dataclasses import dataclass, field
from socket import gaierror
from urllib.parse import urlsplit

import anyio

from neo_mcp.advice import worded
from neo_mcp.api import NeoClient, StreamState, StreamStatus, check_api_url, proxy_of
from neo_mcp.api.probe import Trouble, probe
from neo_mcp.cli.doctor import findings as verdicts
from neo_mcp.cli.doctor.findings import Finding, Status
from neo_mcp.cli.terminal.wording import TERMINAL
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.config import Settings
from neo_mcp.errors import NeoError
from neo_mcp.service.client import make_client
from neo_mcp.wire import Task

_DNS_SECONDS = 5.0
_STREAM_SECONDS = 8.0
_OF_THE_ACCOUNT = ("token", "you", "organizations", "neo", "stream")


async def network(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> list[Finding]:
    """The way to the API; the last finding is about the API itself, unless it answered."""
    through = proxy_of(check_api_url(settings.api_url))
    findings = [verdicts.proxy(through.shown if through else None)]
    # Behind a proxy, it is the proxy that looks names up.
    name = urlsplit(through.url if through else settings.api_url).hostname or ""
    findings.insert(0, await _address(name))
    reply = await probe(settings.api_url, clock=clock)
    findings.append(verdicts.reachability(settings.api_url, reply, worded(TERMINAL, settings)))
    if not isinstance(reply, Trouble):
        findings += [verdicts.tls(reply, clock.now()), verdicts.clock(reply)]
    return findings


async def _address(host: str) -> Finding:
    try:
        with anyio.fail_after(_DNS_SECONDS):
            entries = await anyio.getaddrinfo(host, None)
    except (gaierror, UnicodeError) as error:
        return verdicts.address(host, (), str(error))
    except TimeoutError:
        return verdicts.address(host, (), "no answer in time")
    return verdicts.address(host, list(dict.fromkeys(str(entry[4][0]) for entry in entries)))


async def account(settings: Settings) -> list[Finding]:
    """Check what the token may do, up to the first failure."""
    done: list[Finding] = []
    async with make_client(settings) as client:
        try:
            await _account(client, settings, done)
        except NeoError as error:
            name = next(name for name in _OF_THE_ACCOUNT if name not in {finding.name for finding in done})
            done.append(verdicts.failed(name, error, worded(TERMINAL, settings)))
    missing = _OF_THE_ACCOUNT[len(done) :]
    why = done[-1].name if done else "token"
    return [*done, *(verdicts.not_tried(name, f"{why} failed") for name in missing)]


def no_account(why: str) -> list[Finding]:
    """The same, where there is no point in trying."""
    return [verdicts.not_tried(name, why) for name in _OF_THE_ACCOUNT]


async def _account(client: NeoClient, settings: Settings, done: list[Finding]) -> None:
    user = await client.get_user()
    done.append(Finding("token", Status.OK, "accepted"))
    done.append(verdicts.identity(user))
    done.append(verdicts.organizations(user, settings.organization))
    organization = await client.default_organization()
    page = await client.list_tasks(organization=organization.name, page_size=1)
    source = settings.sources.get("organization", "")
    done.append(verdicts.neo(organization, source, has_tasks=bool(page.tasks)))
    done.append(await _stream(client, organization.name, page.tasks))


@dataclass(slots=True)
class _Seen:
    """The state of a stream so far."""

    state: StreamState | None = None
    events: int = 0
    why: str = ""
    enough: anyio.Event = field(default_factory=anyio.Event)

    def note(self, status: StreamStatus) -> None:
        """Take a change of the connection."""
        if status.state in {StreamState.OPEN, StreamState.PAGING}:
            self.state = status.state
        if status.state is StreamState.PAGING:
            self.enough.set()


async def _stream(client: NeoClient, organization: str, tasks: tuple[Task, ...]) -> Finding:
    if not tasks:
        return Finding("stream", Status.INFO, "not tried: there is no task to follow")
    seen = _Seen()

    async def read() -> None:
        stream = client.stream_events(tasks[0].id, organization=organization, on_connection=seen.note)
        try:
            async with aclosing(stream) as events:
                async for _ in events:
                    seen.events += 1
                    break
        except NeoError as error:
            seen.why = str(error)
        seen.enough.set()

    async with anyio.create_task_group() as reading:
        reading.start_soon(read)
        with anyio.move_on_after(_STREAM_SECONDS):
            await seen.enough.wait()
        reading.cancel_scope.cancel()
    return verdicts.stream(seen.state, has_events=seen.events > 0, why=seen.why)
