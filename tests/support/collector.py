"""An OpenTelemetry collector for tests: takes OTLP over HTTP, and keeps it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What has come.

    Attributes:
        bodies: Every request's, as it came.
        resources: The attributes of the processes that sent something.
    """

    url: str
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)

    @property
    def endpoint(self) -> dict[str, str]:
        """What makes a process send its spans and metrics here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url}

    @property
    def env(self) -> dict[str, str]:
        """The same, and soon."""
        return {
            **self.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "20",
            "OTEL_METRIC_EXPORT_INTERVAL": "100",
        }

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def points(self, metric: str) -> list[dict[str, Any]]:
        """The attributes of each of a metric's series."""
        if metric not in self.metrics:
            return []
        data = self.metrics[metric]
        found = data.histogram.data_points or data.sum.data_points
        return [attributes(point.attributes) for point in found]

    def take(self, path: str, body: bytes) -> None:
        self.bodies.append(body)
        if path == "/v1/traces":
            for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(attributes(resource_spans.resource.attributes))
                for scope in resource_spans.scope_spans:
                    self.spans += scope.spans
        elif path == "/v1/metrics":
            for resource_metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource_metrics.scope_metrics:
                    self.metrics.update({metric.name: metric for metric in scope.metrics})


def attributes(pairs: Any) -> dict[str, Any]:  # noqa: ANN401 - a repeated field of protobuf's
    def value(pair: KeyValue) -> Any:  # noqa: ANN401 - any of the types that attributes have
        return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")

    return {pair.key: value(pair) for pair in pairs}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
