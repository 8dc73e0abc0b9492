"""What a transcript is made of: lines of the user, texts of the agent, calls; and when two of them are the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from taketwo.capture.reading import Message, ToolCall, ToolResult
from taketwo.conversation import Attachment
from taketwo.value import canonical_json

Kind: TypeAlias = Literal["user", "say", "call"]


@dataclass(slots=True)
class Utterance:
    """One line of the user, one text of the agent, or one call."""

    kind: Kind
    text: str = ""
    """The words; of a call the tool's name."""
    call: ToolCall | None = None
    flaw: str | None = None
    """Why the words or arguments are not all there; the words are their beginning then."""
    attachments: tuple[Attachment, ...] = ()
    _content: str | None = field(default=None, compare=False, repr=False)

    @property
    def content(self) -> str:
        """What is the same wherever it is repeated: the words, of a call its name and arguments."""
        if self._content is None:
            call = self.call
            self._content = self.text.strip() if call is None else f"{call.name} {canonical_json(call.arguments)}"
        return self._content

    @property
    def key(self) -> tuple[str, str]:
        """Equal for utterances that are certainly the same in the same place."""
        if self.call is not None and self.call.id:
            return "id", self.call.id
        return self.kind, self.text.strip()


def utterances(messages: Iterable[Message], templates: Mapping[str, str] = {}) -> list[Utterance | ToolResult]:
    """Messages as utterances, and the results between them.

    In one message words come before calls: chat completions know no order between them, and some instrumentations
    list the calls first. `templates` gives what the user said for the prompts that were made of it.
    """
    found: list[Utterance | ToolResult] = []
    for message in messages:
        if message.role == "system":
            continue
        found.extend(message.results)
        if message.role == "user" and (message.text.strip() or message.attachments or message.flaw):
            text = templates.get(message.text, message.text)
            found.append(Utterance("user", text, flaw=message.flaw, attachments=message.attachments))
        elif message.role == "assistant" and (message.text.strip() or message.flaw):
            found.append(Utterance("say", message.text, flaw=message.flaw))
        for call in message.calls:
            found.append(Utterance("call", call.name, call, call.flaw))
    return found


def alike(one: Utterance, other: Utterance) -> bool:
    """Whether two utterances in the same place are the same, as far as either is known."""
    if one.kind != other.kind:
        return False
    if one.call is not None and other.call is not None:
        return same_call(one.call, other.call)
    mine, theirs = one.text.strip(), other.text.strip()
    return (
        mine == theirs
        or (one.flaw is not None and theirs.startswith(mine))
        or (other.flaw is not None and mine.startswith(theirs))
    )


def same_call(one: ToolCall, other: ToolCall) -> bool:
    """Whether two calls are one: name and arguments decide, and a long id where arguments were written otherwise.

    Ids may differ between a response and the history that repeats it, and weak providers count `call_0` anew in every
    response.
    """
    same_id = bool(one.id) and one.id == other.id
    if one.name != other.name:
        return same_id and not (one.name and other.name)
    if one.flaw is not None or other.flaw is not None or (one.arguments, one.text) == (other.arguments, other.text):
        return True
    return same_id and len(one.id or "") >= UNIQUE_ID


def tell_apart(one: str | None, other: str | None) -> bool:
    """Whether two ids are certainly of two calls: they differ, and they are of the same kind, such as `call_…`."""
    return bool(one and other) and one != other and str(one).split("_")[0] == str(other).split("_")[0]


UNIQUE_ID = 12
"""Letters of an id from which on it is taken to be unique."""
