"""Pages are drawn on the server; each address answers JSON too, for `Accept: application/json` or a `.json` suffix."""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from taketwo.report.words import counted, duration_in_words, moment_in_words, plain, plain_prose, shortened
from taketwo.value import JSON

SHOWN_CHARACTERS = 20_000
"""How much of one text a page shows; the JSON at the same address has all of it."""


def wants_page(request: Request) -> bool:
    """Whether a person asks: a browser names HTML, programs name JSON or anything."""
    path = request.url.path
    return (
        not path.startswith("/api/") and not path.endswith(".json") and "text/html" in request.headers.get("accept", "")
    )


def page(
    template: str, *, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None, **values: Any
) -> Response:
    """A page drawn from a template. Everything recorded is hostile: the templates escape what they are given."""
    return HTMLResponse(_environment().get_template(template).render(**values), status, headers)


def conversation_address(id: str, project: str) -> str:
    """Where a conversation is shown; an id may hold anything, slashes too."""
    return f"/sessions/{quote(id, safe='')}?{urlencode({'project': project})}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(counted=counted, conversation_address=conversation_address, urlencode=urlencode)
    environment.filters.update(
        prose=lambda text: plain_prose(shortened(text, SHOWN_CHARACTERS)),
        line=lambda text: plain(shortened(str(text), 300)),
        pretty=_pretty,
        moment=moment_in_words,
        duration=lambda ms: duration_in_words(ms / 1000),
    )
    return environment


def _pretty(value: JSON) -> str:
    """Text as it is, anything else as JSON on several lines."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return plain_prose(shortened(text, SHOWN_CHARACTERS))
