"""The table of limits in the documentation: how much there may be of everything, from the code that says so.

``python -m tests.generate.documentation`` writes it; a test compares.
"""

from collections.abc import Iterable
from typing import NamedTuple

from neo_mcp.api import retry
from neo_mcp.config import SETTINGS
from neo_mcp.core import held
from neo_mcp.server.http import credential_watch, limits
from neo_mcp.server.http.connections import ConnectionLimits
from neo_mcp.server.resources import parts
from neo_mcp.server.tenants import admission, tenants
from neo_mcp.service.quotas import ALONE, ONE_OF_SEVERAL, Quotas
from neo_mcp.service.writes import local_results
from neo_mcp.telemetry import MAX_LINES, WINDOW_SECONDS
from neo_mcp.watch import hub, log
from neo_mcp.wire import ids, json_limits
from tests.generate.readme import table

_SETTINGS = {setting.name: setting for setting in SETTINGS}
_CONNECTIONS = ConnectionLimits()
_QUOTAS = Quotas.of(ALONE)


class Limit(NamedTuple):
    """A row: what is limited, to how much, and the setting that changes it, where there is one."""

    what: str
    most: str
    setting: str = ""


def limits_table() -> Iterable[str]:
    """The table, in Markdown."""
    rows = [*_inbound(), *_users(), *_upstream()]
    return table(("limit", "default", "setting"), ((row.what, row.most, _flag(row.setting)) for row in rows))


def _inbound() -> Iterable[Limit]:
    kept = _CONNECTIONS
    message = json_limits.MESSAGE
    yield Limit("a message from a host", _bytes(json_limits.MAX_BYTES))
    yield Limit("its values, and their depth", f"{message.values:,}, {message.depth}")
    yield Limit("a request's address and headers", _bytes(limits.MAX_HEADER_BYTES))
    yield Limit("bodies that are arriving, answers that are not taken", _both(kept))
    yield Limit("time for a request to arrive", f"{kept.arrival_seconds:g} s, longer for each part of a body")
    yield Limit("time in which a client takes nothing of an answer", f"{kept.sending_seconds:g} s")
    yield Limit("connections", f"{kept.connections}, {kept.reserved} of them for probes and new callers")
    yield Limit(
        "connections of one address without an accepted request", f"{kept.of_address}", "trusted_proxies"
    )
    yield Limit("lines of log from one place in the code", f"{MAX_LINES} in {WINDOW_SECONDS:g} s")


def _users() -> Iterable[Limit]:
    share = _QUOTAS.waits.limit / ALONE, _QUOTAS.streams.limit / ALONE, _QUOTAS.sessions / ALONE
    yield Limit("requests in flight of one user", f"{ALONE}; {ONE_OF_SEVERAL} for each of several", "quota")
    yield Limit(
        "tasks waited for, streams, sessions",
        "of that, " + ", ".join(f"{part:.0%}" for part in share),
        "quota",
    )
    yield Limit("users served at a time", f"{tenants.MAX_TENANTS}")
    yield Limit("access tokens of one user at a time", f"{tenants.MAX_TENANTS_OF_USER}")
    yield Limit(
        "checks of new access tokens at a time",
        f"{admission.MAX_CHECKS}; of one secret, {admission.MAX_CHECKS_OF_ONE}",
    )
    yield Limit(
        "requests that wait for them",
        f"{admission.MAX_WAITING}; of one secret, {admission.MAX_WAITING_OF_ONE}",
    )
    yield Limit("time between two checks of files of secrets and tokens", _looks())
    yield Limit("a result of a tool", f"{_SETTINGS['budget_tokens'].default} tokens", "budget_tokens")
    yield Limit(
        "a part of a transcript, or of events", f"{_bytes(parts.MAX_ANSWER_BYTES)}, {parts.MAX_EVENTS} events"
    )
    yield Limit("local tools' results that wait to be sent", _bytes(local_results.MAX_BYTES))


def _upstream() -> Iterable[Limit]:
    answer, event = _SETTINGS["max_answer_mib"].default, _SETTINGS["max_event_mib"].default
    yield Limit("an answer of the API, decoded", f"{answer} MiB", "max_answer_mib")
    yield Limit("an event", f"{event} MiB", "max_event_mib")
    yield Limit("its values, and their depth", f"{json_limits.ANSWER.values:,}, {json_limits.ANSWER.depth}")
    yield Limit("an id, a page token", f"{ids.MAX_ID}, {ids.MAX_PAGE_TOKEN:,} characters")
    yield Limit("a followed task's latest events", f"{log.MAX_EVENTS:,}, {_bytes(log.MAX_BYTES)}")
    yield Limit("the latest events of all followed tasks", _bytes(log.MAX_TOTAL_BYTES))
    yield Limit("a followed task's requests and calls", _bytes(held.MAX_HELD_BYTES))
    yield Limit("tasks that are followed though no one waits for them", f"{hub.MAX_LINGERING}")
    yield Limit("a wait that the API asks for", f"{retry.MAX_RETRY_AFTER:g} s")


def _both(kept: ConnectionLimits) -> str:
    return f"{_bytes(kept.incoming_bytes)}, {_bytes(kept.outgoing_bytes)}, of all together"


def _looks() -> str:
    return f"{credential_watch.WATCH_SECONDS:g} s, {credential_watch.STORE_SECONDS:g} s"


def _bytes(count: int) -> str:
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count // 2**10} KiB"


def _flag(name: str) -> str:
    return f"`{_SETTINGS[name].flag}`" if name else ""
