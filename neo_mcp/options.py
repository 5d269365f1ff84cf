"""The table of settings, from which the command line, the environment and the documentation are made.

Owns each setting's names, its default in words, and how the text that a person gave is read: a text is either
understood or an error, and never the default. Where the texts come from, and what is made of them, is
:mod:`neo_mcp.config`.
"""

import os
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from neo_mcp.constants import DEFAULT_API_URL, Generation
from neo_mcp.stack_patterns import parse_patterns
from neo_mcp.token_text import NO_VALUE, is_unexpanded

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

_LAST_PORT = 65_535
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_AROUND = " \t\r\n'\"`\ufeff\u200b\u00a0\u201c\u201d\u2018\u2019"
_IN_LIST = r"[\s'\"`;{}\x00-\x1f\x7f]"
_PLACEHOLDER = r"\$\{[^}]*\}|\$\([^)]*\)|\{\{[^}]*\}\}"
_ALL_PLACEHOLDER = r"\$\w+|<[^<>]*>"


class ApprovalPolicy(StrEnum):
    """Who may approve on a person's behalf. Set by the operator alone."""

    ASK = "ask"
    HOST = "host"
    DENY = "deny"


class Answerer(StrEnum):
    """Who answers Neo's questions."""

    MODEL = "model"
    PERSON = "person"


class Auth(StrEnum):
    """Who may use the server over HTTP."""

    NONE = "none"
    BEARER = "bearer"
    OAUTH = "oauth"


class LogLevel(StrEnum):
    """How much is logged to standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """The format of a log line."""

    TEXT = "text"
    JSON = "json"


class Setting(NamedTuple):
    """One row of the table.

    A switch can be given on the command line without a value.

    Attributes:
        name: Field of :class:`neo_mcp.config.Settings`, and the flag's name with dashes.
        env: Environment variable.
        default: Text of the default, as shown to people.
        help: One line, saying units.
        parse: Reads the text that a person gave; raises ``ValueError`` with what is allowed.
        is_for_http: Whether it is about serving HTTP alone.
    """

    name: str
    env: str
    default: str
    help: str
    parse: Callable[[str], Any] = str
    is_for_http: bool = False

    def read(self, text: str) -> Any:  # noqa: ANN401 - each setting parses to a type of its own
        """The value that a text gives.

        Raises:
            ValueError: If it is invalid, or holds a placeholder; with what is allowed.
        """
        bare = _unquoted(text)
        value = self.parse(bare)
        if not bare or has_placeholder(text):
            raise ValueError("a value rather than a placeholder")
        return value

    @property
    def flag(self) -> str:
        """The command-line option."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """True if it is either on or off."""
        return self.parse is _switch

    @property
    def is_list(self) -> bool:
        """True if it takes several values, comma-separated or by repeating the option."""
        return self.parse in {_list, _networks, _words, parse_patterns}

    @property
    def is_file(self) -> bool:
        """True if it names a file."""
        return self.parse is _path

    @property
    def choices(self) -> tuple[str, ...]:
        """The only values that it takes; none where others are possible."""
        return tuple(self.parse.options) if isinstance(self.parse, _Choice) else ()


def has_placeholder(text: str) -> bool:
    """True if ``text`` holds what a program should have put a value in place of."""
    bare = _unquoted(text)
    return bool(re.search(_PLACEHOLDER, text) or re.fullmatch(_ALL_PLACEHOLDER, bare)) or is_unexpanded(bare)


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return value

    return parse


def _path(text: str) -> Path:
    # Hosts pass their settings without a shell, so the tilde is not yet replaced.
    return Path(os.path.expanduser(text))  # noqa: PTH111 - the method raises where there is no home


def _switch(text: str) -> bool:
    match _unquoted(text).lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
    raise ValueError("true or false")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError("an address and a port, such as 127.0.0.1:9464")
    return host.strip("[]"), int(port)


def _list(text: str) -> tuple[str, ...]:
    items = tuple(item for part in text.split(",") if (item := _unquoted(part)))
    if not items or any(re.search(_IN_LIST, item) for item in items):
        raise ValueError("a comma-separated list, without quotes, brackets or blanks")
    return items


def _networks(text: str) -> "tuple[IPv4Network | IPv6Network, ...]":
    from ipaddress import ip_network  # noqa: PLC0415 - who serves one host has no use for it

    try:
        return tuple(ip_network(item, strict=False) for item in _list(text))
    except ValueError:
        raise ValueError("addresses or networks such as 10.0.0.0/8, comma-separated") from None


def _words(text: str) -> tuple[str, ...]:
    words = tuple(_unquoted(text).replace(",", " ").split())
    if not words or any(re.search(_IN_LIST, word) for word in words):
        raise ValueError("a list separated by spaces or commas, without quotes or brackets")
    return words


def _organization(text: str) -> str:
    text = _unquoted(text)
    if not re.fullmatch(_NAME, text) or text.lower() in NO_VALUE:
        raise ValueError("an organization's name, such as acme")
    return text


def _unquoted(text: str) -> str:
    """The text without the quotes, blanks and marks that hosts, editors and compose files leave around it."""
    return text.strip(_AROUND)


class _Choice:
    """Reads one of ``options``, in upper or lower case."""

    def __init__(self, options: type[StrEnum]) -> None:
        self.options = options

    def __call__(self, text: str) -> StrEnum:
        try:
            return self.options(_unquoted(text).lower())
        except ValueError:
            raise ValueError("one of " + ", ".join(self.options)) from None


_EVERYWHERE: tuple[Setting, ...] = (
    Setting(
        "api_url",
        "PULUMI_BACKEND_URL",
        f"the `pulumi login` in use, else {DEFAULT_API_URL}",
        "Address of the Pulumi Cloud API: https, or loopback.",
        _unquoted,
    ),
    Setting(
        "organization",
        "NEO_MCP_ORGANIZATION",
        "your default",
        "Organization for calls that name none.",
        _organization,
    ),
    Setting("token_file", "NEO_MCP_TOKEN_FILE", "none", "File that holds the access token.", _path),
    Setting(
        "approvals",
        "NEO_MCP_APPROVALS",
        "ask",
        "Who approves: `ask` a person through the host, trust the `host`'s own confirmation, or `deny` all.",
        _Choice(ApprovalPolicy),
    ),
    Setting(
        "questions",
        "NEO_MCP_QUESTIONS",
        "model",
        "Who answers Neo's questions: the host's `model`, or a `person` through the host.",
        _Choice(Answerer),
    ),
    Setting(
        "protected_stacks",
        "NEO_MCP_PROTECTED_STACKS",
        "none",
        "Stacks whose name a person types to approve anything on them: `stack`, `project/stack` or "
        "`organization/project/stack`, with `*`; comma-separated, or the option repeated.",
        parse_patterns,
    ),
    Setting(
        "read_only",
        "NEO_MCP_READ_ONLY",
        "false",
        "Read-only: no tool that writes but create_task, whose tasks are read-only too.",
        _switch,
    ),
    Setting(
        "key_file",
        "NEO_MCP_KEY_FILE",
        "a key of the process's own",
        "File of 32 bytes or more, shared by processes that answer for one another.",
        _path,
    ),
    Setting(
        "generation",
        "NEO_MCP_GENERATION",
        "auto",
        "Generation of the API: `auto`, `first` or `second`.",
        _Choice(Generation),
    ),
    Setting("call_timeout", "NEO_MCP_CALL_TIMEOUT", "20", "Seconds for one API call.", _number(1, 600)),
    Setting("create_timeout", "NEO_MCP_CREATE_TIMEOUT", "120", "Seconds to create a task.", _number(1, 600)),
    Setting("wait_seconds", "NEO_MCP_WAIT_SECONDS", "50", "Seconds of a wait by default.", _number(1, 3600)),
    Setting("budget_tokens", "NEO_MCP_BUDGET_TOKENS", "6000", "Tokens of one result.", _number(1000, 20000)),
    Setting("max_event_mib", "NEO_MCP_MAX_EVENT_MIB", "16", "MiB of one event.", _number(1, 1024)),
    Setting("max_answer_mib", "NEO_MCP_MAX_ANSWER_MIB", "64", "MiB of one API answer.", _number(1, 4096)),
    Setting(
        "log_level",
        "NEO_MCP_LOG_LEVEL",
        "warning",
        "What goes to standard error: `debug`, `info`, `warning` or `error`.",
        _Choice(LogLevel),
    ),
    Setting(
        "log_format",
        "NEO_MCP_LOG_FORMAT",
        "text",
        "What a line of it is: `text` for people, or `json` for programs.",
        _Choice(LogFormat),
    ),
)

_HTTP: tuple[Setting, ...] = (
    Setting(
        "auth",
        "NEO_MCP_AUTH",
        "none",
        "Who may use `--http`: `none` asked, so this machine only; a `bearer` of a secret; users by `oauth`.",
        _Choice(Auth),
    ),
    Setting(
        "auth_secret_file",
        "NEO_MCP_AUTH_SECRET_FILE",
        "none",
        "File of secrets for `bearer`, 32 characters or more, one a line; read again when it changes.",
        _path,
    ),
    Setting("oauth_issuer", "NEO_MCP_OAUTH_ISSUER", "none", "Issuer of the access tokens for `oauth`."),
    Setting(
        "oauth_audience",
        "NEO_MCP_OAUTH_AUDIENCE",
        "the public URL",
        "Audience that those tokens must have been issued for.",
    ),
    Setting(
        "oauth_scopes",
        "NEO_MCP_OAUTH_SCOPES",
        "none",
        "Scopes that those tokens must have, by spaces.",
        _words,
    ),
    Setting(
        "oauth_jwks_url",
        "NEO_MCP_OAUTH_JWKS_URL",
        "as the issuer says",
        "Address of the issuer's keys.",
    ),
    Setting(
        "token_store",
        "NEO_MCP_TOKEN_STORE",
        "none",
        "Folder of Pulumi access tokens for `oauth`: one file for each user, named as the token's subject.",
        _path,
    ),
    Setting(
        "pulumi_token_header",
        "NEO_MCP_PULUMI_TOKEN_HEADER",
        "false",
        "Every HTTP request brings its own Pulumi access token, in `X-Pulumi-Access-Token`.",
        _switch,
    ),
    Setting(
        "public_url",
        "NEO_MCP_PUBLIC_URL",
        "the address served",
        "The endpoint's address as hosts know it, such as https://neo.example.com/mcp.",
    ),
    Setting(
        "allowed_hosts",
        "NEO_MCP_ALLOWED_HOSTS",
        "none",
        "Host headers to accept besides those of the addresses above and of this machine, comma-separated.",
        _list,
    ),
    Setting(
        "allowed_origins",
        "NEO_MCP_ALLOWED_ORIGINS",
        "none",
        "Origin headers to accept besides the same, such as https://chat.example.com, comma-separated.",
        _list,
    ),
    Setting(
        "trusted_proxies",
        "NEO_MCP_TRUSTED_PROXIES",
        "this machine",
        "Proxies whose connections are many users': addresses or networks that have no limit of their own.",
        _networks,
    ),
    Setting(
        "quota",
        "NEO_MCP_QUOTA",
        "800; 120 for each of several users",
        "HTTP requests in flight for one user; two thirds may be waits, a quarter streams.",
        _number(12, 100_000),
    ),
    Setting(
        "metrics_address",
        "NEO_MCP_METRICS_ADDRESS",
        "none",
        "Where Prometheus gets metrics, such as 127.0.0.1:9464; unauthenticated. Needs extra `telemetry`.",
        _address,
    ),
)

SETTINGS: tuple[Setting, ...] = (*_EVERYWHERE, *(setting._replace(is_for_http=True) for setting in _HTTP))
