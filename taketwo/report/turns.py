"""Aligned turns as lines of text: only what a person must see, before and after."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from taketwo.comparison import Change, Severity
from taketwo.conversation import Say, Step
from taketwo.report.aligned import AlignedArgument, AlignedStep, AlignedTurn
from taketwo.report.lines import Page, Span, Style
from taketwo.report.worddiff import Piece, word_diff
from taketwo.report.words import (
    SEVERITY_MEANINGS,
    call_in_words,
    is_plain_answer,
    miss_in_words,
    plain,
    result_in_words,
    shortened,
    tool_answer_in_words,
    turn_in_words,
    user_answer_in_words,
    value_in_words,
)

MAX_TURNS = 8
"""Turns that are shown in full; a page of HTML has room for all of them."""
USER_LINE_LIMIT = 300
"""Characters of what the user said."""
TEXT_LIMIT = 800
"""Characters of a reply; HTML shows more."""
RESULT_LIMIT = 200
"""Characters of the result of a call that is on one side only."""
CONTEXT_WORDS = 8
"""Unchanged words kept on each side of a change in a longer text."""

_TURN_INDENT, _LABEL_INDENT, _TEXT_INDENT = 4, 6, 17
WEIGHTS: dict[Severity, Style] = {"critical": "bad", "major": "look", "minor": "dim", "wording": "dim"}
"""The style in which each severity is told."""
_SHOWN_ELSEWHERE = {
    "call_added",
    "call_lost",
    "arguments_changed",
    "result_changed",
    "reply_reworded",
    "reply_missing",
    "reply_added",
}


def turn_lines(turns: Sequence[AlignedTurn], page: Page) -> Iterator[str]:
    """Every turn in which something is different or could not be answered; the rest is counted or left out."""
    loud = [turn for turn in turns if not turn.is_quiet]
    folded = [turn for turn in loud if _is_about_words_only(turn)]
    if len(folded) < len(loud):
        loud = [turn for turn in loud if not _is_about_words_only(turn)]
    else:
        folded = []
    left = MAX_TURNS
    for unreached, group in groupby(loud, key=_was_not_reached):
        if unreached:
            yield from _unreached_lines(list(group), page)
            continue
        for turn in group:
            left -= 1
            if left >= 0:
                yield from _lines_of_turn(turn, page)
    if left < 0:
        yield from page.lines([Span(f"and {-left} more turns with changes", "dim")], indent=_TURN_INDENT)
    if folded:
        text = f"other words only, in {_turns_in_words(folded)}"
        yield from page.lines([Span(text, "dim")], indent=_TURN_INDENT)


def _is_about_words_only(turn: AlignedTurn) -> bool:
    return turn.gravest == "wording" and turn._replace(changes=()).is_quiet


def _was_not_reached(turn: AlignedTurn) -> bool:
    return turn.replayed is None


def _unreached_lines(turns: list[AlignedTurn], page: Page) -> Iterator[str]:
    what = "is in the recording only" if len(turns) == 1 else "are in the recording only"
    spans = [Span(_turns_in_words(turns), "bold"), Span(f" {what}")]
    yield from page.lines(spans, indent=_TURN_INDENT)


def _turns_in_words(turns: Sequence[AlignedTurn]) -> str:
    """`turn 4`, `turns 4–6, 9`."""
    runs: list[list[int]] = []
    for number in (turn.position + 1 for turn in turns):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    listed = ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
    return f"turn {listed}" if len(turns) == 1 else f"turns {listed}"


def _lines_of_turn(turn: AlignedTurn, page: Page) -> Iterator[str]:
    yield from _head(turn, page)
    if turn.user_answer is not None and not is_plain_answer(turn.user_answer):
        yield from _labelled("user", [Span(user_answer_in_words(turn.user_answer), "doubt")], page)
    if turn.other_user_line is not None:
        text = f"recorded: “{_one_line(shortened(turn.other_user_line, USER_LINE_LIMIT))}”"
        yield from _labelled("", [Span(text, "dim")], page)
    for step in turn.steps:
        yield from _step(step, page)
    if turn.reply_changed:
        yield from _before_and_after("reply", *turn.replies, page)
        for nearness in (change.wording_similarity for change in turn.changes if change.wording_similarity is not None):
            yield from _labelled("", [Span(f"{nearness:.0%} alike in meaning", "dim")], page)
    elif turn.replayed and turn.replayed.reply is not None and not turn.changes:
        yield from _labelled("reply", [Span(_one_line(shortened(turn.replayed.reply, TEXT_LIMIT)), "dim")], page)
    for change in turn.changes:
        if change.kind not in _SHOWN_ELSEWHERE:
            yield from _labelled("note", [Span(plain(shortened(change.summary, TEXT_LIMIT)))], page)
    for oddity in turn.oddities:
        yield from _labelled("note", [Span(plain(shortened(oddity.why, TEXT_LIMIT)))], page)


def _head(turn: AlignedTurn, page: Page) -> Iterator[str]:
    """`turn 4  “…”  a write is different ◂ first divergence`."""
    spans = [Span(turn_in_words(turn.position), "bold")]
    if turn.recorded is not None and turn.recorded.index != turn.position:
        spans.append(Span(f" (recorded as {turn_in_words(turn.recorded.index)})", "dim"))
    spans.append(Span(f"  {_user_line(turn)}"))
    if turn.gravest is not None:
        spans.append(Span(f"  {SEVERITY_MEANINGS[turn.gravest]}", WEIGHTS[turn.gravest]))
    if turn.is_first_divergence:
        spans.append(Span(" ◂ first divergence", "look"))
    yield ""
    yield from page.lines(spans, indent=_TURN_INDENT)


def _user_line(turn: AlignedTurn) -> str:
    side = turn.replayed or turn.recorded
    if side is None or side.user is None:
        return "(the agent speaks first)"
    return f"“{_one_line(shortened(side.user.text, USER_LINE_LIMIT))}”"


def _step(step: AlignedStep, page: Page) -> Iterator[str]:
    """A call or words on both sides, or on the one side where they are."""
    if step.recorded is None or step.replayed is None or (step.arguments_changed and step.has_raw_arguments):
        yield from _one_sided(step, page)
    elif step.arguments_changed:
        yield from _labelled("changed", _changed_call(step), page)
    else:
        style: Style = "plain" if step.changes else "dim"
        yield from _labelled("same", [Span(_words_of(step.replayed), style)], page)
    for change in step.changes:
        if change.kind == "result_changed" and step.result_changed:
            yield from _other_result(change, page)
    if step.answer is not None and step.answer.miss is not None and step.call is not None:
        for line in miss_in_words(step.answer.miss, step.call.tool):
            yield from _labelled("", [Span(line, "doubt")], page)
    elif step.answer is not None and not is_plain_answer(step.answer):
        yield from _labelled("", [Span(f"answered by {tool_answer_in_words(step.answer)}", "dim")], page)


def _other_result(change: Change, page: Page) -> Iterator[str]:
    """Word by word where both are texts; of values only what is different in them."""
    if isinstance(change.before, str) and isinstance(change.after, str):
        yield from _before_and_after("result", change.before, change.after, page)
    else:
        yield from _labelled("result", [Span(plain(shortened(change.summary, TEXT_LIMIT)))], page)


def _one_sided(step: AlignedStep, page: Page) -> Iterator[str]:
    if step.recorded is not None:
        yield from _labelled("recorded", [Span(_words_of(step.recorded), "was"), *_result(step.recorded)], page)
    if step.replayed is not None:
        # What a missed call gave is Take Two's own error; the miss itself is told below it.
        result = [] if step.is_missed else _result(step.replayed)
        yield from _labelled("replayed", [Span(_words_of(step.replayed), "now"), *result], page)


def _words_of(step: Step) -> str:
    if isinstance(step, Say):
        return f"says “{_one_line(shortened(step.text, TEXT_LIMIT))}”"
    return call_in_words(step)


def _result(step: Step) -> list[Span]:
    if isinstance(step, Say) or (step.result is None and step.error is None):
        return []
    return [Span(f" → {_one_line(shortened(result_in_words(step), RESULT_LIMIT))}", "dim")]


def _changed_call(step: AlignedStep) -> list[Span]:
    """`issue_refund(order_id="A-1042", amount=20 → 25)`, before and after marked."""
    spans = [Span(f"{plain(step.call.tool)}(" if step.call else "(")]
    for place, argument in enumerate(step.arguments()):
        spans += [Span(", ")] if place else []
        spans += _argument(argument)
    return [*spans, Span(")")]


def _argument(argument: AlignedArgument) -> list[Span]:
    name, before, after = plain(argument.name), value_in_words(argument.before), value_in_words(argument.after)
    match argument.kind:
        case "same":
            return [Span(f"{name}={after}")]
        case "removed":
            return [Span(f"{name}={before}", "old")]
        case "added":
            return [Span(f"{name}={after}", "new")]
        case "changed":
            return [Span(f"{name}="), Span(before, "old"), Span(" → "), Span(after, "new")]


def _before_and_after(label: str, before: str | None, after: str | None, page: Page) -> Iterator[str]:
    """Both texts in one line where they share enough words, else one below the other."""
    pieces = word_diff(before or "", after or "")
    if before is None or after is None or (len(pieces) == 1 and not pieces[0].same):
        yield from _labelled(f"{label} was", [_whole(before, "was")], page)
        yield from _labelled(f"{label} is", [_whole(after, "now")], page)
        return
    spans = [span for place, piece in enumerate(pieces) for span in _spans_of(piece, place, len(pieces))]
    yield from _labelled(label, spans, page)


def _whole(text: str | None, style: Style) -> Span:
    return Span("(nothing)", "dim") if text is None else Span(_one_line(shortened(text, TEXT_LIMIT)), style)


def _spans_of(piece: Piece, place: int, count: int) -> list[Span]:
    if piece.same:
        return [Span(_context(piece.after, keeps_head=place > 0, keeps_tail=place < count - 1))]
    sides: tuple[tuple[str, Style], ...] = ((piece.before, "old"), (piece.after, "new"))
    spans = []
    for text, style in sides:
        if text:
            # The space before a word belongs to what stands around it, not to what is marked.
            lead = text[: len(text) - len(text.lstrip())]
            spans += [Span(" " if lead else ""), Span(_one_line(shortened(text.strip(), TEXT_LIMIT)), style)]
    return spans


def _context(text: str, *, keeps_head: bool, keeps_tail: bool) -> str:
    """What stayed, with the middle of a long stretch left out."""
    words = re.findall(r"\s*\S+|\s+", text)
    if len(words) <= 2 * CONTEXT_WORDS + 4:
        return _one_line(text)
    head = words[:CONTEXT_WORDS] if keeps_head else []
    tail = words[-CONTEXT_WORDS:] if keeps_tail else []
    return _one_line("".join(head)) + " …" + _one_line("".join(tail))


def _labelled(label: str, spans: Sequence[Span], page: Page) -> Iterator[str]:
    first = " " * _LABEL_INDENT + page.paint(label.ljust(_TEXT_INDENT - _LABEL_INDENT), "dim")
    yield from page.lines(spans, first=first, indent=_TEXT_INDENT)


def _one_line(text: str) -> str:
    return plain(re.sub(r"\s*\n\s*", " ↵ ", text))
