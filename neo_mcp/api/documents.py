"""Fetch small public JSON documents, such as the metadata and keys of an authorization server."""

import json
from typing import Any

import anyio
import httpx

from neo_mcp._version import __version__
from neo_mcp.api.bodies import read_all
from neo_mcp.api.certificates import Certificates
from neo_mcp.api.decoding import ACCEPTED
from neo_mcp.api.http_clients import new_client
from neo_mcp.api.settings import check_api_url
from neo_mcp.constants import PROGRAM
from neo_mcp.errors import AnswerTooLargeError, ConfigurationError, NeoError, UnexpectedResponseError
from neo_mcp.wire.json_limits import without_depth

MAX_DOCUMENT = 1 * 2**20
"""Maximum bytes of a document."""

_SECONDS = 10.0


class DocumentError(NeoError):
    """A document could not be fetched.

    Attributes:
        status: HTTP status code of the answer, or ``None`` if there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


async def fetch_document(url: str, certificates: Certificates) -> dict[str, Any]:
    """Fetch the JSON object at ``url``; redirects are not followed.

    Args:
        url: An https address, or http on this machine.
        certificates: TLS contexts to verify connections with.

    Raises:
        DocumentError: If it cannot be fetched, for any reason.
    """
    try:
        address = check_api_url(url.partition("?")[0])
    except ConfigurationError:
        raise DocumentError(f"{url!a} is neither an https address nor on this machine.") from None
    try:
        with anyio.fail_after(_SECONDS):
            async with new_client(
                address,
                certificates,
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": ACCEPTED,
                    "User-Agent": f"{PROGRAM}/{__version__}",
                },
            ) as client:
                content = await _read(client, url)
    except ConfigurationError as error:
        raise DocumentError(f"{url} cannot be read: {error}") from error
    except (httpx.HTTPError, OSError, ValueError, httpx.InvalidURL) as error:
        raise DocumentError(f"{url} cannot be read: {type(error).__name__}.") from error
    try:
        document = json.loads(without_depth(content))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise DocumentError(f"{url} holds no JSON object.")
    return document


async def _read(client: httpx.AsyncClient, url: str) -> bytes:
    async with client.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise DocumentError(f"{url} answers with {response.status_code}.", response.status_code)
        try:
            return await read_all(response, MAX_DOCUMENT)
        except AnswerTooLargeError:
            raise DocumentError(f"{url} is longer than {MAX_DOCUMENT} bytes.") from None
        except UnexpectedResponseError as error:
            raise DocumentError(f"{url} cannot be read: {error.message}") from None
