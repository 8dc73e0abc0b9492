"""Judges a share of what is captured as it comes in, in a thread of its own, so that no request waits for it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from taketwo.conversation import Conversation
from taketwo.errors import NotFound, TakeTwoError, TooFast
from taketwo.evals.evaluator import Evaluator, version_of
from taketwo.select.filters import parse
from taketwo.server.flow.allowances import book, insist_on_money
from taketwo.server.flow.shelf import Flow
from taketwo.store import Store
from taketwo.suite.scoring import as_feedback, score
from taketwo.value import content_hash
from taketwo.verdict import Score

EVERY_S = 15.0
"""How often it looks for conversations to judge."""
QUIET_S = 60.0
"""A conversation is judged when nothing has come of it for so long: it may be over."""
RECENT = timedelta(days=1)
"""What is older is judged by `taketwo score` alone."""
LOOKED_AT = 500
"""So many of the newest conversations of a project it looks at each time."""

_log = logging.getLogger("taketwo.server")


def is_sampled(project: str, id: str, share: float) -> bool:
    """Whether a conversation is in the sample; always the same ones, and those of a smaller share are in a larger."""
    return int(content_hash(f"{project}/{id}")[:8], 16) < share * 2**32


class Scorer:
    """Judges what is captured as long as the block lasts. The share of each project stands in its settings."""

    def __init__(
        self,
        store: Store,
        open_evaluators: Callable[[], Sequence[Evaluator]],
        *,
        spent: Callable[[], float] = lambda: 0.0,
        every_s: float = EVERY_S,
        quiet_s: float = QUIET_S,
    ) -> None:
        """open_evaluators: called in the thread that judges, as models belong to one event loop.

        spent: what the models of these evaluators have cost so far, in US dollars.
        """
        self._spent = spent
        self._store = store
        self._open = open_evaluators
        self._every_s = every_s
        self._quiet = timedelta(seconds=quiet_s)
        self._done: dict[tuple[str, str], datetime] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), name="taketwo-scoring")

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End after the conversation that is being judged."""
        self._ended.set()
        self._thread.join()

    async def _work(self) -> None:
        try:
            evaluators = self._open()
        except TakeTwoError as error:
            _log.warning("what is captured is not judged: %s", error)
            return
        while evaluators and not self._ended.is_set():
            try:
                await self._round(evaluators)
            except TakeTwoError as error:
                _log.warning("what was captured could not be judged, it is tried again: %s", error)
            self._ended.wait(self._every_s)

    async def _round(self, evaluators: Sequence[Evaluator]) -> None:
        for project, id, ended_at in self._due():
            if self._ended.is_set():
                return
            before = self._spent()
            try:
                insist_on_money(Flow(self._store), project)
                await self._judge(self._store.conversation(id, project), ended_at, evaluators)
            except TooFast as error:
                _log.info("not judged today: %s", error)
                continue
            except NotFound:  # deleted meanwhile
                continue
            finally:
                book(Flow(self._store), project, self._spent() - before)
            self._done[project, id] = ended_at

    def _due(self) -> Iterator[tuple[str, str, datetime]]:
        """What is in the sample, over, recent, and not judged since its last word."""
        now = datetime.now(UTC)
        self._done = {key: at for key, at in self._done.items() if now - at < RECENT}
        for project in self._store.projects():
            share = self._store.project(project).score_share
            if not share:
                continue
            for one in self._store.search.conversations(parse(""), project, limit=LOOKED_AT, as_read=True):
                ended_at = one.ended_at or one.started_at
                if ended_at is None or not self._quiet <= now - ended_at < RECENT:
                    continue
                if is_sampled(project, one.id, share) and self._done.get((project, one.id)) != ended_at:
                    yield project, one.id, ended_at

    async def _judge(self, conversation: Conversation, ended_at: datetime, evaluators: Sequence[Evaluator]) -> None:
        """Ask those evaluators that have not said what they think of it as it is now."""
        given = {
            (one.name, one.given_by)
            for one in self._store.feedback(conversation.id, conversation.project)
            if one.at is None or one.at >= ended_at
        }
        wanted = [one for one in evaluators if (one.name, version_of(one)) not in given]
        for found in await score(conversation, wanted):
            if isinstance(found, Score):
                self._store.add_feedback(conversation.id, as_feedback(found, datetime.now(UTC)), conversation.project)
            else:
                _log.info("%s of %s is not scored: %s", found.name, conversation.id, found.why)
