"""The steps of aligned turns as rows of two sides, worded for the template: a page may draw a thousand at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from taketwo.conversation import Say, Step
from taketwo.report import words
from taketwo.report.aligned import AlignedArgument, AlignedStep
from taketwo.report.worddiff import Piece, word_diff

TEXT_LIMIT = 8_000
"""Characters of one text that is shown; whole texts are in the JSON."""


class Argument(NamedTuple):
    """An argument of a call, as one side has it."""

    name: str
    """Its name."""
    value: str
    """Its value; as markup where a part of it differs."""
    differs: bool
    """Whether the other side has another value, or none."""


class Side(NamedTuple):
    """What one side did in a step: it spoke, it called a tool, or neither."""

    classes: str
    """`recorded` or `replayed`, and whether the other side has no such step."""
    said: str | None = None
    """The words; None where there are none."""
    tool: str | None = None
    """The tool that was called; None where none was."""
    tag: str | None = None
    """That the other side has no such call; None where it has."""
    raw: str | None = None
    """The call in one line where its arguments are known as a text only."""
    arguments: tuple[Argument, ...] = ()
    """What it was called with."""
    result: str | None = None
    """What it gave; None where nothing did or nothing is known."""
    failed: bool = False
    """Whether what it gave is an error."""
    result_changed: bool = False
    """Whether the other side's call gave something else."""
    answered: AlignedStep | None = None
    """The step whose answer is told here; None where nothing is known of it."""


class Row(NamedTuple):
    """One step on both sides, or two that stand on one side each."""

    sides: tuple[Side, Side]
    """Recorded and replayed."""
    is_same: bool
    """Whether both sides hold the same step without a difference."""


def rows(steps: Sequence[AlignedStep]) -> Iterator[Row]:
    """Steps as rows; one that was left out and the new one after it share a row."""
    for left, right in _paired(steps):
        yield Row(
            sides=(_recorded(left), _replayed(right)), is_same=left is right and left is not None and not left.changes
        )


def differing(texts: tuple[str | None, str | None]) -> tuple[str | None, str | None]:
    """Both texts, with what went marked in the first and what came marked in the second; one alone has no marks."""
    before, after = (None if text is None else words.shortened(text, TEXT_LIMIT) for text in texts)
    if before is None or after is None:
        return before, after
    return _marked_sides(before, after)


def joined(before: str, after: str) -> Markup:
    """Both texts as one, with what went marked before what came."""
    return Markup("").join(map(both, word_diff(before, after)))


def both(piece: Piece) -> Markup:
    """A stretch of both texts as one."""
    if piece.same:
        return _safe(piece.after)
    went = _marked(piece.before, False, "<del>", "</del>") if piece.before.strip() else ""
    came = _marked(piece.after, False, "<ins>", "</ins>")
    return Markup(f"{went}{came}" if piece.after.strip() or not went else went)


def _recorded(step: AlignedStep | None) -> Side:
    if step is None or step.recorded is None:
        return Side("recorded")
    if step.replayed is None:
        return _side(step, step.recorded, 0)._replace(classes="recorded gone", tag="left out")
    return _side(step, step.recorded, 0)


def _replayed(step: AlignedStep | None) -> Side:
    if step is None or step.replayed is None:
        return Side("replayed")
    side = _side(step, step.replayed, 1)
    if step.recorded is None:
        side = side._replace(classes="replayed new", tag="new call")
    if step.is_missed:
        side = side._replace(result=None)
    return side._replace(answered=step) if step.answer else side


def _side(step: AlignedStep, side: Step, which: int) -> Side:
    """The step on the left side, 0, or on the right one, 1."""
    classes = ("recorded", "replayed")[which]
    if isinstance(side, Say):
        return Side(classes, said=words.shortened(side.text, TEXT_LIMIT))
    return Side(
        classes,
        tool=side.tool,
        raw=words.call_in_words(side) if step.has_raw_arguments else None,
        arguments=() if step.has_raw_arguments else tuple(_arguments(step, which)),
        result=None if side.error is None and side.result is None else words.result_in_words(side, TEXT_LIMIT),
        failed=side.error is not None,
        result_changed=step.result_changed,
    )


def _arguments(step: AlignedStep, which: int) -> Iterator[Argument]:
    """Those that the side has."""
    absent = ("added", "removed")[which]
    for argument in step.arguments():
        if argument.kind != absent:
            yield Argument(argument.name, _value(argument, which), argument.kind != "same")


def _value(argument: AlignedArgument, which: int) -> str:
    before, after = argument.before, argument.after
    if argument.kind == "same":
        return words.value_in_words(after)
    if argument.kind == "changed" and isinstance(before, str) and isinstance(after, str):
        return Markup('"{}"').format(differing((before, after))[which])
    marks = Markup("<ins>{}</ins>") if which else Markup("<del>{}</del>")
    return marks.format(words.value_in_words(after if which else before))


def _marked_sides(before: str, after: str) -> tuple[Markup, Markup]:
    pieces = word_diff(before, after)
    whole = ' class="whole"' if len(pieces) == 1 else ""
    # All that goes in is either safe or one of these marks.
    return (
        Markup("".join(_marked(piece.before, piece.same, f"<del{whole}>", "</del>") for piece in pieces)),
        Markup("".join(_marked(piece.after, piece.same, "<ins>", "</ins>") for piece in pieces)),
    )


def _marked(text: str, is_same: bool, opens: str, closes: str) -> str:
    """A piece of one side; white space before what is marked is not."""
    bare = text.lstrip()
    if is_same or not bare:
        return _safe(text)
    return f"{_safe(text[: len(text) - len(bare)])}{opens}{_safe(bare)}{closes}"


def _safe(text: str) -> Markup:
    """Markup is written as it is, so that what would act or hide must be made visible before."""
    return escape(words.plain_prose(text))


def _paired(steps: Sequence[AlignedStep]) -> Iterator[tuple[AlignedStep | None, AlignedStep | None]]:
    waiting: AlignedStep | None = None
    for step in steps:
        if waiting is not None:
            replaces = step.recorded is None
            yield waiting, step if replaces else None
            waiting = None
            if replaces:
                continue
        if step.replayed is None:
            waiting = step
        else:
            yield (step if step.recorded is not None else None), step
    if waiting is not None:
        yield waiting, None
