"""Settings: where each comes from, and what they are.

Owns the table of settings, from which the command line, the environment and the documentation are made, and
reads the files that ``pulumi login`` writes. A value is taken from the command line, else the environment,
else those files, else the default. An access token is only ever used with the API URL it belongs to.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from neo_mcp.errors import ConfigurationError

DEFAULT_API_URL = "https://api.pulumi.com"
_STATE_BACKEND = re.compile(r"(?:s3|gs|azblob|file|postgres|postgresql)://", re.IGNORECASE)


class ApprovalPolicy(StrEnum):
    """Who may approve on a person's behalf. Set by the operator alone."""

    ASK = "ask"
    HOST = "host"
    DENY = "deny"


class LogLevel(StrEnum):
    """How much is logged to standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        name: Field of :class:`Settings`, and the flag's name with dashes.
        env: Environment variable.
        default: Text of the default, as shown to people.
        help: One line, saying units.
        parse: Reads the text that a person gave; raises ``ValueError`` with what is allowed.
    """

    name: str
    env: str
    default: str
    help: str
    parse: Callable[[str], Any] = str

    @property
    def flag(self) -> str:
        """The command-line option."""
        return "--" + self.name.replace("_", "-")


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
    # Hosts pass their settings without a shell, so nobody else has replaced the tilde.
    return Path(os.path.expanduser(text))  # noqa: PTH111 - the method raises where there is no home


def _choice(options: type[StrEnum]) -> Callable[[str], StrEnum]:
    def parse(text: str) -> StrEnum:
        try:
            return options(text.strip().lower())
        except ValueError:
            raise ValueError("one of " + ", ".join(options)) from None

    return parse


class Dialect(StrEnum):
    """Which generation of the API the server speaks."""

    AUTO = "auto"
    FIRST = "first"
    SECOND = "second"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "api_url",
        "PULUMI_BACKEND_URL",
        "the `pulumi login` in use, else https://api.pulumi.com",
        "Address of the Pulumi Cloud API: https, or loopback.",
    ),
    Setting("organization", "NEO_MCP_ORGANIZATION", "your default", "Organization for calls that name none."),
    Setting("token_file", "NEO_MCP_TOKEN_FILE", "none", "File that holds the access token.", _path),
    Setting(
        "approvals",
        "NEO_MCP_APPROVALS",
        "ask",
        "Who approves: `ask` a person through the host, trust the `host`'s own confirmation, or `deny` all.",
        _choice(ApprovalPolicy),
    ),
    Setting(
        "generation",
        "NEO_MCP_GENERATION",
        "auto",
        "Generation of the API: `auto`, `first` or `second`.",
        _choice(Dialect),
    ),
    Setting("call_timeout", "NEO_MCP_CALL_TIMEOUT", "20", "Seconds for one API call.", _number(1, 600)),
    Setting("create_timeout", "NEO_MCP_CREATE_TIMEOUT", "120", "Seconds to create a task.", _number(1, 600)),
    Setting("wait_seconds", "NEO_MCP_WAIT_SECONDS", "50", "Seconds of a wait by default.", _number(1, 3600)),
    Setting("budget_tokens", "NEO_MCP_BUDGET_TOKENS", "6000", "Tokens of one result.", _number(1000, 20000)),
    Setting("max_event_mib", "NEO_MCP_MAX_EVENT_MIB", "16", "MiB of one event.", _number(1, 1024)),
    Setting(
        "log_level",
        "NEO_MCP_LOG_LEVEL",
        "warning",
        "What goes to standard error: `debug`, `info`, `warning` or `error`.",
        _choice(LogLevel),
    ),
)

TOKEN_ENV = "PULUMI_ACCESS_TOKEN"  # noqa: S105 - the variable's name, not a secret


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the program needs to know, read once.

    Attributes:
        token: The access token for ``api_url``, or ``None``.
        sources: Where each value came from, for people (``doctor``, logs); never a secret.
        warnings: What the reader of the settings should be told.
    """

    token: SecretStr | None = None
    api_url: str = DEFAULT_API_URL
    organization: str | None = None
    approvals: ApprovalPolicy = ApprovalPolicy.ASK
    generation: Dialect = Dialect.AUTO
    call_timeout: float = 20.0
    create_timeout: float = 120.0
    wait_seconds: float = 50.0
    budget_tokens: int = 6000
    max_event_mib: float = 16.0
    log_level: LogLevel = LogLevel.WARNING
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def load_settings(
    environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None, *, home: Path | None = None
) -> Settings:
    """Read the settings.

    Args:
        environ: The environment.
        flags: Command-line values by setting name; ``None`` where not given.
        home: The person's home directory, where ``.pulumi`` is; the user's own by default.

    Raises:
        ConfigurationError: If a value makes no sense. A missing token is no error here.
    """
    return _Reader(environ, flags or {}, home).read()


class _Reader:
    """Collects values, their sources and warnings."""

    def __init__(
        self, environ: Mapping[str, str], flags: Mapping[str, str | None], home: Path | None
    ) -> None:
        self._environ = environ
        self._flags = flags
        self._pulumi_home = Path(environ.get("PULUMI_HOME") or (home or _home()) / ".pulumi")
        self._sources: dict[str, str] = {}
        self._warnings: list[str] = []

    def read(self) -> Settings:
        given = {s.name: value for s in SETTINGS if (value := self._given(s)) is not None}
        token_file: Path | None = given.pop("token_file", None)
        credentials = self._read_json("credentials.json", secret=True)
        api_url = self._api_url(given.pop("api_url", None), credentials)
        organization = given.pop("organization", None) or self._default_organization(api_url)
        if "budget_tokens" in given:
            given["budget_tokens"] = int(given["budget_tokens"])
        return Settings(
            token=self._token(token_file, api_url, credentials),
            api_url=api_url,
            organization=organization,
            sources=self._sources,
            warnings=tuple(self._warnings),
            **given,
        )

    def _given(self, setting: Setting) -> Any:  # noqa: ANN401 - each setting parses to a type of its own
        text, source = self._flags.get(setting.name), f"command line {setting.flag}"
        if text is None:
            text, source = self._environ.get(setting.env), f"environment {setting.env}"
        if not text or not text.strip():
            return None
        try:
            value = setting.parse(text.strip())
        except ValueError as error:
            raise ConfigurationError(f"{source} must be {error}, not {text[:40]!r}.") from None
        self._sources[setting.name] = source
        return value

    def _api_url(self, given: str | None, credentials: dict[str, Any]) -> str:
        if given is not None:
            if _is_http(given):
                return given.rstrip("/")
            if not _STATE_BACKEND.match(given):
                raise ConfigurationError(
                    f"{self._sources['api_url']} must be an https address, not {given[:40]!r}."
                )
            # A self-managed state backend has no API; the access token is for Pulumi Cloud.
            self._warnings.append(
                f"{self._sources.pop('api_url')} is no Pulumi Cloud address; it is not used."
            )
        current = credentials.get("current")
        if isinstance(current, str) and _is_http(current):
            self._sources["api_url"] = f"file {self._pulumi_home / 'credentials.json'}"
            return current.rstrip("/")
        return DEFAULT_API_URL

    def _token(self, file: Path | None, api_url: str, credentials: dict[str, Any]) -> SecretStr | None:
        if file is not None:
            return self._token_from(file)
        if token := self._environ.get(TOKEN_ENV, "").strip():
            self._sources["token"] = f"environment {TOKEN_ENV}"
            return SecretStr(token)
        tokens = _by_url(credentials.get("accessTokens"))
        account = _by_url(credentials.get("accounts")).get(_canonical(api_url))
        stored = tokens.get(_canonical(api_url)) or _field(account, "accessToken")
        if not isinstance(stored, str) or not stored:
            return None
        self._sources["token"] = f"file {self._pulumi_home / 'credentials.json'}"
        return SecretStr(stored)

    def _token_from(self, file: Path) -> SecretStr:
        self._warn_if_readable_by_others(file)
        try:
            token = file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"The token file {file} cannot be read: {error}.") from None
        if not token:
            raise ConfigurationError(f"The token file {file} is empty.")
        self._sources["token"] = f"file {file}"
        return SecretStr(token)

    def _default_organization(self, api_url: str) -> str | None:
        config = self._read_json("config.json")
        backend = _by_url(config.get("backends")).get(_canonical(api_url))
        organization = _field(backend, "defaultOrg")
        if not isinstance(organization, str) or not organization:
            return None
        self._sources["organization"] = f"file {self._pulumi_home / 'config.json'}"
        return organization

    def _read_json(self, name: str, *, secret: bool = False) -> dict[str, Any]:
        path = self._pulumi_home / name
        try:
            content = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._warnings.append(f"{path} cannot be read ({type(error).__name__}); it is not used.")
            return {}
        if secret:
            self._warn_if_readable_by_others(path)
        if not isinstance(content, dict):
            self._warnings.append(f"{path} holds no JSON object; it is not used.")
            return {}
        return content

    def _warn_if_readable_by_others(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except OSError:
            return
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            self._warnings.append(f"{path} can be read by other users; run `chmod 600 {path}`.")


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        # Containers may run as a user without one; then there are no files to read.
        return Path(os.devnull)


def _is_http(url: str) -> bool:
    return url.lower().startswith(("https://", "http://"))


def _field(table: object, name: str) -> object:
    return table.get(name) if isinstance(table, dict) else None


def _canonical(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _by_url(table: object) -> dict[str, Any]:
    if not isinstance(table, dict):
        return {}
    return {_canonical(url): value for url, value in table.items() if isinstance(url, str)}
