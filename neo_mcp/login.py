"""The files that `pulumi login` writes: the current login, its tokens, and what keeps them from being used.

Owns reading these files and what is wrong with one, in words. What follows for a setting is
:mod:`neo_mcp.config`. Loaded before the first answer to a host: imports nothing that takes time.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from neo_mcp import local_files
from neo_mcp.constants import DEFAULT_API_URL
from neo_mcp.token_text import bare_token, unusable

_MAX_BYTES = 4 * 2**20
_STATE_BACKEND = r"(?i:s3|gs|azblob|file|mem|postgres|postgresql)://"
# The vendor's client marks what it has encrypted by a name with a dollar sign, which no plain file has.
_ENVELOPE = "$pulumiSecureStore"
_PLAIN_FIELDS = {"current", "accessTokens", "accounts"}
_CIPHERTEXT_FIELDS = {"ciphertext", "data", "nonce", "sops"}
_CIPHERTEXTS = (b"age-encryption.org/", b"-----BEGIN ", b"$ANSIBLE_VAULT;", b"\x00GITCRYPT", b"Salted__")
_ENCRYPTED = "is encrypted: the Pulumi CLI can read it, and no other program"
_LOG_IN_ANEW = "Delete it, as `pulumi login` may fail on it too, and run `pulumi login`"
_MAKE_READABLE = "Make it readable for this user"
_REMOVE_DIRECTORY = "Move it away, and run `pulumi login`, which writes a file there"
_GIVE_TOKEN = (
    "Set PULUMI_ACCESS_TOKEN, or NEO_MCP_TOKEN_FILE to a file that holds a token, and PULUMI_API to the "
    f"address of its Pulumi Cloud, such as {DEFAULT_API_URL}"
)


class Content(NamedTuple):
    """The content of a JSON file.

    Attributes:
        fields: Those of its object.
        fault: What is wrong with the file, as the end of a sentence about it; empty if nothing.
        remedy: What to do about it, without a full stop.
        is_blank: Whether there is no such file, or nothing in it.
    """

    fields: Mapping[str, Any] = MappingProxyType({})
    fault: str = ""
    remedy: str = ""
    is_blank: bool = False


def read_object(path: Path) -> Content:
    """The JSON object in the file at ``path``."""
    try:
        raw = local_files.read(path, _MAX_BYTES, regular=True)
    except (FileNotFoundError, NotADirectoryError):
        return Content(is_blank=True)
    except IsADirectoryError:
        return Content(fault="is a directory", remedy=_REMOVE_DIRECTORY)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Content(fault=f"cannot be read ({why})", remedy=_MAKE_READABLE)
    if not raw.strip():
        return Content(fault="is empty", remedy=_LOG_IN_ANEW, is_blank=True)
    return _parsed(raw)


def _parsed(raw: bytes) -> Content:
    if raw.lstrip().startswith(_CIPHERTEXTS):
        return Content(fault=_ENCRYPTED, remedy=_GIVE_TOKEN)
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return Content(fault=_fault(raw, error), remedy=_LOG_IN_ANEW)
    if not isinstance(fields, dict):
        return Content(fault="holds no JSON object", remedy=_LOG_IN_ANEW)
    return Content(fields, _ENCRYPTED, _GIVE_TOKEN) if _is_encrypted(fields) else Content(fields)


def _fault(raw: bytes, error: Exception) -> str:
    """The reason why ``raw`` is no JSON, without anything of what is in it."""
    if b"\0" in raw:
        return "holds NUL bytes, as after a crash of the system"
    if isinstance(error, json.JSONDecodeError):
        is_at_end = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        where = f"line {error.lineno}, column {error.colno}"
        return "is cut off: its end is missing" if is_at_end else f"is no JSON ({where})"
    return "is not UTF-8" if isinstance(error, UnicodeDecodeError) else "is nested too deeply"


def _is_encrypted(fields: Mapping[str, Any]) -> bool:
    if _ENVELOPE in fields:
        return True
    if not _PLAIN_FIELDS & fields.keys():
        return bool(_CIPHERTEXT_FIELDS & fields.keys())
    tokens = fields.get("accessTokens")
    values = tokens.values() if isinstance(tokens, dict) else ()
    return "sops" in fields or any(isinstance(each, dict) and bool(each) for each in values)


class Login(NamedTuple):
    """The logins of one person, and which one is in use."""

    path: Path
    content: Content

    @property
    def current(self) -> str:
        """The address of the login in use; empty if that is no Pulumi Cloud."""
        current = self.content.fields.get("current")
        return current.rstrip("/") if isinstance(current, str) and is_http(current) else ""

    @property
    def doubt(self) -> str:
        """The reason why it is not known which Pulumi Cloud a token from elsewhere is for; empty if it is."""
        content, current = self.content, self.content.fields.get("current")
        if self.current or content.is_blank:
            return ""
        if content.fault and current is None:
            return f"{self.path} {content.fault}"
        if current and not (isinstance(current, str) and is_state_backend(current)):
            return f"the current login in {self.path} is no address"
        others = sorted(set(self._addresses()) - {canonical(DEFAULT_API_URL)})
        return f"{self.path} has a login for {_host(others[0])} that is not the current one" if others else ""

    def token(self, api_url: str) -> str:
        """The access token for ``api_url``; empty if there is none."""
        return next((token for token in self._tokens(api_url) if not unusable(token)), "")

    def _tokens(self, api_url: str) -> Iterator[str]:
        tokens = _by_url(self.content.fields.get("accessTokens"))
        for stored in (tokens.get(canonical(api_url)), self._account(api_url).get("accessToken")):
            if isinstance(stored, str) and (token := bare_token(stored)):
                yield token

    def user(self, api_url: str) -> str:
        """The name of the user who logged in to ``api_url``, if it is stored."""
        name = self._account(api_url).get("username")
        return name if isinstance(name, str) else ""

    def is_insecure(self, api_url: str) -> bool:
        """True if the person let the vendor's client leave the certificate of ``api_url`` unchecked."""
        return self._account(api_url).get("insecure") is True

    def lack(self, api_url: str, instead: str = "") -> tuple[str, str]:
        """The reason why there is no token for ``api_url``, and what to do, as two sentences without end.

        The reason is empty where nobody has logged in at all.

        Args:
            api_url: The API's address.
            instead: What a setting names in place of a Pulumi Cloud; empty if none does.
        """
        content, current = self.content, self.content.fields.get("current")
        if content.fault:
            return f"{self.path} {content.fault}", content.remedy
        if isinstance(current, str) and is_state_backend(current):
            instead = instead or f"The current login is {state_backend(current)}"
        if instead:
            why = instead
        elif no_token := next(map(unusable, self._tokens(api_url)), ""):
            why = f"The access token for {_host(api_url)} in {self.path} cannot be one: {no_token}"
        elif self._account(api_url):
            why = f"The login for {_host(api_url)} in {self.path} has no access token"
        elif content.is_blank:
            why = ""
        else:
            why = f"{self.path} has no login for {_host(api_url)}"
        return why, f"Run `pulumi login {_shown(api_url)}`, or set PULUMI_ACCESS_TOKEN"

    def _account(self, api_url: str) -> Mapping[str, Any]:
        account = _by_url(self.content.fields.get("accounts")).get(canonical(api_url))
        return account if isinstance(account, dict) else {}

    def _addresses(self) -> Iterator[str]:
        for name in ("accessTokens", "accounts"):
            yield from filter(is_http, _by_url(self.content.fields.get(name)))


def default_organization(config: Content, api_url: str) -> str:
    """The organization that the vendor's configuration file names for ``api_url``; empty if none."""
    backend = _by_url(config.fields.get("backends")).get(canonical(api_url))
    name = backend.get("defaultOrg") if isinstance(backend, dict) else None
    return name if isinstance(name, str) else ""


def is_http(url: str) -> bool:
    """True if ``url`` is an address of the web's, as an API has it."""
    return url.lower().startswith(("https://", "http://"))


def is_state_backend(url: str) -> bool:
    """True if ``url`` is where the vendor's client stores state by itself, without a Pulumi Cloud."""
    return re.match(_STATE_BACKEND, url) is not None


def state_backend(url: str) -> str:
    """Words for a state backend; its address may hold a password."""
    return f"a state backend ({url.partition('://')[0].lower()}://), which has no Neo"


def canonical(url: str) -> str:
    """``url`` in the form in which addresses are compared."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _host(url: str) -> str:
    return _shown(url).partition("://")[2] or "it"


def _shown(url: str) -> str:
    """``url`` without a name and password, a query or a fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _by_url(table: object) -> dict[str, Any]:
    if not isinstance(table, dict):
        return {}
    return {canonical(url): value for url, value in table.items() if isinstance(url, str)}
