"""The door for people: `taketwo COMMAND`."""

from __future__ import annotations

import importlib
import sys
from difflib import get_close_matches

import click

from taketwo.errors import TakeTwoError

COMMANDS = {
    "demo": ("taketwo.cli.demo", "The Tuesday story, end to end, with no key and no network."),
    "serve": ("taketwo.cli.serve", "Receive traces, and show what was captured."),
    "worker": ("taketwo.cli.worker", "Replay what a Temporal server hands out."),
    "import": ("taketwo.cli.imports", "Read traces and chat logs from files into the store."),
    "sessions": ("taketwo.cli.look", "List captured conversations."),
    "traces": ("taketwo.cli.look", "List captured traces."),
    "calls": ("taketwo.cli.look", "List captured voice calls."),
    "facts": ("taketwo.cli.facts", "Show what the user of a recording revealed, and where."),
    "show": ("taketwo.cli.look", "Show one conversation."),
    "assistant": ("taketwo.cli.assistant", "Show what of a call's assistant has been changed since."),
    "freeze": ("taketwo.cli.keep", "Keep conversations as scenario files for your repository."),
    "describe": ("taketwo.cli.describe", "Make a scenario file of situations that you describe."),
    "suites": ("taketwo.cli.suites", "List kept cases: why each exists, who owns it, what does not count."),
    "suggest": ("taketwo.cli.suggest", "Say which sessions a suite lacks, and which cases nothing is like any more."),
    "export": ("taketwo.cli.export", "Write scenario files in the forms of other tools."),
    "leaks": ("taketwo.cli.promotion", "Look for personal data and secrets in files; for CI."),
    "replay": ("taketwo.cli.replay", "Rerun conversations against your agent and show what changed."),
    "comment": ("taketwo.cli.comment", "Put a summary on a pull or merge request, one comment however often."),
    "score": ("taketwo.cli.judging", "Judge captured conversations, and keep the scores."),
    "rescore": ("taketwo.cli.judging", "Judge kept runs anew, without running anything again."),
    "calibrate": ("taketwo.cli.judging", "Hold evaluators against what people said."),
    "accept": ("taketwo.cli.accept", "Take what the agent does now as right, in the scenario files."),
    "floor": ("taketwo.cli.floor", "Learn how the unchanged agent varies by itself."),
    "canary": ("taketwo.cli.canary", "Replay the unchanged agent on a schedule, and say what has moved."),
    "tools": ("taketwo.cli.tools", "Show what is known of each tool: does it write, which arguments matter."),
    "contracts": ("taketwo.cli.contracts", "Find what always holds in the recordings, accept it, check it."),
    "backtest": ("taketwo.cli.backtest", "Say how far replays can be trusted, measured on known outcomes."),
    "mcp": ("taketwo.cli.mcp", "Be an MCP server: for a coding assistant, or with the tools of a recording."),
    "shrink": ("taketwo.cli.shrink", "Find the shortest conversation that still fails."),
    "bisect": ("taketwo.cli.bisect", "Find the revision or prompt since which a case fails."),
    "forks": ("taketwo.cli.forks", "Show from which turn on the agent goes wrong."),
    "compare": ("taketwo.cli.compare", "Show what is different between two conversations."),
    "archive": ("taketwo.cli.archive", "Keep old conversations in a Parquet file, still searched and replayed."),
    "project": ("taketwo.cli.privacy", "Say how long a project keeps what, and what is redacted."),
    "delete": ("taketwo.cli.privacy", "Delete a conversation or a user, with everything of it."),
    "expire": ("taketwo.cli.privacy", "Delete what is older than its project keeps it."),
    "store": ("taketwo.cli.store", "Move a store to another place, such as PostgreSQL."),
    "mirror": ("taketwo.cli.mirror", "Keep a ClickHouse database up to date, for analyses."),
    "backup": ("taketwo.cli.backup", "Copy the store while it is in use."),
    "keys": ("taketwo.cli.keys", "Make and revoke the keys of a server that others reach."),
    "schema": ("taketwo.cli.about", "Print the JSON Schema of conversation, scenario or result."),
    "doctor": ("taketwo.cli.about", "Say what is configured, reachable and missing."),
}
"""Every command: the module it lives in, imported only when it is called, and its line in `taketwo --help`."""


class LazyCommands(click.Group):
    """A group that knows its commands by name and help line, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself; None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is asked for; where there is none of that name, the nearest one is named."""
        if args[0] not in COMMANDS and (near := get_close_matches(args[0], COMMANDS, n=1)):
            ctx.fail(f"No such command {args[0]!r}: did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing what it lists."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="taketwo", message="%(prog)s %(version)s")
def taketwo() -> None:
    """Take Two reruns the exact conversation that broke in production against your changed agent, shows turn by turn
    what is different, and keeps it as a test.

    Start with `taketwo demo`.
    """


def main() -> None:
    """Run the command line. Our own errors, and Ctrl-C, are one line on stderr and exit code 2."""
    try:
        taketwo.main(standalone_mode=False)
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("taketwo: interrupted", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except TakeTwoError as error:
        click.echo(f"taketwo: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of a pipe has gone; writing on, even at shutdown, would only print a trace.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # A full disk, a folder without write permission: where it can meet any command, it is answered here.
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"taketwo: {place}{error.strerror or error}", err=True)
        sys.exit(2)
