"""Spans and metrics of what this package does, through the OpenTelemetry API.

Owns what is measured, and under which names: those of the semantic conventions where there are any. Whether
anything is recorded, and where it goes, is for the process's owner (:mod:`neo_mcp.exporters`).

Attributes hold no token, no foreign text, and in metrics no id: each has few values. Nothing is imported here
that is not loaded already: a process that has not loaded OpenTelemetry has not set it up either.
"""

import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from neo_mcp._version import __version__
from neo_mcp.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, Meter, UpDownCounter
    from opentelemetry.trace import Span

_SCOPE = "neo_mcp"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

Attributes = Mapping[str, Any]


HTTP_CLIENT = "http.client.request.duration"
HTTP_SERVER = "http.server.request.duration"
MCP_SERVER = "mcp.server.operation.duration"
STREAM = "neo_mcp.stream.duration"
WAIT = "neo_mcp.wait.duration"
APPROVAL = "neo_mcp.approval.duration"
OPEN_STREAMS = "neo_mcp.stream.active"
HELD_WAITS = "neo_mcp.wait.active"

_DESCRIPTIONS = {
    HTTP_CLIENT: "Requests to the Neo API, until their answer was there.",
    HTTP_SERVER: "HTTP requests of hosts, until their answer was sent.",
    MCP_SERVER: "MCP requests of hosts.",
    STREAM: "Event streams of the Neo API, from open to closed.",
    WAIT: "Waits for something to happen in tasks.",
    APPROVAL: "Decisions, until a person or the policy has decided.",
    OPEN_STREAMS: "Event streams of the Neo API that are open.",
    HELD_WAITS: "Waits that are held.",
}

RESULT = "neo_mcp.outcome"
"""Attribute: how it ended, where that is no error."""


class Observation:
    """The attributes of a block, collected while it runs.

    Attributes:
        attributes: For its span and its metric.
    """

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes

    def ended(self, result: str) -> None:
        """Record how it ended; an exception after that is part of it."""
        self.attributes[RESULT] = result


def observed(
    duration: str,
    attributes: Attributes | None = None,
    *,
    span: str = "",
    is_client: bool = False,
    details: Attributes | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AbstractContextManager[Observation]:
    """Measure a block: how long it takes, and how it ends.

    Args:
        duration: Name of the histogram of seconds.
        attributes: What kind of block it is; few values each.
        span: Name of a span for it; empty for none.
        is_client: Whether the block calls another service.
        details: Attributes of the span alone.
        clock: Time.
    """
    seen = Observation(dict(attributes or {}))
    if not (_has_metrics() or has_traces()):
        return nullcontext(seen)
    return _recorded(seen, duration, span, details or {}, clock, is_client=is_client)


@contextmanager
def _recorded(
    seen: Observation, duration: str, span: str, details: Attributes, clock: Clock, *, is_client: bool
) -> Iterator[Observation]:
    started = clock.monotonic()
    with _span(span, {**seen.attributes, **details}, is_client=is_client) as current:
        try:
            yield seen
        except BaseException as error:
            if RESULT not in seen.attributes:
                name = type(error).__qualname__ if isinstance(error, Exception) else "cancelled"
                seen.attributes.setdefault("error.type", name)
            raise
        finally:
            if current is not None:
                _annotate(current, seen.attributes)
            record(duration, clock.monotonic() - started, seen.attributes)


def record(duration: str, seconds: float, attributes: Attributes) -> None:
    """Add one to a histogram of seconds."""
    histogram = _histogram(duration) if _has_metrics() else None
    if histogram is not None:
        histogram.record(seconds, attributes)


@contextmanager
def counted(name: str) -> Iterator[None]:
    """Count a block among those that run now."""
    counter = _running(name) if _has_metrics() else None
    if counter is None:
        yield
        return
    counter.add(1)
    try:
        yield
    finally:
        counter.add(-1)


def current_ids() -> tuple[str, str] | None:
    """The trace and the span that this is part of, as they are written; ``None`` outside of any."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


def inject(headers: MutableMapping[str, str]) -> None:
    """Add W3C trace context to ``headers``, where this is part of a trace; nothing else travels along."""
    if "opentelemetry.trace" in sys.modules:
        _propagator().inject(headers)


@contextmanager
def continuing(headers: Mapping[str, str]) -> Iterator[None]:
    """Make this block part of the trace that ``headers`` name, if they name one."""
    if "opentelemetry.trace" not in sys.modules or "traceparent" not in headers:
        yield
        return
    from opentelemetry import context  # noqa: PLC0415 - see the module's docstring

    token = context.attach(_propagator().extract(headers))
    try:
        yield
    finally:
        context.detach(token)


def _has_metrics() -> bool:
    return "opentelemetry.metrics" in sys.modules


def has_traces() -> bool:
    """True if somebody has set tracing up; the SDK of MCP loads its interface in any case."""
    trace = sys.modules.get("opentelemetry.trace")
    return trace is not None and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _span(name: str, attributes: Attributes, *, is_client: bool) -> AbstractContextManager["Span | None"]:
    trace = sys.modules.get("opentelemetry.trace")
    if not name or trace is None:
        return nullcontext()
    kind = trace.SpanKind.CLIENT if is_client else trace.SpanKind.INTERNAL
    # An exception's text may be foreign.
    span: AbstractContextManager[Span] = _tracer().start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    )
    return span


def _annotate(span: "Span", attributes: Attributes) -> None:
    span.set_attributes(attributes)
    if "error.type" in attributes:
        span.set_status(sys.modules["opentelemetry.trace"].StatusCode.ERROR)


@cache
def _tracer() -> Any:  # noqa: ANN401 - a tracer, or what stands for one until there is an SDK
    return sys.modules["opentelemetry.trace"].get_tracer(_SCOPE, __version__)


@cache
def _meter() -> "Meter":
    meter: Meter = sys.modules["opentelemetry.metrics"].get_meter(_SCOPE, __version__)
    return meter


@cache
def _histogram(name: str) -> "Histogram":
    return _meter().create_histogram(
        name, "s", _DESCRIPTIONS[name], explicit_bucket_boundaries_advisory=_SECONDS
    )


@cache
def _running(name: str) -> "UpDownCounter":
    # The unit names what is counted: the word between the first dot and the next.
    return _meter().create_up_down_counter(name, f"{{{name.split('.')[1]}}}", _DESCRIPTIONS[name])


@cache
def _propagator() -> Any:  # noqa: ANN401 - imported late
    # Not the process's own choice of them: baggage may be anything, and is not for the API.
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - see the module's docstring
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator()
