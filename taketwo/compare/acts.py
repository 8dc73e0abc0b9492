"""Acts: what an agent says that it did or will do, and how a tool that does it is known by its name.

The words of each language stand in its phrasebook.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from taketwo.language.phrasebook import ENGLISH, Doing, phrasebook
from taketwo.language.read_once import read_once
from taketwo.language.speech_acts import HELD, dates_held, sentences

TOOLS: dict[str, frozenset[str]] = {
    name: frozenset(words.split())
    for name, words in {
        "refund": "refund refunds reimburse credit pay payment payout return reverse chargeback compensate cancel",
        "cancel": "cancel terminate revoke void delete remove close end stop unsubscribe",
        "book": "book reserve rebook create reservation booking schedule order buy purchase update change",
        "reschedule": "reschedule postpone schedule move update change modify book rebook",
        "order": "order place purchase buy create checkout book submit replace replacement exchange ship send reorder",
        "send": "send email mail sms text notify ship dispatch forward issue post message create",
        "issue": "issue send create grant give add refund credit voucher certificate coupon pay compensate",
        "change": "update change modify edit set patch adjust correct save put replace write upgrade"
        " downgrade rebook reschedule move add remove",
        "add": "add insert update set attach append create apply change book edit modify order register",
        "delete": "delete erase remove clear drop purge cancel update unsubscribe",
        "open": "create open file submit register log add insert raise ticket case claim report request escalate sign",
        "transfer": "transfer escalate handoff hand human forward connect assign route ticket send move",
        "charge": "charge bill pay payment purchase order book update checkout",
        "activate": "activate enable unlock reactivate set update start restore unblock",
        "deactivate": "deactivate disable block lock suspend set update close stop freeze cancel",
    }.items()
}
"""Every act that is looked for, with the words of names of tools that do it. A word that could as well mean looking
something up, such as confirm, is none."""


class Said(NamedTuple):
    """A sentence that says an act was done."""

    act: str
    """Which, as in `TOOLS`."""
    quote: str
    """The sentence."""
    by_the_agent: bool
    """Whether it says that the agent did it, and not only that it has been done."""
    language: str | None = ENGLISH
    """What it is said in."""


@read_once
def claims(text: str, language: str | None) -> tuple[Said, ...]:
    """What the text says was done. Questions, conditions and what it says was not done are no claims."""
    doing = phrasebook(language).doing
    found: dict[str, Said] = {}
    for sentence in _sentences(text, doing.may_claim, doing, language):
        for by_the_agent, patterns in ((True, doing.by_the_agent), (False, doing.by_somebody)):
            for pattern in patterns:
                for match in pattern.finditer(dates_held(sentence, language)):
                    act = match.lastgroup or ""
                    found.setdefault(act, Said(act, sentence, by_the_agent, language))
    return tuple(found.values())


@read_once
def promises(text: str, language: str | None) -> Mapping[str, str]:
    """The acts that the text promises, each with its words."""
    doing = phrasebook(language).doing
    found: dict[str, str] = {}
    for sentence in _sentences(text, doing.may_promise, doing, language):
        for pattern in doing.promised:
            for match in pattern.finditer(dates_held(sentence, language)):
                found.setdefault(match.lastgroup or "", match[0].replace(HELD, "."))
    return found


def _sentences(text: str, may: re.Pattern[str], doing: Doing, language: str | None) -> list[str]:
    """The sentences with this in them that say something without an if or a not."""
    if not may.search(text):
        return []
    return [
        one
        for one in sentences(text, language)
        if not one.endswith("?") and may.search(one) and not doing.unsure.search(one)
    ]
