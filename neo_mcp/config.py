"""Settings: where each comes from, and what they are.

Reads what the table in :mod:`neo_mcp.options` names, and the files that ``pulumi login`` writes. A value is
taken from the command line, else the environment, else those files, else the default. An empty or blank
variable counts as absent, while an empty option is an error: it would undo the variable. So is a value with a
placeholder that nothing has replaced. An access token is only ever used with the API URL it belongs to.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from neo_mcp import local_files
from neo_mcp.constants import DEFAULT_API_URL, Generation
from neo_mcp.errors import ConfigurationError
from neo_mcp.options import SETTINGS, Answerer, ApprovalPolicy, Auth, LogFormat, LogLevel, Setting
from neo_mcp.permissions import exposures
from neo_mcp.secret import SecretBytes, SecretStr
from neo_mcp.token_text import bare_token, flaw, is_unexpanded
from neo_mcp.weak_tokens import weakness

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

__all__ = [
    "DEFAULT_API_URL",
    "SETTINGS",
    "TOKEN_ENV",
    "Answerer",
    "ApprovalPolicy",
    "Auth",
    "Generation",
    "LogFormat",
    "LogLevel",
    "Setting",
    "Settings",
    "home_folder",
    "load_settings",
]

_MIN_KEY_BYTES = 32
_MAX_LOGIN_BYTES = 4 * 2**20
_STATE_BACKEND = r"(?i:s3|gs|azblob|file|postgres|postgresql)://"
_NOT_ALPHANUMERIC = re.compile(r"[^A-Z0-9]")
# Kubernetes sets these for a service of that name.
_SERVICE_LINK = r"(?:PULUMI_)?NEO_MCP_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT\w*|PORT(?:_\d+_\w+)?)"
_API, _DEFAULT_ORGANIZATION = "PULUMI_API", "PULUMI_DEFAULT_ORGANIZATION"
TOKEN_ENV = "PULUMI_ACCESS_TOKEN"  # noqa: S105 - the variable's name, not a secret


class Settings(NamedTuple):
    """Everything the program needs to know, read once.

    Attributes:
        token: The access token for ``api_url``, or ``None``.
        protected_stacks: Patterns, as :class:`neo_mcp.stack_patterns.StackPattern` reads them.
        key: Secret of at least 32 bytes that processes share, or ``None`` for one of this process's own.
        key_file: Where it was read from.
        metrics_address: Host and port.
        sources: Where each value came from, for people (``doctor``, logs); never a secret.
        warnings: Texts for the person who set them.
    """

    token: SecretStr | None = None
    api_url: str = DEFAULT_API_URL
    organization: str | None = None
    approvals: ApprovalPolicy = ApprovalPolicy.ASK
    questions: Answerer = Answerer.MODEL
    protected_stacks: tuple[str, ...] = ()
    read_only: bool = False
    key: SecretBytes | None = None
    key_file: Path | None = None
    generation: Generation = Generation.AUTO
    call_timeout: float = 20.0
    create_timeout: float = 120.0
    wait_seconds: float = 50.0
    budget_tokens: int = 6000
    max_event_mib: float = 16.0
    max_answer_mib: float = 64.0
    auth: Auth = Auth.NONE
    auth_secret_file: Path | None = None
    oauth_issuer: str | None = None
    oauth_audience: str | None = None
    oauth_scopes: tuple[str, ...] = ()
    oauth_jwks_url: str | None = None
    token_store: Path | None = None
    pulumi_token_header: bool = False
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: "tuple[IPv4Network | IPv6Network, ...]" = ()
    quota: int | None = None
    metrics_address: tuple[str, int] | None = None
    log_level: LogLevel = LogLevel.WARNING
    log_format: LogFormat = LogFormat.TEXT
    sources: Mapping[str, str] = MappingProxyType({})
    warnings: tuple[str, ...] = ()

    @property
    def is_shared(self) -> bool:
        """True if several people are served, each with a Pulumi access token of their own."""
        return self.auth is Auth.OAUTH or self.pulumi_token_header


def load_settings(
    environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None, *, home: Path | None = None
) -> Settings:
    """Read the settings.

    Args:
        environ: The environment.
        flags: Command-line values by setting name; ``None`` where not given.
        home: The person's home directory, where ``.pulumi`` is; the user's own by default.

    Raises:
        ConfigurationError: If a value is invalid. A missing token is no error here.
    """
    return _Reader(environ, flags or {}, home).read()


class _Reader:
    """Collects values, their sources and warnings."""

    def __init__(
        self, environ: Mapping[str, str], flags: Mapping[str, str | None], home: Path | None
    ) -> None:
        self._environ = environ
        self._flags = flags
        self._home = home or home_folder()
        self._pulumi_home = self._folder("PULUMI_HOME", self._home / ".pulumi")
        self._credentials = self._folder("PULUMI_CREDENTIALS_PATH", self._pulumi_home) / "credentials.json"
        self._sources: dict[str, str] = {}
        self._warnings: list[str] = []

    def read(self) -> Settings:
        given = {s.name: value for s in SETTINGS if (value := self._given(s)) is not None}
        token_file: Path | None = given.pop("token_file", None)
        credentials = self._read_json(self._credentials, secret=True)
        api_url = self._api_url(given.pop("api_url", None), credentials)
        organization = given.pop("organization", None)
        for name in {"budget_tokens", "quota"} & given.keys():
            given[name] = int(given[name])
        if "key_file" in given:
            given["key"] = self._key(given["key_file"])
        for name in ("auth_secret_file", "token_store"):
            if name in given:
                self._warnings += exposures(given[name])
        settings = Settings(api_url=api_url, organization=organization, **given)
        if not settings.is_shared:
            # A person's own configuration is for them alone.
            settings = settings._replace(
                token=self._token(token_file, api_url, credentials),
                organization=organization or self._default_organization(api_url),
            )
            self._check_token(settings.token)
        self._warnings += unknown_variables(self._environ)
        return settings._replace(sources=self._sources, warnings=tuple(self._warnings))

    def _folder(self, variable: str, default: Path) -> Path:
        """The folder that ``variable`` names; a tilde stands for the home directory."""
        given = Path(self._environ.get(variable, ""))
        if given.parts[:1] == ("~",):
            return self._home.joinpath(*given.parts[1:])
        return given if given.parts else default

    def _given(self, setting: Setting) -> Any:  # noqa: ANN401 - each setting parses to a type of its own
        text, source = self._flags.get(setting.name), f"command line {setting.flag}"
        if text is None:
            text, source = self._environ.get(setting.env), f"environment {setting.env}"
        elif not text.strip():
            raise ConfigurationError(f"{source} must not be empty; leave it out to have the default.")
        if not text or not text.strip():
            return None
        try:
            value = setting.read(text)
        except ValueError as error:
            raise ConfigurationError(f"{source} must be {error}, not {self._shown(text)}.") from None
        self._sources[setting.name] = source
        return value

    def _shown(self, text: str) -> str:
        """The beginning of a setting, for an error: people mix settings up, the token's with another."""
        from neo_mcp.hidden_text import echoed  # noqa: PLC0415 - only where something is wrong

        token = bare_token(self._environ.get(TOKEN_ENV, ""))
        return echoed(text.replace(token, "[access token]") if token and not weakness(token) else text)

    def _api_url(self, given: str | None, credentials: dict[str, Any]) -> str:
        if given is not None:
            if _is_http(given):
                return given.rstrip("/")
            if not re.match(_STATE_BACKEND, given):
                raise ConfigurationError(
                    f"{self._sources['api_url']} must be an https address, not {self._shown(given)}."
                )
            # A self-managed state backend has no API; the access token is for Pulumi Cloud.
            self._warnings.append(
                f"{self._sources.pop('api_url')} is no Pulumi Cloud address; it is not used."
            )
        override = self._environ.get(_API, "").strip()
        if _is_http(override):
            self._sources["api_url"] = f"environment {_API}"
            return override.rstrip("/")
        current = credentials.get("current")
        if isinstance(current, str) and _is_http(current):
            self._sources["api_url"] = f"file {self._credentials}"
            return current.rstrip("/")
        return DEFAULT_API_URL

    def _token(self, file: Path | None, api_url: str, credentials: dict[str, Any]) -> SecretStr | None:
        if file is not None:
            return self._token_from(file)
        source = f"environment {TOKEN_ENV}"
        given = self._environ.get(TOKEN_ENV, "")
        token = bare_token(given)
        if token and not is_unexpanded(token):
            self._sources["token"] = source
            return _checked(token, f"The {source}")
        if given:
            why = "holds the name of a variable in place of its value" if token else "is empty"
            self._warnings.append(f"The {source} {why}; it is not used. The login of `pulumi login` is.")
        tokens = _by_url(credentials.get("accessTokens"))
        account = _by_url(credentials.get("accounts")).get(_canonical(api_url))
        stored = tokens.get(_canonical(api_url)) or _field(account, "accessToken")
        if not isinstance(stored, str) or not stored:
            return None
        self._sources["token"] = f"file {self._credentials}"
        return SecretStr(stored)

    def _check_token(self, token: SecretStr | None) -> None:
        if token is not None and (why := weakness(token.get_secret_value())):
            self._warnings.append(
                f"The access token from the {self._sources['token']} cannot be a real one: {why}. It is not "
                "taken out of texts. Run `pulumi login`, or create one in the Pulumi Cloud console."
            )

    def _token_from(self, file: Path) -> SecretStr:
        self._warnings += exposures(file)
        try:
            token = bare_token(local_files.read(file, local_files.MAX_SECRET_BYTES).decode("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"The token file {file} cannot be read: {_why(error)}.") from None
        if not token:
            raise ConfigurationError(f"The token file {file} is empty.")
        if is_unexpanded(token):
            raise ConfigurationError(
                f"The token file {file} holds the name of a variable in place of its value."
            )
        self._sources["token"] = f"file {file}"
        return _checked(token, f"The token file {file}")

    def _key(self, file: Path) -> SecretBytes:
        self._warnings += exposures(file)
        try:
            key = local_files.read(file, local_files.MAX_SECRET_BYTES).strip()
        except OSError as error:
            raise ConfigurationError(f"The key file {file} cannot be read: {error.strerror}.") from None
        if len(key) < _MIN_KEY_BYTES:
            raise ConfigurationError(
                f"The key file {file} holds {len(key)} bytes; it needs {_MIN_KEY_BYTES} or more.",
                next_step=f"Make one: (umask 077; openssl rand -hex 32 > {file})",
            )
        return SecretBytes(key)

    def _default_organization(self, api_url: str) -> str | None:
        # In the order of the vendor's client.
        if chosen := self._environ.get(_DEFAULT_ORGANIZATION, "").strip():
            self._sources["organization"] = f"environment {_DEFAULT_ORGANIZATION}"
            return chosen
        config = self._read_json(self._pulumi_home / "config.json")
        backend = _by_url(config.get("backends")).get(_canonical(api_url))
        organization = _field(backend, "defaultOrg")
        if not isinstance(organization, str) or not organization:
            return None
        self._sources["organization"] = f"file {self._pulumi_home / 'config.json'}"
        return organization

    def _read_json(self, path: Path, *, secret: bool = False) -> dict[str, Any]:
        try:
            content = json.loads(local_files.read(path, _MAX_LOGIN_BYTES, regular=True))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._warnings.append(f"{path} cannot be read ({_why(error)}); it is not used.")
            return {}
        if secret:
            self._warnings += exposures(path)
        if not isinstance(content, dict):
            self._warnings.append(f"{path} holds no JSON object; it is not used.")
            return {}
        return content


def _checked(token: str, source: str) -> SecretStr:
    if why := flaw(token):
        raise ConfigurationError(
            f"{source} cannot hold an access token: {why}.",
            next_step="Put the token there and nothing else, or leave it out to use `pulumi login`.",
        )
    return SecretStr(token)


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Warnings of variables that look like settings and are none, each with the nearest setting."""
    known = {setting.env for setting in SETTINGS}
    for name, value in environ.items():
        folded = _NOT_ALPHANUMERIC.sub("", name.upper())
        if not folded.startswith(("NEOMCP", "PULUMINEOMCP")) or name in known:
            continue
        if re.fullmatch(_SERVICE_LINK, name) and (not name.endswith("_PORT") or "://" in value):
            continue
        from neo_mcp.hidden_text import echoed  # noqa: PLC0415 - only where something is wrong

        nearest = _nearest(folded.removeprefix("PULUMI"), known)
        hint = f"; did you mean {nearest}?" if nearest else "."
        yield f"The environment variable {echoed(name)} is no setting and is not used{hint}"


def _nearest(folded: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only needed where something is misspelled

    spellings = {name.replace("_", "").removeprefix("NEOMCP"): name for name in known}
    close = get_close_matches(folded.removeprefix("NEOMCP")[:100], spellings, n=1, cutoff=0.7)
    return spellings[close[0]] if close else ""


def _why(error: Exception) -> str:
    """Why a file cannot be read, without anything of what is in it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else type(error).__name__


def home_folder() -> Path:
    """The user's home directory; a path that leads nowhere if there is none."""
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
