"""One replay while it runs: answers tool calls from the world, by the policy, and takes everything down."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cached_property

from taketwo.conversation import Audio, Call, Conversation, Gap, Tokens, ToolDefinition, Turn, UserLine
from taketwo.errors import ToolRefused
from taketwo.replay.chance import Generators, is_seeded
from taketwo.replay.clock import real_time_ns
from taketwo.replay.current import AskedCall, CameBack, ReplayStopped, Scene
from taketwo.replay.divergence import CallOrder, call_in_words, left_out_in_words, missed_in_words
from taketwo.replay.journal import Journal
from taketwo.replay.offered import offered
from taketwo.replay.own_thread import OwnThread
from taketwo.replay.results import has_failed
from taketwo.replay.stand_in import Made, Missing, StandIn
from taketwo.replay.tools import Found, ToolPolicy, ToolWorld
from taketwo.replay.user import Line
from taketwo.run import NO_ANSWER, Divergence, DivergenceKind, Ending, Miss, StepPlace, Tier, ToolAnswer
from taketwo.value import JSON, Value


class Heard(Value):
    """Where and when a spoken turn is heard, in the call's own time."""

    user: Audio | None = None
    """The caller's line; None where the agent spoke without one."""
    user_at: datetime | None = None
    """When the caller began, UTC."""
    reply: Audio | None = None
    """The agent's words; None where it said nothing."""
    reply_at: datetime | None = None
    """When the agent began, UTC."""
    latency_ms: float | None = None
    """From the end of the caller's line to the beginning of the agent's, in milliseconds; None without one of them."""


class Aftermath(Value):
    """What is left of a call when it is over."""

    metadata: dict[str, JSON] = {}
    """Of the conversation: its recording, how it was spoken."""
    gaps: tuple[Gap, ...] = ()
    """What is not known of it."""


def _nobody() -> None:
    """Nobody waits for the end."""


class Session(Scene):
    """Everything that changes during one replay. Tools may be called from any thread."""

    def __init__(
        self,
        world: ToolWorld,
        policy: ToolPolicy,
        *,
        tool_calls_per_turn: int,
        stand_in: StandIn | None = None,
        now: Callable[[], datetime],
        run_id: str = "",
        seed: int = 0,
        recorded: Conversation,
    ) -> None:
        """Begin with nothing.

        tool_calls_per_turn: with more of them in one turn, the agent has failed.
        stand_in: answers by the policy. run_id: the run, for whoever asks from another process.
        seed: of all that draws by chance in this replay. recorded: what is replayed.
        """
        self.run_id = run_id
        self._recorded = recorded
        self.seed = seed
        self.chance: dict[str, int | None] = {}
        self.generators = Generators(seed) if is_seeded() else None
        self.recorded_at: datetime | None = None
        self._told_at_ns = 0
        self.journal = Journal()
        self.thread = OwnThread()
        self.ending: Ending | None = None
        self.refused: ToolRefused | None = None
        self._wake: Callable[[], None] = _nobody
        self._world = world
        self._policy = policy
        self._tool_calls_per_turn = tool_calls_per_turn
        self._stand_in = stand_in
        self._now = now
        self._lock = threading.RLock()
        self._over = False
        self._order = CallOrder(None)
        self._recorded_turn_index: int | None = None
        self._finishers: list[Callable[[], Awaitable[Aftermath]]] = []

    @cached_property
    def offered(self) -> tuple[ToolDefinition, ...]:
        """The tools of the recorded agent, for whoever asks from another process."""
        return offered(self._recorded)

    @property
    def recorded_tools(self) -> frozenset[str]:
        """Names of the tools that were called in the recording."""
        return self._world.tools

    def keep_time(self, now: Callable[[], datetime]) -> None:
        """Take the times of what happens from this clock."""
        with self._lock:
            self._now = now

    def now(self) -> datetime:
        """The time, by the clock of this replay."""
        return self._now()

    def tell_time(self, recorded_at: datetime | None) -> None:
        """The user's line that is said now was said then; None where nobody knows."""
        self.recorded_at = recorded_at
        self._told_at_ns = real_time_ns()

    def time_ns(self, real_ns: int) -> int:
        """The recorded time goes on from the user's line, as fast as the real one, see `Scene.time_ns`."""
        if self.recorded_at is None:
            return real_ns
        return round(self.recorded_at.timestamp() * 1e9) + real_ns - self._told_at_ns

    def drew(self, who: str, seed: int | None) -> None:
        """Somebody drew by chance, having taken this seed, or none; see `Fidelity.chance`."""
        with self._lock:
            self.chance[who] = seed if self.chance.get(who, seed) is not None else None

    def at_end(self, finish: Callable[[], Awaitable[Aftermath]]) -> None:
        """Call this when the replay is over."""
        self._finishers.append(finish)

    async def aftermath(self) -> list[Aftermath]:
        """What is left of the calls of this replay, which are hung up by this."""
        return [await finish() for finish in self._finishers]

    def hold(self, turn: Turn) -> None:
        """A turn goes as it was recorded: its calls have had their answers, and what they wrote is written."""
        with self._lock:
            for call in turn.calls:
                self._world.answer(call.tool, call.arguments, turn.index, call.arguments_text)
            self.journal.hold(turn)

    def begin_turn(self, line: Line, user: UserLine | None) -> None:
        """The user has spoken: `user` is the line as it is said now."""
        with self._lock:
            self._recorded_turn_index = line.recorded_turn_index
            self._order = CallOrder(line.recorded_turn_index)
            self.journal.begin_turn(user)
            if user is not None:
                self.journal.answered_by(line)

    def finish_turn(
        self, reply: str | None, latency_ms: float | None, tokens: Tokens, heard: Heard | None = None
    ) -> None:
        """The agent is done with this turn, or was stopped in it; only one that it finished can have left calls out."""
        with self._lock:
            if self.ending is None and (left_out := self._world.left_out(self._recorded_turn_index)):
                self._diverged("calls_left_out", left_out_in_words(left_out))
            if heard is None:
                self.journal.finish_turn(reply, latency_ms, tokens, self._now())
                return
            self.journal.finish_turn(reply, heard.latency_ms, tokens, heard.reply_at or self._now())
            self.journal.place_turn(heard.user, heard.user_at, heard.reply)

    def next_message(self) -> int:
        """The number of the model's next message in this turn."""
        with self._lock:
            return self.journal.next_message()

    def say(self, text: str, message: int) -> None:
        """The agent said something."""
        with self._lock:
            if not self._over:
                self.journal.say(text, message, self._now())

    def hear(self, piece: str) -> None:
        """The agent gave out a piece of a text."""
        with self._lock:
            if not self._over:
                self.journal.hear(piece)

    def call(self, asked: AskedCall, message: int | None = None) -> CameBack:
        """Answer a call from the recording, see `Scene.call`."""
        with self._lock:
            self._admit()
            number = self.journal.next_message() if message is None else message
            found = self._world.answer(asked.tool, asked.arguments, self._recorded_turn_index, asked.arguments_text)
            if found.given is None:
                return self._missed(asked, number, found)
            call = found.given
            wait_s = self._policy.latency * (call.latency_ms or 0.0) / 1000
            place = self._take_down(
                asked,
                number,
                found,
                result=call.result,
                error=call.error,
                raised=call.raised,
                latency_ms=wait_s * 1000 if wait_s else None,
            )
            self._note_order(found, place)
            return CameBack(place.step_index, place.turn_index, call.result, call.error, call.raised, wait_s=wait_s)

    def lived(self, call: CameBack, *, result: JSON = None, error: str | None = None, latency_ms: float) -> None:
        """Take down what a tool that really ran gave, in the turn in which it was called."""
        with self._lock:
            if not self._over:
                place = StepPlace(turn_index=call.turn_index, step_index=call.step_index)
                done = self.journal.came_back(place, result=result, error=error, latency_ms=latency_ms)
                if self._world.writes(done.tool):
                    self._world.has_written(done)

    def own(
        self, asked: AskedCall, message: int | None = None, *, result: JSON = None, error: str | None = None
    ) -> None:
        """Take down a call whose result the agent brought itself."""
        with self._lock:
            self._admit()
            number = self.journal.next_message() if message is None else message
            self._take_down(asked, number, None, result=result, error=error)

    def refuse(self, refused: ToolRefused) -> None:
        """A tool was called that may have been this replay's, from where that cannot be seen: its findings are void."""
        with self._lock:
            self.refused = self.refused or refused
            self._over = True
        self._wake()

    def end(self, ending: Ending) -> None:
        """The replay ends here, whatever the agent's code still does. The first ending counts."""
        with self._lock:
            self.ending = self.ending or ending
            self._over = True
        self._wake()

    def wake_with(self, wake: Callable[[], None] | None) -> None:
        """Call this when the replay is ended while a turn is going on; from any thread. None: nobody waits any more."""
        with self._lock:
            self._wake = wake or _nobody

    def close(self) -> None:
        """The replay is over; code of the agent that is left running gets no more answers."""
        with self._lock:
            self._over = True
        self.thread.end()

    def failed(self, detail: str) -> None:
        """The agent did something that no replay can go on from."""
        self._diverged("agent_failed", detail)
        self.end(Ending(reason="agent_failed", detail=detail, turn_index=self.journal.turn_index))

    def silent(self) -> None:
        """The agent said nothing in this turn."""
        self._diverged("agent_silent", "the agent gave no answer")

    def _admit(self) -> None:
        if self._over:
            raise ReplayStopped
        if self.journal.calls_in_turn >= self._tool_calls_per_turn:
            turn = self.journal.turn_index + 1
            self.failed(
                f"more than {self._tool_calls_per_turn} tool calls in turn {turn}: the agent seems to go in circles"
            )
            raise ReplayStopped

    def _missed(self, asked: AskedCall, message: int, found: Found) -> CameBack:
        """Nothing recorded answers: go live, tell the agent, or end, by the policy."""
        assert found.miss is not None
        if asked.tool in self._policy.live or self._world.may_run(asked.tool):
            place = self._take_down(asked, message, None, tier="live")
            return CameBack(place.step_index, place.turn_index, live=True)
        if self._policy.on_miss == "stand_in" and self._stand_in is not None:
            made = self._stand_in(self._missing(asked, found.miss))
            if made is not None:
                return self._made(asked, message, made)
        error = f"`{asked.tool}` {NO_ANSWER}"
        place = self._take_down(asked, message, found, error=error)
        why = missed_in_words(asked.tool, found.miss, self._world.tools)
        self._diverged("tool_missed", why, place.step_index)
        if self._policy.on_miss == "error":
            return CameBack(place.step_index, place.turn_index, error=error)
        detail = f"{call_in_words(*asked[:2], asked.arguments_text)} in turn {place.turn_index + 1}: {why}"
        self.end(Ending(reason="missed", detail=detail, turn_index=place.turn_index))
        raise ReplayStopped

    def _missing(self, asked: AskedCall, miss: Miss) -> Missing:
        definition = next((tool for tool in self.offered if tool.name == asked.tool), None)
        return Missing(asked, miss, self._world.recorded_calls(asked.tool), definition)

    def _made(self, asked: AskedCall, message: int, made: Made) -> CameBack:
        """Somebody stands in for the tool."""
        call = Call(call_id=None, tool=asked.tool, arguments=asked.arguments, result=made.result, error=made.error)
        found = Found(tier="synthesised", given=call, confidence=made.confidence, why=f"made by {made.by}")
        place = self._take_down(asked, message, found, result=made.result, error=made.error, made_by=made.by)
        if self._world.writes(asked.tool):
            self._world.has_written(call)
        return CameBack(place.step_index, place.turn_index, made.result, made.error)

    def _take_down(
        self,
        asked: AskedCall,
        message: int,
        found: Found | None,
        *,
        tier: Tier = "agent",
        result: JSON = None,
        error: str | None = None,
        raised: str | None = None,
        latency_ms: float | None = None,
        made_by: str | None = None,
    ) -> StepPlace:
        """The call with what it got, and what answered it. Without `found`, nothing recorded did."""
        at = self._now()
        self.journal.interrupt_text(at)
        place = self.journal.call(
            Call(
                call_id=asked.call_id,
                tool=asked.tool,
                arguments=asked.arguments,
                arguments_text=asked.arguments_text,
                result=result,
                error=error,
                raised=raised,
                at=at,
                latency_ms=latency_ms,
                message=message,
            )
        )
        self.journal.tool_answers.append(self._answer(place, found, tier, made_by))
        return place

    def _answer(self, place: StepPlace, found: Found | None, tier: Tier, made_by: str | None) -> ToolAnswer:
        if found is None:
            return ToolAnswer(place=place, tier=tier, made_by=made_by)
        recorded = found.recorded
        return ToolAnswer(
            place=place,
            tier=found.tier,
            recorded=recorded.place if recorded else None,
            recorded_in=recorded.other_conversation if recorded else None,
            reused=found.reused,
            confidence=None if found.given is None else found.confidence,
            why=found.why,
            miss=found.miss,
            made_by=made_by,
        )

    def _note_order(self, found: Found, place: StepPlace) -> None:
        recorded = found.recorded
        if recorded is None or found.tier == "state":
            return
        if found.reused:
            tool = recorded.call.tool
            is_write = self._world.writes(tool) is True and not has_failed(recorded.call)
            less_often = f"`{tool}` was recorded less often with these arguments"
            self._diverged(
                "write_repeated" if is_write else "tool_reused",
                (is_write and found.why) or less_often,
                place.step_index,
            )
        elif recorded.other_conversation is None and (why := self._order.broken_by(recorded)):
            self._diverged("call_out_of_order", why, place.step_index)

    def _diverged(self, kind: DivergenceKind, why: str, step_index: int | None = None) -> None:
        self.journal.diverged(Divergence(kind=kind, turn_index=self.journal.turn_index, why=why, step_index=step_index))
