"""Settings: where each comes from, and what they are.

Reads what the table in :mod:`neo_mcp.options` names, and the files that ``pulumi login`` writes. A value is
taken from the command line, else the environment, else those files, else the default. An empty or blank
variable counts as absent, while an empty option is an error: it would undo the variable. So is a value with a
placeholder that nothing has replaced. An access token is only ever used with the API URL it belongs to.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from neo_mcp import local_files
from neo_mcp.constants import DEFAULT_API_URL, Generation
from neo_mcp.errors import ConfigurationError
from neo_mcp.login import (
    Content,
    Login,
    default_organization,
    is_http,
    is_state_backend,
    read_object,
    state_backend,
)
from neo_mcp.options import (
    SETTINGS,
    Answerer,
    ApprovalPolicy,
    Auth,
    LogFormat,
    LogLevel,
    Setting,
    has_placeholder,
)
from neo_mcp.permissions import exposures
from neo_mcp.secret import SecretBytes, SecretStr, command_that_makes
from neo_mcp.token_text import bare_token, flaw, is_unexpanded
from neo_mcp.unknown_variables import unknown_variables
from neo_mcp.weak_tokens import weakness

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    Networks = tuple[IPv4Network | IPv6Network, ...]
else:
    # Not in quotation marks below, as those would be compiled: Python makes 200 KB of syntax types for that.
    Networks = tuple

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
_BY_NAME = {setting.name: setting for setting in SETTINGS}
# The vendor's client has other names for these two.
_API = _BY_NAME["api_url"]._replace(env="PULUMI_API")
_DEFAULT_ORGANIZATION = _BY_NAME["organization"]._replace(env="PULUMI_DEFAULT_ORGANIZATION")
OTHER_NAMES = (_API, _DEFAULT_ORGANIZATION)
"""Settings under the variables of the vendor's client, which come after our own."""

TOKEN_ENV = "PULUMI_ACCESS_TOKEN"  # noqa: S105 - the variable's name, not a secret


class TokenOrigin(StrEnum):
    """Where an access token comes from, which decides how it is replaced."""

    VARIABLE = "variable"
    FILE = "file"
    LOGIN = "login"


class Settings(NamedTuple):
    """Everything the program needs to know, read once.

    Attributes:
        token: The access token for ``api_url``, or ``None``.
        protected_stacks: Patterns, as :class:`neo_mcp.stack_patterns.StackPattern` reads them.
        key: Secret of at least 32 bytes that processes share, or ``None`` for one of this process's own.
        key_file: Where it was read from.
        metrics_address: Host and port.
        token_origin: Where the token comes from; ``None`` without one.
        no_token: Why there is none, and what to do; empty with one, or where nothing is known.
        is_fallback: Whether the login is used because the variable for a token holds none.
        is_insecure_login: Whether the vendor's client does not check the API's certificate.
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
    trusted_proxies: Networks = ()
    quota: int | None = None
    metrics_address: tuple[str, int] | None = None
    log_level: LogLevel = LogLevel.WARNING
    log_format: LogFormat = LogFormat.TEXT
    token_origin: TokenOrigin | None = None
    no_token: str = ""
    is_fallback: bool = False
    is_insecure_login: bool = False
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
        pulumi_home = self._folder("PULUMI_HOME", self._home / ".pulumi")
        self._credentials = self._folder("PULUMI_CREDENTIALS_PATH", pulumi_home) / "credentials.json"
        self._sources: dict[str, str] = {}
        self._warnings: list[str] = []
        self._instead = ""

    def read(self) -> Settings:
        given = {s.name: value for s in SETTINGS if (value := self._given(s)) is not None}
        token_file: Path | None = given.pop("token_file", None)
        login = self._login()
        api_url = self._api_url(given.pop("api_url", None), login)
        organization = given.pop("organization", None)
        for name in {"budget_tokens", "quota"} & given.keys():
            given[name] = int(given[name])
        if "key_file" in given:
            given["key"] = self._key(given["key_file"])
        for name in ("auth_secret_file", "token_store"):
            if name in given:
                self._warnings += exposures(given[name])
        settings = Settings(api_url=api_url, organization=organization, **given)
        if settings.is_shared:
            self._check_address(login, "A user's access token")
        else:
            # A person's own configuration is for them alone.
            settings = self._with_token(settings, token_file, login)
            settings = settings._replace(organization=organization or self._default_organization(api_url))
        self._warnings += unknown_variables(self._environ)
        return settings._replace(sources=self._sources, warnings=tuple(self._warnings))

    def _folder(self, variable: str, default: Path) -> Path:
        """The folder that ``variable`` names; a tilde stands for the home directory."""
        text = self._environ.get(variable, "").strip(" \t\r\n'\"")
        if has_placeholder(text):
            raise ConfigurationError(
                f"environment variable {variable} holds a placeholder in place of a folder."
            )
        given = Path(text)
        if given.parts[:1] == ("~",):
            return self._home.joinpath(*given.parts[1:])
        return given if given.parts else default

    def _given(self, setting: Setting) -> Any:  # noqa: ANN401 - each setting parses to a type of its own
        text, source = self._flags.get(setting.name), f"command line {setting.flag}"
        if text is None:
            return self._variable(setting)
        if not text.strip():
            raise ConfigurationError(f"{source} must not be empty; leave it out to have the default.")
        return self._read(setting, text, source)

    def _variable(self, setting: Setting) -> Any:  # noqa: ANN401 - likewise
        text = self._environ.get(setting.env, "")
        return self._read(setting, text, f"environment variable {setting.env}") if text.strip() else None

    def _read(self, setting: Setting, text: str, source: str) -> Any:  # noqa: ANN401 - likewise
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

    def _login(self) -> Login:
        content = read_object(self._credentials)
        self._warn(self._credentials, content)
        if not content.fault:
            self._warnings += exposures(self._credentials)
        return Login(self._credentials, content)

    def _warn(self, path: Path, content: Content) -> None:
        if content.fault:
            self._warnings.append(f"{path} {content.fault}; it is not used.")

    def _api_url(self, given: str | None, login: Login) -> str:
        if given is not None and is_state_backend(given):
            # A self-managed state backend has no API; the access token is for Pulumi Cloud.
            self._instead = f"The {self._sources.pop('api_url')} is {state_backend(given)}"
            self._warnings.append(f"{self._instead}; it is not used.")
            given = None
        if given is None:
            given = self._variable(_API)
        if given is not None:
            if not is_http(given):
                raise ConfigurationError(
                    f"{self._sources['api_url']} must be an https address, not {self._shown(given)}."
                )
            return given.rstrip("/")
        if login.current:
            self._sources["api_url"] = f"file {self._credentials}"
        return login.current or DEFAULT_API_URL

    def _check_address(self, login: Login, token: str) -> None:
        """Refuse to send a token to the managed service only because another address was not found."""
        if "api_url" not in self._sources and (doubt := login.doubt):
            raise ConfigurationError(
                f"{token} is not sent to {DEFAULT_API_URL}, as it may be for another Pulumi Cloud: {doubt}.",
                next_step=f"Set {_API.env} or {_API.flag} to the address of the Pulumi Cloud that it is for, "
                f"such as {DEFAULT_API_URL}.",
            )

    def _with_token(self, settings: Settings, file: Path | None, login: Login) -> Settings:
        url, unset = settings.api_url, ""
        settings = settings._replace(is_insecure_login=login.is_insecure(url))
        token, origin = self._token_from(file) if file is not None else None, TokenOrigin.FILE
        if token is None:
            token, unset = self._token_variable()
            origin = TokenOrigin.VARIABLE
        if token is not None:
            self._check_address(login, f"The access token from the {self._sources['token']}")
        elif stored := login.token(url):
            token, origin = SecretStr(stored), TokenOrigin.LOGIN
            self._sources["token"] = f"file {self._credentials}"
            if unset:
                user = f", as {name}" if (name := login.user(url)) else ""
                self._warnings.append(f"{unset}; it is not used. The login of `pulumi login` is{user}.")
        else:
            if unset:
                self._warnings.append(f"{unset}; it is not used.")
            why, what = login.lack(url, self._instead)
            reasons = [reason for reason in (unset, why) if reason]
            if not reasons and url == DEFAULT_API_URL:
                return settings
            return settings._replace(no_token=". ".join([*reasons, f"{what}."]))
        self._check_token(token)
        return settings._replace(
            token=token, token_origin=origin, is_fallback=bool(unset) and origin is TokenOrigin.LOGIN
        )

    def _token_variable(self) -> tuple[SecretStr | None, str]:
        """The token in the environment; without one, why a variable that is there holds none."""
        given = self._environ.get(TOKEN_ENV)
        token = bare_token(given or "")
        source = f"environment variable {TOKEN_ENV}"
        if token and not is_unexpanded(token):
            self._sources["token"] = source
            return _checked(token, f"The {source}"), ""
        if given is None:
            return None, ""
        why = "holds the name of a variable in place of its value" if token else "is empty"
        return None, f"The {source} {why}"

    def _check_token(self, token: SecretStr) -> None:
        if why := weakness(token.get_secret_value()):
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
        what = f"{len(key)} bytes; it needs {_MIN_KEY_BYTES} or more" if len(key) < _MIN_KEY_BYTES else ""
        if is_unexpanded(key.decode("utf-8", "replace").strip("\ufeff'\"")):
            # Everybody knows it.
            what = "the name of a variable in place of its value"
        if what:
            raise ConfigurationError(
                f"The key file {file} holds {what}.",
                next_step=f"Make one: {command_that_makes(file)}",
            )
        return SecretBytes(key)

    def _default_organization(self, api_url: str) -> str | None:
        # In the order of the vendor's client.
        chosen: str | None = self._variable(_DEFAULT_ORGANIZATION)
        if chosen is None:
            path = self._credentials.with_name("config.json")
            content = read_object(path)
            self._warn(path, content)
            if text := default_organization(content, api_url):
                chosen = self._read(_DEFAULT_ORGANIZATION, text, f"file {path}")
        return chosen


def _checked(token: str, source: str) -> SecretStr:
    if why := flaw(token):
        raise ConfigurationError(
            f"{source} cannot hold an access token: {why}.",
            next_step="Put the token there and nothing else, or leave it out to use `pulumi login`.",
        )
    return SecretStr(token)


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
