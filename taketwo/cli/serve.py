"""`taketwo serve`: the receiver, the API and the pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from taketwo.capture.fetch import FetchLimits
from taketwo.cli.evaluator_options import Judging
from taketwo.cli.settings import access, language_model, opened_store, settings, store_option
from taketwo.compare.severity import severity_table
from taketwo.config import Settings, secrets_of
from taketwo.errors import MissingExtra
from taketwo.replay.agents.hosts import read_hosts
from taketwo.sdk.telephony import telephony
from taketwo.store import Store
from taketwo.store.addresses import shown
from taketwo.store.keys import keep_given_key

if TYPE_CHECKING:
    from taketwo.llm.asked import AskedModel
    from taketwo.server.app import Means, Telling
    from taketwo.server.flow.alerts import Delivery
    from taketwo.server.flow.embedded import Embedded
    from taketwo.server.logs import LogForm, LogFormat, LogLevel
    from taketwo.server.run import Listening


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="Address to listen on.")
@click.option(
    "--port", default=4318, show_default=True, metavar="P", help="Port of receiver and page; 0 for any free one."
)
@click.option(
    "--grpc-port", type=int, metavar="P", help="Port of the receiver's gRPC; 0 for any free one.  [default: 4317]"
)
@click.option("--require-keys", is_flag=True, help="Need keys on this machine too.")
@click.option(
    "--executor",
    "executor_url",
    metavar="URL",
    help="Who replays for run tests: temporal://HOST:PORT[/NAMESPACE], where `taketwo worker` works; this process when "
    "left out.",
)
@click.option(
    "--drain",
    "drain_s",
    type=click.FloatRange(0, 600),
    default=0.0,
    metavar="S",
    help="Go on for so many seconds when told to stop, with /ready saying no, so that balancers notice.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What the server writes about itself: for people, or a JSON object a line.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="From which level on; requests are told at info.",
)
@click.option(
    "--traces-to",
    metavar="URL",
    help="Send the server's own spans to this OTLP/HTTP collector.  [default: OTEL_EXPORTER_OTLP_ENDPOINT]",
)
@click.option("--private-addresses", is_flag=True, help="Fetch recordings from private networks, too.")
@click.option(
    "--recordings-in",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Read recordings there that spans name by their path; none are read elsewhere.",
)
@store_option
def serve_command(
    host: str,
    port: int,
    grpc_port: int | None,
    require_keys: bool,
    executor_url: str | None,
    drain_s: float,
    log_format: LogFormat,
    log_level: LogLevel,
    traces_to: str | None,
    private_addresses: bool,
    recordings_in: Path | None,
    store_url: str | None,
) -> None:
    """Receive OpenTelemetry traces and logs, and show what was captured.

    OTLP/HTTP arrives at /v1/traces and /v1/logs, and OTLP/gRPC at a port of its own, where default exporters send it; a
    request is answered only after its spans are safely on disk. The page is at the address of HTTP.

    On another address than this machine's own, every request needs a key of `taketwo keys`.

    gRPC needs the extra 'grpc'. Where it is missing, or 4317 is taken and no port was named, HTTP is served alone.
    """
    try:
        from taketwo.server.logs import LogForm, write_logs
        from taketwo.server.run import serve
        from taketwo.server.scoring import Scorer
    except ModuleNotFoundError as error:
        raise MissingExtra("server", needed_for="taketwo serve") from error
    here = settings()
    url = store_url or here.store
    form = LogForm(format=log_format, level=log_level)
    write_logs(form, secrets_of(here, os.environ))
    judging, model = Judging((), 1), _Judge(here)
    with _opened(url, here) as store, Scorer(store, lambda: judging.opened(here, model), spent=model.spent):
        serve(
            store,
            host=host,
            port=port,
            grpc_port=grpc_port,
            require_keys=require_keys,
            on_ready=lambda listening: _announce(listening, url),
            means=_means(here, executor_url, FetchLimits(private=private_addresses), recordings_in),
            drain_s=drain_s,
            telling=partial(_telling, form, traces_to or here.traces_to),
        )


def _means(here: Settings, executor_url: str | None, limits: FetchLimits, recordings: Path | None) -> Means:
    """What the settings give a server. Raises BadSetting, MissingExtra."""
    from taketwo.server.app import Means
    from taketwo.server.fetching import Sources
    from taketwo.server.flow.asking import Asking
    from taketwo.server.webhooks import WebhookSecrets

    return Means(
        access=access(here),
        telephony=telephony(here),
        agent_hosts=read_hosts(here.agent_hosts),
        delivery=_delivery(here),
        webhooks=WebhookSecrets(vapi=here.vapi_secret, retell=here.retell_key, elevenlabs=here.elevenlabs_secret),
        sources=Sources(limits, recordings),
        severities=severity_table(here.severity),
        asking=Asking(lambda: language_model(here), Path.cwd()),
        executor=None if executor_url is None else _executor(executor_url, _delivery(here)),
    )


@contextmanager
def _opened(url: str, here: Settings) -> Iterator[Store]:
    """The store, with the key that was given beforehand. Raises BadSetting where it has not the form of one."""
    with opened_store(url, to_serve=True) as store:
        if here.admin_key is not None:
            keep_given_key(store.documents, here.admin_key, datetime.now(UTC))
        yield store


class _Judge:
    """The model of the server's evaluators, opened by the first one that asks it."""

    def __init__(self, here: Settings) -> None:
        self._here = here
        self._opened: list[AskedModel | None] = []

    def __call__(self) -> AskedModel | None:
        self._opened = self._opened or [language_model(self._here)]
        return self._opened[0]

    def spent(self) -> float:
        """US dollars that it has cost so far, of what is known."""
        calls = (call for model in self._opened if model is not None for call in model.calls)
        return sum(call.cost_usd or 0.0 for call in calls)


def _telling(form: LogForm, traces_to: str | None, host: str, port: int) -> Telling:
    """What the server tells about itself. Raises BadSetting, MissingExtra."""
    from taketwo.server.app import Telling
    from taketwo.server.own_spans import own_spans

    return Telling(form, own_spans(traces_to, os.environ, host=host, port=port))


def _delivery(here: Settings) -> Delivery:
    """How alerts leave the server."""
    from taketwo.server.flow.alerts import Delivery

    hosts = tuple(host.strip() for host in here.webhook_hosts.split(",") if host.strip())
    return Delivery(hosts, here.smtp_url, here.mail_from)


def _executor(url: str, delivery: Delivery) -> Embedded:
    """Who carries out what outlives a request. Raises BadSetting, MissingExtra."""
    try:
        from taketwo.server.flow.temporal import OnTemporal, read_address
    except ModuleNotFoundError as error:
        raise MissingExtra("temporal", needed_for="--executor temporal://…") from error
    return OnTemporal(read_address(url), delivery=delivery)


def _announce(listening: Listening, url: str) -> None:
    grpc = f" and {listening.grpc} (gRPC)" if listening.grpc else ""
    click.echo(f"listening on {listening.http}{grpc}\nkeeping in {shown(url)}")
    if listening.without_grpc:
        click.echo(f"no gRPC: {listening.without_grpc}", err=True)
