"""Where spans and metrics go: to a collector by OTLP, and to scrapers in Prometheus' format.

Owns the set-up of the OpenTelemetry SDK, which the extra ``telemetry`` brings; nothing of it is imported
unless the environment or a setting asks. Nothing is ever written to standard output. What is measured is in
:mod:`neo_mcp.instruments`.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from neo_mcp._version import __version__
from neo_mcp.constants import PROGRAM
from neo_mcp.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource

logger = logging.getLogger(__name__)

_INSTALL = f"Install it with its extra: pip install '{PROGRAM}[telemetry]'"
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
_HTTP = "http/protobuf"
_LAST_SECONDS = 2.0
"""For what is still to be sent when the process ends."""


def is_asked_for(signal: str, environ: Mapping[str, str]) -> bool:
    """True if the environment asks for OTLP, by the variables of the OpenTelemetry specification.

    Args:
        signal: ``traces`` or ``metrics``.
        environ: The environment.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    name = signal.upper()
    exporter = environ.get(f"OTEL_{name}_EXPORTER", "").strip().lower()
    given = environ.get(f"OTEL_EXPORTER_OTLP_{name}_ENDPOINT") or environ.get(_ENDPOINT)
    if exporter not in {"", "otlp"} or not (exporter or given):
        if exporter not in {"", "none"}:
            # Such as the console: on standard output, the host would take it for the protocol.
            logger.warning("OTEL_%s_EXPORTER names an exporter that is not supported; it is off", name)
        return False
    protocol = environ.get(f"OTEL_EXPORTER_OTLP_{name}_PROTOCOL") or environ.get(_PROTOCOL) or _HTTP
    if protocol.strip().lower() != _HTTP:
        logger.warning("%s is supported by %s only; %s are off", "OTLP", _HTTP, signal)
        return False
    return True


@contextmanager
def exporting(environ: Mapping[str, str], metrics_address: tuple[str, int] | None = None) -> Iterator[None]:
    """Export what happens within this block, as far as that is set up.

    Args:
        environ: The environment.
        metrics_address: Host and port to serve ``/metrics`` at; ``None`` for nowhere.

    Raises:
        ConfigurationError: If metrics cannot be served at that address, or without the extra.
    """
    traces, metrics = is_asked_for("traces", environ), is_asked_for("metrics", environ)
    with ExitStack() as stack:
        if traces or metrics or metrics_address is not None:
            try:
                ends = _start(stack, metrics_address, traces=traces, metrics=metrics)
            except ImportError:
                if metrics_address is not None:
                    raise ConfigurationError("--metrics-address needs more.", next_step=_INSTALL) from None
                # The variables may be meant for other programs.
                logger.info("OTEL_* variables ask for telemetry. %s", _INSTALL)
                ends = []
            stack.callback(_end, ends)
        yield


def _start(
    stack: ExitStack, address: tuple[str, int] | None, *, traces: bool, metrics: bool
) -> list[Callable[[], object]]:
    """Set up what is asked for; returns how to send the last of it."""
    from opentelemetry import metrics as metrics_api  # noqa: PLC0415 - see the module's docstring
    from opentelemetry import trace  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - likewise

    resource = _resource()
    ends: list[Callable[[], object]] = []
    readers: list[MetricReader] = []
    if address is not None:
        readers.append(_served(stack, *address))
    if metrics:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - likewise
            OTLPMetricExporter,
        )
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415 - likewise

        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    if readers:
        meters = MeterProvider(readers, resource, shutdown_on_exit=False)
        metrics_api.set_meter_provider(meters)
        ends.append(meters.shutdown)
    if traces:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - likewise
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise

        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(tracers)
        ends.append(tracers.shutdown)
    return ends


def _served(stack: ExitStack, host: str, port: int) -> "MetricReader":
    """The metric reader that serves metrics at this address, in a thread of its own."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415 - see the docstring
    from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server  # noqa: PLC0415 - likewise

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        why = f"Port {port} on {host} is not available for metrics: {error.strerror}."
        raise ConfigurationError(why) from None
    stack.callback(thread.join, _LAST_SECONDS)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    logger.info("metrics are served at http://%s:%d/metrics", host, server.server_port)
    return PrometheusMetricReader(registry=registry)


def _resource() -> "Resource":
    """This process, as far as the environment does not name others."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - see the docstring

    ours = {
        "service.name": PROGRAM,
        "service.version": __version__,
        # It distinguishes replicas.
        "service.instance.id": str(uuid.uuid4()),
    }
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


def _end(ends: list[Callable[[], object]]) -> None:
    """Send what is left, but for no longer than a moment: a collector may be out of reach."""
    threads = [threading.Thread(target=end, daemon=True) for end in ends]

    def end_all() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    waiting = threading.Thread(target=end_all, daemon=True)
    waiting.start()
    waiting.join(_LAST_SECONDS)
