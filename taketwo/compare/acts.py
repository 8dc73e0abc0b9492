"""Acts: what an agent says that it did or will do, and how a tool that does it is known by its name. English only."""

from __future__ import annotations

import re
from typing import NamedTuple

from taketwo.compare.wording import words_in


class Act(NamedTuple):
    """Something that only a tool can do."""

    verbs: str
    """How a text says it, as regular expressions of the plain verb, separated by white space."""
    done: str
    """The same as participles."""
    nouns: str
    """What is processed, made or issued when it is done."""
    tools: frozenset[str]
    """Words of the names of tools that do it."""


def _act(verbs: str, done: str, nouns: str, tools: str) -> Act:
    return Act(verbs, done, nouns, frozenset(tools.split()))


ACTS: dict[str, Act] = {
    "refund": _act(
        "refund reimburse",
        "refunded reimbursed",
        "refund reimbursement",
        "refund refunds reimburse credit pay payment payout return reverse chargeback compensate cancel",
    ),
    "cancel": _act(
        "cancel",
        "cancell?ed",
        "cancell?ation",
        "cancel terminate revoke void delete remove close end stop unsubscribe",
    ),
    "book": _act(
        "book reserve rebook",
        "booked reserved rebooked secured",
        "booking reservation",
        "book reserve rebook create reservation booking schedule order buy purchase update change",
    ),
    "reschedule": _act(
        "reschedule postpone",
        "rescheduled postponed",
        "",
        "reschedule postpone schedule move update change modify book rebook",
    ),
    "order": _act(
        "order purchase",
        "ordered purchased",
        "order purchase replacement exchange",
        "order place purchase buy create checkout book submit replace replacement exchange ship send reorder",
    ),
    "send": _act(
        "send e-?mail mail ship dispatch",
        "sent e-?mailed mailed shipped dispatched",
        "",
        "send email mail sms text notify ship dispatch forward issue post message create",
    ),
    "issue": _act(
        "issue",
        "issued",
        "voucher certificate coupon credit",
        "issue send create grant give add refund credit voucher certificate coupon pay compensate",
    ),
    "change": _act(
        "update modify upgrade downgrade",
        "updated modified upgraded downgraded changed",
        "changes? updates? upgrade modifications?",
        "update change modify edit set patch adjust correct save put replace write upgrade"
        " downgrade rebook reschedule move add remove",
    ),
    "add": _act(
        "add",
        "added",
        "addition",
        "add insert update set attach append create apply change book edit modify order register",
    ),
    "delete": _act(
        "delete erase remove",
        "deleted erased removed",
        "deletion removal",
        "delete erase remove clear drop purge cancel update unsubscribe",
    ),
    "open": _act(
        "file submit register",
        "filed submitted registered",
        "ticket claim complaint registration",
        "create open file submit register log add insert raise ticket case claim report request escalate sign",
    ),
    "transfer": _act(
        "transfer escalate",
        "transferred escalated",
        "transfer escalation",
        "transfer escalate handoff hand human forward connect assign route ticket send move",
    ),
    "charge": _act(
        "charge bill",
        "charged billed",
        "charge payment",
        "charge bill pay payment purchase order book update checkout",
    ),
    "activate": _act(
        "activate enable unlock reactivate",
        "activated enabled unlocked reactivated",
        "activation",
        "activate enable unlock reactivate set update start restore unblock",
    ),
    "deactivate": _act(
        "deactivate disable block suspend",
        "deactivated disabled blocked suspended",
        "deactivation",
        "deactivate disable block lock suspend set update close stop freeze cancel",
    ),
}
"""Every act that is looked for. A word that could as well mean looking something up, such as confirm, is none."""

_ADVERBS = (
    r"(?:\s(?:now|just|already|also|both|all|since|then|successfully|therefore|hereby|gone ahead and|went ahead and))*"
)
_MADE = r"(?:processed|initiated|completed|issued|made|placed|submitted|created|started|arranged|finali[sz]ed)"
_ITS = r"(?:your|the|a|an|this|that|full|new|partial|requested|another)"
_UNSURE = re.compile(
    r"\b(?:if|once|after|when(?:ever)?|until|before|unless|whether|would|could|should|may(?!\s\d)|might|can|as soon as"
    r"|not|never|cannot|unable|without|no|neither|either|policy|only|yet|must|assuming|in case|let me)\b|n['’]t\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!](?=\S)[^.!?\n]*)*[.!?\n]?")


def _any(words: str) -> str:
    return "|".join(words.split())


def _named(pattern: str, field: str) -> str:
    """One pattern for all acts, each act a group of its own."""
    words = ((name, _any(getattr(act, field))) for name, act in ACTS.items())
    return pattern.format("|".join(f"(?P<{name}>{of_act})" for name, of_act in words if of_act))


_BY_THE_AGENT = (
    re.compile(_named(rf"\bI(?:['’]ve|\shave)?{_ADVERBS}\s(?:{{0}})\b", "done"), re.IGNORECASE),
    re.compile(_named(rf"\bI(?:['’]ve|\shave)?{_ADVERBS}\s{_MADE}\s(?:{_ITS}\s)*(?:{{0}})\b", "nouns"), re.IGNORECASE),
)
_BY_SOMEBODY = (
    re.compile(_named(rf"\bwe(?:['’]ve|\shave)?{_ADVERBS}\s(?:{{0}})\b", "done"), re.IGNORECASE),
    re.compile(_named(rf"\b(?:has|have){_ADVERBS}\sbeen{_ADVERBS}\s(?:{{0}})\b", "done"), re.IGNORECASE),
    re.compile(_named(r"\bsuccessfully\s(?:{0})\b", "done"), re.IGNORECASE),
    re.compile(
        _named(
            rf"\b(?:{{0}})\s(?:[^.!?\n]{{{{0,120}}}}?\s)?(?:has|have){_ADVERBS}\sbeen{_ADVERBS}\s{_MADE}\b", "nouns"
        ),
        re.IGNORECASE,
    ),
)
_PROMISED = (
    re.compile(_named(rf"\b(?:I|we)(?:['’]ll|\s(?:will|shall)){_ADVERBS}\s(?:{{0}})\b", "verbs"), re.IGNORECASE),
    re.compile(_named(rf"\bwill{_ADVERBS}\sbe{_ADVERBS}\s(?:{{0}})\b", "done"), re.IGNORECASE),
    re.compile(
        _named(
            rf"\b(?:(?:I|we)(?:['’]ll|\swill)\s(?:process|initiate|issue|make|place|submit|create|arrange)"
            rf"|you(?:['’]ll|\swill)\s(?:receive|get))\s(?:{_ITS}\s)*(?:{{0}})\b",
            "nouns",
        ),
        re.IGNORECASE,
    ),
)
# All claims and promises have one of these, and most texts have none; `I've` is two words.
_OF_CLAIMS = frozenset("i we has have ve successfully".split())
_OF_PROMISES = frozenset("will shall ll".split())


class Said(NamedTuple):
    """A sentence that says an act was done."""

    act: str
    """Which, as in `ACTS`."""
    quote: str
    """The sentence."""
    by_the_agent: bool
    """Whether it says that the agent did it, and not only that it has been done."""


def claims(text: str) -> list[Said]:
    """What the text says was done. Questions, conditions and what it says was not done are no claims."""
    if _OF_CLAIMS.isdisjoint(words_in(text)):
        return []
    found: dict[str, Said] = {}
    for sentence in _sentences(text):
        for by_the_agent, patterns in ((True, _BY_THE_AGENT), (False, _BY_SOMEBODY)):
            for pattern in patterns:
                for match in pattern.finditer(sentence):
                    act = match.lastgroup or ""
                    found.setdefault(act, Said(act, sentence, by_the_agent))
    return list(found.values())


def promises(text: str) -> dict[str, str]:
    """The acts that the text promises, each with its words."""
    if _OF_PROMISES.isdisjoint(words_in(text)):
        return {}
    found: dict[str, str] = {}
    for sentence in _sentences(text):
        for pattern in _PROMISED:
            for match in pattern.finditer(sentence):
                found.setdefault(match.lastgroup or "", match[0])
    return found


def _sentences(text: str) -> list[str]:
    """The sentences that say something without an if or a not."""
    stripped = (found.strip() for found in _SENTENCE.findall(text))
    return [one for one in stripped if one and not one.endswith("?") and not _UNSURE.search(one)]
