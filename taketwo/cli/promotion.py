"""What `taketwo freeze` takes out before a conversation becomes a file, and `taketwo leaks`, which looks again."""

from __future__ import annotations

import asyncio
import functools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taketwo.cli.settings import access, json_option, settings
from taketwo.config import Settings, pseudonyms_key_file
from taketwo.errors import BadSetting
from taketwo.report.words import counted, plain
from taketwo.scenario import Scenario
from taketwo.value import Value

if TYPE_CHECKING:
    from taketwo.capture.leaks import Leak
    from taketwo.capture.redact import Redactor
    from taketwo.suite.promote import Promotion, Replacement

LARGEST_FILE = 50_000_000
"""Bytes; larger files are no scenario files and are told of, not read."""

BOTH_TIMES = {
    "fail": ", which is right: the recorded agent did what the case does not allow",
    "changed": ", as the case expects nothing yet",
}
"""What a verdict means that is no pass, and stayed the same."""


class Asked(Value):
    """How a scenario is to be promoted."""

    redact: bool
    """Whether personal data is replaced."""
    is_preview: bool
    """Whether it is only shown what would be replaced."""
    agent_spec: str | None
    """The agent that proves that the verdict stays the same; None for the recorded behaviour."""

    def spoken(self, name: str) -> str:
        """A name for a file, without personal data."""
        from taketwo.capture.redact import redact_text

        return redact_text(name, _redactor(settings())) if self.redact else name

    def promoted(self, scenario: Scenario, path: Path) -> tuple[Scenario, Sequence[str]]:
        """The scenario as it may be kept, and what was taken out of it. Raises PromotionRefused, LeakFound."""
        if not self.redact:
            return scenario, ()
        from taketwo.suite.promote import files_of, insist_on_no_leak, insist_on_proof, look_again

        done = asyncio.run(self._promote(scenario))
        # The steps of `keepable`, with what was done told before anything is refused.
        for line in _report(done, self._against, with_pairs=self.is_preview):
            click.echo(line)
        insist_on_proof(done)
        look = look_again(done, files_of(done.scenario, path.name), settings().redact_allow)
        if not look.is_full:
            click.echo(
                "to have the file searched for other personal data, too: pip install 'taketwo[privacy]'", err=True
            )
        insist_on_no_leak(look, str(path))
        return done.scenario, [one.original for one in done.replaced]

    @property
    def _against(self) -> str:
        return "as it was recorded" if self.agent_spec is None else f"against {plain(self.agent_spec)}"

    async def _promote(self, scenario: Scenario) -> Promotion:
        from taketwo.replay.agents import closing_agents, open_agent
        from taketwo.suite.promote import promote

        here = settings()
        agent = None if self.agent_spec is None else open_agent(self.agent_spec, **access(here))
        async with closing_agents(agent):
            return await promote(scenario, _redactor(here), agent=agent)


def promotion_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--redact`, `--preview` and `--agent`, given to the command as `promotion`."""

    @click.option(
        "--redact",
        type=click.Choice(["personal", "none"]),
        default="personal",
        show_default=True,
        help="Put pseudonyms in the place of secrets and personal data.",
    )
    @click.option("--preview", is_flag=True, help="Show what would be replaced by what, and write nothing.")
    @click.option(
        "--agent",
        "agent_spec",
        metavar="SPEC",
        help="The agent that must come to the same verdict before and after.  [default: the recorded behaviour]",
    )
    @functools.wraps(command)
    def with_promotion(*, redact: str, preview: bool, agent_spec: str | None, **given: Any) -> Any:
        asked = Asked(redact=redact != "none", is_preview=preview, agent_spec=agent_spec)
        return command(promotion=asked, **given)

    return with_promotion


@click.command("leaks")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(exists=True, path_type=Path))
@json_option
def leaks_command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Look for personal data and secrets in files and folders, by other means than the redaction; for CI.

    What the redaction has put there is no leak, nor what `redact_allow` names in [tool.taketwo]. Exit codes: 0 nothing
    found, 1 something found, 2 it could not be done.
    """
    from taketwo.capture.leaks import find_leaks

    allowed = settings().redact_allow
    files = list(_files(paths))
    found = [leak for file in files for leak in find_leaks(f"{_text(file)}\n{file.name}", str(file), allowed=allowed)]
    for leak in found:
        click.echo(json.dumps(leak.to_builtins()) if as_json else _leak_in_words(leak))
    if not as_json:
        click.echo(f"{counted(len(found), 'leak')} in {counted(len(files), 'file')}", err=True)
    raise SystemExit(1 if found else 0)


def _report(done: Promotion, against: str, *, with_pairs: bool) -> Iterator[str]:
    if with_pairs:
        yield from (
            f"  {one.kind:<10} {plain(one.original)} → {plain(one.pseudonym)}" for one in _sorted(done.replaced)
        )
    counts = ", ".join(f"{plain(kind)} {times}" for kind, times in done.counts.items())
    yield f"replaced: {counts}" if counts else "nothing personal found"
    yield f"replayed before and after, {against}: {', '.join(_proofs(done))}"


def _proofs(done: Promotion) -> Iterator[str]:
    """`3 cases come to pass both times`; of those that fail as recorded, why that is right."""
    same = Counter(f"{proof.before}" for proof in done.proofs if proof.before == proof.after)
    for verdict, times in same.items():
        yield f"{counted(times, 'case')}: {verdict} both times{BOTH_TIMES.get(verdict, '')}"
    unlike = (proof for proof in done.proofs if proof.before != proof.after)
    other = Counter(f"{proof.before} before, {proof.after} after" for proof in unlike)
    yield from (f"{counted(times, 'case')}: {what}" for what, times in other.items())


def _sorted(replaced: Sequence[Replacement]) -> list[Replacement]:
    return sorted(replaced, key=lambda one: (one.kind, one.original))


def _leak_in_words(leak: Leak) -> str:
    return f"{plain(leak.where)}:{leak.line}: {leak.kind}: {plain(leak.shown)}"


def _redactor(here: Settings) -> Redactor:
    from taketwo.store.redacting import store_key
    from taketwo.suite.promote import promoting_redactor

    file = pseudonyms_key_file(os.environ)
    file.parent.mkdir(parents=True, exist_ok=True)
    return promoting_redactor(store_key(file), allowed=here.redact_allow, patterns=here.redact_patterns)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _text(file: Path) -> str:
    if file.stat().st_size > LARGEST_FILE:
        raise BadSetting("is larger than 50 MB", where=str(file), todo="name smaller files")
    return file.read_bytes().decode("utf-8", "replace")
