"""The doctor's findings: pure functions from facts to findings.

Owns what is fine, what is not, and what to do about it. Finding the facts out is
:mod:`neo_mcp.cli.doctor.checks`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from neo_mcp.advice import worded
from neo_mcp.api import DefaultOrganization, StreamState
from neo_mcp.api.probe import Reply, Trouble, TroubleKind
from neo_mcp.cli.terminal.wording import TERMINAL
from neo_mcp.config import TOKEN_ENV, Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.core.sanitize import one_line
from neo_mcp.errors import NeoError
from neo_mcp.hints import Hint, Wording, to_text
from neo_mcp.options import SETTINGS
from neo_mcp.stack_patterns import StackPattern
from neo_mcp.weak_tokens import weakness
from neo_mcp.wire import User

_MIN_PYTHON = (3, 11)
_OK_STATUSES = {200, 401, 403}
_SKEW_WARNING, _SKEW_FAILURE = 30.0, 300.0
_SOON = timedelta(days=14)
_NETWORK = "Check the network, the VPN and the proxy settings, then run this again."


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    INFO = "info"
    """Shown, not checked."""
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        name: What was checked.
        status: How it came out.
        found: What there is; never a secret.
        advice: What to do; empty if nothing.
        checked_by: The check whose success shows that this is right, where it is not checked by itself.
    """

    name: str
    status: Status
    found: str
    advice: str = ""
    checked_by: str = ""


def python(version: tuple[int, int, int], where: str) -> Finding:
    """The interpreter."""
    summary = f"{'.'.join(map(str, version))} at {where}"
    if version < _MIN_PYTHON:
        return Finding("python", Status.FAIL, summary, "Install Python 3.11 or newer.")
    return Finding("python", Status.OK, summary)


def packages(versions: Mapping[str, str | None]) -> Finding:
    """This program and what it runs on."""
    missing = [name for name, version in versions.items() if version is None]
    summary = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    if missing:
        return Finding("packages", Status.FAIL, summary, f"Install {PROGRAM} anew.")
    return Finding("packages", Status.OK, summary)


_CHECKED_BY = {"api_url": "api", "organization": "neo", "token_file": "token", "generation": "neo"}
"""The checks that cannot succeed if a setting is wrong; others are read, and not checked."""


def settings(settings: Settings) -> list[Finding]:
    """Report the settings that are not the defaults, and where each came from."""
    given = [s for s in SETTINGS if s.name in settings.sources]
    summary = f"{len(given) or 'none'} given, the others as by default"
    status = Status.WARN if settings.warnings else Status.INFO
    rows = [
        Finding(
            s.name,
            Status.INFO,
            f"{value_of(settings, s.name)} ({settings.sources[s.name]})",
            checked_by=_CHECKED_BY.get(s.name, ""),
        )
        for s in given
    ]
    return [Finding("settings", status, summary, " ".join(settings.warnings)), *rows]


def broken_settings(error: NeoError) -> Finding:
    """Settings that are invalid."""
    return Finding("settings", Status.FAIL, error.message, to_text(error.hint, TERMINAL) or "Correct it.")


def credentials(settings: Settings) -> Finding:
    """Report whether there is an access token, and where; never which."""
    if settings.token is None:
        return Finding(
            "credentials",
            Status.FAIL,
            f"no access token for {without_password(settings.api_url)}",
            worded(TERMINAL, settings)[Hint.SET_TOKEN],
        )
    summary = f"an access token from the {settings.sources.get('token', '?')}"
    if why := weakness(settings.token.get_secret_value()):
        advice = f"Run `pulumi login`, or set {TOKEN_ENV} to a token from the Pulumi Cloud console."
        return Finding("credentials", Status.WARN, f"{summary} that cannot be a real one: {why}", advice)
    return Finding("credentials", Status.INFO, summary, checked_by="token")


def address(host: str, addresses: Sequence[str], why: str = "") -> Finding:
    """Report the addresses of the API's host."""
    if not addresses:
        return Finding("dns", Status.FAIL, f"{one_line(host)} has no address: {one_line(why, 300)}", _NETWORK)
    return Finding("dns", Status.OK, f"{host} is {', '.join(addresses[:3])}")


def proxy(url: str | None) -> Finding:
    """Which proxy is in between, if one is."""
    return Finding(
        "proxy", Status.INFO, without_password(url) if url else "none", checked_by="api" if url else ""
    )


def reachability(url: str, reply: Reply | Trouble, wording: Wording = TERMINAL) -> Finding:
    """Report whether the server that answers is the API."""
    url = without_password(url)
    if isinstance(reply, Trouble):
        summary = f"no answer from {url}: {one_line(reply.why, 300)}"
        return Finding("api", Status.FAIL, summary, _advice_for(reply.kind, wording))
    summary = f"{url} answers in {reply.seconds * 1000:.0f} ms"
    if reply.status not in _OK_STATUSES or not reply.is_json:
        kind = "JSON" if reply.is_json else "no JSON"
        return Finding(
            "api",
            Status.FAIL,
            f"{summary}, but not as the API does (status {reply.status}, {kind})",
            "Correct the API's address (--api-url or PULUMI_BACKEND_URL): not the console's, and no proxy's.",
        )
    return Finding("api", Status.OK, summary)


def _advice_for(kind: TroubleKind, wording: Wording) -> str:
    match kind:
        case TroubleKind.TLS:
            return wording[Hint.TRUST_CERTIFICATE]
        case TroubleKind.PROXY:
            return "Correct HTTPS_PROXY, or name this host in NO_PROXY."
        case _:
            return _NETWORK


def tls(reply: Reply, now: datetime) -> Finding:
    """How the connection is protected."""
    if reply.tls is None:
        return Finding("tls", Status.INFO, "none, as the API is on this machine")
    if reply.certificate is None:
        return Finding("tls", Status.OK, reply.tls)
    left = reply.certificate.expires - now
    summary = f"{reply.tls}, certificate by {reply.certificate.issuer} for {left.days} more days"
    if left < _SOON:
        return Finding("tls", Status.WARN, summary, "Tell that Pulumi Cloud's operator: it expires soon.")
    return Finding("tls", Status.OK, summary)


def clock(reply: Reply) -> Finding:
    """Report whether the two clocks agree, to the second that HTTP transmits."""
    if reply.ahead is None:
        return Finding("clock", Status.INFO, "the API sends no time")
    # Within a second of the header and the time of the way there is nothing to know.
    skew = -reply.ahead
    if abs(skew) < _SKEW_WARNING:
        return Finding("clock", Status.OK, "agrees with the API's")
    status = Status.FAIL if abs(skew) >= _SKEW_FAILURE else Status.WARN
    direction = "ahead of" if skew > 0 else "behind"
    return Finding(
        "clock", status, f"{abs(skew):.0f} s {direction} the API's", "Have this machine set its clock by NTP."
    )


def not_tried(name: str, why: str) -> Finding:
    """A check that another one makes pointless."""
    return Finding(name, Status.WARN, f"not tried: {why}", "Fix that first.")


def failed(name: str, error: NeoError, wording: Wording = TERMINAL) -> Finding:
    """A check that ended with an error of the API's."""
    advice = to_text(error.hint, wording) or "Run this again with --log-level debug for details."
    return Finding(name, Status.FAIL, one_line(error.problem, 300), advice)


def identity(user: User) -> Finding:
    """Who the token's user is."""
    name = f" ({one_line(user.name)})" if user.name else ""
    return Finding("you", Status.OK, f"{one_line(user.github_login)}{name}")


def organizations(user: User, configured: str | None) -> Finding:
    """Which organizations the user has, and whether the configured one is among them."""
    names = [one_line(organization.github_login, 60) for organization in user.organizations]
    summary = ", ".join(names) or "none but your own"
    if configured and configured not in {*names, user.github_login}:
        return Finding(
            "organizations",
            Status.WARN,
            f"{summary}; not {configured}, which is configured",
            "Correct --organization, NEO_MCP_ORGANIZATION or `pulumi org set-default`; or be invited to it.",
        )
    return Finding("organizations", Status.OK, summary)


def neo(organization: DefaultOrganization, source: str, *, has_tasks: bool) -> Finding:
    """Report that the organization has Neo, and why it is this one."""
    why = source or organization.origin.value
    tasks = "there are tasks" if has_tasks else "no tasks yet"
    return Finding("neo", Status.OK, f"{organization.name} ({why}) has Neo; {tasks}")


def stream(state: StreamState | None, *, has_events: bool, why: str = "") -> Finding:
    """Report whether events come as they happen."""
    if state is StreamState.PAGING:
        return Finding("stream", Status.OK, "this server has none; events come every few seconds")
    if state is not StreamState.OPEN:
        return Finding(
            "stream",
            Status.WARN,
            f"does not open: {one_line(why, 300) or 'no answer'}",
            "Events come with a delay. Have the proxy let text/event-stream pass.",
        )
    if not has_events:
        return Finding(
            "stream",
            Status.WARN,
            "opens, but nothing comes through it",
            "A proxy seems to hold it back. Have it pass text/event-stream on at once.",
        )
    return Finding("stream", Status.OK, "opens, and delivers")


def completed(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, of which those are checked that the success of another one shows to be right."""
    good = {finding.name for finding in findings if finding.status is Status.OK}
    return [
        replace(each, status=Status.OK) if each.status is Status.INFO and each.checked_by in good else each
        for each in findings
    ]


def exit_status(findings: Sequence[Finding]) -> int:
    """0, or 1 if a check failed."""
    return int(any(finding.status is Status.FAIL for finding in findings))


def without_password(url: str) -> str:
    """``url`` without the name and password that it may carry."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable address"
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=host if not at else f"***@{host}").geturl() if user else url


def value_of(settings: Settings, name: str) -> str:
    """The value of a setting as people write it."""
    # The file of a token is all that there is to show of it.
    value = getattr(settings, name, settings.sources.get("token", ""))
    if name == "protected_stacks" and isinstance(value, tuple):
        # Patterns as they are understood: a part too few or too many protects other stacks.
        return ", ".join(f"{pattern} ({StackPattern.parse(pattern).meaning})" for pattern in value)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    text = str(value)
    return without_password(text) if "://" in text else text
