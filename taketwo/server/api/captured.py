"""What was captured: described here, served by `captures.py`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from taketwo.blobs import is_name, media_type_of, suffix_of
from taketwo.conversation import Conversation
from taketwo.errors import NotFound
from taketwo.sdk.api.asked import Asked
from taketwo.server.api.operation import File, Given, Operation, listing
from taketwo.store.feedback import Feedback
from taketwo.store.search import Stretch, UserSummary
from taketwo.store.summary import ConversationSummary, TraceSummary

Calls = listing("Calls", "calls", ConversationSummary)
Traces = listing("Traces", "traces", TraceSummary)
Users = listing("Users", "users", UserSummary)
Sessions: Any = msgspec.defstruct(
    "Sessions",
    [("sessions", tuple[ConversationSummary, ...]), ("next", str | None), ("unread", int)],
    frozen=True,
    kw_only=True,
)
Scores: Any = msgspec.defstruct("Scores", [("scores", tuple[Feedback, ...])], frozen=True, kw_only=True)
Timeline: Any = msgspec.defstruct(
    "Timeline", [("timeline", tuple[Stretch, ...]), ("step", int)], frozen=True, kw_only=True
)

WRONG = (HTTPStatus.NOT_FOUND,)
FilterText: TypeAlias = Annotated[str, Meta(max_length=4_000)]
"""A filter in an address, which is refused as a whole above 64 KiB: a letter may take twelve bytes of it."""


class OfProject(Asked):
    """Of which project."""

    project: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """Name of a project; left out for all of them."""


class PageOfCaptures(OfProject):
    """Which part of a listing."""

    filter: FilterText | None = None
    """Only those that match, in the filter language."""
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    """So many at most."""
    after: Annotated[str, Meta(max_length=200)] | None = None
    """The `next` of the answer before; left out for the beginning."""


class SortedPage(PageOfCaptures):
    """Which part of a sorted listing."""

    sort: Annotated[str, Meta(max_length=50)] = "-started"
    """What it is sorted by, with a minus sign for the largest first."""


class PageOfUsers(Asked):
    """Which users."""

    project: Annotated[str, Meta(min_length=1, max_length=200)]
    """Name of their project."""
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    """So many at most."""
    after: Annotated[str, Meta(max_length=200)] | None = None
    """The `next` of the answer before; left out for the beginning."""


class Span(OfProject):
    """Which time."""

    filter: FilterText | None = None
    """Only those that match, in the filter language."""
    since: Annotated[str, Meta(max_length=50)] | None = None
    """From then on, as in 2026-11-17T10:30:00Z; left out for a day before `until`."""
    until: Annotated[str, Meta(max_length=50)] | None = None
    """Until then; left out for now."""
    step: Annotated[int, Meta(ge=1, le=999_999_999)] | None = None
    """Seconds of one part; left out for 60 parts."""


def _recording(given: Given) -> File:
    """The recording of a hash, where it is of a project that may be looked at. Raises NotFound."""
    body = given.flow.store.recordings(None).get(given.id) if is_name(given.id) else None
    if body is None:
        raise NotFound("there is no such recording", where="id")
    return File(body, media_type_of(body), f"{given.id}{suffix_of(body)}")


OPERATIONS = (
    Operation(
        "GET",
        "/api/sessions",
        "Captures",
        "list_sessions",
        "Captured conversations, filtered and sorted.",
        None,
        Sessions,
        query=SortedPage,
        refusals=WRONG,
    ),
    Operation(
        "GET",
        "/api/sessions/{id:path}",
        "Captures",
        "get_session",
        "One conversation, by session id, trace id or the beginning of one.",
        None,
        Conversation,
        query=OfProject,
        refusals=(HTTPStatus.CONFLICT,),
    ),
    Operation(
        "GET",
        "/api/sessions/{id:path}/scores",
        "Captures",
        "list_scores",
        "Scores and feedback that were given to a conversation afterwards.",
        None,
        Scores,
        query=OfProject,
        refusals=(HTTPStatus.CONFLICT,),
    ),
    Operation(
        "POST",
        "/api/sessions/{id:path}/scores",
        "Captures",
        "give_score",
        "Attach a score to a conversation.",
        None,
        Feedback,
        Feedback,
        query=OfProject,
        status=HTTPStatus.CREATED,
    ),
    Operation(
        "GET",
        "/api/calls",
        "Captures",
        "list_calls",
        "Captured voice calls, filtered and sorted.",
        None,
        Calls,
        query=SortedPage,
        refusals=WRONG,
    ),
    Operation(
        "GET",
        "/api/recordings/{id}",
        "Captures",
        "get_recording",
        "The recording of a call, by the hash that its conversation names it by.",
        _recording,
        File,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "PUT",
        "/api/recordings/{id}",
        "Captures",
        "send_recording",
        "Send the recording of a new call, under the SHA-256 of its bytes; kept for a day unless a replay names it.",
        None,
        None,
        File,
        refusals=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,),
    ),
    Operation(
        "GET",
        "/api/traces",
        "Captures",
        "list_traces",
        "Captured traces, the newest first.",
        None,
        Traces,
        query=PageOfCaptures,
        refusals=WRONG,
    ),
    Operation(
        "GET",
        "/api/users",
        "Captures",
        "list_users",
        "The users of a project, those first who were there last.",
        None,
        Users,
        query=PageOfUsers,
        refusals=WRONG,
    ),
    Operation(
        "GET",
        "/api/timeline",
        "Captures",
        "get_timeline",
        "How many conversations began when, how many failed and how slow they were.",
        None,
        Timeline,
        query=Span,
    ),
)
"""What can be asked about captures."""
