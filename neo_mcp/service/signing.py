"""Sign tokens that a caller stores for the service: they can be read, but not changed or lent.

A token carries its purpose and its owner under the signature, so that one kind is never accepted for another,
nor one tenant's for another's. Tokens that must not be read are sealed by the server instead.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import Any

from neo_mcp.errors import NeoError
from neo_mcp.secret import SecretBytes

_KEY_BYTES = 32
_DIGEST_BYTES = 16
_PERSON = b"neo_mcp tokens"


class BadSignatureError(NeoError):
    """A token was not signed here, or not for this purpose and owner."""


class Signer:
    """Signs for one owner under one key."""

    def __init__(self, key: SecretBytes | None = None, owner: str = "") -> None:
        """Use ``key``, or a key of this object's own, whose tokens no one else can check."""
        given = key.get_secret_value() if key else os.urandom(_KEY_BYTES)
        self._key = hashlib.blake2b(given, digest_size=_KEY_BYTES, person=_PERSON).digest()
        self._owner = owner

    def sign(self, purpose: str, content: Mapping[str, Any]) -> str:
        """A token for ``content``, a JSON object; URL-safe text."""
        body = json.dumps(content, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._digest(purpose, body) + body).decode().rstrip("=")

    def read(self, purpose: str, token: str) -> dict[str, Any]:
        """The content of a token.

        Raises:
            BadSignatureError: If this is not such a token; the message gives no further reason.
        """
        try:
            signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            signed = b""
        digest, body = signed[:_DIGEST_BYTES], signed[_DIGEST_BYTES:]
        if not hmac.compare_digest(digest, self._digest(purpose, body)):
            raise BadSignatureError("This token is not one of this server's.")
        content: dict[str, Any] = json.loads(body)
        return content

    def _digest(self, purpose: str, body: bytes) -> bytes:
        text = b"\0".join((purpose.encode(), self._owner.encode(), body))
        return hmac.digest(self._key, text, "sha256")[:_DIGEST_BYTES]
