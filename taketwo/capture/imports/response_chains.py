"""Which calls of the Responses API continue which, for any number of calls: they wait in a file until all have come.

A call continues another by naming its response, by belonging to the same conversation, or by repeating all its items
before its own. The last call of each chain gives the conversation.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from typing import Final, NamedTuple

from taketwo.capture.imports.imported import Unread
from taketwo.capture.imports.response_items import is_silent
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON, canonical_json, content_hash


class Exchange(NamedTuple):
    """One call, as its record has it."""

    where: str
    """Place of the record in the file."""
    id: str | None
    """The response's id; None where the record has none."""
    previous: str | None
    """The id of the response that it names as the one before; None where it names none."""
    conversation: str | None
    """The id of the conversation that the provider keeps; None where it keeps none."""
    created: int
    """When it was made, in seconds since 1970; 0 when the record does not say."""
    whose: str
    """What else tells it from calls of others: user and session, as far as the record names them."""
    input: list[JSON]
    """The items that it was given."""
    output: list[JSON]
    """The items that came back."""
    about: dict[str, JSON]
    """What else is known of it."""


class ChainedCall(NamedTuple):
    """A call in its place in a chain."""

    about: dict[str, JSON]
    """What is known of it besides its items."""
    answers: range
    """Positions among the chain's items of those that came back."""


class Chain(NamedTuple):
    """The calls of one conversation, from the first to the last."""

    id: str
    """The conversation's id: of the provider's conversation, or of the first response."""
    conversation: str | None
    """The id of the provider's conversation, None where it keeps none."""
    missing: str | None
    """The response before the first call, where the file does not have it."""
    calls: list[ChainedCall]
    """The calls in order."""
    items: list[tuple[JSON, str]]
    """All items in order, each with its place in the file."""

    def call_of(self, item_index: int) -> int | None:
        """The position of the call with which an item came in or back; None where none is known for it."""
        for number, call in enumerate(self.calls):
            if item_index < call.answers.stop:
                return number
        return None


_UNKNOWN: Final = 2**62
"""A moment after all others, for a call that does not say when it was made."""

_TABLE: Final = """
    CREATE TABLE call (
        seq INTEGER PRIMARY KEY, id TEXT UNIQUE, previous TEXT, conversation TEXT, created INTEGER,
        state BLOB, body TEXT, above INTEGER, repeats INTEGER DEFAULT 0, told INTEGER DEFAULT 0,
        continued INTEGER DEFAULT 0
    );
    CREATE INDEX call_by_state ON call (state, continued, created, seq);
    CREATE INDEX call_by_conversation ON call (conversation, created, seq);
"""


def chains(found: Iterable[Exchange | Unread]) -> Iterator[Chain | Unread]:
    """The chains of all calls, and in between what could not be read; no more than one chain is in memory.

    Raises TraceUnreadable where there is no room for the calls while they wait.
    """
    try:
        yield from _chains_of(found)
    except sqlite3.Error as error:
        todo = "make room in the folder for temporary files"
        raise TraceUnreadable(f"the calls cannot be put aside while the others are read: {error}", todo=todo) from error


def _chains_of(found: Iterable[Exchange | Unread]) -> Iterator[Chain | Unread]:
    # SQLite's own temporary database: in memory while it is small, in a file that nobody sees when it grows.
    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as calls:
        calls.executescript(_TABLE)
        calls.execute("BEGIN")
        for exchange in found:
            if isinstance(exchange, Unread):
                yield exchange
            elif (refused := _keep(calls, exchange)) is not None:
                yield refused
        _link(calls)
        yield from _chains(calls)
        for (body,) in calls.execute("SELECT body FROM call WHERE NOT told ORDER BY seq"):
            yield Unread(
                where=_exchange(body).where, why="the call continues itself: its previous responses are a circle"
            )


def _keep(calls: sqlite3.Connection, exchange: Exchange) -> Unread | None:
    body = json.dumps(exchange, ensure_ascii=False)
    alone = exchange.previous is None and exchange.conversation is None
    # A call without an answer has nothing that another could repeat.
    items = [*exchange.input, *exchange.output] if alone and exchange.output else []
    state = _states(exchange.whose, items)[-1:]
    kept = calls.execute(
        "INSERT OR IGNORE INTO call (id, previous, conversation, created, state, body) VALUES (?, ?, ?, ?, ?, ?)",
        (exchange.id, exchange.previous, exchange.conversation, exchange.created, state[0] if state else None, body),
    )
    if kept.rowcount:
        return None
    (first,) = calls.execute("SELECT body FROM call WHERE id = ?", (exchange.id,)).fetchone()
    if _exchange(first)._replace(where="") == exchange._replace(where=""):
        return None
    return Unread(where=exchange.where, why=f"another call of the file has the id {exchange.id}")


def _states(whose: str, items: Sequence[JSON]) -> list[bytes]:
    """A hash of every beginning of the items, spelled alike whether they were sent or came back."""
    digest = blake2b(whose.encode(), digest_size=16)
    states = []
    for item in items:
        if not is_silent(item):
            digest.update(canonical_json(_spelled_alike(item)).encode())
            states.append(digest.digest())
    return states


def _spelled_alike(item: JSON) -> JSON:
    match item:
        case str():
            return ["user", item]
        case {"type": "function_call" | "custom_tool_call", "call_id": call_id}:
            return ["call", call_id, item.get("name"), item.get("arguments", item.get("input"))]
        case {"call_id": call_id, "output": output}:
            return ["result", call_id, output]
        case {"role": role, "content": list() as parts}:
            texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
            return [role, texts[0] if len(texts) == 1 else texts]
        case {"role": role, "content": content}:
            return [role, content]
        case _:
            return item


def _link(calls: sqlite3.Connection) -> None:
    """Find for every call the one that it continues."""
    calls.execute(
        "UPDATE call SET above = (SELECT seq FROM call AS one WHERE one.id = call.previous AND one.seq != call.seq)"
    )
    calls.execute("""
        UPDATE call SET above = (
            SELECT seq FROM call AS one WHERE one.conversation = call.conversation
            AND (one.created, one.seq) < (call.created, call.seq) ORDER BY one.created DESC, one.seq DESC LIMIT 1
        ) WHERE previous IS NULL AND conversation IS NOT NULL
    """)
    for seq in _all(calls):
        body, previous, conversation = calls.execute(
            "SELECT body, previous, conversation FROM call WHERE seq = ?", (seq,)
        ).fetchone()
        if previous is None and conversation is None and (one := _repeated(calls, seq, _exchange(body))) is not None:
            calls.execute("UPDATE call SET above = ?, repeats = 1 WHERE seq = ?", (one, seq))
            calls.execute("UPDATE call SET continued = 1 WHERE seq = ?", (one,))


def _repeated(calls: sqlite3.Connection, seq: int, exchange: Exchange) -> int | None:
    """The call of which the items begin these ones, the longest if there are several.

    Many talks open with the same words: of equal calls the first one that none continues yet is taken.
    """
    equal = (
        "SELECT seq FROM call WHERE state = ? AND created <= ? AND seq != ? ORDER BY continued, created, seq LIMIT 1"
    )
    for state in reversed(_states(exchange.whose, exchange.input)):
        if one := calls.execute(equal, (state, exchange.created or _UNKNOWN, seq)).fetchone():
            return int(one[0])
    return None


def _all(calls: sqlite3.Connection) -> range:
    """The numbers of all calls: one by one, because the table changes while they are gone through."""
    return range(1, (calls.execute("SELECT max(seq) FROM call").fetchone()[0] or 0) + 1)


def _chains(calls: sqlite3.Connection) -> Iterator[Chain]:
    """The chain of every call that no other continues; the first of several that branch keeps the first call's id."""
    calls.execute("CREATE INDEX call_above ON call (above)")
    for seq in _all(calls):
        if calls.execute("SELECT 1 FROM call WHERE above = ?", (seq,)).fetchone() is None:
            path = _path(calls, seq)
            yield _chain([(exchange, repeats) for exchange, repeats, _ in path], branches=path[0][2])


def _path(calls: sqlite3.Connection, end: int) -> list[tuple[Exchange, bool, bool]]:
    """From the first call to this one; each with whether it repeats the items before it, and whether it was told."""
    path = []
    passed: set[int] = set()
    seq: int | None = end
    while seq is not None and seq not in passed:
        passed.add(seq)
        body, above, repeats, told = calls.execute(
            "SELECT body, above, repeats, told FROM call WHERE seq = ?", (seq,)
        ).fetchone()
        calls.execute("UPDATE call SET told = 1 WHERE seq = ?", (seq,))
        path.append((_exchange(body), bool(repeats), bool(told)))
        seq = above
    return path[::-1]


def _chain(path: Sequence[tuple[Exchange, bool]], *, branches: bool) -> Chain:
    items: list[tuple[JSON, str]] = []
    calls: list[ChainedCall] = []
    for exchange, repeats in path:
        given = [(item, _place(exchange, "input", number)) for number, item in enumerate(exchange.input)]
        gave = [(item, _place(exchange, "output", number)) for number, item in enumerate(exchange.output)]
        if repeats:
            # What was sent back may lack the thinking, so positions of earlier calls are found again by what is said.
            calls = _moved(calls, items, given)
            items = []
        items += [*given, *gave]
        calls.append(ChainedCall(exchange.about, range(len(items) - len(gave), len(items))))
    first, last = path[0][0], path[-1][0]
    name = first.conversation or first.id
    if branches or name is None:
        name = last.id or f"responses-{content_hash(canonical_json([item for item, _ in items]))[:24]}"
    return Chain(name, first.conversation, first.previous, calls, items)


def _moved(
    calls: Sequence[ChainedCall], old: Sequence[tuple[JSON, str]], new: Sequence[tuple[JSON, str]]
) -> list[ChainedCall]:
    """The calls with their positions among items of which the beginning says the same without what is silent."""
    said = [index for index, (item, _) in enumerate(new) if not is_silent(item)]
    order = {index: at for at, index in enumerate(i for i, (item, _) in enumerate(old) if not is_silent(item))}

    def moved(index: int) -> int:
        at = next((order[later] for later in range(index, len(old)) if later in order), len(order))
        return said[at] if at < len(said) else len(new)

    return [call._replace(answers=range(moved(call.answers.start), moved(call.answers.stop))) for call in calls]


def _place(exchange: Exchange, side: str, number: int) -> str:
    return f"{exchange.where}, {side}[{number}]" if exchange.where else f"{side}[{number}]"


def _exchange(body: str) -> Exchange:
    return Exchange(*json.loads(body))
