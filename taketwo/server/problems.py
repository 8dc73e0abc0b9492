"""Errors as an answer: application/problem+json (RFC 9457), a page for a browser, and OTLP's own form for senders."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from taketwo.errors import (
    AlreadyThere,
    BadFilter,
    BadSetting,
    BudgetSpent,
    LeakFound,
    MissingExtra,
    ModelUnavailable,
    NotAllowed,
    NotFound,
    NotUnique,
    PromotionRefused,
    ScenarioUnreadable,
    StoreUnavailable,
    TakeTwoError,
    TooFast,
    TooLarge,
    WrongState,
)
from taketwo.server.answers import refused
from taketwo.server.guard import HEADERS
from taketwo.server.pages import page, wants_page

STATUSES: tuple[tuple[type[TakeTwoError], HTTPStatus], ...] = (
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (NotUnique, HTTPStatus.CONFLICT),
    (NotFound, HTTPStatus.NOT_FOUND),
    (AlreadyThere, HTTPStatus.CONFLICT),
    (WrongState, HTTPStatus.CONFLICT),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (BadFilter, HTTPStatus.BAD_REQUEST),
    (BadSetting, HTTPStatus.BAD_REQUEST),
    (PromotionRefused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (LeakFound, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ScenarioUnreadable, HTTPStatus.UNPROCESSABLE_ENTITY),
    (MissingExtra, HTTPStatus.NOT_IMPLEMENTED),
    (ModelUnavailable, HTTPStatus.BAD_GATEWAY),
    (BudgetSpent, HTTPStatus.BAD_GATEWAY),
    (TooFast, HTTPStatus.TOO_MANY_REQUESTS),
    (StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The first class that fits decides; the others are our own fault."""

LONGEST_PLACE = 200
"""Characters of an address that an answer repeats."""
OTLP_PATHS = ("/v1/traces", "/v1/logs", "/v1/metrics", "/v1development/profiles")
"""How the addresses end where senders of OTLP expect answers in OTLP's form."""


def status_of(error: TakeTwoError) -> HTTPStatus:
    """The HTTP status that says what kind of error it is."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def tell(request: Request, error: Exception) -> Response:
    """What we could not do, as an answer."""
    assert isinstance(error, TakeTwoError)  # the application asks for no others
    status = status_of(error)
    after_s = error.after_s if isinstance(error, TooFast) else 1
    headers = {"retry-after": str(after_s)} if status in (429, 503) else {}
    # A place inside a text stands behind the name of the field; several words are no field.
    field = error.where.partition(",")[0] if error.where else ""
    return problem(
        request,
        status,
        str(error),
        headers,
        {"field": None if not field or " " in field else field, "todo": error.todo},
    )


def tell_http(request: Request, error: Exception) -> Response:
    """What HTTP itself forbids: unknown addresses and methods. Senders of OTLP read it in their own form."""
    assert isinstance(error, HTTPException)  # the application asks for no others
    headers = dict(error.headers or {})
    if request.url.path.endswith(OTLP_PATHS):
        answer = refused(error.status_code, error.detail, request.headers.get("content-type", ""))
        return Response(answer.body, answer.status, {**headers, "content-type": answer.content_type})
    return problem(request, error.status_code, _in_words(request, error), headers)


def tell_fault(request: Request, error: Exception) -> Response:
    """A fault of our own. The log has the traceback, and whoever asked is told nothing of what is inside."""
    status, said = HTTPStatus.INTERNAL_SERVER_ERROR, "This went wrong on our side; the log of the server says how."
    headers = {**HEADERS, "connection": "close"}  # what guards other answers is not around this one
    if request.url.path.endswith(OTLP_PATHS):
        answer = refused(status, said, request.headers.get("content-type", ""))
        return Response(answer.body, answer.status, {**headers, "content-type": answer.content_type})
    return problem(request, status, said, headers)


def _in_words(request: Request, error: HTTPException) -> str:
    """What was asked for in vain, where nobody has said more than the name of the status."""
    place = request.url.path[:LONGEST_PLACE]
    match error.status_code:
        case HTTPStatus.NOT_FOUND if error.detail == HTTPStatus.NOT_FOUND.phrase:
            return f"There is nothing at {place}; the address may be mistyped, or what stood there was deleted."
        case HTTPStatus.METHOD_NOT_ALLOWED if error.detail == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
            return f"{request.method} is not possible at {place}."
        case _:
            return error.detail


def _page_before(request: Request) -> str | None:
    """The page of this server on which somebody was just before, if the browser says so and it is another one."""
    before, origin = request.headers.get("referer", ""), str(request.base_url)
    is_other = before.startswith(origin) and before != str(request.url)
    return "/" + before.removeprefix(origin) if is_other else None


def problem(
    request: Request,
    status: int,
    detail: str,
    headers: dict[str, str],
    more: dict[str, str | None] = {},  # noqa: B006  # never changed
) -> Response:
    """What is wrong, as a page for a browser and as a problem for a program."""
    status = HTTPStatus(status)
    if wants_page(request):
        return page(
            "problem.html",
            status=status,
            headers=headers,
            title=status.phrase,
            detail=detail,
            back=_page_before(request),
        )
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    body |= {name: value for name, value in more.items() if value is not None}
    return Response(json.dumps(body), status, {**headers, "content-type": "application/problem+json"})
