"""Which spans are model calls of their own, and what stands in where there are none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from taketwo.capture import wrapper
from taketwo.capture.dialects import combined, own
from taketwo.capture.ledger import Ledger
from taketwo.capture.reading import Message, Reading
from taketwo.capture.trace_tree import Seen
from taketwo.capture.utterances import Utterance, alike, utterances
from taketwo.capture.voices import name_voices

FORM = "[[ ## "
"""How the first field begins where a model's answer is a form."""


class ChangesThePast(Exception):
    """What came makes something else of what came before, so that all must be read together."""


@dataclass(slots=True)
class Before:
    """What must be known of the model calls of earlier traces."""

    traces: bool = False
    """Whether there were any traces."""
    calls: bool = False
    """Whether there were any calls but those that runs stand in for."""
    in_tools: bool = False
    """Whether all of them were inside of tools."""
    responses: set[str] = field(default_factory=set)
    """The providers' ids of their responses."""
    line: Seen | None = None
    """The last one of a run of our own recorder's, which a later run may go on from."""
    went_on: list[Seen] = field(default_factory=list)
    """Those that were given an id of their response since, by which others go on from them."""
    voices: list[tuple[str, str | None]] = field(default_factory=list)
    """The instructions they had, with the name of each one's agent."""
    ledger: Ledger = field(default_factory=Ledger)
    """Knows what was changed of earlier calls."""

    def copy(self, ledger: Ledger) -> Before:
        """The same, for further traces to be learned of."""
        voices, responses, went_on = list(self.voices), set(self.responses), list(self.went_on)
        return replace(self, voices=voices, responses=responses, went_on=went_on, ledger=ledger)


def model_calls(found: Sequence[Seen], before: Before | None = None) -> list[Seen]:
    """The model calls, each once, in the order of their starts; runs without any stand in for theirs.

    `before` is what was found in traces that ended before these began, and learns of these. Raises ChangesThePast.
    """
    before = before or Before()
    calls = _same_response_once(_outermost([seen for seen in found if seen.reading.kind == "model"]), before.responses)
    calls = [call for call in _without_shadows(calls) if not _fills_in_a_form(call)]
    if before.in_tools or (before.traces and not before.calls and calls):
        raise ChangesThePast
    if not before.calls:
        before.in_tools = _open_tools(calls)
    before.calls |= bool(calls)
    before.traces = True
    calls += _stand_ins(found, calls, is_alone=not before.calls)
    calls.sort(key=lambda seen: (seen.span.start_ns, seen.order))
    _chain(calls, before)
    name_voices(calls, before.voices)
    return calls


def templates(calls: Iterable[Seen]) -> dict[str, str]:
    """What the user said for every prompt that an application wrapped it in, by the prompt.

    The span around the run has the user's own words, the model's request has them inside a template.
    """
    found: dict[str, str] = {}
    begun: set[int] = set()
    for call in calls:
        run = call.run
        if run is call or id(run) in begun or call.tool_above is not None or call.is_aside:
            continue
        begun.add(id(run))
        line = wrapper.asked(run.reading.input)
        prompt = next((m.text for m in reversed(call.reading.request or ()) if m.role == "user" and m.text), None)
        if line and prompt and len(line.strip()) > 1 and line.strip() != prompt.strip() and line.strip() in prompt:
            found[prompt] = line
    return found


def _outermost(calls: list[Seen]) -> list[Seen]:
    """One span a call: two instrumentations nest theirs, and so do a client and its retries.

    A span around several different calls is no call but a wrapper of them.
    """
    inner: dict[int, list[Seen]] = {}
    for call in calls:
        outer = _model_above(call)
        if outer is not None:
            inner.setdefault(id(outer), []).append(call)
    kept: list[Seen] = []
    dropped: set[int] = set()
    for call in sorted(calls, key=lambda seen: -sum(1 for _ in seen.ancestors())):
        nested = [below for below in inner.get(id(call), []) if id(below) not in dropped]
        if len(nested) > 1 and not _are_one(nested):
            dropped.add(id(call))
            _hand_down(call.reading, min(nested, key=lambda below: (below.span.start_ns, below.order)))
            call.reading = call.reading.but(kind="agent")
            continue
        for below in nested:
            call.reading = combined(call.reading, below.reading).but(kind="model")
            dropped.add(id(below))
        kept.append(call)
    return [call for call in kept if id(call) not in dropped]


def _hand_down(given: Reading, first: Seen) -> None:
    """What a wrapper of several calls was given is what the first of them was given, where its own says less."""
    known = first.reading.request
    if given.request is not None and (known is None or any(map(_is_flawed, known))):
        asked = {name: getattr(given, name) for name in ("request", "request_rule", "request_lacks", "system")}
        first.reading = first.reading.but(**asked)


def _is_flawed(message: Message) -> bool:
    parts = (message.flaw, *(call.flaw for call in message.calls), *(result.flaw for result in message.results))
    return any(parts)


def _model_above(call: Seen) -> Seen | None:
    for above in call.ancestors():
        if above.reading.kind == "model":
            return above
        if above.reading.kind in ("tool", "agent"):
            return None
    return None


def _are_one(calls: Sequence[Seen]) -> bool:
    """Whether calls are attempts at the same one: the same request, or content in no more than one."""
    first, *others = calls
    with_content = [call for call in calls if call.reading.response]
    return len(with_content) < 2 or all(_agree(first.reading, other.reading) for other in others)


def _same_response_once(calls: list[Seen], known: set[str]) -> list[Seen]:
    """One span a response: SDKs emit one of their own beside the instrumentation's, streams a second for the end."""
    by_response: dict[str, Seen] = {}
    kept: list[Seen] = []
    for call in sorted(calls, key=lambda seen: seen.order):
        identity = call.reading.response_id
        if identity in known:
            raise ChangesThePast
        other = by_response.get(identity) if identity else None
        if other is not None and _agree(other.reading, call.reading):
            other.reading = combined(other.reading, call.reading)
            continue
        if identity and other is None:
            by_response[identity] = call
        kept.append(call)
    known.update(by_response)
    return kept


def _without_shadows(calls: list[Seen]) -> list[Seen]:
    """The calls without spans that say nothing and lie beside one that says what was said at that time."""
    telling = [call for call in calls if call.reading.evidence != "nothing"]
    return [call for call in calls if call.reading.evidence != "nothing" or not _is_shadow(call, telling)]


def _fills_in_a_form(call: Seen) -> bool:
    """Whether the model answered a run in the fields of a form, as DSPy asks it to: the run tells what they say."""
    run = call.run
    is_in_run = run.reading.input is not None or (run.parent is None and bool(run.span.parent_id))
    return is_in_run and any(message.text.startswith(FORM) for message in call.reading.response or ())


def _is_shadow(call: Seen, telling: Sequence[Seen]) -> bool:
    mine = call.reading
    for other in telling:
        theirs = other.reading
        same_trace = other.span.trace_id == call.span.trace_id
        overlap = other.span.start_ns < call.span.end_ns and call.span.start_ns < other.span.end_ns
        counts = {(mine.input_tokens, mine.output_tokens), (theirs.input_tokens, theirs.output_tokens)}
        if same_trace and overlap and len(counts - {(None, None)}) < 2:
            return True
    return False


def _open_tools(calls: Sequence[Seen]) -> bool:
    """Where every call is inside of a tool, as of an agent that is itself served as one, the tool is the run."""
    if not calls or any(call.tool_above is None for call in calls):
        return False
    for call in calls:
        for above in call.ancestors():
            if above.reading.kind == "tool":
                above.reading = above.reading.but(kind="agent", execution=None)
    return True


def _agree(one: Reading, other: Reading) -> bool:
    """Whether two readings can be of the same call: what both know is the same."""
    return _alike(one.request, other.request) and _alike(one.response, other.response)


def _alike(one: tuple[Message, ...] | None, other: tuple[Message, ...] | None) -> bool:
    mine = [item for item in utterances(one or ()) if isinstance(item, Utterance)]
    theirs = [item for item in utterances(other or ()) if isinstance(item, Utterance)]
    if not mine or not theirs:
        return True
    return len(mine) == len(theirs) and all(alike(a, b) for a, b in zip(mine, theirs, strict=True))


def _stand_ins(found: Sequence[Seen], calls: Sequence[Seen], *, is_alone: bool) -> list[Seen]:
    """Runs whose model calls were not captured, as calls that say no more than the run does.

    `is_alone`: there are no calls, neither in other traces.
    """
    covered = {seen.span.trace_id for seen in calls}
    runs: dict[int, Seen] = {}
    for seen in found:
        if seen.span.trace_id not in covered and seen.reading.kind in ("agent", "tool") and not seen.is_aside:
            run = seen.run
            if run.reading.kind == "agent" or is_alone:
                runs.setdefault(id(run), run)
    stand_ins = [_stand_in(run) for run in runs.values() if not _is_torn_off(run, runs.values())]
    return [call for call in stand_ins if is_alone or call.reading.request or call.reading.response]


def _is_torn_off(run: Seen, runs: Iterable[Seen]) -> bool:
    """Whether it only lies at the top because the span above it was lost: another run of its trace was around it."""
    mine = run.span
    return bool(mine.parent_id) and any(
        other is not run
        and other.span.trace_id == mine.trace_id
        and other.span.start_ns <= mine.start_ns
        and mine.end_ns <= other.span.end_ns
        for other in runs
    )


def _chain(calls: Iterable[Seen], before: Before) -> None:
    """A run that was given a line alone goes on from the run before, so that a repeated line is a turn of its own."""
    for call in calls:
        if call.reading.request_is_line and (last := before.line) is not None:
            if not last.reading.response_id:
                before.ledger.change(last, "reading", last.reading.but(response_id=last.span.span_id))
                before.went_on.append(last)
            call.reading = call.reading.but(previous_response_id=last.reading.response_id)
        if call.reading.request_is_line or call.run.reading.rule == own.RULE:
            before.line = call


def _stand_in(run: Seen) -> Seen:
    reading = run.reading
    state = _said(reading)
    if reading.request is not None or reading.response is not None:
        request, response = reading.request, reading.response
    else:
        request, response = state if state is not None else (_line(reading), _answer(reading))
    missing = "the model calls of this turn were not captured"
    return Seen(
        run.span,
        Reading(
            kind="model",
            rule=reading.rule,
            evidence="wrapper",
            request=request,
            request_rule="the run's input",
            request_lacks=reading.request_lacks,
            request_is_line=reading.request_is_line,
            response=response,
            response_rule="the run's output",
            response_lacks_calls=state is None,
            system=reading.system,
            tools=reading.tools,
            model=reading.model,
            provider=reading.provider,
            settings=reading.settings,
            input_tokens=reading.input_tokens,
            output_tokens=reading.output_tokens,
            cost_usd=reading.cost_usd,
            agent=reading.agent,
            error=reading.error,
            hidden=missing,
        ),
        parent=run,
        order=run.order,
    )


def _said(reading: Reading) -> tuple[tuple[Message, ...], tuple[Message, ...]] | None:
    """Request and response from a state that holds the whole talk."""
    messages = wrapper.history(reading.output)
    if not any(message.role == "user" for message in messages):
        return None
    ends_with_words = messages[-1].role == "assistant" and not messages[-1].calls
    return (messages[:-1], messages[-1:]) if ends_with_words else (messages, ())


def _line(reading: Reading) -> tuple[Message, ...] | None:
    before = wrapper.history(reading.input)
    if any(message.role == "user" for message in before):
        return before
    line = wrapper.asked(reading.input)
    return (Message(role="user", text=line),) if line else None


def _answer(reading: Reading) -> tuple[Message, ...] | None:
    text = wrapper.answered(reading.output)
    return (Message(role="assistant", text=text),) if text else None
