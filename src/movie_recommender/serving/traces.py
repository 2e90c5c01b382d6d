"""A span of each request for an OpenTelemetry collector; without one nothing is imported.

A span says what was asked and how it went, and of whom nothing: the route's pattern and not the
address, no user, no key. A caller's `traceparent` is its parent. The other variables of
OpenTelemetry's (OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS, …) count, too.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from movie_recommender import __version__
from movie_recommender.serving.gate import App, Message, Receive, Scope, Send
from movie_recommender.serving.hot import ROUTE, is_hot
from movie_recommender.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE = "movie-recommender"
CLOSE_S = 5.0
"""How long what is left may take to be sent at the end."""

_SERVER_ERROR = 500


def traced(app: App, settings: Settings, *, version: Callable[[], int | None]) -> App:
    """The application with a span around each request, where a collector is configured.

    Args:
        app: the application.
        settings: where the collector is.
        version: of the model that answers at this moment.
    """
    endpoint = settings.otel_exporter_otlp_traces_endpoint
    if not endpoint and settings.otel_exporter_otlp_endpoint:
        endpoint = f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces"
    return Traced(app, _provider(endpoint), version) if endpoint else app


class Traced:
    """ASGI around the application.

    Args:
        app: the application.
        provider: sends spans; it is closed when the application ends.
        version: of the model.
    """

    def __init__(
        self, app: App, provider: "TracerProvider", version: Callable[[], int | None]
    ) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app = app
        self._provider = provider
        self._version = version
        self._tracer = provider.get_tracer(SERVICE, __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._kind = SpanKind.SERVER
        self._failed = Status(StatusCode.ERROR)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and have the span sent some time soon."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
            return

        closing = threading.Thread(target=self._provider.shutdown, daemon=True)

        async def asked() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                closing.start()  # the last request is over; beside what the application closes
            return message

        async def closed(message: Message) -> None:
            if closing.ident is not None:  # a collector that doesn't answer isn't waited for
                await asyncio.to_thread(closing.join, CLOSE_S)
            await send(message)

        await self._app(scope, asked, closed)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        parent = self._propagator.extract(carrier)
        method = scope["method"]
        span = self._tracer.start_span(method, parent, self._kind)
        status = _SERVER_ERROR

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            span.set_attribute("http.request.method", method)
            span.set_attribute("http.response.status_code", status)
            if (route := _route(scope)) is not None:
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
            if (version := self._version()) is not None:
                span.set_attribute("movie_recommender.model.version", version)
            if status >= _SERVER_ERROR:
                span.set_status(self._failed)
            span.end()


def _route(scope: Scope) -> str | None:
    """The pattern of the route that answered; None: it was refused before, or there is none."""
    if is_hot(scope):
        return ROUTE
    path: str | None = getattr(scope.get("route"), "path", None)
    return path


def _provider(endpoint: str) -> "TracerProvider":
    """Spans to the collector at `endpoint`, in batches, by a thread of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = Resource.create({"service.name": SERVICE, "service.version": __version__})
    about = about.merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=about, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return provider
