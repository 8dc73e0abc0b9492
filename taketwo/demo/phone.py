"""Tuesday's call, made with two synthetic voices over a noisy line: `python -m taketwo.demo.phone` keeps it.

What a voice platform records, and nothing more: two channels, what the agent understood and said, and its tool calls.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from taketwo.conversation import Agent, Conversation, Outcome, Say, ToolDefinition, Turn
from taketwo.demo.flowers import GREETING, answer_v1
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, replay
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.store import open_store
from taketwo.store.addresses import blobs_of
from taketwo.testing import conversation, turn
from taketwo.voice.agent import VoiceAgent
from taketwo.voice.recognise import Whisper
from taketwo.voice.recordings import Recordings
from taketwo.voice.speak import Voice
from taketwo.voice.telephone import Telephone
from taketwo.voice.transports.spoken import SpokenAgent
from taketwo.voice.understanding import UNDERSTOOD

CALL_ID = "call-tuesday"
CALLER = ("Hi, I would like to order fifty tulips for Thursday.", "No, that is all. Thank you, bye.")
NOISE_DB = 18.0


def main(store_url: str) -> None:
    """Make the call and keep it with its recording."""
    recordings = Recordings([blobs_of(store_url)])
    run = asyncio.run(_called(recordings))
    store = open_store(store_url)
    try:
        store.put_conversation(as_captured(run))
    finally:
        store.close()
    print(f"{CALL_ID} is over; its recording is in {blobs_of(store_url).where}")


async def _called(recordings: Recordings) -> Run:
    """The caller's lines spoken to the shop as it was."""
    script = conversation(turn(None, reply=GREETING), *(turn(line, reply="…") for line in CALLER), id=CALL_ID)
    ears = Whisper()
    agent = VoiceAgent(
        "production",
        lambda: SpokenAgent(CallableAgent(answer_v1), ears, Voice("high")),
        recordings,
        recogniser=ears,
        speaker=Voice("low"),
        mode="synthesised",
        telephone=Telephone(NOISE_DB),
    )
    policy = ToolPolicy(live=("place_order",))
    return await replay(Case(id=CALL_ID, recorded=script), agent, How(users="verbatim", tools=policy))


def as_captured(run: Run) -> Conversation:
    """The call as its platform shows it: the caller's words are those that the agent understood."""
    spoken = run.conversation
    recording = spoken.metadata["recording"]
    heard = {one["turn_index"]: one["replayed"] for one in spoken.metadata.get(UNDERSTOOD, [])}
    return Conversation(
        id=CALL_ID,
        session_id=CALL_ID,
        channel="voice",
        started_at=spoken.started_at,
        ended_at=spoken.ended_at,
        agent=Agent(
            name="green-flowers",
            tools=(ToolDefinition(name="place_order", description="Order flowers for a day.", writes=True),),
        ),
        turns=tuple(_captured(one, recording, heard.get(one.index)) for one in spoken.turns),
        outcome=Outcome(ended_reason="customer-ended-call"),
        metadata={"recording": recording},
    )


def _captured(one: Turn, recording: str, heard: str | None) -> Turn:
    user = one.user
    if user is not None:
        user = user.but(text=heard or user.text, audio=user.audio and user.audio.but(file=recording))
    steps = tuple(
        step.but(audio=step.audio.but(file=recording)) if isinstance(step, Say) and step.audio else step
        for step in one.steps
    )
    return one.but(user=user, steps=steps)


if __name__ == "__main__":
    main(os.environ.get("TAKETWO_STORE") or f"sqlite:///{Path('taketwo.sqlite3').resolve()}")
