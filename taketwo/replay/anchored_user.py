"""The user of mode `anchored`: the ladder, and where wanted the facts that a model finds in the recording."""

from __future__ import annotations

from collections.abc import Sequence

from taketwo.conversation import Conversation, Turn
from taketwo.replay.added_facts import FactModel
from taketwo.replay.ladder import Ladder, Similarity
from taketwo.replay.user import Line, Unanswerable


class AnchoredUser:
    """Speaks by the ladder; where that ends, with the facts that a model adds, if there is one for them."""

    def __init__(
        self, recorded: Conversation, similarity: Similarity | None = None, facts: FactModel | None = None
    ) -> None:
        """See `Ladder`. facts: asked the first time that an answer is missing; None for nobody."""
        self._recorded = recorded
        self._similarity = similarity
        self._facts = facts
        self.ladder = Ladder(recorded, similarity)

    async def next_line(self, so_far: Sequence[Turn]) -> Line | Unanswerable | None:
        """What the recorded user would say."""
        line = self.ladder.next_line(so_far)
        if self._facts is None or not isinstance(line, Unanswerable):
            return line
        found, self._facts = await self._facts.added(self._recorded), None
        if found.why_none is not None:
            return Unanswerable(f"{line.why}; and no model could look for it: {found.why_none}")
        self.ladder = Ladder(self._recorded, self._similarity, found.facts)
        return self.ladder.next_line(so_far)
