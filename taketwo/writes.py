"""Which tools change the world: what definitions declare, and what the name of a tool suggests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from taketwo.conversation import Conversation

WRITE_WORDS = frozenset(
    """
    accept activate add append apply approve archive assign authorize block book buy cancel capture change charge
    checkout clear close commit confirm create deactivate delete deploy deposit disable dismiss drop edit email enable
    enroll escalate exchange execute extend grant handoff insert invite issue kill lock merge modify move notify open
    overwrite patch pause pay place post publish purchase push put reactivate rebook redeem refund register reject
    release remind remove rename renew reopen replace reply reschedule reserve reset resolve restart restore resume
    return revoke rotate save schedule sell send set settle ship shutdown sign start stop submit subscribe suspend
    switch sync terminate toggle transfer trigger unblock unlock unsubscribe update upgrade upload upsert void withdraw
    write
    """.split()
)
"""Verbs of tools that change the world."""
READ_WORDS = frozenset(
    """
    browse calc calculate check compare compute convert count describe detect diff estimate evaluate examine exists
    explain extract fetch filter find get has inspect is list load locate look lookup match peek ping plan preview
    query quote read recommend retrieve scan score search select show status suggest summarize think track translate
    validate verify view
    """.split()
)
"""Verbs of tools that only look."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Writes:
    """Which tools change the world: as a definition declares, else as a function says, else as the name suggests."""

    def __init__(
        self, conversations: Iterable[Conversation], otherwise: Callable[[str], bool | None] | None = None
    ) -> None:
        """otherwise: asked about tools that no definition in the conversations declares; None when it does not know."""
        self._otherwise = otherwise
        declared = [tool for side in conversations for tool in side.agent.tools if tool.writes is not None]
        # Where the two sides disagree, a tool is the worse of both.
        self._declared = {tool.name: tool.writes for tool in sorted(declared, key=lambda tool: tool.writes is True)}

    def __call__(self, tool: str) -> bool | None:
        """True for a write, False for a read, None when nobody knows."""
        if (declared := self._declared.get(tool)) is not None:
            return declared
        told = self._otherwise(tool) if self._otherwise is not None else None
        return told if told is not None else writes_by_name(tool)


@lru_cache(maxsize=4096)
def writes_by_name(tool: str) -> bool | None:
    """What the first telling word of a name suggests: `issue_refund` writes, `getRefund` reads, `weather` is silent."""
    for word in words_of_name(tool):
        if word in WRITE_WORDS:
            return True
        if word in READ_WORDS:
            return False
    return None


def words_of_name(tool: str) -> list[str]:
    """`issue`, `refund` for `issue_refund`, `issueRefund` and `Issue-Refund`."""
    return [word.lower() for word in _WORDS.findall(tool)]
