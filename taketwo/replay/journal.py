"""What has been said and done so far in one replay. Whatever ends it, this is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from taketwo.conversation import Audio, Call, Gap, Say, Step, Tokens, Turn, UserLine
from taketwo.replay.user import Line
from taketwo.run import Divergence, StepPlace, ToolAnswer, UserAnswer
from taketwo.value import JSON


class Journal:
    """Turns, steps, and what answered them, in the order in which they happen."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.turns: list[Turn] = []
        self.user_answers: list[UserAnswer] = []
        self.tool_answers: list[ToolAnswer] = []
        self.divergences: list[Divergence] = []
        self.gaps: list[Gap] = []
        self._user: UserLine | None = None
        self._steps: list[Step] = []
        self._message = -1
        self._calls = 0
        self._heard: list[str] = []
        self._streamed_earlier = False

    @property
    def turn_index(self) -> int:
        """Position of the turn that is going on, from 0."""
        return len(self.turns)

    @property
    def has_steps(self) -> bool:
        """Whether the agent has said or done anything in this turn."""
        return bool(self._steps or self._heard)

    @property
    def calls_in_turn(self) -> int:
        """How many tool calls the turn has had so far."""
        return self._calls

    def hold(self, turn: Turn) -> None:
        """A turn goes as it was recorded."""
        self.turns.append(turn)

    def begin_turn(self, user: UserLine | None) -> None:
        """The user has spoken, or the agent is to speak first."""
        self._user = user

    def answered_by(self, line: Line) -> None:
        """Where the user's line of this turn came from."""
        self.user_answers.append(
            UserAnswer(
                turn_index=self.turn_index,
                rung=line.rung,
                reason=line.reason,
                recorded_turn_index=line.recorded_turn_index,
                evidence=line.evidence,
            )
        )

    def next_message(self) -> int:
        """The number of the model's next message in this turn."""
        self._message += 1
        return self._message

    def say(self, text: str, message: int, at: datetime) -> None:
        """The agent said something, perhaps the whole of what was heard in pieces."""
        self._heard.clear()
        self._steps.append(Say(text=text, at=at, message=message))

    def hear(self, piece: str) -> None:
        """The agent gave out a piece of a text; it counts even when the whole is never given."""
        self._heard.append(piece)

    def interrupt_text(self, at: datetime) -> None:
        """What was heard so far stands by itself, as something else follows."""
        if not self._heard:
            return
        if (text := "".join(self._heard)).strip():
            self.say(text, self.next_message(), at)
            self._streamed_earlier = True
        self._heard.clear()

    def call(self, call: Call) -> StepPlace:
        """The agent called a tool; gives the call's place."""
        self._steps.append(call)
        self._calls += 1
        return StepPlace(turn_index=self.turn_index, step_index=len(self._steps) - 1)

    def answers_in_words(self) -> Iterator[str]:
        """What was asked in this turn and which tier answered it, a line a call."""
        for answer in self.tool_answers:
            call = self._steps[answer.place.step_index]
            assert isinstance(call, Call)
            why = f": {'; '.join(answer.miss.differences) or answer.miss.kind}" if answer.miss is not None else ""
            yield f"{call.in_words}  {answer.tier}{why}"

    def came_back(self, place: StepPlace, *, result: JSON, error: str | None, latency_ms: float | None) -> Call:
        """A call has its result, some time after it was made; its turn may be over by then. Gives the whole call."""
        is_over = place.turn_index < len(self.turns)
        steps = list(self.turns[place.turn_index].steps) if is_over else self._steps
        call = steps[place.step_index]
        assert isinstance(call, Call)
        done = steps[place.step_index] = call.but(result=result, error=error, latency_ms=latency_ms)
        if is_over:
            self.turns[place.turn_index] = self.turns[place.turn_index].but(steps=tuple(steps))
        return done

    def diverged(self, divergence: Divergence) -> None:
        """The replay left the recording."""
        self.divergences.append(divergence)

    def finish_turn(self, reply: str | None, latency_ms: float | None, tokens: Tokens, at: datetime) -> None:
        """The agent is done with this turn, or was stopped in it.

        Of a reply that was heard in pieces around tool calls, only what came after the last call is the reply.
        """
        if (last := "".join(self._heard)).strip():
            self.interrupt_text(at)
            reply = None if reply is None else last
        elif reply is not None and not self._streamed_earlier:
            self.say(reply, self.next_message(), at)
        self.turns.append(
            Turn(
                index=self.turn_index,
                user=self._user,
                steps=tuple(self._steps),
                reply=reply,
                latency_ms=latency_ms,
                tokens=tokens,
            )
        )
        # Not when the next turn begins: a task that the agent left running may act in between.
        self._user, self._steps, self._message, self._calls, self._streamed_earlier = None, [], -1, 0, False

    def place_turn(self, user: Audio | None, user_at: datetime | None, reply: Audio | None) -> None:
        """Say where the last turn is heard."""
        turn = self.turns[-1]
        last = max((place for place, step in enumerate(turn.steps) if isinstance(step, Say)), default=None)
        steps = tuple(
            step.but(audio=reply) if place == last and isinstance(step, Say) else step
            for place, step in enumerate(turn.steps)
        )
        line = turn.user and turn.user.but(audio=user, at=user_at or turn.user.at)
        self.turns[-1] = turn.but(user=line, steps=steps)
