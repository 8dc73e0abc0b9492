"""What the agent wants to hear after what it said: which details, which choice, a yes or no, or nothing more.

The rules are for English texts. What they do not recognise is no need, so that a text in another language is judged by
its likeness to the recorded one alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from taketwo.replay.stems import Stems, stems

NeedKind: TypeAlias = Literal["slot", "choice", "yes_no", "open"]
"""`slot`: a detail; `choice`: one of the options offered; `yes_no`: consent, or an answer that begins with yes or no;
`open`: whatever the user wants."""


class Need(NamedTuple):
    """One thing that the agent wants to hear."""

    kind: NeedKind
    """What sort of answer."""
    phrase: str
    """The words that ask for it."""
    about: Stems
    """What it is about."""
    number: int | None = None
    """Its number in the agent's list; None outside a numbered list."""


class Asks(NamedTuple):
    """What a text of the agent asks."""

    needs: tuple[Need, ...]
    """What it wants to hear, in order."""
    options: tuple[str, ...]
    """What it offers to choose from."""
    closes: bool
    """Whether it takes leave, or asks whether there is anything else."""
    is_question: bool
    """Whether a question mark stands in it that no rule explains."""
    asked: str
    """The sentences that ask."""
    asking: Stems
    """Their words."""
    about: Stems
    """Words of the whole text."""


_CLOSES = re.compile(
    r"anything else|something else|any (?:other|more|further|additional)\b|further (?:assistance|help|questions)"
    r"|(?:more|other) (?:questions|help|assistance)|feel free|have a (?:great|nice|good|wonderful|safe|lovely)"
    r"|safe travels|let me know if (?:you (?:need|have)|there(?:'s| is))|if you (?:need|have) (?:any|further|more|help)"
    r"|good ?bye|take care|thank you for (?:contacting|calling|choosing|your|using|being)|thanks for (?:contacting"
    r"|your)"
    r"|you(?:'|’)?re welcome|glad (?:I|to|we)|happy to (?:have )?help|enjoy your|see you|don(?:'|’)t hesitate",
    re.IGNORECASE,
)
_HOLDS = re.compile(
    r"\b(?:please hold|one moment|just a moment|a moment please|bear with|take your time)\b", re.IGNORECASE
)
_OPEN = re.compile(
    r"how (?:can|may|could) (?:i|we) (?:help|assist|be of)|what can i (?:do|help)"
    r"|how would you like (?:me )?to (?:proceed|continue)"
    r"|what (?:specific )?(?:changes?|modifications?|would you like|do you (?:want|need)|are you looking|seems to be"
    r"|is the (?:issue|problem|matter))"
    r"|(?:which|what) (?:specific )?(?:changes?|request)|(?:tell|describe|explain)[^.?!]{0,30}(?:more|issue|problem"
    r"|happened|situation)"
    r"|more (?:details|information|context)|what (?:happened|went wrong)|(?:please )?(?:clarify|elaborate)"
    r"|what brings you",
    re.IGNORECASE,
)
_CONSENT = re.compile(
    r"(?:please|can you|could you|kindly|to) confirm (?:if|that|whether|by|this|these|to|so|and|\(|the (?:details"
    r"|above|change|booking|order|following))"
    r"|confirm\b[^.?!]{0,60}\(?(?:yes|proceed)|please confirm\s*[.!?]?$|do you confirm|\(yes(?:/| or )no\)"
    r"|\byes or no\b"
    r"|would you like (?:me )?to (?:proceed|go ahead|continue|confirm)|(?:shall|should|can|may"
    r"|could) i (?:now )?(?:go ahead|proceed|continue)"
    r"|\bshall i\b|\bshould i\b|(?:want|like|need|wish) me to\b|is (?:this|that|everything|all(?: of)? (?:this|that)"
    r"|the above)[^.?!]{0,40}(?:correct|right|ok|okay|accurate|acceptable|fine|good)"
    r"|does (?:this|that|it|everything) (?:work|sound|look|suit)|do(?:es)? (?:these|those|this"
    r"|that)[^.?!]{0,40} (?:work|suit)|are you (?:sure|okay|ok|happy|fine|comfortable|ready)"
    r"|let me know if you(?:'d| would| want| wish|’d)[^.?!]{0,25}(?:proceed|continue|like (?:me )?to|to go)"
    r"|if you(?:'d| would) like (?:me )?to proceed"
    r"|do you agree|ready to (?:proceed|confirm)|let me know if (?:this|that|these|everything|any of)",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"^(?:(?:and|also|so|now|okay|great|first|finally|additionally|alternatively|or)[,:]? )?"
    r"(?:would|do|did|does|have|has|are|is|was|were|will|can we|could we|shall|should|may i|can i|is it|are there"
    r"|is there)\b"
    r"(?! you (?:please |kindly )?(?:provide|tell|give|share|specify|let me know|send|mind (?:providing|telling"
    r"|sharing)))",
    re.IGNORECASE,
)
_POLITE = re.compile(r"(?:may|can|could|might) (?:i|we) (?:please )?(?:have|get|ask|know)\b", re.IGNORECASE)
_ASKS_FOR = re.compile(
    r"(?:(?:could|can|would|may|might|will) you(?: please| kindly)?|please|kindly|i(?:'|’)?ll need you to"
    r"|i need you to|you (?:will )?need to|you(?:'|’)ll need to|if you (?:can|could))"
    r" (?:please )?(?:also )?(?:provide|tell|give|share|specify|send|supply|enter|state|indicate|choose|select|pick"
    r"|confirm|verify|include|reply with|let (?:me|us) know)"
    r"(?: (?:me|us))?(?: with)?\b(?! if)(?P<a>.*)"
    r"|(?:i(?:'|’)?ll|i will|i(?:'|’)d|i would|i|we(?:'|’)ll|we) (?:also |just |still |only |first )*(?:need|require"
    r"|like to (?:know|have|confirm))(?: to (?:know|have|confirm|collect|gather))?\b(?P<b>.*)"
    r"|(?:may|can|could|might) (?:i|we) (?:please )?(?:have|get|ask(?: for)?|know)\b(?P<c>.*)"
    r"|^(?:\w+, |(?:and|so|until|till|from|since|by|at|on|in|for|to|under|with) )?(?P<d>(?:what|which|when|where|who"
    r"|whose|whom|how (?:many|much|long|often|old|would|do|did)|why)\b.*)"
    r"|(?:[,;:] |\b(?:and|so|but) )(?P<f>(?:what|which|when|where|who|whose|whom|how (?:many|much|long|often|old|would"
    r"|do|did)|why)\b.*\?)"
    r"|(?:^|, )(?P<e>(?:and )?your\b.*\?)",
    re.IGNORECASE,
)
_CHOOSES = re.compile(r"\b(?:which|option|options|choose|select|pick|prefer|preference|either|one of)\b", re.IGNORECASE)
_OFFERS = re.compile(r"\b(?:options?|choices?|available|alternatives?|following|reasons?)\b[^.?!]*:\s*$", re.IGNORECASE)
_ITEM = re.compile(r"^\s*(?:[#>]+\s*)?(?:(?P<number>\d{1,2})[.)]|[-*•+])\s+(?P<text>.*)$")
_SENTENCE = re.compile(r"[^.?!\n]*(?:[.?!](?=\S)[^.?!\n]*)*(?:[.?!]+|$)")
_TAIL = re.compile(
    r"\b(?:so (?:that|i|we)|in order|that you|which you|you(?:'d| would| want| wish| are| were| have)|if (?:you"
    r"|any|applicable)"
    r"|to (?:proceed|help|assist|continue|access|locate|verify|complete|look|find|check)|from your|before|,? (?:and"
    r"|so) (?:i|we)(?:'ll|'d| will| can| would)?|(?:i|we) (?:can|will|could)|because|as well so)\b.*",
    re.IGNORECASE,
)
_SPLIT = re.compile(r",? (?:and|or|as well as|along with|plus)(?: also)? |[,;] ", re.IGNORECASE)
_TYPES = (
    (re.compile(r"\bwhen\b", re.IGNORECASE), "date"),
    (re.compile(r"\bhow (?:many|much)\b|\bnumber of\b", re.IGNORECASE), "count"),
)


@lru_cache(maxsize=1024)
def read_asks(text: str) -> Asks:
    """What a text of the agent asks."""
    return _Reader(text).asks()


class _Reader:
    """Goes through the lines once."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("**", "").replace("’", "'")
        self._needs: list[Need] = []
        self._options: list[str] = []
        self._asking: list[str] = []
        self._closes = False
        self._open_question = False
        self._list_of: Literal["slots", "options"] | None = None
        self._items: list[tuple[int | None, str]] = []

    def asks(self) -> Asks:
        for line in self._text.splitlines():
            if not line.strip():
                continue
            item = _ITEM.match(line)
            if item is None:
                self._items_end()
                for sentence in _sentences(line):
                    self._read(sentence, None)
            else:
                self._item(int(item["number"]) if item["number"] else None, item["text"].strip())
        self._items_end()
        return Asks(
            tuple(self._needs),
            tuple(self._options),
            self._closes,
            self._open_question,
            " ".join(self._asking),
            stems(" ".join(self._asking)),
            stems(self._text),
        )

    def _item(self, number: int | None, text: str) -> None:
        if self._list_of == "slots":
            self._slot_item(number, text)
            return
        self._options.append(text)
        if text.rstrip().endswith("?"):
            for sentence in _sentences(text):
                self._read(sentence, number)

    def _slot_item(self, number: int | None, text: str) -> None:
        label, colon, rest = text.partition(":")
        named = label if colon and len(label) < 50 else text
        self._asking.append(text)
        is_yes_no = bool(_YES_NO.match(rest.strip() if colon else text))
        about = stems(named) or stems(text)
        self._needs.append(Need("yes_no" if is_yes_no and not colon else "slot", text, about, number))

    def _items_end(self) -> None:
        self._list_of = None

    def _read(self, sentence: str, number: int | None) -> None:
        bare = sentence.strip()
        if not bare or _HOLDS.search(bare):
            return
        before = len(self._needs)
        if _CONSENT.search(bare):
            self._needs.append(Need("yes_no", bare, stems(bare), number))
        elif _CLOSES.search(bare):
            self._closes = True
            return
        elif _OPEN.search(bare):
            self._needs.append(Need("open", bare, stems(bare), number))
        elif bare.endswith("?") and _YES_NO.match(bare) and not _POLITE.match(bare):
            self._yes_no(bare, number)
        elif (found := _ASKS_FOR.search(bare)) is not None:
            self._asked_for(bare, next(group for group in found.groups() if group is not None), number)
        elif bare.endswith("?") and re.search(r"\bor\b", bare, re.IGNORECASE):
            self._needs.append(Need("choice", bare, stems(bare), number))
        elif bare.endswith(("?", "？")):
            self._open_question = True
        if bare.endswith(":") or (bare.endswith("?") and re.search(r"\bfollowing\b", bare, re.IGNORECASE)):
            self._list_of = "options" if _OFFERS.search(bare) and not self._wants_list(bare) else None
            if self._wants_list(bare):
                self._list_of = "slots"
                # What the sentence itself names is "the following details".
                del self._needs[before:]
        if len(self._needs) > before or self._open_question:
            self._asking.append(bare)

    def _wants_list(self, sentence: str) -> bool:
        if re.search(r"\boptions? are\b|\bchoose\b|\bselect\b|\bone of\b", sentence, re.IGNORECASE):
            return False
        found = _ASKS_FOR.search(sentence)
        return found is not None and bool(
            re.search(r"\b(?:following|details|information|these|know|need|provide|confirm)\b", sentence, re.IGNORECASE)
        )

    def _yes_no(self, sentence: str, number: int | None) -> None:
        """`Would you like A or B?` is a choice."""
        if re.search(r"\bor\b", sentence, re.IGNORECASE) and not re.search(r"\bor not\b", sentence, re.IGNORECASE):
            self._needs.append(Need("choice", sentence, stems(sentence), number))
        else:
            self._needs.append(Need("yes_no", sentence, stems(sentence), number))

    def _asked_for(self, sentence: str, wanted: str, number: int | None) -> None:
        if _CHOOSES.search(wanted) and not re.search(r"\b(?:reason|date)\b", wanted, re.IGNORECASE):
            self._needs.append(Need("choice", sentence, stems(wanted), number))
            return
        added = False
        for phrase in _phrases(wanted):
            about = stems(phrase)
            for pattern, kind in _TYPES:
                about = about | {kind} if pattern.search(phrase) else about
            if about:
                self._needs.append(Need("slot", phrase, about, number))
                added = True
        if not added and not self._needs and not sentence.endswith(":"):
            self._needs.append(Need("open", sentence, stems(sentence), number))


def _sentences(line: str) -> Iterator[str]:
    for found in _SENTENCE.finditer(line):
        if sentence := found[0].strip():
            yield sentence


def _phrases(wanted: str) -> Iterator[str]:
    """`your user ID and the reservation ID for the flight` as its parts."""
    head = re.sub(r"\([^)]*\)", " ", wanted)
    cut = _TAIL.sub(" ", head).strip(" .?!:,")
    for phrase in _SPLIT.split(cut or head.strip(" .?!:,")):
        # What it is for tells less than what it is, and often stands in no answer.
        named = re.split(r"\bfor\b", phrase, maxsplit=1)[0]
        if (kept := named if stems(named) else phrase).strip():
            yield kept.strip()
