"""What TLS connections are checked against: most of what a client costs, so clients share it."""

import ssl

import httpx

from neo_mcp.api.settings import Address
from neo_mcp.errors import ConfigurationError


class Certificates:
    """TLS contexts, made when they are first needed."""

    def __init__(self) -> None:
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def context_for(self, address: Address) -> ssl.SSLContext:
        """What connections to ``address`` use; only beyond this machine does the environment have a say.

        Raises:
            ConfigurationError: If the environment names certificates that cannot be loaded.
        """
        if address.url.startswith("http:"):
            # Without TLS, one that trusts nobody will do.
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
