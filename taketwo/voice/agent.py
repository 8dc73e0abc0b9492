"""A voice agent under test: what the caller said is played to it when the same happens, and it is heard as in a call.

To the engine it is an agent as any other, so ladder, tool world, comparison and verdict are those of text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from taketwo.conversation import Audio, Conversation, Gap, Say, Tokens, UserLine
from taketwo.errors import BadSetting, TraceUnreadable
from taketwo.replay.agents import AgentFailed, Exchange, Reply
from taketwo.replay.agents.tool_loop import summed
from taketwo.replay.session import Aftermath, Heard
from taketwo.value import JSON, Value
from taketwo.voice.audio import Sound, read_sound, wav_bytes
from taketwo.voice.caller import AudioMode, Caller, Trigger
from taketwo.voice.costs import TOLD, CallPrices, cost_usd, told_cost_usd
from taketwo.voice.line import FRAME_S, Line
from taketwo.voice.parties import Parties, apart
from taketwo.voice.recognise import Recogniser
from taketwo.voice.recordings import Recordings
from taketwo.voice.speak import Speaker
from taketwo.voice.telephone import Telephone
from taketwo.voice.timing import CALL_ENDED, CALL_METRICS, CallMetrics, measure, measure_conversation
from taketwo.voice.transports import Transport
from taketwo.voice.understanding import UNDERSTOOD, Understood, understood

MOST_KNOWN = 8
"""Recordings that are kept in memory, with who speaks in them when."""
_HEAD_START_S = 0.12
"""How long before the caller's next word its turn begins: the sound before it comes first, and choosing takes time."""


class Patience(Value):
    """How long the caller waits, in seconds of the call."""

    for_a_reply_s: float = 10.0
    """Silence after the caller's line until the agent counts as silent."""
    for_an_end_s: float = 90.0
    """Speaking of the agent until it counts as endless."""
    longest_pause_s: float = 0.7
    """Silence after which the agent has ended its turn, whatever the recording says."""
    shortest_pause_s: float = 0.25
    """Shorter silences of the agent are never the end of its turn."""
    after_going_on_s: float = 2.0
    """Silence after which an agent that talked on through the caller's line has ended."""


class VoiceAgent:
    """Calls an agent anew for every replay, over a transport of its own."""

    def __init__(
        self,
        spec: str,
        dial: Callable[[], Transport],
        recordings: Recordings,
        *,
        recogniser: Recogniser | None,
        speaker: Speaker | None,
        mode: AudioMode = "original",
        telephone: Telephone | None = None,
        patience: Patience = Patience(),  # noqa: B008  # a value, never changed
        prices: CallPrices | None = None,
        doubts: Sequence[Gap] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """dial: makes the transport of a new call. recogniser: understands what the agent says, where it does not tell.

        speaker: says what was not recorded. mode: `original` plays the recorded voice where there is one.
        telephone: the line that a synthetic voice goes through; None for none. prices: what calls cost; None where
        nobody has said it. doubts: what every call of this agent is not.
        """
        self.spec = spec
        self._dial = dial
        self._recordings = recordings
        self._recogniser = recogniser
        self._speaker = speaker
        self._mode: AudioMode = mode
        self._telephone = telephone
        self._patience = patience
        self._prices = prices
        self._doubts = tuple(doubts)
        self._now = now
        self._calls: dict[str, _Call] = {}
        self._hearing = asyncio.Lock()
        self._known: dict[tuple[str, str], Parties] = {}

    async def respond(self, exchange: Exchange) -> Reply:
        """Play the caller's line when it is due, and hear the agent until it ends or is interrupted."""
        call = self._calls.get(exchange.execution_id) or await self._begin(exchange)
        return await call.turn(exchange)

    async def _begin(self, exchange: Exchange) -> _Call:
        recorded = exchange.conversation
        if len(exchange.messages) > 1:
            raise BadSetting(
                "a call is spoken from its beginning", where=self.spec, todo="leave --from-turn and --each-turn out"
            )
        async with self._hearing:  # the same call may be replayed many times at once, and is heard once
            parties, gap = await asyncio.to_thread(self._parties, recorded)
        caller = await asyncio.to_thread(Caller, recorded, parties, self._speaker, self._mode, self._telephone)
        caller.gaps += [*self._doubts, *([] if gap is None else [gap])]
        transport = self._dial()
        # In a thread, as the model of its ear is loaded: frames of other calls must not wait for that.
        line = await asyncio.to_thread(Line, transport, caller.bed)
        await transport.open(exchange)
        line.begin(self._now())
        call = _Call(line, transport, caller, recorded, parties, self._patience, self._recogniser, self._prices)
        self._calls[exchange.execution_id] = call
        exchange.keep_time(line.now)

        async def finish() -> Aftermath:
            del self._calls[exchange.execution_id]
            await line.hang_up()
            sound = line.recording()
            body = await asyncio.to_thread(wav_bytes, sound)
            name = await asyncio.to_thread(self._recordings.keep, body)
            caller.gaps += await asyncio.to_thread(self._recordings.share, body)
            async with self._hearing:  # one after the other, as other calls may still go on in real time
                return await call.finish(sound, name)

        exchange.at_end(finish)
        return call

    def _parties(self, recorded: Conversation) -> tuple[Parties | None, Gap | None]:
        """The recording of the call, and why there is none."""
        try:
            found = self._recordings.of(recorded)
            if found is None:
                return None, Gap(where="metadata.recording", why="the recorded call has no recording that is kept here")
            key = found.name, recorded.id
            if key not in self._known:
                while len(self._known) >= MOST_KNOWN:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = apart(read_sound(found.body), recorded)
            return self._known[key], None
        except TraceUnreadable as error:
            return None, Gap(where="metadata.recording", why=str(error))


class _Call:
    """One call of a replay."""

    def __init__(
        self,
        line: Line,
        transport: Transport,
        caller: Caller,
        recorded: Conversation,
        parties: Parties | None,
        patience: Patience,
        recogniser: Recogniser | None,
        prices: CallPrices | None,
    ) -> None:
        self._prices = prices
        self._line = line
        self._transport = transport
        self._caller = caller
        self._recorded = recorded
        self._parties = parties
        self._patience = patience
        self._recogniser = recogniser
        self._turns = 0
        self._caller_ended_s = 0.0
        self._agent_turn_began_s: float | None = None
        self._words = [0, 0]
        self._characters = 0
        self._tokens: list[Tokens] = []
        self._understood: list[Understood] = []

    async def turn(self, exchange: Exchange) -> Reply:
        """The caller's line and what the agent answers."""
        self._transport.attend(exchange)
        chosen = exchange.line
        assert chosen is not None
        began_s, user_audio = self._line.now_s, None
        if chosen.user is not None:
            utterance = await asyncio.to_thread(
                self._caller.utterance, chosen.user, chosen.recorded_turn_index, self._turns
            )
            if utterance is None:
                raise BadSetting(
                    f"the recording does not hold line {self._turns + 1} of the caller, and nothing can speak it",
                    todo="pip install 'taketwo[voice]', or name an endpoint that speaks",
                )
            later_s = await self._due(utterance.trigger, utterance.lead_s)
            began_s = self._line.now_s + later_s + utterance.lead_s
            self._line.say(utterance.samples, after_s=later_s)
            await self._line.until(lambda: not self._line.is_speaking, utterance.length_s + 1)
            self._caller_ended_s = began_s + utterance.length_s - utterance.lead_s - utterance.trail_s
            user_audio = Audio(start_s=round(began_s, 3), end_s=round(self._caller_ended_s, 3), channel=0)
            self._words[0] += len(chosen.user.text.split())
        self._turns += 1
        position = chosen.recorded_turn_index
        start_s, end_s = await self._listen(began_s, None if position is None else self._next(position))
        text = await self._text(start_s, end_s)
        self._note_understood(chosen.user)
        if self._line.ended is not None and (text is None or self._line.broke):
            if text is not None:
                exchange.hear(text)
            raise AgentFailed(f"the call ended in turn {self._turns}: {self._line.ended}")
        tokens, self._line.tokens = self._line.tokens, []
        self._tokens += tokens
        return Reply(text=text, tokens=summed(tokens), heard=self._heard(user_audio, began_s, start_s, end_s))

    async def finish(self, sound: Sound, name: str) -> Aftermath:
        """Measure what was recorded, which is kept under that name."""
        replayed, recorded = await asyncio.to_thread(self._measure, sound)
        late = sorted(self._line.lateness_s)
        metadata: dict[str, JSON] = {
            "recording": name,
            "caller_audio": {"original": self._caller.original, "synthesised": self._caller.synthesised},
            CALL_METRICS: {"recorded": recorded.to_builtins(), "replayed": replayed.to_builtins()},
            CALL_ENDED: {
                "recorded": self._recorded.outcome.ended_reason,
                "replayed": self._line.ended or "the caller had said everything",
            },
        }
        if (told := told_cost_usd(self._recorded)) is not None:
            metadata[TOLD] = told
        if self._understood:
            metadata[UNDERSTOOD] = [one.to_builtins() for one in self._understood]
        if late:
            metadata["frame_lateness_p99_ms"] = round(late[int(len(late) * 0.99)] * 1000, 3)
        return Aftermath(metadata=metadata, gaps=tuple(self._caller.gaps))

    def _measure(self, sound: Sound) -> tuple[CallMetrics, CallMetrics]:
        """The figures of the new call and of the recorded one, by the same formulas."""
        replayed, recorded = self._measured(sound)
        if self._prices is None:
            return replayed, recorded
        said = [step for turn in self._recorded.turns for step in turn.steps if isinstance(step, Say)]
        counted = (
            (replayed, self._characters, summed([*self._tokens, *self._line.tokens])),
            (recorded, sum(len(step.text) for step in said), summed(_asked_of_the_model(self._recorded))),
        )
        costs = (
            figures.but(
                cost_usd=cost_usd(self._prices, duration_s=figures.duration_s, characters=characters, tokens=tokens)
            )
            for figures, characters, tokens in counted
        )
        replayed, recorded = costs
        return replayed, recorded

    def _measured(self, sound: Sound) -> tuple[CallMetrics, CallMetrics]:
        new = apart(sound)
        replayed = measure(
            new.caller_speech, new.agent_speech, caller_words=self._words[0], agent_words=self._words[1] or None
        )
        if self._parties is None or not self._parties.belongs:
            return replayed, measure_conversation(self._recorded)
        said = (
            [turn.user.text for turn in self._recorded.turns if turn.user],
            [step.text for turn in self._recorded.turns for step in turn.steps if hasattr(step, "text")],
        )
        counts = [sum(len(text.split()) for text in texts) for texts in said]
        recorded = measure(
            self._parties.caller_speech,
            self._parties.agent_speech,
            caller_words=counts[0],
            agent_words=counts[1],
        )
        return replayed, recorded

    async def _due(self, trigger: Trigger, lead_s: float) -> float:
        """Let the call go on until what made the caller speak has happened again; gives by how much the line is early.

        lead_s: how much of the utterance's sound stands before its first word.
        """
        line, offset = self._line, max(0.0, trigger.offset_s - lead_s)
        began_s, due_s = line.now_s, line.now_s

        def due() -> float | None:
            """When, as far as that is known already."""
            match trigger.after:
                case "call_began":
                    return offset
                case "caller_ended":
                    return self._caller_ended_s + offset
                case "agent_began" if line.agent_ended_s is None and self._agent_turn_began_s is not None:
                    return self._agent_turn_began_s + offset
                case _:
                    # Where the agent fell silent before it could be interrupted, the caller answers it.
                    after = offset if trigger.after == "agent_ended" else self._patience.shortest_pause_s
                    since = began_s if line.agent_began_s is None else line.agent_ended_s
                    return None if since is None else since + after

        def holds() -> bool:
            nonlocal due_s
            at_s = due()
            due_s = line.now_s if at_s is None else at_s
            return at_s is not None and line.now_s + FRAME_S > at_s

        return max(0.0, due_s - line.now_s) if await line.until(holds, self._patience.for_a_reply_s) else 0.0

    def _next(self, position: int) -> Trigger | None:
        """What makes the caller speak next, if the recording goes on as it did."""
        following = position + 1
        if following >= len(self._recorded.turns) or self._recorded.turns[following].user is None:
            return None
        return self._caller.trigger(following)

    async def _listen(self, since_s: float, following: Trigger | None) -> tuple[float | None, float | None]:
        """Hear the agent's turn; gives when it began and ended, None and None where it said nothing."""
        line, patience = self._line, self._patience
        pause = patience.longest_pause_s
        if following is not None and following.after == "agent_ended":
            pause = min(max(following.offset_s - _HEAD_START_S, patience.shortest_pause_s), patience.longest_pause_s)
        interrupt_s = (
            following.offset_s - _HEAD_START_S if following is not None and following.after == "agent_began" else None
        )
        goes_on = following is not None and following.after == "caller_ended"
        wait = following.offset_s if goes_on and following is not None else patience.for_a_reply_s
        talked_on = line.agent_began_s is not None and line.agent_began_s < since_s and line.agent_ended_s is None
        began: float | None = None

        def over() -> bool:
            nonlocal began
            if began is None and line.agent_began_s is not None and line.agent_began_s >= since_s - 0.1:
                began = line.agent_began_s
            quiet_s = None if line.agent_ended_s is None else line.now_s - line.agent_ended_s
            if began is None:
                since_caller = line.now_s - self._caller_ended_s
                went_on = talked_on and quiet_s is not None and min(quiet_s, since_caller) >= patience.after_going_on_s
                return went_on or ((quiet_s is None or quiet_s >= 0) and self._is_silent(since_caller, wait))
            if interrupt_s is not None and quiet_s is None and line.now_s - began >= interrupt_s:
                return True
            return quiet_s is not None and quiet_s >= pause and not line.has_more

        if not await line.until(over, patience.for_an_end_s) and began is not None and line.ended is None:
            raise AgentFailed(f"the agent did not stop speaking for {patience.for_an_end_s:g} s")
        self._agent_turn_began_s = began
        if began is None:
            return None, None
        return began, line.agent_ended_s if line.agent_ended_s is not None else line.now_s

    def _is_silent(self, since_caller_s: float, wait_s: float) -> bool:
        """Whether the agent has had its time; while it is busy it may take twice as long."""
        return since_caller_s >= (wait_s * 2 if self._line.has_more else wait_s)

    async def _text(self, start_s: float | None, end_s: float | None) -> str | None:
        """What the agent said in its turn, in its own words where it tells them."""
        said, self._line.said = " ".join(self._line.said), []
        if start_s is None or end_s is None:
            return None
        if not said and self._recogniser is not None:
            heard = self._line.agent_heard(max(0.0, start_s - 0.1), end_s + 0.1)
            said = (await asyncio.to_thread(self._recogniser.recognise, heard)).text
        self._words[1] += len(said.split())
        self._characters += len(said)
        return said or "[speech that was not understood]"

    def _note_understood(self, said: UserLine | None) -> None:
        """Keep what the agent understood of the caller's line."""
        texts, self._line.understood = self._line.understood, []
        if said is not None and texts:
            self._understood.append(understood(self._turns - 1, said.text, " ".join(texts)))

    def _heard(self, user: Audio | None, began_s: float, start_s: float | None, end_s: float | None) -> Heard:
        reply = (
            None if start_s is None else Audio(start_s=round(start_s, 3), end_s=round(end_s or start_s, 3), channel=1)
        )
        waited = None
        if user is not None and user.end_s is not None and start_s is not None and start_s >= user.end_s:
            waited = round((start_s - user.end_s) * 1000, 1)
        return Heard(
            user=user,
            user_at=self._line.moment(began_s) if user else None,
            reply=reply,
            reply_at=self._line.moment(start_s) if start_s is not None else None,
            latency_ms=waited,
        )


def _asked_of_the_model(call: Conversation) -> Iterator[Tokens]:
    """What was counted in each turn in which the agent spoke."""
    return (turn.tokens for turn in call.turns if turn.steps)
