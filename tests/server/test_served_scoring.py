"""A share of what is captured is judged while the server runs, off the path of requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taketwo.conversation import Conversation
from taketwo.evals.evaluator import Context
from taketwo.server.scoring import Scorer, is_sampled
from taketwo.store import Store, open_store
from taketwo.store.project import ProjectSettings
from taketwo.suite.evaluators import open_evaluators
from taketwo.testing import conversation, turn


def talk(id: str, ago_s: float) -> Conversation:
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    made = conversation(turn("Hi", reply="I can't do that."), id=id)
    return made.but(project="shop", started_at=at, ended_at=at)


@pytest.fixture
def store(tmp_path: Path):
    made = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    yield made
    made.close()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    assert holds()


def values(store: Store, id: str) -> list[object]:
    return [one.value for one in store.feedback(id, "shop")]


def test_what_is_over_is_judged_once_and_what_goes_on_is_not(store: Store) -> None:
    for one in (talk("over", 90), talk("going-on", 1), talk("long-ago", 200_000)):
        store.put_conversation(one)
    store.set_project("shop", ProjectSettings(score_share=1.0))
    seen: list[str] = []

    class Counts:
        name = "counts"
        version = "counts/1"

        def evaluate(self, context: Context) -> bool:
            seen.append(context.conversation.id)
            return True

    with Scorer(
        store, lambda: [Counts(), *open_evaluators(["refuses: false"], lambda: None, folder=Path())], every_s=0.05
    ):
        until(lambda: len(values(store, "over")) == 2)
        # When something older is judged, all that is newer was looked at once more.
        store.put_conversation(talk("later", 100))
        until(lambda: len(values(store, "later")) == 2)
    assert values(store, "over") == [True, False]
    assert values(store, "going-on") == values(store, "long-ago") == []
    assert seen == ["over", "later"]
    with Scorer(store, lambda: [Counts()], every_s=0.05):
        store.put_conversation(talk("latest", 110))
        until(lambda: len(values(store, "latest")) == 1)
    assert seen == ["over", "later", "latest"], "what another process has judged is not judged again"


def test_a_project_that_wants_none_is_left_alone(store: Store) -> None:
    store.put_conversation(talk("over", 90))
    store.put_conversation(talk("wanted", 90).but(project="willing"))
    store.set_project("willing", ProjectSettings(score_share=1.0))
    with Scorer(store, lambda: open_evaluators(["refuses: false"], lambda: None, folder=Path()), every_s=0.05):
        until(lambda: bool(store.feedback("wanted", "willing")))
    assert values(store, "over") == []


def test_evaluators_that_cannot_be_opened_keep_nobody_from_serving(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    before = threading.active_count()
    with Scorer(store, lambda: open_evaluators(["tone"], lambda: None, folder=Path())):
        until(lambda: "needs a language model" in caplog.text)
    assert threading.active_count() <= before


def test_the_sample_is_a_share_and_always_the_same() -> None:
    ids = [f"sess-{number}" for number in range(5_000)]
    tenth = {id for id in ids if is_sampled("shop", id, 0.1)}
    assert 400 < len(tenth) < 600
    assert tenth <= {id for id in ids if is_sampled("shop", id, 0.2)}
    assert not any(is_sampled("shop", id, 0.0) for id in ids)
    assert all(is_sampled("shop", id, 1.0) for id in ids)
