"""`taketwo backtest`: how well a replay's answers agree with what is known to have happened."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.cli.targets import conversations_of
from taketwo.cli.tool_options import declared_options
from taketwo.conversation import Conversation
from taketwo.errors import NotFound
from taketwo.replay.tool_backtest import Share, ToolBacktest, backtest_others, backtest_trials
from taketwo.replay.traits import Declared
from taketwo.replay.user_backtest import UserBacktest, UserShare, backtest_hidden
from taketwo.replay.user_backtest import backtest_trials as backtest_user_trials

same_task_option = click.option(
    "--same-task",
    default="task_id",
    show_default=True,
    metavar="KEY",
    help="Conversations with the same value under this key of their metadata are runs of one task.",
)


@click.group("backtest")
def backtest_command() -> None:
    """Say how far replays can be trusted, measured on conversations whose outcome is known."""


@backtest_command.command("tools")
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
@same_task_option
@click.option("--leave-out", multiple=True, metavar="TOOL", help="Do not count this tool. May be repeated.")
@declared_options
@project_option
@json_option
@store_option
def tools_command(
    targets: tuple[str, ...],
    same_task: str,
    leave_out: tuple[str, ...],
    declared: Declared,
    project: str | None,
    as_json: bool,
    store_url: str | None,
) -> None:
    """Answer recorded tool calls from other recordings, and compare with what they really got.

    TARGET is a file of conversations, a *.scenario.yaml file, or the id of a captured conversation; without any, all
    captured conversations are taken. Each conversation is answered from every other run of the same task by itself,
    where tasks are known, and from all other conversations together.
    """
    with opened_store(store_url) as store:
        conversations = list(conversations_of(targets, store, project or settings().project))
    if len(conversations) < 2:
        raise NotFound("a back-test needs two conversations or more", todo="name a file of them, or import some")
    trials = backtest_trials(conversations, lambda one: _task(one, same_task), declared=declared, leave_out=leave_out)
    others = backtest_others(conversations, declared=declared, leave_out=leave_out)
    tests = [test for test in (trials, others) if test.calls]
    if as_json:
        click.echo(json.dumps([_as_json(test) for test in tests], indent=2, ensure_ascii=False))
        return
    click.echo("\n\n".join("\n".join(_lines(test)) for test in tests) or "no tool calls to answer")


@backtest_command.command("users")
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
@same_task_option
@project_option
@json_option
@store_option
def users_command(
    targets: tuple[str, ...], same_task: str, project: str | None, as_json: bool, store_url: str | None
) -> None:
    """Ask the user side for lines that are known, and compare with what the user really said.

    TARGET is a file of conversations, a *.scenario.yaml file, or the id of a captured conversation; without any, all
    captured conversations are taken. Each line is hidden and asked for; and where tasks are known, the user of each run
    meets the conversations of the other runs of its task, by the ladder, and with its lines in order for comparison.
    """
    with opened_store(store_url) as store:
        conversations = list(conversations_of(targets, store, project or settings().project))
    if not conversations:
        raise NotFound("there is no conversation to test with", todo="name a file of them, or import some")
    trials = backtest_user_trials(conversations, lambda one: _task(one, same_task))
    tests = [test for test in (backtest_hidden(conversations), *trials) if test.turns]
    if as_json:
        click.echo(json.dumps([_users_as_json(test) for test in tests], indent=2, ensure_ascii=False))
        return
    click.echo("\n\n".join("\n".join(_user_lines(test)) for test in tests) or "no user line to ask for")


def _users_as_json(test: UserBacktest) -> dict[str, object]:
    (answered, asked), (rightly, silent) = test.answered, test.abstained
    return {
        "how": test.how,
        "answered": answered,
        "asked": asked,
        "abstained": silent,
        "rightly_abstained": rightly,
        "by_rung": [share.to_builtins() for share in test.by_rung()],
        "turns": [turn.to_builtins() for turn in test.turns],
    }


def _user_lines(test: UserBacktest) -> Iterator[str]:
    (answered, asked), (rightly, silent) = test.answered, test.abstained
    yield f"{test.how}: {_percent(answered, asked)} of {asked} turns answered"
    if silent:
        share = _percent(rightly, silent)
        yield f"  of {silent} abstentions, {share} where the recording holds no fact of the true line"
    yield f"  {'':16}{'turns':>7}{'same act':>10}{'facts said':>12}{'invented':>10}"
    yield from (_user_line(share) for share in test.by_rung())


def _user_line(share: UserShare) -> str:
    acts, facts = _percent(share.acts_agree, share.compared), _percent(share.facts_said, share.facts_held)
    return f"  {share.name:16}{share.turns:>7}{acts:>10}{facts:>12}{share.invented:>10}"


def _task(conversation: Conversation, key: str) -> str | None:
    value = conversation.metadata.get(key)
    return None if value is None else str(value)


def _as_json(test: ToolBacktest) -> dict[str, object]:
    return {
        "how": test.how,
        "whole": test.whole().to_builtins(),
        "by_tier": [share.to_builtins() for share in test.by_tier()],
        "by_tool": [share.to_builtins() for share in test.by_tool()],
        "below_equal_arguments": [share.name for share in test.below()],
        "curve": [{"least_confidence": level, **share.to_builtins()} for level, share in test.curve()],
        "calls": [call.to_builtins() for call in test.calls],
    }


def _lines(test: ToolBacktest) -> Iterator[str]:
    yield f"answered from {test.how}"
    yield f"{'':32}{'calls':>7}{'answered':>10}{'agreed':>9}   equal arguments: answered, agreed"
    yield _line(test.whole())
    yield "by tier"
    yield from (_line(share) for share in test.by_tier())
    yield "by tool"
    yield from (_line(share) for share in test.by_tool())
    below = ", ".join(share.name for share in test.below())
    yield f"  below equal arguments: {below or 'none'}"
    yield "at least so sure"
    yield from (_line(share) for _, share in test.curve())


def _line(share: Share) -> str:
    answered, agreed = _percent(share.answered, share.calls), _percent(share.agreed, share.answered)
    exact, exact_agreed = (
        _percent(share.exact_answered, share.calls),
        _percent(share.exact_agreed, share.exact_answered),
    )
    return f"  {share.name:30}{share.calls:>7}{answered:>10}{agreed:>9}{exact:>27}{exact_agreed:>9}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
