"""The OpenAPI document, made of the operations themselves and of examples that are values of their types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from taketwo.described import values_within, words_of
from taketwo.sdk.api.asked import Asked
from taketwo.server.api.operation import File, Operation, Stream
from taketwo.value import JSON, Value

REF = "#/components/schemas/{name}"
ALWAYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""What any operation may answer."""


class Problem(Value):
    """What could not be done (RFC 9457)."""

    title: str
    """What kind of problem."""
    status: int
    """HTTP status."""
    detail: str
    """What is wrong, where, and what to do, on one line."""
    type: str = "about:blank"
    """Always `about:blank`: the status says it all."""
    field: str | None = None
    """The field or parameter that is wrong; None where it is none."""
    todo: str | None = None
    """What to do; None where there is no advice."""


def openapi(operations: Sequence[Operation], examples: Mapping[Any, Any], version: str) -> dict[str, JSON]:
    """The document."""
    types = [kind for one in operations for kind in (one.answers, one.body) if kind not in (None, File, Stream)]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=REF)
    _describe(components, [*types, Problem])
    known = dict(zip([*map(_key, types), _key(Problem)], schemas, strict=True))
    paths: dict[str, dict[str, JSON]] = {}
    for operation in operations:
        at_path = paths.setdefault(re.sub(r":\w+}", "}", operation.path), {})
        at_path[operation.method.lower()] = _operation(operation, known, examples)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Take Two",
            "version": version,
            "description": "Reruns the exact conversation that broke in production, and keeps it as a test.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(operation: Operation, schemas: Mapping[str, JSON], examples: Mapping[Any, Any]) -> dict[str, JSON]:
    document: dict[str, JSON] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation.query), *_headers(operation)],
        "responses": _responses(operation, schemas, examples),
    }
    if operation.body is File:
        content = {"schema": {"type": "string", "format": "binary"}, "example": "name: Tuesday"}
        document["requestBody"] = {
            "required": True,
            "content": {"application/octet-stream": content},
        }
    elif operation.body is not None:
        content = {"schema": schemas[_key(operation.body)], "example": _plain(examples[operation.body])}
        document["requestBody"] = {"required": operation.needs_body, "content": {"application/json": content}}
    return document


def _responses(operation: Operation, schemas: Mapping[str, JSON], examples: Mapping[Any, Any]) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    if operation.answers is None:
        found["204"] = {"description": "Done."}
    elif operation.answers is File:
        found["200"] = {"description": "A file.", "content": {"*/*": {"schema": {}, "example": "…"}}}
    elif operation.answers is Stream:
        text = 'event: progress\nid: 5f0c\ndata: {"status": "running"}\n\n'
        # What a schema of a stream would be about, the whole or each event, OpenAPI 3.1 does not say.
        content = {"schema": {}, "example": text}
        about = "Server-sent events: `progress` with the thing as JSON whenever it has changed, and `end`."
        found["200"] = {"description": about, "content": {"text/event-stream": content}}
        found["204"] = {"description": "It has ended, and Last-Event-ID says that this is known."}
    else:
        content = {"schema": schemas[_key(operation.answers)], "example": _plain(examples[operation.answers])}
        found[str(operation.status.value)] = {
            "description": "Done.",
            "content": {"application/json": content},
        }
    if operation.method == "GET" and operation.do is not None:
        found["304"] = {"description": "Not changed since the ETag in If-None-Match."}
    for status in sorted({*ALWAYS, *_refusals(operation)}):
        problem = {"schema": schemas[_key(Problem)], "example": _plain(_problem(status))}
        found[str(status.value)] = {
            "description": status.phrase,
            "content": {"application/problem+json": problem},
        }
    return found


def _refusals(operation: Operation) -> Iterable[HTTPStatus]:
    yield from operation.refusals
    if "{" in operation.path:
        # A beginning of an id may fit several things.
        yield HTTPStatus.NOT_FOUND
    if operation.method != "GET":
        yield from (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        yield HTTPStatus.NOT_IMPLEMENTED  # what needs an extra that the server was installed without


def _path_parameters(operation: Operation) -> list[JSON]:
    names = re.findall(r"{(\w+)(?::\w+)?}", operation.path)
    described = {"id": "Id of the thing.", "part": "Number or id of the part of it."}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": described[name],
            "schema": {"type": "string", "minLength": 1, "maxLength": 1000},
            "example": "2" if name == "part" else "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        }
        for name in names
    ]


def _query_parameters(query: type[Asked]) -> list[JSON]:
    (reference,), components = msgspec.json.schema_components([query], ref_template=REF)
    schema = components[reference["$ref"].rpartition("/")[2]]
    described = words_of(query)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": described.get(name, ""),
            "schema": _without_null(field),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _describe(components: dict[str, Any], types: Iterable[Any]) -> None:
    """Put the words under each field into the schemas."""
    for kind in {part for one in types if issubclass(one, Value) for part in values_within(one)}:
        properties = components[kind.__name__].get("properties", {}) if kind.__name__ in components else {}
        for name, words in words_of(kind).items():
            if name in properties:
                properties[name] = {"description": words, **properties[name]}


def _without_null(field: JSON) -> JSON:
    """A parameter is given or left out; it cannot be null."""
    if "anyOf" not in field:
        return field
    kinds = [kind for kind in field["anyOf"] if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _headers(operation: Operation) -> list[JSON]:
    text = {"type": "string", "minLength": 1, "maxLength": 200}
    if operation.is_creation:
        about = "The same key with the same request is done once, and answered alike for a day."
        return [{"name": "Idempotency-Key", "in": "header", "required": False, "description": about, "schema": text}]
    if operation.answers is Stream:
        about = "Id of the event that came last before the connection broke; it is not told again."
        return [{"name": "Last-Event-ID", "in": "header", "required": False, "description": about, "schema": text}]
    if operation.method in ("PATCH", "PUT", "DELETE"):
        about = "ETag of what was read; where somebody has changed it since, nothing is done."
        return [{"name": "If-Match", "in": "header", "required": False, "description": about, "schema": text}]
    return []


def _problem(status: HTTPStatus) -> Problem:
    return Problem(title=status.phrase, status=status.value, detail="name: it is too long", field="name")


def _plain(value: Any) -> JSON:
    return msgspec.json.decode(msgspec.json.encode(value))


def _key(kind: Any) -> str:
    return repr(kind)
