"""Sealing state that a client stores for the server: it can be given back, but not read, changed or lent.

Owns the key. The SDK's codec does the cryptography; what is sealed here carries its purpose and its owner, so
that one kind of token is never taken for another, nor one person's for another's.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState

from neo_mcp.errors import NeoError
from neo_mcp.secret import SecretBytes

_OWN_KEY_BYTES = 32


class SealBrokenError(NeoError):
    """A token was not sealed here, or not for this purpose and owner."""


class Seal:
    """Seals and opens under one key."""

    def __init__(self, key: SecretBytes | None) -> None:
        """Use ``key``, or one of this process's own, which no other process can open."""
        self.codec = AESGCMRequestStateCodec([key.get_secret_value() if key else os.urandom(_OWN_KEY_BYTES)])

    def close(self, purpose: str, owner: str, content: Mapping[str, Any]) -> str:
        """A token that only :meth:`open` with the same purpose and owner can read; URL-safe text."""
        return self.codec.seal(json.dumps([purpose, owner, content], separators=(",", ":")).encode())

    def open(self, purpose: str, owner: str, token: str) -> dict[str, Any]:
        """Return the sealed content.

        Raises:
            SealBrokenError: If this is no such token; without the reason.
        """
        try:
            sealed_purpose, sealed_owner, content = json.loads(self.codec.unseal(token))
        except (InvalidRequestState, ValueError, TypeError):
            raise SealBrokenError("This token is not one of this server's.") from None
        if (sealed_purpose, sealed_owner) != (purpose, owner) or not isinstance(content, dict):
            raise SealBrokenError("This token is not one of this server's.")
        return content
