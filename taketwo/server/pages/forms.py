"""Forms: what a person filled in, on its way from the browser to the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive

from taketwo.errors import BadSetting, TooLarge

MOST_FIELDS = 10_000
"""Fields of one form: a selection may be long."""
MOST_FIELD_BYTES = 4 * 1024 * 1024
"""Bytes of one field that is no file: a prompt may be long."""

MOST_FORM_BYTES = 1024 * 1024 * 1024
"""Bytes of a whole form with its files."""

Handler: TypeAlias = Callable[[Request, FormData], Response]


def filled_in(handler: Handler, most_bytes: int = MOST_FORM_BYTES) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that reads the form, of so many bytes at most, and answers in a thread."""

    async def endpoint(request: Request) -> Response:
        request = Request(request.scope, _at_most(most_bytes, request.receive))
        async with request.form(max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES) as form:
            return await run_in_threadpool(handler, request, form)

    return endpoint


def _at_most(most: int, receive: Receive) -> Receive:
    """What comes, up to so many bytes: files are on the disk before anybody looks at them. Raises TooLarge."""
    left = most

    async def received() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge(f"a form may have {most:,} bytes", where="body", todo="use `taketwo import` for large files")
        return message

    return received


def text_of(form: FormData, name: str, default: str = "") -> str:
    """One field as text, without white space around it and with line feeds alone."""
    value = form.get(name, default)
    if not isinstance(value, str):
        raise BadSetting("is a file where a text is wanted", where=name)
    return value.replace("\r\n", "\n").strip()


def texts_of(form: FormData, name: str) -> list[str]:
    """Every value of a field that may be there several times."""
    return [value for value in form.getlist(name) if isinstance(value, str) and value]


def see_other(address: str) -> Response:
    """After a change: go and look at it, so that loading the page again changes nothing again."""
    return RedirectResponse(address, 303)
