"""One request to the API, as OpenTelemetry sees it: a span, a duration, and the trace that it belongs to.

Owns which of a request's parts are recorded: never an id, a query, a header or a body.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from neo_mcp import instruments
from neo_mcp.token_guard import TokenGuard

_IDS = re.compile(r"(/agents)/[^/]+(/tasks)(/[^/]+)?")


def url_template(path: str) -> str:
    """``path`` with placeholders for the organization and the task."""
    return _IDS.sub(lambda m: f"{m[1]}/{{organization}}{m[2]}{'/{task}' if m[3] else ''}", path, count=1)


@contextmanager
def exchange(
    request: httpx.Request, path: str, guard: TokenGuard, *, attempt: int = 1
) -> Iterator[Callable[[httpx.Response], None]]:
    """Send ``request`` within this block, and pass its response to the function that it yields.

    Args:
        request: Gets the headers of the trace that it belongs to.
        path: Its path, below the API's address.
        guard: Takes the access token out of them.
        attempt: Number of the attempt; 1 for the first.
    """
    template = url_template(path)
    attributes = {
        "http.request.method": request.method,
        "url.template": template,
        "server.address": request.url.host,
        "server.port": request.url.port or (443 if request.url.scheme == "https" else 80),
    }
    details = {"http.request.resend_count": attempt - 1} if attempt > 1 else {}
    name = f"{request.method} {template}"
    with instruments.observed(
        instruments.HTTP_CLIENT, attributes, span=name, is_client=True, details=details
    ) as seen:
        trace: dict[str, str] = {}
        instruments.inject(trace)
        request.headers.update({key: value for key, value in trace.items() if guard.text(value) == value})

        def answered(response: httpx.Response) -> None:
            seen.attributes["http.response.status_code"] = response.status_code
            if response.status_code >= httpx.codes.BAD_REQUEST:
                seen.attributes["error.type"] = str(response.status_code)

        yield answered
