"""The server's own OpenTelemetry spans, of requests and of what outlives them. They never go into itself."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from taketwo.errors import BadSetting, MissingExtra

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Where OpenTelemetry itself looks for an endpoint: the first is the whole address, the second the beginning of it."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Attributes: TypeAlias = dict[str, str | int]


class OwnSpans:
    """Makes spans; none where nobody wants them."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        """provider: who sends them, which is this server's own: what agents record in this process is not for it."""
        self._provider = provider
        self._tracer = None if provider is None else provider.get_tracer("taketwo", version("taketwo"))

    @property
    def are_made(self) -> bool:
        """Whether there are any."""
        return self._tracer is not None

    @contextmanager
    def span(self, name: str, parent: Mapping[str, str] | None = None, *, served: bool = False) -> Iterator[Attributes]:
        """A span until the end of the block, which writes its attributes; `name` among them renames it.

        parent: headers that may name one. It is not made the current one: agents that run inside have traces of theirs.
        """
        if self._tracer is None:
            yield {}
            return
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = TraceContextTextMapPropagator().extract(parent) if parent else None
        kind = SpanKind.SERVER if served else SpanKind.INTERNAL
        attributes: Attributes = {}
        span = self._tracer.start_span(name, context=context, kind=kind)
        try:
            yield attributes
        except BaseException as error:
            # Its words may be a user's: the log has them, without secrets.
            attributes["error.type"] = type(error).__name__
            raise
        finally:
            span.update_name(str(attributes.pop("name", name)))
            span.set_attributes(attributes)
            if "error.type" in attributes:
                span.set_status(StatusCode.ERROR)
            span.end()

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()


def own_spans(asked: str | None, environment: Mapping[str, str], *, host: str, port: int) -> OwnSpans:
    """Spans to the endpoint that was asked for, else to the one that OpenTelemetry's own variables name; else none.

    host and port: where this server answers. Raises BadSetting where it was asked to send to itself, MissingExtra.
    What the variables name is passed over then: they are often those of the agents that send here.
    """
    endpoint = asked or _named(environment)
    if endpoint is None:
        return OwnSpans()
    parts = urlsplit(endpoint)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise BadSetting(f"{endpoint!r} is no address of a collector", where="--traces-to", todo="use http://HOST:4318")
    if _is_here(parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme], host, port):
        if asked is None:
            return OwnSpans()
        raise BadSetting("the server would send its own spans to itself", where="--traces-to", todo="name another one")
    try:
        return OwnSpans(_provider(endpoint if parts.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"))
    except ModuleNotFoundError as error:
        if asked is None:
            return OwnSpans()
        raise MissingExtra("otel", needed_for="--traces-to") from error


def _named(environment: Mapping[str, str]) -> str | None:
    whole, beginning = (environment.get(name) or None for name in ENDPOINTS)
    return whole or (f"{beginning.rstrip('/')}/v1/traces" if beginning else None)


def _provider(endpoint: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "taketwo", "service.version": version("taketwo")})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider


def _is_here(named: str, named_port: int, host: str, port: int) -> bool:
    """Whether a name and a port are this server, by whatever name of this machine."""
    if named_port != port:
        return False
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(named, None)}
    except OSError:  # nobody of that name, so it is not us
        return False
    return any(_is_of_this_machine(address, host) for address in addresses)


def _is_of_this_machine(address: str, host: str) -> bool:
    """An address of ours is one that a socket can be bound to; none is sent, and the port is any free one."""
    if address == host or ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True
