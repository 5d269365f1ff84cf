"""An authorization server: its metadata and keys on a real socket, and whatever tokens a test wants."""

import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

import anyio
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.host import Json, until

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

AUDIENCE = "https://neo.example.com/mcp"


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _first_key() -> rsa.RSAPrivateKey:
    """Every authority's, since making one takes as long as many a test."""
    return rsa_key()


class Authority:
    """Signs tokens; what it publishes can be changed at any time.

    Attributes:
        keys: The published keys by id.
        asked: The paths that were asked for.
        is_down: Whether every request fails.
    """

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, Key] = {"one": _first_key()}
        self.metadata_path = "/.well-known/oauth-authorization-server"
        self.metadata: Json = {}
        self.asked: list[str] = []
        self.is_down = False

    def token(
        self,
        subject: str = "alice",
        *,
        key: Key | str | None = None,
        kid: str | None = "one",
        algorithm: str = "RS256",
        without: tuple[str, ...] = (),
        **claims: Any,  # noqa: ANN401 - any JSON
    ) -> str:
        """A good token, unless something is said to be otherwise."""
        now = int(time.time())
        content = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "client_id": "an-editor",
            "scope": "neo:use profile",
            "iat": now,
            "exp": now + 600,
            **claims,
        }
        for name in without:
            del content[name]
        headers = {"kid": kid} if kid is not None else {}
        return jwt.encode(content, key or self.keys["one"], algorithm=algorithm, headers=headers)

    def answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if self.is_down:
            return Response(status_code=503)
        if request.url.path == self.metadata_path:
            return JSONResponse({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.metadata})
        if request.url.path == "/keys":
            return JSONResponse({"keys": [_published(kid, key) for kid, key in self.keys.items()]})
        return Response(status_code=404)


def _published(kid: str, key: Key) -> Json:
    if isinstance(key, rsa.RSAPrivateKey):
        text = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())
    else:
        text = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())
    return {**json.loads(text), "kid": kid, "use": "sig"}


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def running_authority() -> AsyncIterator[Authority]:
    """An authorization server of its own."""
    authority = Authority()
    app = Starlette(routes=[Route("/{path:path}", authority.answer)])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        authority.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = _Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listener])
            await until(lambda: server.started)
            yield authority
            server.should_exit = True
