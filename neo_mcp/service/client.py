"""Make the API client from settings. Independent of MCP, so that programs without a server do not load it."""

from collections.abc import Callable

from neo_mcp.api import Certificates, NeoClient, Timeouts, check_api_url
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.config import Settings
from neo_mcp.errors import ConfigurationError


def make_client(
    settings: Settings,
    clock: Clock = SYSTEM_CLOCK,
    certificates: Certificates | None = None,
    on_unauthorized: Callable[[], object] | None = None,
) -> NeoClient:
    """The API client of these settings.

    Raises:
        ConfigurationError: If the API URL is neither https nor loopback.
    """
    try:
        check_api_url(settings.api_url)
    except ConfigurationError as error:
        source = settings.sources.get("api_url", "settings")
        raise ConfigurationError(f"{error.message} It is from the {source}.", next_step=error.hint) from None
    return NeoClient(
        token=settings.token,
        api_url=settings.api_url,
        organization=settings.organization,
        generation=settings.generation,
        timeouts=Timeouts(call=settings.call_timeout, create=settings.create_timeout),
        max_event_bytes=int(settings.max_event_mib * 2**20),
        max_answer_bytes=int(settings.max_answer_mib * 2**20),
        clock=clock,
        certificates=certificates,
        on_unauthorized=on_unauthorized,
    )
