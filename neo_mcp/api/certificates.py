"""TLS contexts, shared between clients because loading certificates is most of the cost of one."""

import ssl

import httpx

from neo_mcp.api.settings import Address
from neo_mcp.errors import ConfigurationError


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
            try:
                self._contexts[trust_env] = httpx.create_ssl_context(trust_env=trust_env)
            except OSError as error:
                raise ConfigurationError(
                    f"The certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be loaded: {error.strerror}.",
                    next_step="Correct these variables, or unset them.",
                ) from None
        return self._contexts[trust_env]


def is_untrusted(error: Exception) -> bool:
    """True if a connection failed because of the server's certificate."""
    return "CERTIFICATE_VERIFY_FAILED" in str(error)
