"""Alerts: who hears of it when the verdict of a run test changes. They are kept first, and sent until they arrive."""

from __future__ import annotations

import logging
import smtplib
import socket
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from taketwo.errors import AlreadyThere, BadSetting
from taketwo.public_addresses import is_public
from taketwo.sdk.api.executions import TestExecution
from taketwo.sdk.api.run_tests import Alert, RunTest
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.value import Value

MOST_TRIES: Final = 6
"""So often an alert is sent before it is given up: over an hour and a half."""
PATIENCE_S: Final = 10.0
"""How long a receiver may take."""

_log = logging.getLogger("taketwo.server")


class Delivery(NamedTuple):
    """How alerts leave this server."""

    webhook_hosts: tuple[str, ...] = ()
    """Hosts of this network that webhooks may go to, as `host:port`; all of the internet may be gone to anyway."""
    smtp_url: str | None = None
    """Mail server, as in `smtp://user:secret@mail.example:587`; None where no mail is sent."""
    mail_from: str = "taketwo@localhost"
    """Who sends mails."""


class News(Value):
    """One alert on its way."""

    id: str
    """Made of the execution and its receiver, so that it is sent once."""
    project: str
    """The project."""
    run_test_id: str
    """The run test."""
    run_test: str
    """Its name."""
    test_execution_id: str
    """The execution that changed the verdict."""
    before: str | None
    """The verdict before; None where there was none."""
    after: str | None
    """The verdict now; None where nothing could be judged."""
    verdicts: dict[str, int]
    """How many rows of each verdict."""
    to: Alert
    """Who hears of it."""
    due_at: datetime | None
    """When it is sent, or sent again; None when it has arrived or was given up."""
    tries: int = 0
    """How often it was sent."""
    at: datetime | None = None
    """When the verdict changed, UTC; None where nobody noted it."""
    problem: str | None = None
    """Why it has not arrived; None when it has, or was not sent yet."""


NEWS = Shelf("alert", News, lambda one: one.id, lambda one: Place(project=one.project, due_at=one.due_at))


def insist_on_receivers(alerts: tuple[Alert, ...]) -> None:
    """Raises BadSetting for an alert that could never arrive."""
    for number, alert in enumerate(alerts):
        where = f"alerts[{number}]"
        if (alert.webhook is None) == (alert.email is None):
            raise BadSetting("give either `webhook` or `email`", where=where)
        if alert.webhook is not None:
            parts = urlsplit(alert.webhook)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
                raise BadSetting("a webhook is an http or https URL without a password", where=f"{where}.webhook")
        if alert.email is not None and not _is_address(alert.email):
            raise BadSetting(f"{alert.email!r} is no email address", where=f"{where}.email")


def keep_news(flow: Flow, test: RunTest, before: TestExecution | None, now: TestExecution) -> None:
    """Keep an alert for everybody who wants one, where the verdict has changed; said twice it is kept once."""
    was = before.verdict if before is not None else None
    if now.verdict == was or (was is None and now.verdict == "pass"):
        return
    for number, alert in enumerate(test.alerts):
        news = News(
            id=f"{now.id}/{number}",
            project=test.project,
            run_test_id=test.id,
            run_test=test.name,
            test_execution_id=now.id,
            before=was,
            after=now.verdict,
            verdicts=now.verdicts,
            to=alert,
            due_at=flow.now(),
            at=flow.now(),
        )
        try:
            NEWS.add(flow, news)
        except AlreadyThere:
            continue


def send_news(flow: Flow, delivery: Delivery) -> int:
    """Send what is due; gives how many arrived. What does not is sent again later, each time after a longer pause."""
    arrived = 0
    now = flow.now()
    for news in NEWS.claim(flow, lambda one: _taken(one, now), limit=50):
        problem = _sent(news, delivery)
        arrived += problem is None
        gave_up = news.tries >= MOST_TRIES
        if problem is not None:
            _log.warning("an alert of run test %s did not arrive: %s", news.run_test, problem)
        due_at = None if problem is None or gave_up else news.due_at
        NEWS.change(flow, news.id, partial(_done, problem=problem, due_at=due_at))
    return arrived


def _taken(news: News, now: datetime) -> News:
    """Sent again after 1, 3, 9, 27, … minutes, also where this process dies while it sends."""
    return news.but(tries=news.tries + 1, due_at=now + timedelta(minutes=3**news.tries))


def _done(news: News, *, problem: str | None, due_at: datetime | None) -> News:
    return news.but(problem=problem, due_at=due_at)


def _sent(news: News, delivery: Delivery) -> str | None:
    """Why it did not arrive; None when it did."""
    try:
        if news.to.webhook is not None:
            _post(news.to.webhook, news, delivery)
        elif news.to.email is not None:
            _mail(news.to.email, news, delivery)
    except (OSError, smtplib.SMTPException, BadSetting) as error:
        return str(error) or type(error).__name__
    return None


def _post(url: str, news: News, delivery: Delivery) -> None:
    """To the very address that was looked at: a name may mean another one soon. Raises OSError, BadSetting."""
    import httpx  # takes a fifth of the start of a server

    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = _address(host, port, delivery.webhook_hosts)
    named = f"[{address}]" if ":" in address else address
    body = news.but(due_at=None).to_json()
    headers = {"host": parts.netloc, "content-type": "application/json"}
    try:
        with (
            httpx.Client(timeout=PATIENCE_S, follow_redirects=False, trust_env=False) as client,
            # What it answers is not read: it may be without end, or unpack to very much.
            client.stream(
                "POST",
                parts._replace(netloc=f"{named}:{port}").geturl(),
                content=body,
                headers=headers,
                extensions={"sni_hostname": host},
            ) as answer,
        ):
            status, is_taken = answer.status_code, answer.is_success
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(str(error) or type(error).__name__) from error
    if not is_taken:
        raise OSError(f"{host} answers {status}")


def _address(host: str, port: int, allowed: tuple[str, ...]) -> str:
    """An address of a host out in the internet, or of one that is allowed. Raises BadSetting for any other."""
    found = [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if f"{host}:{port}" in allowed:
        return found[0]
    for address in found:
        if not is_public(address):
            raise BadSetting(
                f"{host} is an address of this network, where webhooks may not go",
                where="webhook",
                todo=f"allow it with TAKETWO_WEBHOOK_HOSTS={host}:{port}",
            )
    return found[0]


def _mail(address: str, news: News, delivery: Delivery) -> None:
    if delivery.smtp_url is None:
        raise BadSetting("there is no mail server", where="email", todo="set TAKETWO_SMTP_URL=smtp://…")
    message = EmailMessage()
    message["From"], message["To"] = delivery.mail_from, address
    message["Subject"] = f"{news.run_test}: {news.before or 'new'} → {news.after or 'nothing judged'}"
    counts = ", ".join(f"{number} {kind}" for kind, number in news.verdicts.items()) or "none"
    message.set_content(f"Run test: {news.run_test}\nRows: {counts}\nExecution: {news.test_execution_id}\n")
    parts = urlsplit(delivery.smtp_url)
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
    with kind(parts.hostname or "localhost", parts.port or 0, timeout=PATIENCE_S) as server:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls()
            server.ehlo()
        if parts.username is not None:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)


def _is_address(text: str) -> bool:
    name, at, domain = text.rpartition("@")
    return bool(name and at and domain) and text.isprintable() and not any(sign in text for sign in " ,;<>\"'")
