"""Server-sent events, and the chat message that they build up piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec

from taketwo.replay.agents import AgentFailed, Message
from taketwo.value import clean_text, prepared

DONE = "[DONE]"
"""How OpenAI ends a stream."""
LONGEST_QUOTE = 120


class FunctionPiece(msgspec.Struct):
    """Part of the name and arguments of a call."""

    name: str | None = None
    arguments: str | None = None


class CallPiece(msgspec.Struct):
    """Part of a tool call; pieces with the same index belong together."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None


class Delta(msgspec.Struct):
    """Part of a message."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[CallPiece] | None = None


class Choice(msgspec.Struct):
    """Part of one of the answers; only the first is asked for."""

    delta: Delta | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """One event of the stream."""

    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The lines of a stream. Only what ends a line there does so: other signs of new lines stand in texts of JSON."""
    begun: list[bytes] = []  # put together once: a line may come in thousands of pieces
    async for piece in pieces:
        *lines, rest = piece.split(b"\n")
        for line in lines:
            yield _line((*begun, line))
            begun = []
        begun.append(rest)
    if any(begun):
        yield _line(begun)


def _line(pieces: Iterable[bytes]) -> str:
    return b"".join(pieces).removesuffix(b"\r").decode(errors="replace")


async def chunks(lines: AsyncIterator[str]) -> AsyncIterator[Chunk]:
    """The chunk of each event, until the stream ends. Raises AgentFailed for data that is none."""
    data: list[str] = []
    async for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line.strip() and data:
            if (text := "\n".join(data)).strip() == DONE:
                return
            yield _decoded(text)
            data = []
    if data and (text := "\n".join(data)).strip() != DONE:
        yield _decoded(text)


class StreamedMessage:
    """A message in the making."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._text = ""
        self._calls: dict[int, Message] = {}
        self._usage: Any = None
        self._is_finished = False

    def add(self, chunk: Chunk) -> str:
        """Take in a chunk; gives the words in it. Raises AgentFailed for a chunk that tells of an error."""
        if chunk.error is not None:
            said = chunk.error.get("message", chunk.error) if isinstance(chunk.error, dict) else chunk.error
            raise AgentFailed(f"the stream carries an error: {said}")
        self._usage = chunk.usage or self._usage
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._is_finished = self._is_finished or choice.finish_reason is not None
        if choice.delta is None:
            return ""
        for position, piece in enumerate(choice.delta.tool_calls or ()):
            self._add_call(position if piece.index is None else piece.index, piece)
        words = clean_text((choice.delta.content or "") + (choice.delta.refusal or ""))
        self._text += words
        return words

    def whole(self) -> dict[str, Any]:
        """The answer as if it had come in one piece. Raises AgentFailed when the stream ended before the message."""
        if not self._is_finished:
            raise AgentFailed("the stream ended before the message did")
        calls = [self._calls[index] for index in sorted(self._calls)]
        return {"choices": [{"message": {"content": self._text or None, "tool_calls": calls}}], "usage": self._usage}

    def _add_call(self, index: int, piece: CallPiece) -> None:
        """The id and the name come once, the arguments in pieces."""
        call = self._calls.setdefault(index, {"id": None, "function": {"name": "", "arguments": ""}})
        call["id"] = call["id"] or piece.id
        if piece.function is not None:
            call["function"]["name"] = call["function"]["name"] or piece.function.name or ""
            call["function"]["arguments"] += piece.function.arguments or ""


def _decoded(text: str) -> Chunk:
    try:
        chunk = msgspec.json.decode(text, type=prepared(Chunk))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise AgentFailed(f"the stream carries no chat chunk ({error}): {text[:LONGEST_QUOTE]}") from error
    if chunk.choices is None and chunk.error is None and chunk.usage is None:
        raise AgentFailed(f"the stream carries no chat chunk: {text[:LONGEST_QUOTE]}")
    return chunk
