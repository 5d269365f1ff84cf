"""TLS contexts, shared between clients because loading certificates is most of the cost of one."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from neo_mcp.api.settings import Address
from neo_mcp.errors import ConfigurationError
from neo_mcp.hidden_text import echoed
from neo_mcp.network_settings import (
    CERTIFICATE_FOLDER,
    KEY_LOG,
    Variable,
    certificates,
    folder_trouble,
    is_special_file,
    key_log,
)


class Certificates:
    """TLS contexts, made when they are first needed."""

    def __init__(self) -> None:
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def context_for(self, address: Address) -> ssl.SSLContext:
        """Return the context for ``address``; the environment's certificates do not apply to this machine.

        Raises:
            ConfigurationError: If the environment names certificates that cannot be loaded.
        """
        if address.url.startswith("http:"):
            # Plain HTTP needs no certificates: an empty context will do.
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust_env = not address.is_loopback
        if trust_env not in self._contexts:
            given = certificates() if trust_env else None
            with _key_log_reported():
                context = httpx.create_ssl_context(trust_env=False) if given is None else _load(given)
            self._contexts[trust_env] = context
        return self._contexts[trust_env]


def is_untrusted(error: Exception) -> bool:
    """True if a connection failed because of the server's certificate."""
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _load(given: Variable) -> ssl.SSLContext:
    if given.name == CERTIFICATE_FOLDER:
        trouble = folder_trouble(given.value)
        if trouble:
            raise _unusable(given, trouble)
        # They are loaded one by one, when a server's is checked.
        return ssl.create_default_context(capath=given.value)
    if is_special_file(given.value):
        raise _unusable(given, "is no regular file")
    try:
        context = ssl.create_default_context(cafile=given.value)
    except ssl.SSLError:
        raise _unusable(given, "holds no certificate that can be read") from None
    except (OSError, ValueError) as error:
        if _is_of_key_log(error):
            raise
        if isinstance(error, FileNotFoundError):
            raise _unusable(given, "does not exist") from None
        reason = error.strerror if isinstance(error, OSError) else None
        raise _unusable(given, f"cannot be read: {reason or type(error).__name__}") from None
    if not context.cert_store_stats()["x509"]:
        raise _unusable(given, "holds no certificate that can be read")
    return context


@contextmanager
def _key_log_reported() -> Iterator[None]:
    """Report a file for session keys that cannot be written: every TLS context opens it."""
    try:
        yield
    except OSError as error:
        if not _is_of_key_log(error):
            raise
        given = Variable(KEY_LOG, str(error.filename))
        raise ConfigurationError(
            f"{given.name} is {echoed(given.value)}, which cannot be written: {error.strerror}.",
            next_step="Correct it, or unset it: it logs the keys of TLS sessions.",
        ) from None


def _is_of_key_log(error: Exception) -> bool:
    # Errors of certificates name no file.
    return isinstance(error, OSError) and error.filename is not None and error.filename == key_log()


def _unusable(given: Variable, trouble: str) -> ConfigurationError:
    if given.name == CERTIFICATE_FOLDER:
        form = "It takes a folder prepared by `openssl rehash`; SSL_CERT_FILE takes a single file."
    else:
        form = "It takes a file with the certificates of authorities in PEM format."
    return ConfigurationError(
        f"{given.name} is {echoed(given.value)}, which {trouble}.",
        next_step=f"{form} Correct it, or unset it to trust the usual authorities.",
    )
