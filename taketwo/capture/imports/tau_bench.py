"""Trajectories of tau-bench: a list of runs with `traj`, the messages in OpenAI chat form."""

from __future__ import annotations

import io
from collections.abc import Iterator

from taketwo.capture.chat_messages import conversation_from_messages
from taketwo.capture.imports.chat_facts import Ids, open_questions
from taketwo.capture.imports.imported import Imported
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import read_each, record_keys
from taketwo.conversation import Conversation, Outcome
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds runs of tau-bench."""
    keys = record_keys(head)
    return {"task_id", "traj"} <= keys or {"task_id", "reward", "info"} <= keys


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The conversations of the file, one a run."""
    ids = Ids("tau-bench")
    return read_each(json_elements(stream), lambda record: _conversation(record.value, ids))


def _conversation(record: JSON, ids: Ids) -> Conversation:
    messages = record.get("traj") if isinstance(record, dict) else None
    if not isinstance(messages, list) or not any(isinstance(message, dict) for message in messages):
        raise TraceUnreadable("this is no run of tau-bench: it has no traj with messages")
    conversation = conversation_from_messages(
        messages,
        id=ids.of(None, record),
        outcome=Outcome(scores={"reward": record["reward"]} if "reward" in record else {}),
        metadata={key: value for key, value in record.items() if key not in {"traj", "reward"}},
    )
    return conversation.but(gaps=(*open_questions(conversation), *conversation.gaps))
