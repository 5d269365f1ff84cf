"""Who may use the server, and with which token: bearer secrets, and the Pulumi access tokens of OAuth users.

Owns the operator's files of them. They are only read, and their content is never shown.
"""

import hashlib
import hmac
import logging
import re
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import anyio.to_thread
from mcp.server.auth.provider import AccessToken

from neo_mcp import local_files
from neo_mcp.errors import ConfigurationError
from neo_mcp.secret import SecretStr, command_that_makes
from neo_mcp.token_text import bare_token, is_unexpanded, unusable

logger = logging.getLogger(__name__)

MIN_SECRET = 32
"""Characters of a bearer secret, at least."""

_MAX_BYTES = 2**20
_SECRET = re.compile(rf"[!-~]{{{MIN_SECRET},}}")


class SecretFile:
    """Bearer secrets in a file, one on each line; a caller with one acts for the operator.

    The file is read again when it changes, so that a secret can be replaced: add the new one, have everybody
    use it, remove the old one.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ConfigurationError: If it cannot be read, or holds no secret, or a line that is none.
        """
        self._path = path
        how = f"Make one: {command_that_makes(path)}"
        try:
            self._version = self._stat()
            self._digests, bad_lines = self._read()
        except OSError as error:
            raise ConfigurationError(
                f"The secret file {path} cannot be read: {error.strerror}.", next_step=how
            ) from None
        if bad_lines or not self._digests:
            problem = (
                f"Line {bad_lines[0]} of the secret file {path}" if bad_lines else f"The secret file {path}"
            )
            raise ConfigurationError(
                f"{problem} holds no secret of {MIN_SECRET} or more visible ASCII characters.",
                next_step=how,
            )

    async def verify_token(self, token: str) -> AccessToken | None:
        """The operator, if ``token`` is one of the secrets (the SDK's ``TokenVerifier``)."""
        given = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        is_good = self.still_accepts(given)
        return AccessToken(token="-", client_id="bearer", scopes=[]) if is_good else None  # noqa: S106 - not needed any more

    def still_accepts(self, digest: bytes) -> bool:
        """True if the secret with this SHA-256 digest is in the file now."""
        self._reload()
        # All are compared, each in constant time, and by digests, which are of one length.
        return any([hmac.compare_digest(digest, known) for known in self._digests])  # noqa: C419 - see above

    def _reload(self) -> None:
        try:
            version = self._stat()
            if version != self._version:
                self._digests, bad_lines = self._read()
                if bad_lines:
                    logger.error("lines of %s that hold no secret are not used: %s", self._path, bad_lines)
        except OSError as error:
            # Without the file no one is accepted.
            version, self._digests = (), []
            if version != self._version:
                logger.error("%s cannot be read: %s", self._path, error.strerror)  # noqa: TRY400 - no bug of ours
        self._version = version

    def _stat(self) -> tuple[int, ...]:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino

    def _read(self) -> tuple[list[bytes], list[int]]:
        """Digests of the secrets, and the numbers of lines that are none."""
        digests, bad_lines = [], []
        content = local_files.read(self._path, _MAX_BYTES, regular=True)
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            secret = bare_token(line)
            if _SECRET.fullmatch(secret) and not is_unexpanded(secret):
                digests.append(hashlib.sha256(secret.encode()).digest())
            elif secret:
                bad_lines.append(number)
        return digests, bad_lines


class TokenStore(Protocol):
    """Knows the Pulumi access tokens of users; a program that embeds the server may bring its own."""

    async def token_of(self, issuer: str, subject: str) -> SecretStr | None:
        """The token of the user whom ``issuer`` calls ``subject``, or ``None`` if there is none.

        It is asked for with every request, so that a token that is taken away is not used any more.
        """


class TokenFolder:
    """A folder with one file for each user, of one issuer."""

    def __init__(self, folder: Path) -> None:
        """Check the folder.

        Raises:
            ConfigurationError: If it is none.
        """
        if not folder.is_dir():
            raise ConfigurationError(
                f"The token store {folder} is no folder.",
                next_step="Make it, with one file for each user that holds their Pulumi access token.",
            )
        self._folder = folder

    async def token_of(self, issuer: str, subject: str) -> SecretStr | None:  # noqa: ARG002 - there is one issuer
        """Read the token from the user's file."""
        return await anyio.to_thread.run_sync(self._read, file_name(subject))

    def _read(self, name: str) -> SecretStr | None:
        try:
            # Asked for by name, some file systems would give one user the file of another, or of none.
            if name not in (file.name for file in self._folder.iterdir()):
                return None
            file, limit = self._folder / name, local_files.MAX_SECRET_BYTES
            token = bare_token(local_files.read(file, limit, regular=True).decode("utf-8"))
        except (OSError, ValueError) as error:
            logger.warning("a user's token cannot be read: %s", type(error).__name__)
            return None
        why = unusable(token)
        if token and why:
            logger.warning("a user's token cannot be one: %s", why)
            return None
        return SecretStr(token) if token else None


def file_name(subject: str) -> str:
    """The name of a user's file: the subject, with everything but letters, digits and ``-_.~@`` as ``%XX``.

    A dot at the beginning is ``%2E``, so that no name leads elsewhere.
    """
    name = quote(subject.encode("utf-8", "surrogatepass"), safe="@")
    return "%2E" + name[1:] if name.startswith(".") else name
