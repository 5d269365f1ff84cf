"""The async client of the Neo Agent Tasks API; the only part of this program that speaks HTTP.

Not loaded with it are two parts that few programs use: :mod:`neo_mcp.api.probe` and
:mod:`neo_mcp.api.documents`.
"""

from neo_mcp.api.account import DefaultOrganization, DefaultOrigin
from neo_mcp.api.calls import Creation
from neo_mcp.api.certificates import Certificates
from neo_mcp.api.client import NeoClient
from neo_mcp.api.http_clients import Proxy, proxy_of
from neo_mcp.api.live import Subscription
from neo_mcp.api.pages import task_pages
from neo_mcp.api.retry import RetryPolicy
from neo_mcp.api.settings import Timeouts, check_api_url, check_token
from neo_mcp.api.sse import OversizedEvent, RawEvent, SseParser
from neo_mcp.api.stream import StreamState, StreamStatus
from neo_mcp.clock import SYSTEM_CLOCK, Clock, SystemClock
from neo_mcp.constants import DEFAULT_API_URL, Generation
from neo_mcp.token_guard import TokenGuard

__all__ = [
    "DEFAULT_API_URL",
    "SYSTEM_CLOCK",
    "Certificates",
    "Clock",
    "Creation",
    "DefaultOrganization",
    "DefaultOrigin",
    "Generation",
    "NeoClient",
    "OversizedEvent",
    "Proxy",
    "RawEvent",
    "RetryPolicy",
    "SseParser",
    "StreamState",
    "StreamStatus",
    "Subscription",
    "SystemClock",
    "Timeouts",
    "TokenGuard",
    "check_api_url",
    "check_token",
    "proxy_of",
    "task_pages",
]
