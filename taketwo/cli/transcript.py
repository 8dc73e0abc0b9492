"""A conversation as a person reads it in a terminal. Recorded text is shown escaped, never executed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import click

from taketwo.conversation import Call, Conversation, Say, Source, Step, Turn
from taketwo.report.words import call_in_words, plain, result_in_words, shortened

WIDEST = 400
"""Characters of one text or result; longer ones are cut, with a count of what was left out."""


def transcript(conversation: Conversation, *, with_sources: bool) -> Iterator[str]:
    """The lines: a head, each turn with its calls, then the gaps."""
    yield from _head(conversation)
    for turn in conversation.turns:
        yield ""
        yield from _turn(turn, with_sources=with_sources)
    if conversation.gaps:
        yield click.style(f"\nnot known ({len(conversation.gaps)})", bold=True)
        yield from (f"  {plain(gap.where)}: {plain(gap.why)}" for gap in conversation.gaps)


def _head(conversation: Conversation) -> Iterator[str]:
    facts = {
        "project": conversation.project,
        "user": conversation.user_id,
        "started": conversation.started_at and f"{conversation.started_at:%Y-%m-%d %H:%M:%S} UTC",
        "agent": conversation.agent.name,
        "model": conversation.agent.model,
        "tools": ", ".join(tool.name for tool in conversation.agent.tools),
    }
    yield click.style(plain(conversation.id), bold=True)
    yield "  ".join(f"{name}: {plain(str(value))}" for name, value in facts.items() if value)


def _turn(turn: Turn, *, with_sources: bool) -> Iterator[str]:
    said = _text(turn.user.text) if turn.user else "(the agent speaks first)"
    yield f"{click.style(f'{turn.index + 1:>3}', bold=True)}  user   {said}"
    if with_sources and turn.user:
        yield from _source(turn.user.source)
    for step in turn.steps:
        yield f"     {_step(step)}"
        if with_sources:
            yield from _source(step.source)
    if turn.reply is None:
        yield click.style("     agent  (no reply)", fg="yellow")


def _step(step: Step) -> str:
    match step:
        case Say():
            return f"agent  {_text(step.text)}"
        case Call():
            came_back = plain(shortened(result_in_words(step), WIDEST))
            arrow = click.style(f"→ {came_back}", fg="red") if step.error is not None else f"→ {came_back}"
            return f"{click.style('call', fg='cyan')}   {call_in_words(step)} {arrow}"
        case _:
            assert_never(step)


def _source(source: Source | None) -> Iterator[str]:
    if source is not None:
        yield click.style(f"            from {source.span_id or source.place}, by {plain(source.rule)}", dim=True)


def _text(text: str) -> str:
    return plain(shortened(text, WIDEST))
