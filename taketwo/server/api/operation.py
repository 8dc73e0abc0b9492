"""One thing that can be asked of the API: its address, what goes in, what comes out, and who does it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_args

import msgspec
from msgspec import Meta, defstruct, inspect

from taketwo.errors import BadSetting
from taketwo.sdk.api.asked import Asked
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.shelf import Flow, Listed, Shelf
from taketwo.value import prepared

Method: TypeAlias = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]

PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
"""How msgspec ends a message with the place that is wrong."""
UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`")
MISSING_FIELD = re.compile(r"missing required field `(?P<name>[^`]*)`")

MOST_MISSING = 20
"""So many missing fields are named."""


class NoQuery(Asked):
    """An address that takes no parameters."""


class Page(Asked):
    """Which part of a listing."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    """So many at most."""
    after: Annotated[str, Meta(max_length=200)] | None = None
    """The `next` of the answer before; left out for the beginning."""


class PageOfProject(Page):
    """Which part of a listing, and of which project."""

    project: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """Id or name of a project; left out for all of them."""


class Given(NamedTuple):
    """What a request carries, checked."""

    flow: Flow
    """What every step needs."""
    id: str
    """The thing that the address names; empty where it names none."""
    part: str
    """The part of it that the address names; empty where it names none."""
    query: Any
    """The parameters, of the operation's type."""
    body: Any
    """The body, of the operation's type; None where it takes none."""


class File(NamedTuple):
    """An answer that is no JSON."""

    content: bytes
    """Its bytes."""
    content_type: str
    """Their type."""
    name: str
    """What it is called when it is kept as a file."""


class Stream:
    """An answer that tells of progress until something has ended."""


class Operation(NamedTuple):
    """One thing that can be asked."""

    method: Method
    """How."""
    path: str
    """Where, with `{id}` and `{part}` for what changes."""
    tag: str
    """What it is about."""
    name: str
    """Its name for generated clients."""
    summary: str
    """What it does, in one sentence."""
    do: Callable[[Given], Any] | None
    """Who does it; blocks. None where another module serves the address, and this only describes it."""
    answers: Any = None
    """Type of the answer; None for no content, `File` for a file."""
    body: type[Any] | None = None
    """Type of the body, `File` for bytes as they are; None where it takes none."""
    needs_body: bool = True
    """Whether an empty body is refused; otherwise it stands for the defaults."""
    query: type[Asked] = NoQuery
    """Type of the parameters."""
    status: HTTPStatus = HTTPStatus.OK
    """Status of the answer where all is well."""
    refusals: tuple[HTTPStatus, ...] = ()
    """What else it may answer, besides what any operation may."""
    is_repeatable: bool = True
    """Whether its answer may be kept, to be given again under an idempotency key; not where it holds a secret."""

    @property
    def is_creation(self) -> bool:
        """Whether a repeated request must not do it twice."""
        return self.method == "POST" and self.do is not None and self.is_repeatable


def listing(name: str, field: str, kind: type[Any]) -> type[Any]:
    """The type of a page of things."""
    return defstruct(name, [(field, tuple[kind, ...]), ("next", str | None)], frozen=True, kw_only=True)  # type: ignore[valid-type]


def page_of(kind: type[Any], page: Listed[Any]) -> Any:
    """A page of things as its type."""
    field = kind.__struct_fields__[0]
    return kind(**{field: tuple(page.things), "next": page.next})


def shelf_page(kind: type[Any], shelf: Shelf[Any]) -> Callable[[Given], Any]:
    """Lists a shelf, the newest first, of one project or of all."""

    def do(given: Given) -> Any:
        query: PageOfProject = given.query
        project = None if query.project is None else project_name(given.flow, query.project)
        return page_of(kind, shelf.page(given.flow, project=project, limit=query.limit, after=query.after))

    return do


def read_body(operation: Operation, body: bytes) -> Any:
    """The body as its type. Raises BadSetting naming the field."""
    if operation.body is None:
        return None
    if operation.body is File:
        return body
    if not body.strip() and not operation.needs_body:
        body = b"{}"
    return read_json(body, operation.body)


def read_json(body: bytes, kind: type[Any]) -> Any:
    """JSON as that type. Raises BadSetting naming the field."""
    try:
        return msgspec.json.decode(body, type=prepared(kind))
    except msgspec.ValidationError as error:
        # It is said before the rest was read, which may be no JSON.
        raise misplaced(error, kind, _json_of(body)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise _no_json(error) from error


def _json_of(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise _no_json(error) from error


def _no_json(error: Exception) -> BadSetting:
    return BadSetting(f"this is no JSON: {error}", where="body")


def read_query(operation: Operation, given: dict[str, str]) -> Any:
    """The parameters as their type. Raises BadSetting naming the parameter."""
    try:
        return msgspec.convert(given, prepared(operation.query), strict=False)
    except msgspec.ValidationError as error:
        raise misplaced(error, operation.query) from error


def misplaced(error: msgspec.ValidationError, wanted: type | None = None, given: Any = None) -> BadSetting:
    """What is wrong, and in which field; where that takes one of several words, which these are.

    given: where a field is missing in it, all that are missing are named; None for nothing that has fields.
    """
    text = str(error)
    found = PLACE.search(text)
    place = found["path"] if found else ""
    what = PLACE.sub("", text)
    if MISSING_FIELD.search(what) and wanted is not None and given is not None:
        names = list(islice(_missing(inspect.type_info(wanted), given, ""), MOST_MISSING))
        if names:
            others = f", and so {'are' if names[2:] else 'is'} {_all_of(names[1:])}" if names[1:] else ""
            return BadSetting(f"missing{others}", where=names[0])
    if named := UNKNOWN_FIELD.search(what) or MISSING_FIELD.search(what):
        place = f"{place}.{named['name']}".removeprefix(".")
    return BadSetting(what[:1].lower() + what[1:], where=place or "body", todo=_words_of(wanted, place))


def _missing(wanted: inspect.Type, given: Any, place: str) -> Iterator[str]:
    """The places of all required fields that what was given lacks."""
    match wanted:
        case inspect.StructType(fields=fields) if isinstance(given, dict):
            for field in fields:
                at = f"{place}.{field.encode_name}".removeprefix(".")
                if field.encode_name in given:
                    yield from _missing(field.type, given[field.encode_name], at)
                elif field.required:
                    yield at
        case inspect.CollectionType(item_type=item) if isinstance(given, list):
            for number, one in enumerate(given):
                yield from _missing(item, one, f"{place}[{number}]")
        case inspect.UnionType(types=types):
            shapes = [one for one in types if isinstance(one, inspect.StructType | inspect.CollectionType)]
            if len(shapes) == 1:
                yield from _missing(shapes[0], given, place)


def _all_of(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _words_of(wanted: type | None, place: str) -> str | None:
    """The words that a field of a body may be; None where it may be others."""
    fields = msgspec.structs.fields(wanted) if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct) else ()
    words = next((get_args(field.type) for field in fields if field.encode_name == place), ())
    return f"one of: {', '.join(words)}" if words and all(isinstance(word, str) for word in words) else None
