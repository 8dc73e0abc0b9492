"""A drafted turn to a Turn: steps with times and sources, the reply, tokens, and gaps."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from copy import deepcopy
from datetime import datetime

from taketwo.capture import wrapper
from taketwo.capture.moments import milliseconds, moment
from taketwo.capture.outcomes import known_arguments, outcome
from taketwo.capture.trace_tree import ERROR_TYPE, Seen
from taketwo.capture.transcript import Node
from taketwo.capture.turns import Draft, Item
from taketwo.conversation import Attachment, Call, Gap, Say, Source, Step, Tokens, Turn, UserLine


class Notes:
    """The gaps that were found so far."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []

    def add(self, where: str, why: str) -> None:
        """Note that something is not known."""
        self.gaps.append(Gap(where=where, why=why))


def turn_of(draft: Draft, index: int, notes: Notes) -> Turn:
    """The turn at that index, its gaps noted."""
    start = _start(draft)
    end = draft.last_ns
    if not draft.calls:
        notes.add(f"turns[{index}].trace_id", "no span of this turn arrived; a later request tells of it")
    user = _line(draft, index, start, notes)
    steps = [_step(item, index, number, start, end, notes) for number, item in enumerate(draft.items)]
    steps = _in_time(steps)
    for position, node in draft.hidden:
        if position < len(draft.items):
            notes.add(f"turns[{index}].steps", f"words before steps[{position}]: {node.utterance.flaw}")
    reply = _reply(draft, index, steps, notes)
    return Turn(
        index=index,
        trace_id=draft.calls[-1].call.span.trace_id if draft.calls else None,
        user=user,
        steps=tuple(steps),
        reply=reply,
        latency_ms=milliseconds(start, end),
        tokens=Tokens(
            input=_sum(each.call.reading.input_tokens for each in draft.calls),
            output=_sum(each.call.reading.output_tokens for each in draft.calls),
        ),
        cost_usd=_sum(each.call.reading.cost_usd for each in draft.calls),
    )


def told_by(draft: Draft) -> list[object]:
    """All that `turn_of` looks at, so that it need not tell anew what nothing was added to."""
    things: list[object] = [len(draft.calls), len(draft.lines), len(draft.items), len(draft.hidden), draft.run]
    things += [each.call for each in draft.calls]
    for node in (*draft.lines, *(node for _, node in draft.hidden)):
        things += (node.utterance, node.first)
    things += [position for position, _ in draft.hidden]
    for item in draft.items:
        things += (item.ran, item.asked_by, item.message)
        if (said := item.node) is not None:
            things += (said.utterance, said.result, said.told, said.said_by, said.first)
    return things


def _in_time(steps: Sequence[Step]) -> list[Step]:
    """The steps with no text later than the calls after it: tools may run while the model's stream still goes on."""
    ordered: list[Step] = []
    latest: datetime | None = None
    for step in reversed(steps):
        if isinstance(step, Say) and step.at is not None and latest is not None and step.at > latest:
            step = step.but(at=latest)
        latest = min(filter(None, (latest, step.at)), default=None)
        ordered.append(step)
    return ordered[::-1]


def _start(draft: Draft) -> int:
    """When the user's line reached the agent: when the run began, else when the first model call did."""
    run_ns = draft.run.span.start_ns if draft.run is not None else 0
    return min((at for at in (draft.first_ns, run_ns) if at > 0), default=0)


def _line(draft: Draft, index: int, start: int, notes: Notes) -> UserLine | None:
    """What the user said; a hidden line may still stand in the span around the run."""
    if not draft.lines:
        return None
    known = [line for line in draft.lines if line.utterance.text or line.utterance.attachments]
    flaw = next((line.utterance.flaw for line in draft.lines if line.utterance.flaw), None)
    by_run = wrapper.asked(draft.run.reading.input) if not known and draft.run is not None else None
    if by_run is not None:
        return UserLine(text=by_run, at=moment(start), source=_source_of_span(draft.run, "the run's input"))
    if flaw is not None:
        notes.add(f"turns[{index}].user" + (".text" if known else ""), flaw)
    if not known:
        return None
    attachments = tuple(_hashed(each) for line in known for each in line.utterance.attachments)
    for number, each in enumerate(attachments):
        if each.url is None:
            notes.add(f"turns[{index}].user.attachments[{number}]", "the capture left the bytes out")
    text = "\n".join(line.utterance.text for line in known if line.utterance.text)
    return UserLine(text=text, at=moment(start), attachments=attachments, source=_source(known[0]))


def _hashed(attachment: Attachment) -> Attachment:
    """The attachment with the hash of its bytes where it holds them."""
    head, comma, data = (attachment.url or "").partition(",")
    if not comma or not head.startswith("data:") or "base64" not in head:
        return attachment
    try:
        digest = hashlib.sha256(base64.b64decode(data, validate=True)).hexdigest()
    except (binascii.Error, ValueError):
        return attachment
    return attachment.but(sha256=digest)


def _source(node: Node) -> Source | None:
    if node.first is None:
        return None
    return Source(rule=f"{node.first.reading.rule}: {node.rule}", span_id=node.first.span.span_id)


def _step(item: Item, turn: int, number: int, start: int, end: int, notes: Notes) -> Step:
    where = f"turns[{turn}].steps[{number}]"
    if item.is_call:
        return _call(item, where, start, end, notes)
    node = item.node
    assert node is not None
    if node.utterance.flaw is not None:
        notes.add(f"{where}.text", node.utterance.flaw)
    at = moment(_between(_said_at(item), start, end))
    return Say(text=node.utterance.text, at=at, message=item.message, source=_source(node))


def _call(item: Item, where: str, start: int, end: int, notes: Notes) -> Call:
    asked = item.node.utterance.call if item.node is not None else None
    ran = item.ran.reading.execution if item.ran is not None else None
    arguments, flaw = known_arguments(
        asked.arguments if asked is not None else ran.arguments if ran is not None else None,
        asked.flaw if asked is not None else ran.flaw if ran is not None else None,
        ran,
    )
    if flaw is not None:
        notes.add(f"{where}.arguments", flaw)
    came = outcome(item.node.result if item.node is not None else None, ran)
    if came.flaw is not None:
        notes.add(f"{where}.result", came.flaw)
    return Call(
        call_id=(asked.id if asked is not None else None) or (ran.call_id if ran is not None else None),
        tool=(asked.name if asked is not None else "") or (ran.name if ran is not None else ""),
        arguments=deepcopy(arguments),  # what was read is kept for other spans
        arguments_text=asked.text if asked is not None and asked.arguments is None and flaw is not None else None,
        result=deepcopy(came.result),
        error=came.error,
        raised=came.raised,
        at=moment(_between(_asked_at(item), start, end)),
        latency_ms=milliseconds(item.ran.span.start_ns, item.ran.span.end_ns) if item.ran is not None else None,
        message=item.message,
        source=_source_of(item),
    )


def _asked_at(item: Item) -> int:
    if item.ran is not None and item.ran.span.start_ns > 0:
        return item.ran.span.start_ns
    return _said_at(item)


def _said_at(item: Item) -> int:
    """When the model had said it: at the end of its call, of which only a later request may tell what came of it."""
    if item.node is not None and item.node.said_by is not None:
        return item.node.said_by.span.end_ns
    return item.asked_by.call.span.end_ns if item.asked_by is not None else 0


def _source_of(item: Item) -> Source | None:
    if item.node is not None:
        return _source(item.node)
    return _source_of_span(item.ran, "the tool's span")


def _source_of_span(seen: Seen | None, rule: str) -> Source | None:
    return Source(rule=f"{seen.reading.rule}: {rule}", span_id=seen.span.span_id) if seen is not None else None


def _between(at: int, start: int, end: int) -> int:
    """A moment inside the turn: other hosts have other clocks."""
    return min(max(at, start), end) if at > 0 and 0 < start <= end else at


def _reply(draft: Draft, index: int, steps: list[Step], notes: Notes) -> str | None:
    """What the user was finally told: the words of the last message, unless it still asks for tools."""
    hidden_last = any(position == len(draft.items) for position, _ in draft.hidden)
    last = [item for item in draft.items if item.message == draft.items[-1].message] if draft.items else []
    if last and not hidden_last and not any(item.is_call for item in last):
        return _heard(draft.run) or _said(last, index, notes)
    return _reply_by_run(draft, index, steps, notes)


def _heard(run: Seen | None) -> str | None:
    """What the user heard of an answer that was interrupted; None when it was not."""
    return wrapper.answered(run.reading.output) if run is not None and run.reading.cut_short else None


def _said(last: Sequence[Item], index: int, notes: Notes) -> str | None:
    nodes = [item.node for item in last if item.node is not None]
    flaw = next((node.utterance.flaw for node in nodes if node.utterance.flaw), None)
    if flaw is not None:
        notes.add(f"turns[{index}].reply", flaw)
    text = "\n".join(told for node in nodes if (told := node.told or node.utterance.text))
    return text or None


def _reply_by_run(draft: Draft, index: int, steps: list[Step], notes: Notes) -> str | None:
    """The answer by the span around the run, where no captured response has it."""
    run = draft.run
    text = wrapper.answered(run.reading.output) if run is not None else None
    said = next((step for step in reversed(steps) if isinstance(step, Say)), None)
    if text is None or run is None:
        notes.add(f"turns[{index}].reply", _why_no_reply(draft))
        return None
    if said is None or said.text.strip() != text.strip():
        source = _source_of_span(run, "the run's output")
        steps.append(Say(text=text, at=moment(run.span.end_ns), message=_next_message(draft), source=source))
        return text
    return said.text


def _next_message(draft: Draft) -> int:
    return draft.items[-1].message + 1 if draft.items else 0


def _why_no_reply(draft: Draft) -> str:
    if draft.hidden and draft.hidden[-1][0] == len(draft.items):
        return draft.hidden[-1][1].utterance.flaw or ""
    call = draft.calls[-1].call if draft.calls else None
    if call is not None and call.span.status == "error":
        why = call.reading.error or call.span.attributes.get(ERROR_TYPE, "nobody says why")
        return f"the model call failed: {why}"
    if call is not None and call.reading.response is None and call.reading.hidden is not None:
        return call.reading.hidden
    return "the turn ended without an answer"


def _sum(values: Iterable[float | int | None]) -> int | None:
    """The sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None  # type: ignore[return-value]  # whole numbers stay whole
