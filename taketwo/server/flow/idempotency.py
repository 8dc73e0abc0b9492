"""Requests that are sent again because their answer was lost: what they ask for is done once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from taketwo.errors import AlreadyThere, BadSetting, NotFound, WrongState
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.store.documents import ANY
from taketwo.value import Value

GIVEN_UP_AFTER = timedelta(minutes=5)
"""A request that was begun and is not answered by then has died with its process, and may be tried again."""
KEPT_FOR = timedelta(days=1)
"""How long an answer is given again."""
FORGOTTEN_AT_ONCE = 1000
"""So many are looked up together."""


class Answered(Value):
    """What was answered."""

    status: int
    """HTTP status."""
    body: str
    """The body."""


class Once(Value):
    """A request that is done once."""

    key: str
    """What its sender calls it."""
    project: str | None
    """The only project that the sender may look at; None where it may look at all."""
    mark: str
    """What it asks for, as a hash."""
    begun_at: datetime
    """When it was begun, UTC."""
    answered: Answered | None = None
    """What was answered; None while it is being done."""


REQUESTS = Shelf(
    "idempotent_request",
    Once,
    lambda one: _name(one.project, one.key),
    # What is answered may hold lines of any user, and be on its way to here while they are deleted.
    lambda one: Place(project=one.project, due_at=one.begun_at + KEPT_FOR, source=ANY),
)


def once(
    flow: Flow, key: str, mark: str, do: Callable[[], Answered], *, project: str | None = None
) -> tuple[Answered, bool]:
    """Do it, or give what was answered before and True.

    project: the only one that the sender may look at; the keys of other senders are others.
    Raises BadSetting where the key stands for another request, WrongState while the first one is being done.
    """
    begun, name = Once(key=key, project=project, mark=mark, begun_at=flow.now()), _name(project, key)
    try:
        REQUESTS.add(flow, begun)
    except AlreadyThere:
        before = REQUESTS.change(flow, name, lambda one: _taken_over(one, begun))
        if before.answered is not None:
            return before.answered, True
    try:
        answered = do()
    except BaseException:
        # What was refused may be asked for again, mended, under the same key.
        REQUESTS.remove(flow, name)
        raise
    with suppress(NotFound):  # something was deleted meanwhile, so it is not known whether this still may be told
        REQUESTS.change(flow, name, lambda one: one.but(answered=answered))
    return answered, False


def forget_old_requests(flow: Flow) -> None:
    """Forget answers that are not given again: they may hold lines of users."""
    while old := REQUESTS.claim(flow, lambda one: one, limit=FORGOTTEN_AT_ONCE):
        for one in old:
            REQUESTS.remove(flow, _name(one.project, one.key))


def _name(project: str | None, key: str) -> str:
    return f"{project or ''}\n{key}"


def _taken_over(before: Once, begun: Once) -> Once:
    if before.mark != begun.mark:
        todo = "choose another key for another request"
        raise BadSetting("this key stands for another request", where="Idempotency-Key", todo=todo)
    if before.answered is not None:
        return before
    if begun.begun_at - before.begun_at < GIVEN_UP_AFTER:
        raise WrongState("the same request is being done just now", where="Idempotency-Key", todo="ask again soon")
    return begun
