"""`taketwo.record`: from here on this process sends what its agents say and do."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from taketwo.errors import BadSetting, MissingExtra
from taketwo.sdk import recording

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

    from taketwo.sdk.sending import Sender

RECEIVER = "http://127.0.0.1:4318"
"""Where `taketwo serve` listens."""

TRACES = "/v1/traces"
"""Path that spans are sent to."""

PROJECT_HEADER = "x-taketwo-project"
"""Header that names the project to the receiver."""

CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""OpenTelemetry's own switch."""

NO_CONTENT_ON_SPANS = {"false", "0", "no", "off", "no_content", "event_only"}

_current: Recording | None = None


def record(
    project: str | None = None,
    endpoint: str | None = None,
    service: str | None = None,
    *,
    content: bool | None = None,
) -> Recording:
    """Record this process: calls of `@taketwo.agent` and `@taketwo.tool` are sent as OpenTelemetry spans.

    project: the project to file them under; the receiver's default when left out.
    endpoint: base address of an OTLP/HTTP receiver. When left out what `OTEL_EXPORTER_OTLP_ENDPOINT` and its kin say,
    else where `taketwo serve` listens.
    service: name of this program, `service.name`; `OTEL_SERVICE_NAME` when left out.
    content: whether messages, arguments and results go along; what `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`
    says when left out, else yes.

    Call it once, when the program starts. Where OpenTelemetry is set up already, the spans go through that as well, and
    its resource names the service; else it is set up here, and other instrumentations' spans are sent along. Nothing
    waits for the receiver and nothing fails without it: what cannot be sent is dropped, and at the end of the process
    the last spans are given five seconds.

    Raises MissingExtra without the extra `otel`, BadSetting for an address or a project that cannot be sent, and when
    the process is recorded otherwise already.
    """
    global _current
    wanted = Recording(project, endpoint, service, _content(content))
    if _current is not None:
        if _current.settings != wanted.settings:
            raise BadSetting("this process is recorded already, otherwise", where="record", todo="call it once")
        return _current
    wanted.start()
    _current = wanted
    return wanted


class Recording:
    """What `record` has begun; ends with the process."""

    def __init__(self, project: str | None, endpoint: str | None, service: str | None, content: bool) -> None:
        """See `record`."""
        self.settings = (_checked_project(project), _checked_address(endpoint), service, content)
        self._sender: Sender | None = None

    def start(self) -> None:
        """Send from here on. Raises MissingExtra."""
        project, endpoint, service, content = self.settings
        try:
            from taketwo.sdk.recorder import Recorder
            from taketwo.sdk.sending import Sender

            self._sender = Sender(_exporter(endpoint, project))
            provider = _provider(project, service)
        except ModuleNotFoundError as error:
            raise MissingExtra("otel", needed_for="taketwo.record") from error
        provider.add_span_processor(self._sender)
        recording.use(Recorder(provider, content=content))
        atexit.register(self.close)

    def flush(self, within_s: float = 5.0) -> bool:
        """Wait until everything so far was sent, or could not be; whether that was in time."""
        return self._sender is None or self._sender.force_flush(int(within_s * 1000))

    def close(self) -> None:
        """Send what is left and record no more; five seconds at most."""
        global _current
        if _current is self:
            recording.use(None)
            _current = None
        if self._sender is not None:
            self._sender.shutdown()
        atexit.unregister(self.close)


def _exporter(endpoint: str | None, project: str | None) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.util.re import parse_env_headers

    base = endpoint or (None if _said("ENDPOINT") else RECEIVER)
    address = None if base is None else f"{base.rstrip('/').removesuffix(TRACES)}{TRACES}"
    # Older exporters take either these headers or those of the environment.
    headers = dict(parse_env_headers(_said("HEADERS"), liberal=True))
    if project is not None:
        headers[PROJECT_HEADER] = project
    return OTLPSpanExporter(endpoint=address, headers=headers)


def _said(what: str) -> str:
    """What the environment says of the exporter; empty when it says nothing."""
    names = (f"OTEL_EXPORTER_OTLP_TRACES_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next((said for name in names if (said := os.environ.get(name))), "")


def _provider(project: str | None, service: str | None) -> TracerProvider:
    """The provider that the program has set up; else a new one for all of it."""
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    there = trace.get_tracer_provider()
    if isinstance(there, TracerProvider):
        return there
    named = {"taketwo.project": project, "service.name": service}
    resource = Resource.create({key: value for key, value in named.items() if value is not None})
    # Its end is ours to bound, see `Sender.shutdown`.
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    trace.set_tracer_provider(made)
    return made


def _content(given: bool | None) -> bool:
    said = os.environ.get(CONTENT_VARIABLE, "").strip().lower()
    return said not in NO_CONTENT_ON_SPANS if given is None else given


def _checked_project(project: str | None) -> str | None:
    """A name that an HTTP header can hold."""
    if project is not None and not (project.isascii() and project.isprintable() and project.strip()):
        raise BadSetting(f"{project!r} cannot be sent as a project", where="record", todo="use plain ASCII letters")
    return project


def _checked_address(endpoint: str | None) -> str | None:
    if endpoint is not None and not _is_address(endpoint):
        raise BadSetting(f"{endpoint!r} is no address", where="record", todo=f"such as {RECEIVER}")
    return endpoint


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
