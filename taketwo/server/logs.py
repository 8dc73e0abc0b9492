"""What the server writes about itself: a line of text or of JSON each, with no secret in it and nothing that acts."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from taketwo.redaction.secrets import find_secrets
from taketwo.report.words import plain
from taketwo.value import Value

LogFormat: TypeAlias = Literal["text", "json"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

HIDDEN: Final = "***"
"""Stands in place of a secret."""

SHORTEST_SECRET: Final = 4
"""Shorter values of settings are no secrets; hiding each `a` would make lines unreadable, and tell it too."""

LONGEST: Final = 20_000
"""Characters of a message or of a traceback that are written: an error may quote a whole body."""

ESCAPED: Final = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
"""What JSON lets stand although terminals and readers of lines take it for a command or the end of a line."""

FIELDS: Final = "taketwo"
"""Under this name records carry what a program should find by itself: `extra={FIELDS: {...}}`."""


class LogForm(Value):
    """How lines are written."""

    format: LogFormat = "text"
    """For people, or for a program."""
    level: LogLevel = "warning"
    """From which level on; requests are told at `info`."""


def write_logs(form: LogForm, secrets: Collection[str] = ()) -> None:
    """Write whatever this process logs to stderr from now on. secrets: values that are hidden wherever they stand."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(form.format, secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(form.level.upper())


class Lines(logging.Formatter):
    """Makes lines of records."""

    def __init__(self, format: LogFormat, secrets: Collection[str] = ()) -> None:
        """secrets: values that are hidden wherever they stand."""
        super().__init__()
        self._format = format
        # The longest first: one may be the beginning of another.
        self._secrets = sorted({secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """One line; in the form for people a traceback follows, indented, so that no line of it looks like another."""
        fields = {name: self._told(value) for name, value in getattr(record, FIELDS, {}).items()}
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message, trace = self._told(record.getMessage()), self._told(self._trace(record))
        if self._format == "json":
            told = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": message, **fields}
            line = json.dumps(told | ({"traceback": trace} if trace else {}), ensure_ascii=False)
            return line.translate(ESCAPED)
        more = "".join(f" {name}={plain(str(value))}" for name, value in fields.items())
        lines = "".join(f"\n    {plain(line)}" for line in trace.splitlines())
        return f"{at} {record.levelname.lower()} {record.name}: {plain(message)}{more}{lines}"

    def _trace(self, record: logging.LogRecord) -> str:
        parts = (self.formatException(record.exc_info) if record.exc_info else "", record.stack_info or "")
        return "\n".join(part for part in parts if part)

    def _told(self, value: Any) -> Any:
        return self._hidden(value[:LONGEST]) if isinstance(value, str) else value

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        for found in sorted(find_secrets(text), key=lambda found: found.start, reverse=True):
            text = text[: found.start] + HIDDEN + text[found.end :]
        return text
