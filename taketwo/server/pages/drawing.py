"""Pages are drawn on the server; each address answers JSON too, for `Accept: application/json` or a `.json` suffix."""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from jinja2 import Environment
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from taketwo.evals.phrases import expectation_in_words
from taketwo.report import drawing
from taketwo.report.words import (
    counted,
    duration_in_words,
    moment_in_words,
    plain,
    plain_prose,
    shortened,
    turn_in_words,
)
from taketwo.scenario import Expectation, turn_of
from taketwo.sdk.api.executions import TestExecution
from taketwo.select.suggest import quoted
from taketwo.server.assets import LIBRARY, address
from taketwo.server.pages.shell import NAVIGATION, Shell
from taketwo.value import JSON

SHOWN_CHARACTERS = 20_000
"""How much of one text a page shows; the JSON at the same address has all of it."""

PARTS = "hx-request"
"""The header by which the script library says that it puts the answer into a page that is there already."""


REASONS = {
    "not_found": "Not found",
    "no_user_turn": "The user says nothing",
    "hidden_content": "Content was hidden",
    "duplicate": "Repeats another one",
    "left_out_by_choice": "Left out by choice",
}
"""Why a selected conversation is no row."""

STATES = {
    "init": "selected",
    "generating": "the scenario is being made",
    "ready": "ready to run",
    "completed": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "pending": "waiting",
    "running": "running",
}
"""How far something is."""


def wants_page(request: Request) -> bool:
    """Whether a person asks: a browser names HTML, programs name JSON or anything."""
    path = request.url.path
    return (
        not path.startswith("/api/") and not path.endswith(".json") and "text/html" in request.headers.get("accept", "")
    )


def page(
    template: str,
    shell: Shell | None = None,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """A page drawn from a template, with what is around every page of the server unless it stands alone."""
    drawn = _environment().get_template(template).render(shell=shell or Shell(), **values)
    return HTMLResponse(drawn, status, headers)


def twin(request: Request, template: str, shell: Shell, body: dict[str, Any], **drawn_only: Any) -> Response:
    """The page for people, or what it shows as JSON."""
    if wants_page(request):
        return page(template, shell, headers={"vary": "accept"}, **body, **drawn_only)
    return Response(msgspec.json.encode(body), media_type="application/json", headers={"vary": "accept"})


def conversation_address(id: str, project: str, **more: str) -> str:
    """Where a conversation is shown; an id may hold anything, slashes too."""
    return f"/sessions/{quote(id, safe='')}?{urlencode({'project': project, **more})}"


def in_words(expected: Expectation) -> str:
    """`must call check_status in turn 4`."""
    turn = turn_of(expected)
    return expectation_in_words(expected, "" if turn is None else f" in {turn_in_words(turn - 1)}")


def link(path: str, **asked: object) -> str:
    """An address with what is asked, without what is None or empty."""
    query = urlencode({key: value for key, value in asked.items() if value not in (None, "", False)}, doseq=True)
    return f"{path}?{query}" if query else path


def reached(spec: str | None) -> str:
    """How an agent under test is reached, for people who did not type its SPEC."""
    match spec:
        case None | "the user's own process":
            return "your own process"
        case "prompt:":
            return "rebuilt from the recording"
        case _:
            return spec


def _with_code(text: str) -> Markup:
    """A message as a sentence; what stands between backticks is code."""
    parts = plain_prose(shortened(text[:1].upper() + text[1:], SHOWN_CHARACTERS)).split("`")
    if len(parts) % 2 == 0:
        return escape("`".join(parts))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


@cache
def _environment() -> Environment:
    environment = drawing.environment(Path(__file__).parent.parent / "templates")
    environment.globals.update(
        asset=address,
        conversation_address=conversation_address,
        counted=counted,
        in_words=in_words,
        is_undone=_is_undone,
        kinds=lambda values: {type(value).__name__: value for value in values},
        library=address(LIBRARY),
        link=link,
        navigation=NAVIGATION,
        quoted=quoted,
        reasons=REASONS,
        states=STATES,
        urlencode=urlencode,
    )
    environment.filters.update(
        prose=lambda text: plain_prose(shortened(text, SHOWN_CHARACTERS)),
        line=lambda text: plain(shortened(str(text), 300)),
        with_code=_with_code,
        reached=reached,
        pretty=_pretty,
        moment=moment_in_words,
        duration=lambda ms: duration_in_words(ms / 1000),
    )
    return environment


def _is_undone(execution: TestExecution) -> bool:
    """Whether it ended without a single verdict: its agent was not to be had."""
    is_over = execution.verdict is None and execution.ended_at is not None
    return is_over and (execution.status == "failed" or bool(execution.counts.get("failed")))


def _pretty(value: JSON) -> str:
    """Text as it is, anything else as JSON on several lines."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return plain_prose(shortened(text, SHOWN_CHARACTERS))
