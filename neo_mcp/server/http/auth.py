"""The middleware of the HTTP endpoint: the principal of a request, their Pulumi token, and limits.

Owns the responses to refused requests. Bearer secrets are compared in
:mod:`neo_mcp.server.http.credentials`, OAuth access tokens checked in :mod:`neo_mcp.server.http.oauth`,
Pulumi access tokens in :mod:`neo_mcp.server.tenants.admission`. An admitted request carries its tenant, a
permit that ends with its credential, and the user to which the SDK binds sessions; tokens are removed from
its headers.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, principal_components
from mcp_types import INTERNAL_ERROR, INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neo_mcp.api import check_token
from neo_mcp.errors import ConfigurationError, NeoError
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.credential_watch import Credential, CredentialWatch
from neo_mcp.server.http.limits import arrived
from neo_mcp.server.running import PERMIT, TENANT
from neo_mcp.server.tenants.admission import TokenRefusedError
from neo_mcp.server.tenants.permits import GRACE_SECONDS, Permit
from neo_mcp.server.tenants.tenants import Caller, Tenant
from neo_mcp.service.quotas import QuotaError

logger = logging.getLogger(__name__)

PULUMI_TOKEN = "x-pulumi-access-token"  # noqa: S105 - the header's name

RETRY_SECONDS = 5
"""Seconds in Retry-After."""

FINISH_SECONDS = GRACE_SECONDS + 5.0
"""Seconds for which a response may continue after its permit has ended."""

_CLOSING_SECONDS = 5.0

_ANONYMOUS = "anybody"


class NotAdmittedError(Exception):
    """A refused request, with its response."""

    def __init__(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.response = Response(
            json.dumps(body),
            status_code=status,
            headers={"Cache-Control": "no-store", **(headers or {})},
            media_type="application/json",
        )


def _refusal(status: int, text: str, code: int = INVALID_REQUEST) -> NotAdmittedError:
    """Build a refusal as a JSON-RPC error without an id."""
    headers = {"Retry-After": str(RETRY_SECONDS)} if status in {429, 503} else None
    return NotAdmittedError(
        status, {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": text}}, headers
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthMiddleware:
    """Admits authenticated requests to ``app``.

    Attributes:
        server: Serves the requests, each for its tenant.
        watch: Verifies credentials, and detects when they end.
        scopes: Required OAuth scopes.
        metadata: URL of the protected resource metadata; empty without OAuth.
        open_paths: Paths without authentication, such as that metadata's.
    """

    app: ASGIApp
    server: NeoServer
    watch: CredentialWatch
    scopes: tuple[str, ...] = ()
    metadata: str = ""
    open_paths: frozenset[str] = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] in self.open_paths:
            await self.app(scope, receive, send)
            return
        async with AsyncExitStack() as slots:
            try:
                serve = await self._admit(scope, slots)
            except NotAdmittedError as refusal:
                serve = refusal.response
            except TokenRefusedError as error:
                serve = _refusal(403, str(error)).response
            except QuotaError as error:
                serve = _refusal(429, str(error)).response
            except NeoError as error:
                # Such as an issuer that cannot be reached, or a server that is stopping.
                serve = _refusal(503, str(error), INTERNAL_ERROR).response
            await serve(scope, receive, send)

    async def _admit(self, scope: Scope, slots: AsyncExitStack) -> ASGIApp:
        """The application that serves the request, with a slot for it that is held until ``slots`` is left.

        Raises:
            NotAdmittedError: If it may not be served.
            NeoError: If it cannot be served just now.
        """
        headers = Headers(scope=scope)
        holder, credential = await self._holder(headers)
        caller = replace(await self._caller(headers, holder), peer=(scope.get("client") or ("",))[0])
        tenant = await slots.enter_async_context(self.server.running.tenants.tenant_of(caller))
        permit = slots.enter_context(tenant.permitted())
        slots.enter_context(self.watch.watched(permit, credential))
        await slots.enter_async_context(arrived(scope))
        slots.enter_context(tenant.app.tasks.quotas.requests.taken())
        if scope["method"] == "GET":
            slots.enter_context(tenant.app.tasks.quotas.streams.taken())
        tenant.sessions.check(scope)
        user = _user(holder, tenant) if self.watch.verifier or self.server.settings.is_shared else None
        entries = {TENANT: tenant, PERMIT: permit, "user": user, "headers": _without_tokens(scope)}
        return partial(self._serve, entries)

    async def _serve(self, entries: Mapping[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
        tenant: Tenant = entries[TENANT]
        scope.update(entries)
        async with tenant.sessions.seen(self.app, scope, send) as watched:
            await until_ended(self.app, scope, receive, watched, entries[PERMIT])

    async def _holder(self, headers: Headers) -> tuple[AccessToken | None, Credential]:
        """Authenticate the request; return its access token, if any, and its credential."""
        if self.watch.verifier is None:
            return None, Credential()
        given = headers.getlist("authorization")
        kind, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if kind.lower() != "bearer" or not token.strip():
            raise self._challenge(401, "", "Authentication is required.")
        holder = await self.watch.verifier.verify_token(token.strip())
        now = self.server.clock.now().timestamp()
        if holder is None or (holder.expires_at is not None and holder.expires_at < now):
            raise self._challenge(401, "invalid_token", "The access token is not valid here.")
        if not set(self.scopes) <= set(holder.scopes):
            raise self._challenge(403, "insufficient_scope", "The access token does not allow this.")
        return holder, Credential.of(token.strip(), holder)

    def _challenge(self, status: int, error: str, text: str) -> NotAdmittedError:
        parameters = {
            "error": error,
            "error_description": text if error else "",
            "scope": " ".join(self.scopes),
            "resource_metadata": self.metadata,
        }
        challenge = ", ".join(f'{name}="{value}"' for name, value in parameters.items() if value)
        headers = {"WWW-Authenticate": f"Bearer {challenge}".strip()}
        return NotAdmittedError(
            status, {"error": error or "invalid_request", "error_description": text}, headers
        )

    async def _caller(self, headers: Headers, holder: AccessToken | None) -> Caller:
        """Choose the Pulumi token for the request; never the operator's when serving other users."""
        if self.server.settings.pulumi_token_header:
            return Caller(_own_token(headers), _principal(holder), is_person=_is_person(holder))
        if not self.server.settings.is_shared:
            return self.server.operator
        token, owner = None, None
        if holder is not None and holder.subject and self.watch.store is not None:
            owner = str((holder.claims or {}).get("iss", "")), holder.subject
            token = await self.watch.store.token_of(*owner)
        if token is None:
            raise _refusal(403, "No Pulumi access token is stored for you on this server; ask its operator.")
        try:
            return Caller(check_token(token), _principal(holder), is_person=True, owner=owner)
        except ConfigurationError:
            logger.warning("the token store's entry for a user is not a valid access token")
            raise _refusal(
                403, "The Pulumi access token stored for you on this server is malformed; ask its operator."
            ) from None


def _own_token(headers: Headers) -> SecretStr:
    given = headers.getlist(PULUMI_TOKEN)
    try:
        token = check_token(given[0]) if len(given) == 1 else None
    except ConfigurationError:
        token = None
    if token is None:
        raise _refusal(400, "Send your Pulumi access token with every request, in X-Pulumi-Access-Token.")
    return token


def _principal(holder: AccessToken | None) -> str:
    """Return the principal of a token: its subject, or its client if it has none."""
    if holder is None:
        return _ANONYMOUS
    client_id, issuer, subject = principal_components(holder)
    return json.dumps([issuer, subject] if subject else [issuer, None, client_id])


def _is_person(holder: AccessToken | None) -> bool:
    """True if a principal is one person; a program that acts for many is its own subject (RFC 9068)."""
    return holder is not None and bool(holder.subject) and holder.subject != holder.client_id


def _user(holder: AccessToken | None, tenant: Tenant) -> AuthenticatedUser:
    """The user that the SDK binds sessions to: the client, and the identity that it acts for."""
    known = holder or AccessToken(token="-", client_id=_ANONYMOUS, scopes=[])  # noqa: S106 - there is none
    return AuthenticatedUser(known.model_copy(update={"token": "-", "subject": tenant.app.identity}))


def _without_tokens(scope: Scope) -> list[tuple[bytes, bytes]]:
    tokens = {b"authorization", PULUMI_TOKEN.encode()}
    return [(name, value) for name, value in scope["headers"] if name not in tokens]


async def until_ended(app: ASGIApp, scope: Scope, receive: Receive, send: Send, permit: Permit) -> None:
    """Serve a request until its permit ends; a response then gets time to finish, a stream none."""
    has_begun = False

    async def note(message: Message) -> None:
        nonlocal has_begun
        has_begun = True
        await send(message)

    with permit.held(0.0 if scope["method"] == "GET" else FINISH_SECONDS) as limit:
        await app(scope, receive, note)
    if not limit.cancelled_caught:
        return
    # Do not wait for a client that does not read.
    with anyio.move_on_after(_CLOSING_SECONDS):
        if has_begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await _refusal(401, str(permit.why)).response(scope, receive, send)
