"""`taketwo demo`."""

from __future__ import annotations

import click

from taketwo.errors import MissingExtra


@click.command("demo")
@click.option("--serve", is_flag=True, help="Leave the web page running at the end.")
@click.option("--voice", is_flag=True, help="The story of a call: a misheard order.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    help="Keep the demo's files here. Default: a new one in the system's temporary folder.",
)
def demo_command(serve: bool, voice: bool, folder: str | None) -> None:
    """See the Tuesday story end to end: capture, find, replay, keep, and the test that guards it.

    No key, no network, no account. The support desk of the story is driven by rules, so that it runs without a model;
    set TAKETWO_LLM_BASE_URL to drive it with any OpenAI-compatible model.
    """
    try:
        if voice:
            from taketwo.demo.call_story import tell
        else:
            from taketwo.demo.story import tell
    except ModuleNotFoundError as error:
        extra = "demo,voice" if voice else "demo"
        raise MissingExtra(extra, needed_for="taketwo demo") from error
    tell(folder, leave_running=serve)
