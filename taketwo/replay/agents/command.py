"""`cmd:`: an agent that is a program, asked with one line of JSON for each message: see docs/agents.md."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import tempfile
from collections.abc import Sequence
from functools import partial
from typing import IO

import msgspec

from taketwo.errors import AgentUnreachable, BadSetting
from taketwo.replay.agents import AgentFailed, Exchange, Message, Reply
from taketwo.replay.agents.endpoint import quoted
from taketwo.replay.agents.shapes import Said, read_said
from taketwo.replay.agents.tool_loop import tool_loop
from taketwo.replay.agents.turn_protocol import asked
from taketwo.replay.session import Aftermath

PREFIX = "cmd:"
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of an answer."""
GRACE_S = 2.0
"""How long a program may take to end by itself once its input is closed, in seconds."""
TAIL = 2000
"""How many bytes of what a program wrote to its standard error are looked at."""


class CommandAgent:
    """Runs the program once for each conversation that is going on at the same time, and reuses it for the next.

    All turns of a conversation go to the same process, one at a time. A process that is out of step (it was stopped in
    the middle of a turn, or wrote what is no answer) is ended, with whatever it has started.
    """

    def __init__(self, spec: str, *, tools_url: str | None = None) -> None:
        """spec: `cmd:` and a command line, split up as a shell would. tools_url: of the gateway.

        Raises BadSetting when it names no program.
        """
        self.spec = spec
        self._tools_url = tools_url
        try:
            self._argv = shlex.split(spec.removeprefix(PREFIX))
        except ValueError as error:
            raise BadSetting(f"the command cannot be read: {error}", where=spec) from error
        if not self._argv:
            raise BadSetting("names no program", where=spec, todo="cmd:python agent.py")
        self._busy: dict[str, _Program] = {}
        self._free: list[_Program] = []
        self._spoilt: list[_Program] = []
        self._has_answered = False

    async def respond(self, exchange: Exchange) -> Reply:
        """Ask the conversation's process until its answer has no tool calls."""
        program = await self._program(exchange)

        async def ask(messages: list[Message]) -> Said:
            line = await self._answer(program, msgspec.json.encode(asked(exchange, messages, self._tools_url)))
            try:
                said = read_said(_decoded(line))
            except AgentFailed:
                program.kill()
                raise
            self._has_answered = True
            return said

        return await tool_loop(exchange, ask)

    async def aclose(self) -> None:
        """End all processes: those that do not end by themselves are killed."""
        programs = [*self._busy.values(), *self._free, *self._spoilt]
        for some in (self._busy, self._free, self._spoilt):
            some.clear()
        await asyncio.gather(*(program.end() for program in programs))

    async def _program(self, exchange: Exchange) -> _Program:
        while self._spoilt:
            await self._spoilt.pop().end()
        thread = exchange.thread_id
        if thread not in self._busy:
            exchange.at_end(partial(self._leave, thread))
            self._busy[thread] = self._waiting() or await self._started()
        return self._busy[thread]

    def _waiting(self) -> _Program | None:
        """A process that has nothing to do."""
        while self._free:
            if (program := self._free.pop()).is_usable:
                return program
            self._spoilt.append(program)
        return None

    async def _leave(self, thread: str) -> Aftermath:
        """The conversation is over."""
        program = self._busy.pop(thread, None)
        if program is not None:
            (self._free if program.is_usable else self._spoilt).append(program)
        return Aftermath()

    async def _started(self) -> _Program:
        try:
            return await _Program.started(self._argv)
        except OSError as error:
            raise AgentUnreachable(f"cannot be started: {error.strerror or error}", where=self.spec) from error

    async def _answer(self, program: _Program, line: bytes) -> bytes:
        try:
            return await program.ask(line)
        except _Ended as error:
            if self._has_answered:
                raise AgentFailed(f"the program ended in the middle of a turn: {error}") from error
            # Nothing has come from any of its processes yet: it cannot be started properly, which is no finding.
            raise AgentUnreachable(f"the program ended before its first answer: {error}", where=self.spec) from error


class _Ended(Exception):
    """The process is no more; the message says how it ended, and its last words."""


class _Program:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process, errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        self._loop = asyncio.get_running_loop()
        self._is_out_of_step = False

    @classmethod
    async def started(cls, argv: Sequence[str]) -> _Program:
        """Start it in a session of its own, so that it can be ended together with what it starts."""
        # A file, as nobody need read it all the time for the process not to wait.
        errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=LONGEST_LINE,
                start_new_session=True,
            )
        except BaseException:
            errors.close()
            raise
        return cls(process, errors)

    @property
    def is_usable(self) -> bool:
        """Whether it can be asked from here, now."""
        here = self._loop is asyncio.get_running_loop()
        return here and not self._is_out_of_step and self._process.returncode is None

    async def ask(self, line: bytes) -> bytes:
        """Its answer to one line. Raises _Ended when it dies, AgentFailed for an answer without an end."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            with contextlib.suppress(ConnectionError):  # it has ended: reading tells how
                stdin.write(line + b"\n")
                await stdin.drain()
            answer = await stdout.readline()
        except ValueError as error:
            self.kill()
            raise AgentFailed(f"the program wrote a line of more than {LONGEST_LINE:,} bytes") from error
        except BaseException:
            # Stopped in the middle: what it says next would be taken for the answer to something else.
            self.kill()
            raise
        if answer.endswith(b"\n"):
            return answer
        self._is_out_of_step = True
        raise _Ended(await self._last_words(answer))

    def kill(self) -> None:
        """End it at once."""
        self._is_out_of_step = True
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    async def end(self) -> None:
        """Close its input, and kill it when it does not end then."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), GRACE_S)
        self.kill()
        await self._process.wait()
        self._errors.close()

    async def _last_words(self, answer: bytes) -> str:
        """How it ended: the exit code, and the last line that it wrote."""
        try:
            code: int | str = await asyncio.wait_for(self._process.wait(), GRACE_S)
        except TimeoutError:
            self.kill()
            code = "none: it closed its output and ran on"
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - TAIL))
        written = self._errors.read().decode(errors="replace").strip() or answer.decode(errors="replace").strip()
        last = quoted(written.splitlines()[-1]) if written else "it wrote nothing"
        return f"exit code {code}: {last}"


def _decoded(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        what = quoted(line.decode(errors="replace"))
        raise AgentFailed(f"the program wrote a line that is no JSON (logs belong to stderr): {what}") from error
