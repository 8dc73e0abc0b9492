"""Writes docs/command-line.md from the commands themselves: `make docs`. A test fails when the page is out of date."""

from __future__ import annotations

from pathlib import Path

import click

from taketwo.cli.main import COMMANDS, taketwo

PAGE = Path(__file__).with_name("command-line.md")
HEAD = """# The command line

Every command, as `--help` prints it. Listings have `--json`; errors are one line: what, where, what to do.

Settings come from the options, else from the environment (`TAKETWO_STORE`, `TAKETWO_AGENT`, `TAKETWO_PROJECT`,
`TAKETWO_CONCURRENCY`, `TAKETWO_TURN_TIMEOUT_S`, `TAKETWO_CLOCK`, `TAKETWO_SEED_RANDOM`, `TAKETWO_AGENT_KEY`,
`TAKETWO_SERVER`, `TAKETWO_SERVER_KEY`, `TAKETWO_ADMIN_KEY`, `TAKETWO_TRACES_TO`, `TAKETWO_AGENT_HOSTS`,
`TAKETWO_WEBHOOK_HOSTS`, `TAKETWO_SMTP_URL`, `TAKETWO_MAIL_FROM`, `TAKETWO_SPEECH_URL`, `TAKETWO_SPEECH_KEY`,
`TAKETWO_CALL_PRICES`, `TAKETWO_VAPI_KEY`, `TAKETWO_VAPI_SECRET`, `TAKETWO_RETELL_KEY`,
`TAKETWO_ELEVENLABS_SECRET`; those of [language models](models.md): `TAKETWO_LLM_MODEL`,
`TAKETWO_LLM_BASE_URL`, `TAKETWO_LLM_API_KEY`, `TAKETWO_LLM_ANSWERS`,
`TAKETWO_LLM_RECORD`, `TAKETWO_LLM_MAX_CALLS`, `TAKETWO_LLM_MAX_COST_USD`, `TAKETWO_LLM_CONCURRENCY`), else from
`[tool.taketwo]` in the nearest pyproject.toml (all but the keys). How grave differences are stands in
`[tool.taketwo.severity]` only ([Comparison](comparison.md)), and in `[tool.taketwo]` alone the list `evaluators`
([Evaluators](evaluators.md)); what stays and what else goes when a conversation is kept, in
`[tool.taketwo.redact_allow]` and `[tool.taketwo.redact_patterns]` ([Promotion](promotion.md)).
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, _help(taketwo, "taketwo")]
    for name in COMMANDS:
        command = taketwo.get_command(click.Context(taketwo), name)
        assert command is not None
        parts.append(_help(command, f"taketwo {name}"))
        inner = command.commands if isinstance(command, click.Group) else {}
        parts += [_help(one, f"taketwo {name} {of_it}") for of_it, one in inner.items()]
    return "\n".join(parts)


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, terminal_width=100, help_option_names=["-h", "--help"])
    return f"## {name}\n\n```\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
