"""Whether the distance of two conversations says something real: two runs of one agent at one task of one customer.

A run was rewarded if the world ended as it should. Where one run was rewarded and the other was not, something that
matters was done differently; where both were, whatever is different does not matter. The reward is never looked at by
the comparison. The rules of `effects` were tuned on the tasks of even number, after the writes of all
tasks had been looked at.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import pytest

from taketwo.capture.imports import read_file
from taketwo.compare.compare import compare
from taketwo.compare.say_do import unbacked_claims
from taketwo.conversation import Call, Conversation


@pytest.fixture(scope="module")
def airline(shared_data: Path) -> list[Conversation]:
    found = read_file(shared_data / "airline" / "conversations.jsonl")
    return [one for one in found if isinstance(one, Conversation)]


def distances(airline: list[Conversation], *, odd: bool) -> tuple[list[float], list[float]]:
    """Of pairs with different rewards, and of pairs that were both rewarded."""
    tasks: dict[int, list[Conversation]] = defaultdict(list)
    for talk in airline:
        if talk.metadata["task_id"] % 2 == odd:
            tasks[talk.metadata["task_id"]].append(talk)
    differ: list[float] = []
    alike: list[float] = []
    for trials in tasks.values():
        for one, other in combinations(trials, 2):
            rewards = {talk.outcome.scores["reward"] for talk in (one, other)}
            if rewards != {0.0}:
                (differ if len(rewards) == 2 else alike).append(compare(*map(_without_reward, (one, other))).distance)
    return differ, alike


def _without_reward(talk: Conversation) -> Conversation:
    return talk.but(outcome=talk.outcome.but(scores={}))


def auc(larger: list[float], smaller: list[float]) -> float:
    """How often one of the larger is larger than one of the smaller; a draw counts half."""
    wins = sum((one > other) + (one == other) / 2 for one in larger for other in smaller)
    return wins / (len(larger) * len(smaller))


def test_the_distance_tells_pairs_that_matter_from_pairs_that_do_not(airline: list[Conversation]) -> None:
    seen, held_out = distances(airline, odd=False), distances(airline, odd=True)
    assert auc(*seen) >= 0.85
    assert auc(*held_out) >= 0.85
    assert auc(seen[0] + held_out[0], seen[1] + held_out[1]) >= 0.95


def test_two_conversations_are_as_far_apart_from_either_side(airline: list[Conversation]) -> None:
    others = {"call_added": "call_lost", "turn_added": "turn_missing", "reply_added": "reply_missing"}
    others |= {behind: before for before, behind in others.items()}
    dice = random.Random(20261127)
    for one, other in (dice.sample(airline, k=2) for _ in range(60)):
        there, back = compare(one, other), compare(other, one)
        assert there.distance == back.distance
        assert {(pair.recorded, pair.replayed) for pair in there.pairs} == {
            (pair.replayed, pair.recorded) for pair in back.pairs
        }
        mirrored = Counter((others.get(change.kind, change.kind), change.severity) for change in back.changes)
        assert Counter((change.kind, change.severity) for change in there.changes) == mirrored


def test_an_agent_that_does_what_it_says_is_not_accused(airline: list[Conversation]) -> None:
    assert [claim for talk in airline for claim in unbacked_claims(talk)] == []


def test_an_agent_whose_writes_were_taken_away_is_found_out(airline: list[Conversation]) -> None:
    """Every conversation that tells of a booking, a change or a cancellation, without the calls that made it."""
    accused = told = 0
    for talk in airline:
        turns = tuple(
            turn.but(steps=tuple(step for step in turn.steps if not (isinstance(step, Call) and _writes(step))))
            for turn in talk.turns
        )
        if turns != talk.turns and any("has been successfully" in (turn.reply or "") for turn in turns):
            told += 1
            accused += bool(unbacked_claims(talk.but(turns=turns)))
    assert told >= 25
    assert accused / told >= 0.9


def _writes(call: Call) -> bool:
    return call.tool.startswith(("book", "update", "cancel", "send"))
