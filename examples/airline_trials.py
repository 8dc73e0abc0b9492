"""Replay real conversations against an agent made of another trial of the same task.

The tau-bench airline data holds four trials of each task: what one customer with one goal did with four runs of the
agent. Each trial is frozen into a case and replayed against the words and calls that another trial's agent used. Run it
with the path of the data: `python examples/airline_trials.py conversations.jsonl`.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

from taketwo.capture.chat_messages import messages_of
from taketwo.capture.imports import read_file
from taketwo.conversation import Conversation
from taketwo.events import CaseFinished
from taketwo.freeze.freeze import freeze
from taketwo.replay.agents.callable import CallableAgent
from taketwo.suite.runner import SuiteCase, run_suite


def agent_of(trial: Conversation) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """An agent that answers as the agent of this trial did: its messages of the same turn, in order."""
    spoken: dict[int, list[dict[str, Any]]] = defaultdict(list)
    turn = 0
    for message in messages_of(trial):
        turn += message["role"] == "user"
        if message["role"] == "assistant":
            spoken[turn].append(message)

    def answer(messages: list[dict[str, Any]]) -> dict[str, Any]:
        users = [position for position, message in enumerate(messages) if message["role"] == "user"]
        already = sum(message["role"] == "assistant" for message in messages[users[-1] if users else 0 :])
        of_this_turn = spoken[len(users)]
        return of_this_turn[already] if already < len(of_this_turn) else {"role": "assistant", "content": "Goodbye."}

    return answer


def trials(path: Path) -> dict[int, list[Conversation]]:
    """The conversations of each task."""
    tasks: dict[int, list[Conversation]] = defaultdict(list)
    for imported in read_file(path):
        assert isinstance(imported, Conversation), imported
        tasks[imported.metadata["task_id"]].append(imported)
    return tasks


def pairs(path: Path) -> Iterator[tuple[Conversation, Conversation]]:
    """Every ordered pair of two trials of one task."""
    for of_one_task in trials(path).values():
        yield from permutations(of_one_task, 2)


async def replay_pairs(path: Path) -> AsyncIterator[CaseFinished]:
    """Replay each trial against the agent of each other trial of its task."""
    for recorded, other in pairs(path):
        scenario = freeze([recorded], name=recorded.id, at=datetime.now(UTC))
        cases = [SuiteCase(case=case, scenario=scenario.name) for case in scenario.cases]
        async for event in run_suite(cases, CallableAgent(agent_of(other), f"the agent of {other.id}")):
            if isinstance(event, CaseFinished):
                yield event


async def main(path: Path) -> None:
    """Print, for each pair, the verdict and its headline; then what differed how often."""
    verdicts, changes = Counter[str](), Counter[str]()
    async for finished in replay_pairs(path):
        result = finished.result
        verdicts[result.verdict.kind] += 1
        changes.update(change.kind for attempt in result.attempts for change in attempt.comparison.changes)
        headline = result.verdict.reasons[0].text if result.verdict.reasons else ""
        print(f"{result.recorded_id}  {result.verdict.kind:<12}  {headline}")
    print(f"\n{verdicts.total()} replays: {dict(verdicts)}\nchanges: {dict(changes.most_common())}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
