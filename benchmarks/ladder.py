"""What user side and tool side take a turn together: `python benchmarks/ladder.py FILE` with a file of conversations.

Each user meets the agent of the next run of its task in the file (by `task_id` of the metadata), so that the agent asks
and calls otherwise than in the recording: the ladder finds each next line, the tiers answer each call. The fact sheet
counts in the turn that needs it first, the tool world is spread over all turns. Processor time, without embeddings.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from machine import describe, percentile

from taketwo.capture.imports import read_file
from taketwo.conversation import Conversation, Turn
from taketwo.replay.ladder import Ladder
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.tools import ToolWorld
from taketwo.replay.traits import Knowledge
from taketwo.replay.user import Line


def pairs(conversations: Sequence[Conversation]) -> Iterator[tuple[Conversation, Conversation]]:
    """Each conversation with the one whose agent its user meets."""
    tasks: dict[object, list[Conversation]] = {}
    for one in conversations:
        tasks.setdefault(one.metadata.get("task_id"), []).append(one)
    for of_task in tasks.values():
        yield from zip(of_task, [*of_task[1:], of_task[0]], strict=True)


def turns_ms(mine: Conversation, other: Conversation) -> list[tuple[float, float]]:
    """Milliseconds of the user side and of the tool side, turn by turn."""
    began = time.process_time()
    ladder = Ladder(mine)
    read = time.process_time()
    own = RecordedCalls([mine])
    world = ToolWorld(own, knowledge=Knowledge([own], mine.agent))
    built_ms = (time.process_time() - read) * 1000
    taken: list[tuple[float, float]] = []
    so_far: list[Turn] = []
    for turn in other.turns:
        began = time.process_time() if so_far else began
        line = ladder.next_line(so_far)
        said = time.process_time()
        for call in turn.calls:
            world.answer(call.tool, call.arguments, turn.index, call.arguments_text if not call.arguments else None)
        taken.append(((said - began) * 1000, (time.process_time() - said) * 1000))
        # Where the user would stop, the other's own line goes on, so that every turn is measured.
        user = line.user if isinstance(line, Line) else turn.user
        so_far.append(Turn(index=turn.index, user=user, reply=turn.reply))
    return [(user, tools + built_ms / len(taken)) for user, tools in taken]


def main() -> None:
    """Print the figures."""
    conversations = [item for item in read_file(Path(sys.argv[1])) if isinstance(item, Conversation)]
    print(describe())
    taken = [one for pair in pairs(conversations) for one in turns_ms(*pair)]
    for name, figures in (
        ("user side", [user for user, _ in taken]),
        ("tool side", [tools for _, tools in taken]),
        ("together", [user + tools for user, tools in taken]),
    ):
        p50, p95, worst = percentile(figures, 0.5), percentile(figures, 0.95), max(figures)
        print(f"{name}: {len(figures)} turns, p50 {p50:.2f} ms, p95 {p95:.2f} ms, at most {worst:.1f} ms a turn")


if __name__ == "__main__":
    main()
