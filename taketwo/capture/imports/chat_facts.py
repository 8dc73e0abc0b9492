"""What the record of a chat says beside its messages, whatever form they have: whose it is, and what it leaves open."""

from __future__ import annotations

from collections.abc import Iterator

from taketwo.conversation import Conversation, Gap
from taketwo.value import JSON, canonical_json, content_hash


class Ids:
    """The ids of the conversations of one file, the same at every import."""

    def __init__(self, prefix: str) -> None:
        """Of a form whose records without an id of their own are named `prefix`, a dash and a hash."""
        self._prefix = prefix
        # Numbers and not texts, because a file may have millions of records.
        self._known: dict[int, int] = {}

    def of(self, given: JSON, record: JSON) -> str:
        """The id that the record gives itself, else a hash of it.

        Where another record of the file had the same id and other content, a piece of the hash follows.
        """
        digest = content_hash(canonical_json(record))
        match given:
            case str() if given:
                name = given
            case int() if not isinstance(given, bool):
                name = str(given)
            case _:
                return f"{self._prefix}-{digest[:24]}"
        first = self._known.setdefault(_number(content_hash(name)), _number(digest))
        return name if first == _number(digest) else f"{name}-{digest[:8]}"


def open_questions(conversation: Conversation) -> Iterator[Gap]:
    """A gap for whatever a file of chats usually leaves open."""
    steps = [step for turn in conversation.turns for step in turn.steps]
    known = {
        "times": any(step.at for step in steps) or any(turn.user and turn.user.at for turn in conversation.turns),
        "latencies": any(turn.latency_ms is not None for turn in conversation.turns),
        "tokens": any(turn.tokens.input is not None or turn.tokens.output is not None for turn in conversation.turns),
        "costs": any(turn.cost_usd is not None for turn in conversation.turns),
    }
    if missing := [what for what, is_known in known.items() if not is_known]:
        *others, last = missing
        yield Gap(where="turns", why=f"the file says no {', '.join(others)}{' and ' if others else ''}{last}")
    if conversation.agent.model is None:
        yield Gap(where="agent.model", why="the record does not name the model")
    if not conversation.agent.tools and any(conversation.calls()):
        yield Gap(where="agent.tools", why="the record does not define the tools that were called")


def _number(digest: str) -> int:
    return int(digest[:16], 16)
