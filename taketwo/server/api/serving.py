"""Serves operations: checks what comes in, has it done in a thread, and answers with what HTTP asks for beside it.

Every answer to a GET has an ETag; a change may ask with `If-Match` that nobody else has changed the thing meanwhile. A
creation with an `Idempotency-Key` is done once however often it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.server.access import only_project
from taketwo.server.api.operation import File, Given, Operation, read_body, read_query
from taketwo.server.flow.idempotency import Answered, once
from taketwo.server.flow.shelf import Flow
from taketwo.value import content_hash

LARGEST_KEY = 200
"""Characters of an idempotency key."""

Endpoint = Callable[[Request], Any]


def routes(operations: Iterable[Operation], flow: Flow, *, body_bytes: int) -> list[Route]:
    """One route for each address, whatever can be done there."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        if operation.do is None:
            continue
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [
        Route(path, _endpoint(at_path, flow, body_bytes), methods=list(at_path)) for path, at_path in by_path.items()
    ]


def _endpoint(at_path: dict[str, Operation], flow: Flow, body_bytes: int) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        operation = at_path["GET" if request.method == "HEAD" else request.method]
        body = await _body(request, body_bytes)
        return await run_in_threadpool(_answered, operation, at_path.get("GET"), flow, request, body)

    return endpoint


def _answered(operation: Operation, reading: Operation | None, flow: Flow, request: Request, body: bytes) -> Response:
    names = request.path_params
    given = Given(
        flow=flow,
        id=names.get("id", ""),
        part=names.get("part", ""),
        query=read_query(operation, dict(request.query_params)),
        body=read_body(operation, body),
    )
    if operation.method == "GET":
        return _shown(operation, _done(operation, given), request)
    if reading is not None and (expected := request.headers.get("if-match")) is not None:
        _insist_on_etag(reading, given, expected)
    if operation.is_creation and (key := request.headers.get("idempotency-key")) is not None:
        return _once(operation, given, request, body, key)
    return _response(operation, _done(operation, given))


def _once(operation: Operation, given: Given, request: Request, body: bytes, key: str) -> Response:
    if not 0 < len(key) <= LARGEST_KEY:
        raise HTTPException(400, f"an Idempotency-Key has 1 to {LARGEST_KEY} characters")
    mark = content_hash(f"{operation.method} {request.url.path} {request.url.query}".encode() + b"\0" + body)

    def do() -> Answered:
        response = _response(operation, _done(operation, given))
        return Answered(status=response.status_code, body=bytes(response.body).decode())

    answered, is_repeated = once(given.flow, key, mark, do, project=only_project())
    headers = {"idempotency-replayed": "true"} if is_repeated else {}
    content = answered.body.encode()
    return Response(content, answered.status, headers, "application/json" if content else None)


def _done(operation: Operation, given: Given) -> Any:
    assert operation.do is not None, "only what is done here is served here"
    return operation.do(given)


def _response(operation: Operation, answer: Any) -> Response:
    if isinstance(answer, File):
        return _file(answer)
    if operation.answers is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return Response(msgspec.json.encode(answer), operation.status, media_type="application/json")


def _shown(operation: Operation, answer: Any, request: Request) -> Response:
    response = _response(operation, answer)
    etag = _etag(bytes(response.body))
    if etag in _etags(request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": etag})
    response.headers["etag"] = etag
    return response


def _file(file: File) -> Response:
    quoted = "".join(character if character.isalnum() or character in "-_." else "_" for character in file.name)
    headers = {"content-disposition": f'attachment; filename="{quoted.encode("ascii", "replace").decode()}"'}
    return Response(file.content, headers=headers, media_type=file.content_type)


def _insist_on_etag(reading: Operation, given: Given, expected: str) -> None:
    shown = _done(reading, given._replace(query=reading.query(), body=None))
    if expected.strip() != "*" and _etag(msgspec.json.encode(shown)) not in _etags(expected):
        raise HTTPException(HTTPStatus.PRECONDITION_FAILED, "somebody has changed it meanwhile: read it again")


def _etag(body: bytes) -> str:
    return f'"{content_hash(body)[:32]}"'


def _etags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


async def _body(request: Request, most: int) -> bytes:
    received = bytearray()
    try:
        async for piece in request.stream():
            received += piece
            if len(received) > most:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {most:,} bytes")
    except ClientDisconnect as error:
        raise HTTPException(400, "the body ended too early") from error
    return bytes(received)
