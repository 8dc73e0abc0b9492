"""What values mean, in words: the same ones in every report. Positions count from 0 in values and from 1 here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, assert_never

from taketwo.comparison import ChangeKind, Comparison, Severity
from taketwo.conversation import Call
from taketwo.events import SuiteFinished
from taketwo.run import Ending, Fidelity, Miss, Rung, Tier, ToolAnswer, UserAnswer
from taketwo.scenario import Kept
from taketwo.value import JSON
from taketwo.verdict import CaseResult, Past, Rate, SeenAt, Verdict

_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls, among them ESC, which terminals obey
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060-\u2064\ufeff"  # marks that show as nothing
    "\u2028\u2029\u202a-\u202e\u2066-\u206f"  # separators, and what turns the direction of text around
    "\ud800-\udfff\ufff9-\ufffb\ufffe\uffff"  # no characters at all
    "\U000e0000-\U000e007f"  # tags: text that no font shows
    "]"
)
_UNSEEN_IN_PROSE = re.compile(_UNSEEN.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}

OUTCOMES: dict[str, str] = {
    "pass": "nothing that matters is different",
    "fail": "a regression",
    "error": "could not be replayed",
    "changed": "a person should look",
    "flaky": "the attempts do not agree",
    "inconclusive": "not enough evidence",
    "quarantined": "does not count for now",
}
"""What each verdict says; and `error` and `quarantined`, which are none."""

GRAVEST_FIRST: tuple[str, ...] = ("fail", "error", "flaky", "changed", "inconclusive", "quarantined", "pass")
"""The order in which a person should read verdicts; `error` and `quarantined` are none, see `OUTCOMES`."""

MOST_NOT_RUN = 8
"""So many cases that were not begun are named; the JSON and the page have all of them."""

CHANGES: dict[ChangeKind, str] = {
    "call_added": "new call",
    "call_lost": "call left out",
    "arguments_changed": "other arguments",
    "order_changed": "other order",
    "result_changed": "other result",
    "reply_reworded": "other words",
    "reply_missing": "no reply",
    "reply_added": "new reply",
    "turn_missing": "turn left out",
    "turn_added": "new turn",
    "claim_unbacked": "said, not done",
}
"""Each kind of change as a label."""

SEVERITY_MEANINGS: dict[Severity, str] = {
    "critical": "a write is different",
    "major": "what the user gets is different",
    "minor": "what is looked up is different",
    "wording": "only words are different",
}
"""What each severity means."""

RUNGS: dict[Rung, str] = {
    "recorded": "the recorded line",
    "reordered": "another recorded line that fits",
    "facts": "from the facts that this user gave in the recording",
    "simulated": "by a model that knows only those facts",
    "unanswerable": "nothing: the recording holds no answer",
}
"""What answered a user turn."""

TIERS: dict[Tier, str] = {
    "exact": "the recorded result of the same call",
    "canonical": "the recorded result of the same call, written differently",
    "volatile": "the recorded result; the arguments differ only where the recordings show that it does not matter",
    "state": "the state of the world as the recordings show it",
    "synthesised": "an invented result, as allowed",
    "live": "the real tool",
    "agent": "the agent itself",
    "miss": "nothing",
}
"""What answered a tool call."""

MISSES = {
    "never_recorded": "the tool was never called in the recording",
    "other_arguments": "it was recorded only with other arguments",
    "used_up": "it was not recorded as often as it is called now",
    "after_divergence": "it was recorded only for a past that this replay has left",
}
"""Why nothing recorded answers a call."""

ENDINGS = {
    "completed": "every user line was said and answered",
    "missed": "a tool call had no recorded answer",
    "unanswerable": "the agent asked what the recording cannot answer",
    "agent_failed": "the agent failed",
    "timed_out": "the agent took too long",
    "cancelled": "it was cancelled",
}
"""How a replay ended."""

MOST_DUE = 5
"""Cases past their review date that are named; the others are counted."""
SHORT_HASH = 8
"""Digits of a commit's hash that a report shows."""
VALUE_LIMIT = 1_000
"""Characters of one argument or result that a report shows."""


def plain(text: str) -> str:
    r"""The text on one line, with everything that acts or hides in its place as an escape such as `\e` or `\u202e`."""
    return text if text.isprintable() else _UNSEEN.sub(_escape, text)


def plain_prose(text: str) -> str:
    """The same for places that can show several lines: line feeds and tabs stay."""
    return text if text.isprintable() else _UNSEEN_IN_PROSE.sub(_escape, text.replace("\r\n", "\n"))


def shortened(text: str, limit: int) -> str:
    """At most about `limit` characters, and how many were left out. Cut before making visible, never after."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def turn_in_words(turn_index: int | None) -> str:
    """`turn 4` for position 3; `the conversation` for None."""
    return "the conversation" if turn_index is None else f"turn {turn_index + 1}"


def value_in_words(value: JSON, limit: int = VALUE_LIMIT) -> str:
    """One line of JSON, long ones cut, with nothing unseen in it."""
    return plain(shortened(json.dumps(value, ensure_ascii=False), limit))


def call_in_words(call: Call) -> str:
    """`issue_refund(order_id="A-1042", amount=39.9)`."""
    if call.arguments_text is not None and not call.arguments:
        return f"{plain(call.tool)}({plain(shortened(call.arguments_text, VALUE_LIMIT))})"
    return f"{plain(call.tool)}({arguments_in_words(call.arguments)})"


def arguments_in_words(arguments: dict[str, JSON]) -> str:
    """`order_id="A-1042", amount=39.9`."""
    return ", ".join(f"{plain(name)}={value_in_words(value)}" for name, value in arguments.items())


def result_in_words(call: Call, limit: int = VALUE_LIMIT) -> str:
    """What the agent read: the error, the text, or JSON; several lines may stay several."""
    if call.error is not None:
        return f"error: {shortened(call.error, limit)}"
    return shortened(call.result, limit) if isinstance(call.result, str) else value_in_words(call.result, limit)


def miss_in_words(miss: Miss, tool: str) -> tuple[str, ...]:
    """Why nothing answers, the nearest recorded call, and one line a difference."""
    lines = [f"no recorded answer: {MISSES[miss.kind]}"]
    if miss.nearest is not None:
        arguments = arguments_in_words(miss.nearest_arguments) if miss.nearest_arguments else ""
        lines.append(f"nearest: {turn_in_words(miss.nearest.turn_index)}, {plain(tool)}({arguments})")
    return (*lines, *(plain(shortened(line, VALUE_LIMIT)) for line in miss.differences))


def user_answer_in_words(answer: UserAnswer) -> str:
    """What answered the user turn, and why, unless it was simply the recorded line."""
    if is_plain_answer(answer) or not answer.reason:
        return RUNGS[answer.rung]
    return f"{RUNGS[answer.rung]} ({plain(shortened(answer.reason, VALUE_LIMIT))})"


def tool_answer_in_words(answer: ToolAnswer) -> str:
    """What answered the tool call, and from where if it stood elsewhere in the recording or in another one."""
    source = ""
    if answer.recorded is not None and answer.recorded_in is not None:
        source = f", from {turn_in_words(answer.recorded.turn_index)} of {plain(answer.recorded_in)}"
    elif answer.recorded is not None and answer.recorded.turn_index != answer.place.turn_index:
        source = f", from {turn_in_words(answer.recorded.turn_index)}"
    again = ", which had answered another call already" if answer.reused else ""
    return f"{TIERS[answer.tier]}{source}{again}"


def is_plain_answer(answer: UserAnswer | ToolAnswer) -> bool:
    """Whether the answer is what the recording held at this very place, so that it needs no remark."""
    match answer:
        case UserAnswer():
            return answer.rung == "recorded"
        case ToolAnswer():
            return answer.tier in ("exact", "agent") and not answer.reused and answer.recorded_in is None
        case _:
            assert_never(answer)


def fidelity_in_words(fidelity: Fidelity) -> str:
    """`fidelity 0.86: user 0.92 (6 recorded, 1 facts), tools 0.94 (9 exact, 1 state), 3 turns as recorded`."""
    rungs, tiers = _tally(fidelity.rungs), _tally(fidelity.tiers)
    measured = (("user", fidelity.user, rungs), ("tools", fidelity.tools, tiers), ("state", fidelity.state, ""))
    parts = [f"{name} {part:.2f}{counts}" for name, part, counts in measured if part is not None]
    parts.append(f"{counted(fidelity.common_turns, 'turn')} as recorded")
    parts += _chance(fidelity.chance)
    return f"fidelity {fidelity.score:.2f}: {', '.join(parts)}"


def _chance(seeds: Mapping[str, int | None]) -> Iterator[str]:
    """`chance fixed (model)`, `no seed taken by user`."""
    for what, names in (
        ("chance fixed", [name for name, seed in seeds.items() if seed is not None]),
        ("no seed taken", [name for name, seed in seeds.items() if seed is None]),
    ):
        if names:
            yield f"{what} ({', '.join(names)})"


def _tally(counts: Mapping[Any, int]) -> str:
    """` (6 recorded, 1 facts)`; nothing for nothing."""
    told = ", ".join(f"{times:,} {kind}" for kind, times in counts.items())
    return f" ({told})" if told else ""


def ending_in_words(ending: Ending) -> str:
    """`ended in turn 4: a tool call had no recorded answer (…)`."""
    place = f" in {turn_in_words(ending.turn_index)}" if ending.turn_index is not None else ""
    detail = f" ({plain(shortened(ending.detail, VALUE_LIMIT))})" if ending.detail else ""
    return f"ended{place}: {ENDINGS[ending.reason]}{detail}"


def headline(verdict: Verdict) -> str:
    """The weightiest reason; what the verdict says in general when it has none."""
    return plain(shortened(verdict.reasons[0].text, VALUE_LIMIT)) if verdict.reasons else OUTCOMES[verdict.kind]


def kept_in_words(kept: Kept) -> str:
    """`kept by Dana; owner: refunds; https://…`; nothing where nothing is said."""
    parts = [
        "" if kept.by is None else f"kept by {kept.by}",
        "" if kept.owner is None else f"owner: {kept.owner}",
        kept.incident or "",
    ]
    return "; ".join(plain(part) for part in parts if part)


def outcome_in_words(result: CaseResult) -> str:
    """The headline; of a case in quarantine with what it would have been and why it does not count."""
    if result.kept.quarantine is None:
        return headline(result.verdict)
    reason = plain(shortened(result.kept.quarantine, VALUE_LIMIT))
    return f"{result.verdict.kind}, and does not count ({reason}): {headline(result.verdict)}"


def due_in_words(due: Sequence[CaseResult]) -> str | None:
    """`past their review date: dana-refund (2026-11-01, refunds), …`; None where nothing is due."""
    return past_review(due_case(one) for one in sorted(due, key=lambda one: (one.kept.review_on, one.case_id)))


def due_case(result: CaseResult) -> str:
    """`dana-refund (2026-11-01, refunds)`."""
    said = [str(part) for part in (result.kept.review_on, result.kept.owner) if part is not None]
    return plain(f"{result.case_id} ({', '.join(said)})")


def past_review(cases: Iterable[str]) -> str | None:
    """The cases, as `due_case` tells each, in one line; None for none."""
    told = list(cases)
    if not told:
        return None
    more = f" and {len(told) - MOST_DUE} more" if len(told) > MOST_DUE else ""
    return f"past {'its' if len(told) == 1 else 'their'} review date: {', '.join(told[:MOST_DUE])}{more}"


def rate_in_words(rate: Rate) -> str:
    """`passed 4 of 5 attempts; the pass rate lies between 0.38 and 0.96 (95 %)`."""
    return (
        f"passed {rate.passed} of {counted(rate.runs, 'attempt')}; the pass rate lies between {rate.low:.2f} and "
        f"{rate.high:.2f} (95 %)"
    )


def sureness_in_words(result: CaseResult) -> str:
    """`failed 5 of 5 attempts, pass rate at most 0.43 (95 %); fidelity 0.98`: what the verdict rests on."""
    rate, contrast = result.verdict.rate, result.contrast
    parts = []
    if rate is None:
        parts.append("seen in one replay" if len(result.attempts) == 1 else "")
    elif rate.passed < rate.runs:
        parts.append(f"failed {rate.runs - rate.passed} of {counted(rate.runs, 'attempt')}, ")
        parts[-1] += f"pass rate between {rate.low:.2f} and {rate.high:.2f} (95 %)"
    else:
        parts.append(rate_in_words(rate))
    if contrast is not None:
        parts.append(contrast.in_words)
    known = [attempt.run.fidelity.score for attempt in result.attempts if attempt.run.fidelity is not None]
    if known:
        parts.append(f"fidelity {min(known):.2f}")
    return "; ".join(part for part in parts if part)


def past_in_words(past: Past | None) -> str:
    """`red since def5678 (2026-11-27), green at abc1234 (2026-11-25)`; nothing where no history is kept."""
    if past is None:
        return ""
    green = "" if past.green is None else _seen_in_words(past.green)
    if past.red is None:
        return f"last green at {green}" if green else "no green run is known"
    red = _seen_in_words(past.red)
    if past.green is not None and past.green.revision == past.red.revision:
        return f"green and then red at {red}: something besides that commit has changed"
    return f"red since {red}, green at {green}" if green else f"red at least since {red}, no green run is known"


def _seen_in_words(seen: SeenAt) -> str:
    return f"{plain(shortened_revision(seen.revision))} ({seen.at:%Y-%m-%d})"


def shortened_revision(revision: str) -> str:
    """The first digits of a commit's hash; any other name as it is."""
    return revision[:SHORT_HASH] if re.fullmatch("[0-9a-f]{40,64}", revision) else revision


def address(result: CaseResult) -> str | None:
    """`file:line`, as editors and CI systems make a link of it; None when it came from the store."""
    if result.file is None:
        return None
    return plain(result.file if result.line is None else f"{result.file}:{result.line}")


def duration_in_words(seconds: float) -> str:
    """`< 1 ms`, `340 ms`, `3.4 s` or `2 min 5 s`."""
    if 0 < seconds < 0.0005:
        return "< 1 ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def counted(number: int, thing: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def items_in_words(items: dict[str, int]) -> str:
    """`12 spans, 1 conversation`, those of which there are none left out; `nothing` for none at all."""
    return ", ".join(counted(number, thing) for thing, number in items.items() if number) or "nothing"


def counts_in_words(counts: dict[str, int]) -> str:
    """`10 pass, 1 fail`, the gravest first, those that did not occur left out."""
    known = [f"{counts[kind]:,} {kind}" for kind in GRAVEST_FIRST if counts.get(kind)]
    return ", ".join(known) or "nothing was replayed"


def course_in_words(end: SuiteFinished | None, not_run: Sequence[CaseResult]) -> Iterator[str]:
    """What was not replayed, and why: taken from an earlier run, or not begun."""
    if end is None:
        return
    if not_run:
        yield not_run_in_words([result.case_id for result in not_run], end.why_not_run, "--resume")
    if end.from_cache:
        total = counted(sum(end.counts.values()), "case")
        yield f"from cache: {end.from_cache:,} of {total}, of which nothing has changed; --no-cache replays them"
    yield from map(plain, end.notes)


def not_run_in_words(ids: Sequence[str], why: str | None, resume: str) -> str:
    """The cases that were not begun. why: the reason; None where none is known. resume: the option that goes on."""
    names = ", ".join(plain(id) for id in ids[:MOST_NOT_RUN])
    more = f" and {len(ids) - MOST_NOT_RUN:,} more" if len(ids) > MOST_NOT_RUN else ""
    told = "" if why is None else f" ({plain(why)})"
    return f"not run: {counted(len(ids), 'case')}{told}: {names}{more}; {resume} goes on with them"


def conclusion(counts: dict[str, int], not_run: int = 0) -> str:
    """The whole suite in one sentence, such as `1 of 8 cases regressed`. not_run: how many cases were not begun."""
    total = sum(counts.values())
    errors, unsure = counts.get("error", 0), counts.get("inconclusive", 0)
    to_look_at = unsure + counts.get("changed", 0) + counts.get("flaky", 0)
    apart = counts.get("quarantined", 0)
    if failed := counts.get("fail", 0):
        more = f", {errors:,} could not be replayed" if errors else ""
        return "The case regressed" if total == 1 else f"{failed:,} of {total:,} cases regressed{more}"
    if errors:
        return f"{errors:,} of {counted(total, 'case')} could not be replayed"
    if not_run:
        return f"No regression found, but {not_run:,} of {counted(total, 'case')} not run"
    if to_look_at:
        what = "inconclusive" if unsure == to_look_at else "to look at"
        return f"No regression found, {counted(to_look_at, 'case')} {what}"
    if not total:
        return "Nothing was replayed"
    if apart:
        return f"No regression found, {counted(apart, 'case')} quarantined"
    return "The case passes" if total == 1 else f"All {total:,} cases pass"


def figure(number: float | None) -> str:
    """A figure for a table; `unknown` for None."""
    return "unknown" if number is None else f"{round(number, 1):,}".removesuffix(".0")


FIGURES = {
    "turns": "turns",
    "tool_calls": "tool calls",
    "agent_words": "words of the agent",
    "questions": "questions asked",
    "questions_repeated": "questions asked again",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "cost_usd": "cost, US dollars",
    "mean_latency_ms": "mean time to reply, ms",
    "p50_latency_ms": "half of the replies within, ms",
    "p95_latency_ms": "95 % of the replies within, ms",
    "mean_first_words_ms": "mean time to the first words, ms",
    "csat": "CSAT",
}
"""What a person calls each figure of a conversation."""


def figures_of_both(comparison: Comparison) -> Iterator[tuple[str, str, str]]:
    """Each figure, with what it is on either side."""
    for name, label in FIGURES.items():
        sides = getattr(comparison.recorded, name), getattr(comparison.replayed, name)
        was, now = (f"{side:.4g}" if name == "cost_usd" and side is not None else figure(side) for side in sides)
        yield label, was, now


def moment_in_words(at: datetime) -> str:
    """`2026-11-17 09:30 UTC`."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in _SHORT:
        return _SHORT[sign]
    number = ord(sign)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
