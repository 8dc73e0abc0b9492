"""`taketwo freeze`: conversations become tests in the user's repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

import click

from taketwo.cli.keeping_options import keeping_options
from taketwo.cli.promotion import Asked, promotion_options
from taketwo.cli.settings import opened_store, project_option, settings, store_option
from taketwo.cli.voices import keep_audio
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting
from taketwo.report.words import plain
from taketwo.scenario import Expectation, Kept, MustCall, MustNotCall, MustNotSay, MustSay, Scenario


@click.command("freeze")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@click.option("--out", required=True, metavar="PATH", help="A *.scenario.yaml file, or a folder to put one into.")
@click.option("--name", metavar="NAME", help="Name of the scenario. Default: from the file's name.")
@click.option("--why", metavar="TEXT", help="Why it is kept; shown when it fails.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="A word to select it by. May be repeated.")
@keeping_options
@click.option(
    "--must-call", multiple=True, metavar="TOOL[@TURN]", help="The agent must call this tool. May be repeated."
)
@click.option("--must-not-call", multiple=True, metavar="TOOL[@TURN]", help="The agent must not call this tool.")
@click.option("--must-say", multiple=True, metavar="TEXT[@TURN]", help="The agent must say this.")
@click.option("--must-not-say", multiple=True, metavar="TEXT[@TURN]", help="The agent must not say this.")
@click.option("--force", is_flag=True, help="Write over an existing file.")
@promotion_options
@project_option
@store_option
def freeze_command(
    ids: tuple[str, ...],
    out: str,
    name: str | None,
    why: str | None,
    tags: tuple[str, ...],
    kept: Kept,
    must_call: tuple[str, ...],
    must_not_call: tuple[str, ...],
    must_say: tuple[str, ...],
    must_not_say: tuple[str, ...],
    force: bool,
    promotion: Asked,
    project: str | None,
    store_url: str | None,
) -> None:
    """Keep captured conversations as a scenario file that runs as a test.

    The file holds its own copy of all that a replay needs: the user's lines, the tools' results, the replies. The
    recording of a call goes into the folder `audio` beside it. Read and edit it like any other file of the repository.
    Turns count from 1: `--must-call check_status@4`.

    Secrets and personal data become pseudonyms; each case is replayed before and after, and kept only where the verdict
    stays the same and no leak is found. What was captured stays as it is.
    """
    from taketwo.evals.sense import insist_on_sense
    from taketwo.freeze.files import save
    from taketwo.freeze.freeze import freeze

    expected = [
        *_expected(must_call, lambda tool, turn: MustCall(tool=tool, turn=turn)),
        *_expected(must_not_call, lambda tool, turn: MustNotCall(tool=tool, turn=turn)),
        *_expected(must_say, lambda text, turn: MustSay(text=text, turn=turn)),
        *_expected(must_not_say, lambda text, turn: MustNotSay(text=text, turn=turn)),
    ]
    path = _target(out, promotion.spoken(name or ids[0]), force=force)
    scenario = freeze(
        _conversations(ids, project or settings().project, store_url),
        name=name or path.name.removesuffix(".scenario.yaml"),
        at=datetime.now(UTC),
        why=why,
        tags=tags,
        kept=kept,
        expected=expected,
    )
    for case in scenario.cases:
        insist_on_sense(case)
    promoted, originals = promotion.promoted(scenario, path)
    if promotion.is_preview:
        return
    # Recordings first: a file without its sound would be half a test.
    heard = keep_audio(scenario, promoted, path, store_url or settings().store, originals, settings())
    for written in (*save(heard.scenario, path), *heard.written):
        click.echo(f"wrote {written}")
    for why in heard.left_out:
        click.echo(f"left out: {why}", err=True)
    _tell_of_expectations(scenario, expected)


def _expected(given: Sequence[str], make: Callable[[str, int | None], Expectation]) -> Iterator[Expectation]:
    """Expectations of one kind from `WHAT@TURN` or `WHAT`."""
    for text in given:
        what, at, turn = text.rpartition("@")
        if at and what and turn.isdecimal() and int(turn) > 0:
            yield make(what, int(turn))
        elif at and " " not in turn and not what.endswith(" "):
            raise BadSetting(f"{text!r}: after the @ stands a turn, counted from 1", todo="as in check_status@4")
        else:
            yield make(text, None)


def _tell_of_expectations(scenario: Scenario, expected: Sequence[Expectation]) -> None:
    for line in _unheard_of(scenario, expected):
        click.echo(line, err=True)
    if not expected:
        click.echo(
            "It has no expectations yet: a replay will show what changed. Add some with --must-call or in the file."
        )


def _unheard_of(scenario: Scenario, expected: Sequence[Expectation]) -> Iterator[str]:
    """A line for each tool that no recording shows: where its name is a slip, forbidding it forbids nothing."""
    sides = [case.recorded for case in scenario.cases]
    known = {call.tool for side in sides for _, _, call in side.calls()} | {
        tool.name for side in sides for tool in side.agent.tools
    }
    for one in expected:
        if isinstance(one, MustCall | MustNotCall) and one.tool not in known:
            near = get_close_matches(one.tool, known, n=1)
            meant = f": did you mean {near[0]}?" if near else ""
            yield plain(f"no recorded conversation shows a tool {one.tool}{meant}")


def _target(out: str, name: str, *, force: bool) -> Path:
    """The file to write."""
    path = Path(out)
    if not path.name.endswith((".scenario.yaml", ".scenario.yml")):
        if path.suffix:
            raise BadSetting("a scenario file's name ends in .scenario.yaml", where=out)
        path = path / f"{name}.scenario.yaml"
    if path.exists() and not force:
        raise BadSetting("there is such a file already", where=str(path), todo="--force writes over it")
    return path


def _conversations(ids: Sequence[str], project: str | None, store_url: str | None) -> list[Conversation]:
    with opened_store(store_url) as store:
        return [store.conversation(id, project) for id in ids]
