"""What TLS connections are checked against: most of what a client costs, so clients share it."""

import ssl

import httpx

from neo_mcp.api.settings import Address


class Certificates:
    """TLS contexts, made when they are first needed."""

    def __init__(self) -> None:
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def context_for(self, address: Address) -> ssl.SSLContext:
        """What connections to ``address`` use; only beyond this machine does the environment have a say."""
        if address.url.startswith("http:"):
            # Without TLS, one that trusts nobody will do.
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust_env = not address.is_loopback
        if trust_env not in self._contexts:
            self._contexts[trust_env] = httpx.create_ssl_context(trust_env=trust_env)
        return self._contexts[trust_env]
