"""How long the tool side takes a turn: `python benchmarks/tools.py FILE` with a file of conversations.

Each conversation's calls are answered from the next one in the file, and from all others together, as a replay with
`--tool-scope project` does. What a replay builds for itself is spread over its turns.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from machine import describe, percentile

from taketwo.capture.imports import read_file
from taketwo.conversation import Conversation
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.tools import ToolWorld
from taketwo.replay.traits import Knowledge


def turns_ms(asked: Conversation, recorded: Conversation, scope: RecordedCalls | None) -> list[float]:
    """Milliseconds of each turn."""
    began = time.perf_counter()
    own = RecordedCalls([recorded])
    indexes = [own] if scope is None else [own, scope]
    world = ToolWorld(own, scope, knowledge=Knowledge(indexes, recorded.agent), own_id=asked.id)
    building_ms = (time.perf_counter() - began) * 1000 / max(1, len(asked.turns))
    taken = []
    for turn in asked.turns:
        began = time.perf_counter()
        for call in turn.calls:
            world.answer(call.tool, call.arguments, turn.index, call.arguments_text if not call.arguments else None)
        taken.append(building_ms + (time.perf_counter() - began) * 1000)
    return taken


def main() -> None:
    """Print the figures."""
    conversations = [item for item in read_file(Path(sys.argv[1])) if isinstance(item, Conversation)]
    print(describe())
    others = RecordedCalls(conversations, are_others=True)
    for name, scope in (("own recording", None), (f"{len(conversations)} conversations as scope", others)):
        following = [*conversations[1:], conversations[0]]
        taken = [one for pair in zip(conversations, following, strict=True) for one in turns_ms(*pair, scope)]
        p50, p95 = percentile(taken, 0.5), percentile(taken, 0.95)
        print(f"{name}: {len(taken)} turns, p50 {p50:.2f} ms, p95 {p95:.2f} ms a turn")


if __name__ == "__main__":
    main()
