"""A conversation as a judge reads it, and whether what a judge quotes stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from taketwo.conversation import Call, Conversation, Turn
from taketwo.value import canonical_json, in_words

FEWEST_LETTERS = 3
"""A shorter quote proves nothing."""
QUOTE_LIMIT = 80
_MARK = re.compile(r"\A(?:[#\W]*turn \d+|user|agent|tool called|tool result|error)\b\W*")
"""What stands before what was said, as `transcript` writes it; quoting that alone proves nothing."""


def transcript(conversation: Conversation) -> str:
    """The instructions of the agent, then turn by turn what was said, called and given back."""
    return "\n\n".join([*_instructions(conversation), *(_turn(turn) for turn in conversation.turns)])


def missing_quote(conversation: Conversation, turn: int, quote: str) -> str | None:
    """Why a quote is no evidence; None where it stands in that turn. turn: its number, from 1."""
    if not 1 <= turn <= len(conversation.turns):
        return f"the judge quotes turn {turn}, and there are {len(conversation.turns)}"
    if len(_MARK.sub("", _plain(quote)).strip()) < FEWEST_LETTERS:
        return "the judge quotes nothing that could be looked for"
    if any(_plain(quote) in _plain(text) for text in _texts(conversation.turns[turn - 1])):
        return None
    return f"the judge quotes what does not stand in turn {turn}: {in_words(quote, QUOTE_LIMIT)}"


def _instructions(conversation: Conversation) -> Iterator[str]:
    if conversation.agent.system_prompt:
        yield f"## Instructions of the agent\n{conversation.agent.system_prompt}"


def _turn(turn: Turn) -> str:
    lines = [f"## Turn {turn.index + 1}"]
    if turn.user is not None:
        lines.append(f"User: {turn.user.text}")
    for step in turn.steps:
        if isinstance(step, Call):
            lines += [f"Tool called: {_call(step)}", f"Tool result: {_result(step)}"]
        else:
            lines.append(f"Agent: {step.text}")
    if turn.reply is None:
        lines.append("(The agent gave no answer.)")
    elif f"Agent: {turn.reply}" not in lines:
        lines.append(f"Agent: {turn.reply}")
    return "\n".join(lines)


def _texts(turn: Turn) -> Iterator[str]:
    """All that may be quoted from a turn, each with the words that stand before it."""
    yield _turn(turn)
    for step in turn.steps:
        if isinstance(step, Call):
            yield _result(step)


def _call(call: Call) -> str:
    return f"{call.tool}({call.arguments_text or canonical_json(call.arguments)})"


def _result(call: Call) -> str:
    if call.error is not None:
        return f"error: {call.error}"
    return call.result if isinstance(call.result, str) else canonical_json(call.result)


def _plain(text: str) -> str:
    """Without what copying changes: white space, case, kinds of quotes and dashes."""
    for signs, plain in (('“”„"', ""), ("’‘'", ""), ("–—", "-")):
        text = text.translate({ord(sign): plain for sign in signs})
    return " ".join(text.casefold().split())
