"""`taketwo export`: scenario files in the forms of other tools."""

from __future__ import annotations

from pathlib import Path

import click

from taketwo.errors import BadSetting
from taketwo.freeze.files import load
from taketwo.report.documents import replace_file
from taketwo.suite.export import FORMATS


@click.command("export")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", required=True, type=click.Choice(sorted(FORMATS)), help="The form.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="PATH", help="Write here.  [default: -]"
)
@click.option("--force", is_flag=True, help="Write over an existing file.")
def export_command(file: Path, form: str, out: Path | None, force: bool) -> None:
    """Write a scenario file in the form of another tool.

    pytest: a test file that needs pytest alone. openai-evals: JSON Lines with an ideal reply for each turn.
    openai-chat: whole conversations, as `taketwo import` reads them. tau-bench: tasks. scenario-script: situation,
    script, criteria.
    """
    text = FORMATS[form](load(file))
    if out is None:
        click.echo(text, nl=False)
        return
    if out.exists() and not force:
        raise BadSetting("there is such a file already", where=str(out), todo="--force writes over it")
    replace_file(out, text.encode("utf-8"))
    click.echo(f"wrote {out}")
