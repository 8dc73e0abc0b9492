"""Messages in OpenAI chat form to a Conversation, and back, without a loss."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import msgspec

from taketwo.capture.chat_parts import content_of, text_and_attachments
from taketwo.capture.chat_spelling import METADATA_KEY, Spelling, respelled, spelling
from taketwo.conversation import Agent, Call, Conversation, Gap, Outcome, Say, Source, Step, Turn, UserLine
from taketwo.value import JSON, clean_json, prepared

RULE = "openai-chat"
"""The name under which steps that were read here say so."""


def conversation_from_messages(
    messages: Sequence[JSON],
    *,
    id: str,
    agent: Agent | None = None,
    outcome: Outcome | None = None,
    gaps: Sequence[Gap] = (),
    metadata: dict[str, JSON] | None = None,
) -> Conversation:
    """The conversation that these messages are, in OpenAI chat form; `messages_of` gives exactly them back.

    messages: clean JSON (`value.clean_json`); what is no well-formed message is kept, with a gap that says so.
    agent: what is known besides; the system prompt is the one in the messages.
    gaps, metadata: what the caller knows about the rest of the record.
    """
    reading = _Reading()
    for position, message in enumerate(messages):
        reading.read(position, message)
    conversation = Conversation(
        id=id,
        agent=(agent or Agent()).but(system_prompt=reading.system_prompt),
        turns=tuple(_turn(index, draft) for index, draft in enumerate(reading.turns)),
        outcome=outcome or Outcome(),
        gaps=(*gaps, *reading.gaps, *_gaps_of_calls(reading.turns)),
        metadata={key: value for key, value in (metadata or {}).items() if key != METADATA_KEY},
    )
    named = any(_names_its_tool(message) for message in messages)
    ours = list(_our_messages(conversation, named_results=named))
    kept = spelling(messages, ours, reading.order(), named_results=named)
    if kept == Spelling(messages=len(ours)):
        return conversation
    return conversation.but(metadata={**conversation.metadata, METADATA_KEY: json.loads(kept.to_json())})


def messages_of(conversation: Conversation) -> list[JSON]:
    """The conversation in OpenAI chat form; the very messages it was read from where it came from such a chat."""
    try:
        kept = msgspec.convert(conversation.metadata.get(METADATA_KEY), type=prepared(Spelling | None))
    except msgspec.ValidationError:
        # The conversation lay in a file that people may edit.
        kept = None
    if kept is None:
        return list(_our_messages(conversation))
    return respelled(list(_our_messages(conversation, named_results=kept.named_results)), kept)


class Arguments(NamedTuple):
    """The arguments of a call as a model wrote them."""

    values: dict[str, JSON]
    """By name; empty where the text is no JSON object."""
    text: str | None
    """Letter by letter, where the values in the usual spelling do not give the letters back."""
    why: str | None
    """Why there are no values though there is a text; None when all is well."""


def read_arguments(text: str) -> Arguments:
    """What the text of a call's arguments says; a text of nothing is a call without arguments."""
    try:
        read = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return Arguments({}, text, "the arguments are no JSON")
    if not isinstance(read, dict):
        return Arguments({}, text, "the arguments are no JSON object")
    values = clean_json(read)
    return Arguments(values, None if usual_spelling(values) == text else text, None)


def usual_spelling(value: JSON) -> str:
    """JSON as models write it: no spaces, letters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass(eq=False)
class _CallDraft:
    call: Call
    position: int
    why: str | None
    result: JSON = None
    result_position: int | None = None


@dataclass(eq=False)
class _MessageDraft:
    """One message of the agent."""

    position: int
    say: Say | None
    calls: list[_CallDraft]


@dataclass(eq=False)
class _TurnDraft:
    user: UserLine | None = None
    position: int | None = None
    messages: list[_MessageDraft] = field(default_factory=list)


@dataclass(eq=False)
class _Reading:
    """What has been read so far, message by message."""

    system_prompt: str | None = None
    system_position: int | None = None
    turns: list[_TurnDraft] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    open_calls: dict[str | None, list[_CallDraft]] = field(default_factory=dict)

    def read(self, position: int, message: JSON) -> None:
        match message:
            case {"role": "user"}:
                self._read_user(position, message)
            case {"role": "assistant"}:
                self._read_assistant(position, message)
            case {"role": "tool" | "function"}:
                self._read_result(position, message)
            case {"role": "system" | "developer"}:
                self._read_system(position, message)
            case _:
                self._leave(position, "this is no message of a role that OpenAI chat has")

    def order(self) -> list[int]:
        """The position of every message that has a place in the conversation, in the order of that place."""
        order = [] if self.system_position is None else [self.system_position]
        for turn in self.turns:
            order += [] if turn.position is None else [turn.position]
            for message in turn.messages:
                answered = [call.result_position for call in message.calls if call.result_position is not None]
                order += [message.position, *answered]
        return order

    def _read_system(self, position: int, message: dict[str, JSON]) -> None:
        text, _ = text_and_attachments(message.get("content"))
        if self.turns or self.system_position is not None or text is None:
            self._leave(position, "a system message that is not the first message has no place in a turn")
        else:
            self.system_prompt, self.system_position = text, position

    def _read_user(self, position: int, message: dict[str, JSON]) -> None:
        text, attachments = text_and_attachments(message.get("content"))
        if text is None and not attachments:
            self.gaps.append(Gap(where=f"turns[{len(self.turns)}].user.text", why="the message has no content"))
        line = UserLine(text=text or "", attachments=attachments, source=_source(position))
        self.turns.append(_TurnDraft(user=line, position=position))

    def _read_assistant(self, position: int, message: dict[str, JSON]) -> None:
        number = len(self.turns[-1].messages) if self.turns else 0
        calls = [_call_draft(given, position, number) for given in self._given_calls(position, message)]
        text, _ = text_and_attachments(message.get("content"))
        if not text and isinstance(message.get("refusal"), str):
            text = message["refusal"]
        if text is None and not calls:
            self._leave(position, "an assistant message without text or calls")
            return
        # Beside calls an empty text is only another way to say that there is none.
        say = Say(text=text, message=number, source=_source(position)) if text or (text == "" and not calls) else None
        if not self.turns:
            self.turns.append(_TurnDraft())
        self.turns[-1].messages.append(_MessageDraft(position, say, calls))
        for draft in calls:
            self.open_calls.setdefault(draft.call.call_id, []).append(draft)

    def _given_calls(self, position: int, message: dict[str, JSON]) -> list[_GivenCall]:
        """The calls of the message, with the one of the form before tools among them."""
        found = message.get("tool_calls")
        calls = [_given_call(call) for call in found] if isinstance(found, list) else []
        if "function_call" in message and message["function_call"] is not None:
            calls.append(_given_call({"function": message["function_call"]}))
        if None in calls:
            self._gap(position, "a call that names no tool")
        return [call for call in calls if call is not None]

    def _read_result(self, position: int, message: dict[str, JSON]) -> None:
        draft = self._open_call(message)
        content = message.get("content")
        if draft is None:
            self._leave(position, "a tool result without the call that it answers")
        elif content is None:
            self._leave(position, "a tool result without content")
        else:
            text, attachments = text_and_attachments(content)
            draft.result = content if text is None or attachments else text
            draft.result_position = position
            self.open_calls[draft.call.call_id].remove(draft)

    def _open_call(self, message: dict[str, JSON]) -> _CallDraft | None:
        """The unanswered call that the result belongs to: by its id, in the newest message that has one of that id."""
        call_id, name = _text_or_none(message.get("tool_call_id")), message.get("name")
        drafts = self.open_calls.get(call_id, [])
        if call_id is None:
            return next((draft for draft in drafts if name in {None, draft.call.tool}), None)
        return next((draft for draft in drafts if draft.position == drafts[-1].position), None)

    def _leave(self, position: int, why: str) -> None:
        """A whole message that has no place; it lies among the metadata."""
        self._gap(position, f"{why}; it is kept in metadata.{METADATA_KEY}")

    def _gap(self, position: int, why: str) -> None:
        where = f"turns[{len(self.turns) - 1}]" if self.turns else "turns"
        self.gaps.append(Gap(where=where, why=f"messages[{position}]: {why}"))


class _GivenCall(NamedTuple):
    call_id: str | None
    tool: str
    arguments: JSON


def _given_call(call: JSON) -> _GivenCall | None:
    """The call, None where it is none."""
    match call:
        case {"function": {"name": str(name)} as function}:
            return _GivenCall(_text_or_none(call.get("id")), name, function.get("arguments"))
        case {"custom": {"name": str(name)} as custom}:
            return _GivenCall(_text_or_none(call.get("id")), name, custom.get("input"))
        case _:
            return None


def _call_draft(given: _GivenCall, position: int, number: int) -> _CallDraft:
    match given.arguments:
        case str(text):
            arguments = read_arguments(text)
        case dict(values):
            arguments = Arguments(values, None, None)
        case _:
            arguments = Arguments({}, None, "the arguments were not recorded")
    call = Call(
        call_id=given.call_id,
        tool=given.tool,
        arguments=arguments.values,
        arguments_text=arguments.text,
        message=number,
        source=_source(position),
    )
    return _CallDraft(call, position, arguments.why)


def _source(position: int) -> Source:
    return Source(rule=RULE, place=f"messages[{position}]")


def _text_or_none(value: JSON) -> str | None:
    return value if isinstance(value, str) else None


def _turn(index: int, draft: _TurnDraft) -> Turn:
    steps = tuple(_steps(draft))
    ends_with_words = bool(draft.messages) and not draft.messages[-1].calls
    last = draft.messages[-1].say if ends_with_words else None
    return Turn(index=index, user=draft.user, steps=steps, reply=last.text if last else None)


def _steps(draft: _TurnDraft) -> Iterator[Step]:
    for message in draft.messages:
        if message.say:
            yield message.say
        for call in message.calls:
            yield call.call.but(result=call.result)


def _gaps_of_calls(turns: Sequence[_TurnDraft]) -> Iterator[Gap]:
    for index, turn in enumerate(turns):
        step = 0
        for message in turn.messages:
            step += message.say is not None
            for call in message.calls:
                where = f"turns[{index}].steps[{step}]"
                if call.why:
                    yield Gap(where=f"{where}.arguments", why=call.why)
                if call.result_position is None:
                    yield Gap(where=f"{where}.result", why="no result was recorded")
                step += 1


def _names_its_tool(message: JSON) -> bool:
    return isinstance(message, dict) and message.get("role") == "tool" and "name" in message


def _our_messages(conversation: Conversation, *, named_results: bool = False) -> Iterator[dict[str, JSON]]:
    """The conversation in our own spelling: content null beside calls, results right after the calls they answer."""
    if conversation.agent.system_prompt is not None:
        yield {"role": "system", "content": conversation.agent.system_prompt}
    for turn in conversation.turns:
        if turn.user is not None:
            yield {"role": "user", "content": content_of(turn.user.text, turn.user.attachments)}
        # A call without an id gets one from its place, as a chat without ids is no longer accepted anywhere.
        steps = [(step, f"call_{turn.index}_{position}") for position, step in enumerate(turn.steps)]
        for _, together in groupby(steps, key=lambda step: step[0].message):
            yield from _agent_messages(list(together), named_results)


def _agent_messages(steps: Sequence[tuple[Step, str]], named_results: bool) -> Iterator[dict[str, JSON]]:
    texts = [step.text for step, _ in steps if isinstance(step, Say)]
    calls = [(step, step.call_id or spare_id) for step, spare_id in steps if isinstance(step, Call)]
    message: dict[str, JSON] = {"role": "assistant", "content": "\n".join(texts) if texts else None}
    if calls:
        message["tool_calls"] = [_our_call(call, call_id) for call, call_id in calls]
    yield message
    for call, call_id in calls:
        read = call.result if call.error is None else call.error
        if read is not None:
            content = read if isinstance(read, str) else usual_spelling(read)
            name = {"name": call.tool} if named_results else {}
            yield {"role": "tool", "tool_call_id": call_id, **name, "content": content}


def _our_call(call: Call, call_id: str) -> dict[str, JSON]:
    arguments = usual_spelling(call.arguments) if call.arguments_text is None else call.arguments_text
    return {"id": call_id, "type": "function", "function": {"name": call.tool, "arguments": arguments}}
