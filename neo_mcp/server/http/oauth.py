"""The OAuth resource server: which access tokens are good here, and the metadata that names their issuer.

Tokens are JWTs of one issuer, for this server's audience. Signatures are checked by PyJWT, with an algorithm
from a list of ours: a token's own header only chooses from it. The issuer's keys are fetched when they
are first needed, stored, and fetched again when a token names one that is not among them, but not more often
than once in a while.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import jwt
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.routing import Route

from neo_mcp.api import Certificates
from neo_mcp.api.documents import DocumentError, fetch_document
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.constants import PROGRAM
from neo_mcp.hidden_text import echoed

logger = logging.getLogger(__name__)

SKEW_SECONDS = 30.0
"""How far the issuer's clock and this one may be apart."""

REFETCH_SECONDS = 30.0
"""Minimum time between two searches for keys that are not there."""

FRESH_SECONDS = 3600.0
"""Seconds until keys are fetched again, so that one that was withdrawn is not used for ever."""

STALE_SECONDS = 86_400.0
"""Seconds for which keys are used while the issuer cannot be reached."""

_KEY_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
"""The algorithms that are accepted, and the type of key that each takes."""

WELL_KNOWN = "/.well-known/oauth-protected-resource"

Fetch = Callable[[str], Awaitable[dict[str, Any]]]


class Keys:
    """The issuer's public keys."""

    def __init__(self, issuer: str, jwks_url: str | None, fetch: Fetch, clock: Clock = SYSTEM_CLOCK) -> None:
        """Fetch nothing yet.

        Args:
            issuer: The keys' issuer; its metadata has their address.
            jwks_url: Where they are, if the metadata is not to be asked.
            fetch: Gets a JSON document.
            clock: Time.
        """
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._fetch = fetch
        self._clock = clock
        self._keys: list[tuple[str | None, jwt.PyJWK]] = []
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")
        self._asking = anyio.Lock()

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key of that id for that algorithm; without an id, the only one for it.

        Raises:
            DocumentError: If the keys cannot be read.
        """
        if self._clock.monotonic() - self._fetched_at > FRESH_SECONDS:
            await self._refresh()
        key = self._among(key_id, algorithm)
        if key is None:
            await self._refresh()
            key = self._among(key_id, algorithm)
        return key

    def _among(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = [
            (declared, key)
            for declared, key in self._keys
            if key.key_type == _KEY_TYPES[algorithm]
            and declared in {None, algorithm}
            and key.public_key_use in {None, "sig"}
            and key_id in {None, key.key_id}
        ]
        if len(fitting) > 1:
            # One that names the algorithm is meant before those that would do for any.
            fitting = [(declared, key) for declared, key in fitting if declared == algorithm]
        return fitting[0][1] if len(fitting) == 1 else None

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was tried just now."""
        asked_before = self._asked_at
        async with self._asking:
            now = self._clock.monotonic()
            # A caller that waited here has the keys that another fetched meanwhile.
            if self._asked_at == asked_before and now - self._asked_at >= REFETCH_SECONDS:
                self._asked_at = now
                try:
                    document = await self._fetch(self._jwks_url or await self._discovered())
                    self._keys = _keys_in(document)
                    self._fetched_at = now
                except (DocumentError, jwt.PyJWTError) as error:
                    logger.warning("the keys of %s cannot be read: %s", self._issuer, error)
            if now - self._fetched_at > STALE_SECONDS:
                raise DocumentError(f"The keys of {self._issuer} are not available now.")

    async def _discovered(self) -> str:
        """The address of the keys in the issuer's metadata (RFC 8414, or OpenID Connect Discovery)."""
        problem = DocumentError("nothing was asked")
        for url in _metadata_urls(self._issuer):
            try:
                metadata = await self._fetch(url)
            except DocumentError as error:
                problem = error
                continue
            if metadata.get("issuer") == self._issuer and isinstance(metadata.get("jwks_uri"), str):
                keys_url: str = metadata["jwks_uri"]
                return keys_url
            problem = DocumentError(f"{url} is not the metadata of {self._issuer}, or names no keys.")
        raise problem


def _keys_in(document: Mapping[str, Any]) -> list[tuple[str | None, jwt.PyJWK]]:
    """The keys that can be used, each with the algorithm that it is for, if it is for one alone.

    Raises:
        jwt.PyJWTError: If there are none.
    """
    entries = document.get("keys")
    keys: list[tuple[str | None, jwt.PyJWK]] = []
    for entry in entries if isinstance(entries, list) else ():
        with suppress(jwt.PyJWTError, AttributeError, TypeError):
            key = jwt.PyJWK(entry)
            # A curve decides about the algorithm; RSA keys are for several.
            declared = entry.get("alg") or (None if key.key_type == "RSA" else key.algorithm_name)
            keys.append((declared, key))
    if not keys:
        raise jwt.PyJWKSetError("there is no key among them that can be used")
    return keys


def _metadata_urls(issuer: str) -> tuple[str, ...]:
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


@dataclass(frozen=True, slots=True)
class JwtVerifier:
    """Verifies access tokens for this server (the SDK's ``TokenVerifier``)."""

    issuer: str
    audience: str
    keys: Keys

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who holds ``token``; ``None`` if it is not good, for whatever reason.

        Raises:
            DocumentError: If the issuer's keys cannot be read.
        """
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if not isinstance(algorithm, str) or algorithm not in _KEY_TYPES:
                return None
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
            if issuer != self.issuer:
                logger.warning(
                    "an access token was refused: its issuer is %s, not %s", echoed(str(issuer)), self.issuer
                )
                return None
            key = await self.keys.find(key_id, algorithm)
            if key is None:
                logger.info("an access token was refused: its key is not among those of the issuer")
                return None
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=SKEW_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            return self._holder(claims)
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError) as error:
            # The kind of problem only: messages may quote what the token holds.
            logger.info("an access token was refused: %s", type(error).__name__)
            return None

    def _holder(self, claims: Mapping[str, Any]) -> AccessToken | None:
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject:
            return None
        client = claims.get("client_id") or claims.get("azp")
        return AccessToken(
            # Nothing downstream needs the token itself.
            token="-",  # noqa: S106 - see above
            client_id=client if isinstance(client, str) else "",
            scopes=_scopes(claims),
            expires_at=int(claims["exp"]) + int(SKEW_SECONDS),
            subject=subject,
            claims={"iss": self.issuer},
        )


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """The standard's ``scope``, or the ``scp`` that some issuers have."""
    given = claims.get("scope", claims.get("scp"))
    if isinstance(given, str):
        return given.split()
    return [scope for scope in given if isinstance(scope, str)] if isinstance(given, list) else []


def jwt_verifier(
    issuer: str,
    audience: str,
    jwks_url: str | None,
    certificates: Certificates,
    clock: Clock = SYSTEM_CLOCK,
) -> JwtVerifier:
    """A verifier that fetches the issuer's keys."""

    async def fetch(url: str) -> dict[str, Any]:
        return await fetch_document(url, certificates)

    return JwtVerifier(issuer, audience, Keys(issuer, jwks_url, fetch, clock))


def metadata_url(resource: str) -> str:
    """Where the metadata of this resource is (RFC 9728)."""
    return str(build_resource_metadata_url(_url(resource)))


def metadata_routes(resource: str, issuer: str, scopes: Sequence[str]) -> list[Route]:
    """The routes of the metadata: at the address with the resource's path, and at the one without."""
    (route,) = create_protected_resource_routes(
        _url(resource), [_url(issuer)], list(scopes) or None, resource_name=PROGRAM
    )
    return [route, Route(WELL_KNOWN, endpoint=route.endpoint, methods=["GET", "OPTIONS"])]


def _url(text: str) -> AnyHttpUrl:
    """As it is written: clients compare an issuer's name character by character."""
    return TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True)).validate_python(text)
