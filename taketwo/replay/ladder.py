"""The ladder: what the recorded user would say to what the agent has just said, and where that is taken from.

`recorded` → `reordered` → `facts` → (`simulated`) → `unanswerable`, decided from what the agent asks. Every line is the
recorded user's own words: a whole line, or some of its statements. How it is decided is told in docs/user-side.md.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.language.phrasebook import phrasebook
from taketwo.replay.agent_asks import Asks, Need, read_asks
from taketwo.replay.fact_sheet import LATELY, FactSheet, KnownFact, Statement, Utterance
from taketwo.replay.stems import NO_WORDS, Stems, covered, likeness, stems, weights
from taketwo.replay.user import Line, Unanswerable, hidden
from taketwo.run import Evidence, Rung
from taketwo.value import cut_to, one_line

Similarity: TypeAlias = Callable[[str, str], float]
"""How alike two texts are in meaning, from 0 to 1."""

ANSWERS = 0.5
"""From here on a line or statement counts as an answer to a need."""
SAME_TOPIC = 0.3
"""From here on two questions that want a yes or no count as the same question."""
UNREAD_ALIKE = 0.8
"""The same for questions in a language that has no phrasebook, whose little words count like all others."""
ALIKE_IN_MEANING = 0.72
"""From here on two questions that share too few words count as the same by their embeddings."""
TIRED_AFTER = 3
"""So often the user gives the same answer; then the agent goes in circles."""

_CONSENT_WORDS = stems(
    "yes shall should reply confirm proceed go ahead continue correct right details everything good fine great sounds"
    " works accurate"
    " acceptable following above sure ready please option options looks would like do book booking change changes"
)
_ACTS = stems(
    "book cancel change refund upgrade downgrade transfer exchange return replace send order pay add remove"
    " reschedule move renew subscribe unsubscribe charge deliver ship issue delete close open create reset switch"
    " repair apply register waive extend escalate compensate buy reserve"
)

_SORTS = stems("id date time count email phone price postcode birth name")
"""What sort of detail is asked for."""


class _Said(NamedTuple):
    """What of the recording has been said so far."""

    lines: frozenset[int]
    """Recorded turns whose line was said as it stands."""
    words: Stems
    """All words of the user so far."""
    texts: str
    """All that the user said so far, folded."""
    last: int | None
    """The recorded turn whose line was said last; None when that was no recorded line."""
    about: Stems
    """What the talk is about now: words of the last lines of both."""


class Ladder:
    """Finds what the recorded user would say. It keeps nothing from turn to turn: what was said decides."""

    def __init__(
        self, recorded: Conversation, similarity: Similarity | None = None, added: Sequence[KnownFact] = ()
    ) -> None:
        """recorded: whose user speaks. similarity: likeness in meaning; None where no embedding is installed.

        added: facts that a model has found in the recording.
        """
        self._turns = recorded.turns
        self._gaps = {gap.where: gap.why for gap in recorded.gaps}
        self._similarity = similarity
        self.sheet = FactSheet(recorded, added)
        self._by_text: dict[str, list[int]] = {}
        for turn in recorded.turns:
            if turn.user is not None:
                self._by_text.setdefault(turn.user.text, []).append(turn.index)

    def next_line(self, so_far: Sequence[Turn]) -> Line | Unanswerable | None:
        """The next line after these turns; None when the user has said all that there is to say."""
        if not so_far:
            return self._opening()
        placed = self._placed(so_far)
        if (in_order := self._in_order(so_far[-1], placed)) is not None:
            return in_order if isinstance(in_order, Line | Unanswerable) else None
        return self.fitting(so_far)

    def _opening(self) -> Line | Unanswerable | None:
        if not self._turns:
            return None
        reason = "it opens the conversation" if self._turns[0].user else "the agent speaks first here"
        return self._recorded(0, reason)

    def _placed(self, so_far: Sequence[Turn]) -> list[int | None]:
        """The recorded turn that each turn stands for, by the user's words."""
        placed: list[int | None] = []
        last = -1
        for turn in so_far:
            if turn.user is None:
                is_next = last + 1 < len(self._turns) and self._turns[last + 1].user is None
                here = last + 1 if is_next else None
            else:
                of_text = self._by_text.get(turn.user.text)
                # The first after the last one, or else the first of all.
                here = of_text[bisect(of_text, last) % len(of_text)] if of_text else None
            placed.append(here)
            last = last if here is None else here
        return placed

    def _in_order(self, before: Turn, placed: list[int | None]) -> Line | Unanswerable | bool | None:
        """The next recorded line, where the agent said what it said there; False at the end, None when it did not."""
        here = placed[-1]
        if here is None or here + 1 in placed:
            return None
        recorded = self._turns[here].reply
        if not _is_same(recorded, before.reply):
            why = self._gaps.get(f"turns[{here}].reply")
            if recorded is not None or why is None:
                return None
            reason = f"the next recorded line; what the agent said before it was not recorded ({why})"
        else:
            reason = "the agent said what it said in the recording"
        if here + 1 >= len(self._turns):
            return False
        return self._recorded(here + 1, reason)

    def _recorded(self, position: int, reason: str, rung: Rung = "recorded") -> Line | Unanswerable:
        turn = self._turns[position]
        if not (turn.user and turn.user.text) and (why := hidden(self._gaps, position)):
            return Unanswerable(f"the recording does not say what the user said in turn {position + 1}: {why}")
        evidence = () if turn.user is None else (Evidence(turn_index=position, start=0, end=len(turn.user.text)),)
        return Line(turn.user, rung, reason, position, evidence)

    def fitting(self, so_far: Sequence[Turn]) -> Line | Unanswerable | None:
        """What fits what the agent said last, without asking whether it said the same in the recording."""
        placed = self._placed(so_far)
        reply = so_far[-1].reply or ""
        said = _said(so_far, placed, self.sheet.language)
        if self._has_taken_leave(said) or not self.sheet.lines:
            return None
        view = _View(self.sheet, read_asks(reply, self.sheet.language), said, self._similarity)
        found = view.answer() if view.asks.needs or view.asks.is_question else view.go_on()
        if found is None or isinstance(found, Unanswerable):
            return found
        if (times := _times_said(so_far, found)) >= TIRED_AFTER:
            return Unanswerable(f"the agent asks again what was answered {times} times: {_quoted(found.text)}")
        if found.whole is not None:
            return self._recorded(found.whole, found.reason, found.rung)
        return _composed(found)

    def _has_taken_leave(self, said: _Said) -> bool:
        """Whether the recorded user hung up with what was said last."""
        last = self._turns[-1]
        return last.user is not None and said.last == last.index and self._closes(last.index)

    def _closes(self, position: int) -> bool:
        return any(line.closes for line in self.sheet.lines if line.turn_index == position)


class _Found(NamedTuple):
    """What to say, before it becomes a line."""

    rung: Rung
    reason: str
    whole: int | None
    """The recorded turn whose line is said as it stands; None when it is put together."""
    parts: tuple[Statement, ...]
    met: tuple[Need, ...] = ()
    """The needs that it answers, as far as that was looked at."""

    @property
    def text(self) -> str:
        # `25142` and `325 Elm Street` side by side would be another number.
        said = [f"{part.text}," if part.text[-1:].isalnum() else part.text for part in self.parts]
        return " ".join([*said[:-1], *(part.text for part in self.parts[-1:])])


class _View:
    """The recording, looked at from one text of the agent's."""

    def __init__(self, sheet: FactSheet, asks: Asks, said: _Said, similarity: Similarity | None) -> None:
        self._sheet = sheet
        self.asks = asks
        self._said = said
        self._similarity = similarity
        self._is_read = phrasebook(sheet.language).language is not None

    def answer(self) -> _Found | Unanswerable:
        """What answers the agent's needs: an unsaid line, else facts, else nothing."""
        unsaid = [line for line in self._sheet.lines if not self._is_said(line)]
        best = max(unsaid, key=self._fit, default=None)
        if best is not None and self._fit(best) >= ANSWERS:
            is_next = best is self._next
            reason = (
                "the next recorded line answers" if is_next else f"turn {best.turn_index + 1} of the recording answers"
            )
            rung: Rung = "recorded" if is_next else "reordered"
            answered = [need for need in self.asks.needs if self._answers(best, need) >= ANSWERS]
            more = None if is_next else self._from_facts()
            if more is not None and len(more.met) > len(answered):
                return more
            return _Found(rung, f"{reason} {_phrases(answered)}", best.turn_index, best.statements)
        return self._from_facts() or self._again() or self._agreed() or Unanswerable(self._missing())

    def go_on(self) -> _Found | None:
        """The agent asks nothing: the user says what is still to be said, or takes leave, or is silent."""
        unsaid = [line for line in self._sheet.lines if not self._is_said(line)]
        following = self._next
        if following is not None and likeness(self.asks.about, following.after.about) >= 0.6:
            return self._whole(following, "the agent says much what it said before this line")
        for line in unsaid:
            if self._takes_initiative(line) or (line is following and not self.asks.closes and _informs(line)):
                return self._whole(line, "the agent asks nothing, and the user has not said this yet")
        if not self.asks.closes and following is not None and not following.closes:
            return self._whole(following, "the agent asks nothing, so the user goes on")
        last = self._sheet.lines[-1]
        if last in unsaid and last.closes:
            return self._whole(last, "nothing is left to say, so the user takes leave as in the recording")
        return None

    @cached_property
    def _next(self) -> Utterance | None:
        """The first recorded line after the last that was said, if it is still unsaid."""
        reached = max(self._said.lines, default=-1)
        after = (line for line in self._sheet.lines if line.turn_index > reached and not self._is_said(line))
        return next(after, None)

    def _whole(self, line: Utterance, reason: str) -> _Found:
        return _Found("recorded" if line is self._next else "reordered", reason, line.turn_index, line.statements)

    def _is_said(self, line: Utterance) -> bool:
        if line.turn_index in self._said.lines:
            return True
        telling = [one for one in line.statements if one.act not in ("greet", "thank", "agree") or one.facts]
        return bool(telling) and all(self._is_stated(one) for one in telling)

    def _is_stated(self, statement: Statement) -> bool:
        if statement.text.casefold() in self._said.texts:
            return True
        return bool(statement.about) and covered(statement.about, self._said.words) >= 0.8

    def _takes_initiative(self, line: Utterance) -> bool:
        if line.closes:
            return False
        acts = {one.act for one in line.statements if not self._is_stated(one)}
        return bool(acts & {"request", "question", "correct"})

    def _fit(self, line: Utterance) -> float:
        """How well a line answers all needs: 1 and more for all of them."""
        needs = self.asks.needs
        in_meaning = ANSWERS if self._means_the_same(line) else 0.0
        if not needs:  # a question that no rule explains
            alike = self._alike(self.asks.asking, line.after)
            same = SAME_TOPIC if self._is_read else UNREAD_ALIKE
            return max(alike / same * ANSWERS, in_meaning)
        answered = sum(self._answers(line, need) for need in needs) / len(needs)
        if answered == 0:
            return in_meaning
        fit = answered + 0.2 * likeness(self.asks.asking, line.after.asking) + (0.1 if line is self._next else 0.0)
        # Which of several answers, never whether it is one.
        return fit + 0.3 * self._in_place(line) if answered >= ANSWERS else fit

    def _in_place(self, said: Utterance | Statement) -> float:
        """How far the talk was about the same before it was said: of two orders, the one that is spoken of."""
        return likeness(self._said.about, self._sheet.talked_of.get(said.turn_index, NO_WORDS))

    def _means_the_same(self, line: Utterance) -> bool:
        """Whether the question before the line means what is asked now, by an embedding, which sees no contradiction:
        so the sort of answer must agree, and no consent is given on its word.
        """
        if self._similarity is None or not self.asks.asked or not line.after.asked:
            return False
        now, then = self.asks.needs, line.after.needs
        if any(need.kind == "yes_no" for need in (*now, *then)):
            return False
        sorts = [frozenset().union(*(need.about for need in needs)) & _SORTS for needs in (now, then)]
        return sorts[0] <= sorts[1] and self._similarity(self.asks.asked, line.after.asked) >= ALIKE_IN_MEANING

    def _answers(self, line: Utterance, need: Need) -> float:
        match need.kind:
            case "slot":
                return max((_meets(one, need) for one in line.statements), default=0.0)
            case "choice":
                return self._chooses(line, need)
            case "open":
                if self._takes_initiative(line):
                    return 1.0 if line is self._next else 0.7
                return 0.5 if line is self._next and not line.closes and line.says is None else 0.0
            case "yes_no":
                return self._says_yes_or_no(line, need)

    def _says_yes_or_no(self, line: Utterance, need: Need) -> float:
        """Whether the line was the answer to this question, or speaks of what it is about."""
        if line.says is not None or line is self._next:
            recorded = [one.about for one in line.after.needs if one.kind == "yes_no"]
            # `A new one?` wants a yes or no, too, though no rule says so.
            recorded += [line.after.asking] if line.after.is_question else []
            topic = max((likeness(need.about, about) for about in recorded), default=0.0)
            whole = likeness(self.asks.about, line.after.about)
            if not need.about - _CONSENT_WORDS and recorded and self._same_things(line):
                topic = whole  # `Do you confirm?` says nothing of what it is about
            if topic and max(topic, whole) >= SAME_TOPIC and not self._other_act(need, line):
                return 1.0
        said_of_it = max((covered(need.about - _CONSENT_WORDS, one.answers) for one in line.statements), default=0.0)
        return said_of_it if line.says is not None and said_of_it > ANSWERS else 0.0

    def _same_things(self, line: Utterance) -> bool:
        """Whether the agent names the ids and amounts now that it named before the line."""
        now, then = (frozenset(filter(_has_digit, about)) for about in (self.asks.about, line.after.about))
        return bool(now & then) and 2 * len(now & then) >= min(len(now), len(then))

    def _other_act(self, need: Need, line: Utterance) -> bool:
        """Whether consent is wanted for another act than the line gave it for: a refund is no cancellation."""
        wanted = (need.about & _ACTS) or (self.asks.asking & _ACTS)
        given = (
            frozenset().union(*(one.about for one in line.after.needs), *(one.about for one in line.statements)) & _ACTS
        )
        return bool(wanted) and bool(given) and not wanted & (given | self._sheet.wants)

    def _chooses(self, line: Utterance, need: Need) -> float:
        """Whether the line picks something that is on offer now."""
        met = max((_meets(one, need) for one in line.statements if one.act != "question"), default=0.0)
        if line.after.needs:
            offered = self.asks.about
            for one in line.statements:
                values = {fact.text.casefold() for fact in one.facts if fact.kind == "id"}
                if values and all(any(value in word for word in offered) for value in values):
                    return 1.0
                picked = one.about - _CONSENT_WORDS - need.about
                if (
                    one.act in ("request", "inform", "correct")
                    and weights(picked) >= 1
                    and covered(picked, offered) >= 0.6
                ):
                    return 0.9
            if likeness(self.asks.about, line.after.about) >= 0.5:
                return 0.8
        return met if met > ANSWERS else 0.0

    def _alike(self, asking: Stems, recorded: Asks) -> float:
        return likeness(asking, recorded.asking) if recorded.asking else 0.0

    def _from_facts(self) -> _Found | None:
        """What the user said anywhere that meets a need, the best for each."""
        parts: list[Statement] = []
        met: list[Need] = []
        models: set[str] = set()
        for need in self.asks.needs:
            if need.kind == "open":
                continue
            best = max(self._sheet.statements, key=lambda one: self._rank(one, need), default=None)
            if best is not None and self._rank(best, need) >= ANSWERS:
                met.append(need)
                parts += [] if best in parts else [best]
                if (fact := self._named(best, need)) is not None and _meets(best, need) < ANSWERS:
                    models.add(f"{fact.slot!r} by {fact.by}")
        if not parts:
            return None
        parts.sort(key=lambda one: (one.turn_index, one.start))
        reason = f"what the user said in the recording answers {_phrases(met)}"
        if models:
            reason += f", named {', '.join(sorted(models))}"
        return _Found("facts", reason, None, tuple(parts), tuple(met))

    def _rank(self, statement: Statement, need: Need) -> float:
        if statement.act in ("question", "greet", "thank"):
            return 0.0
        met = _meets(statement, need)
        if need.kind == "yes_no":
            met = covered(need.about - _CONSENT_WORDS, statement.answers)
            return met if met > ANSWERS and statement.act in ("agree", "refuse", "inform") else 0.0
        if need.kind == "choice":
            return 0.0
        if met < ANSWERS:
            return 0.0 if self._named(statement, need) is None else ANSWERS
        # A value is better than "I don't have it", and a correction better than what it corrects.
        return (
            met
            + (0.2 if statement.facts else 0.0)
            - (0.3 if statement.denies and not statement.facts else 0.0)
            + (0.1 if statement.act == "correct" else 0.0)
            + 0.2 * self._in_place(statement)
        )

    def _named(self, statement: Statement, need: Need) -> KnownFact | None:
        """The fact by whose name a model lets this statement answer a need for a detail; None for none."""
        if need.kind != "slot" or not self._sheet.named:
            return None
        for names, fact in self._sheet.named.get(statement, ()):
            sorts = need.about & _SORTS
            if sorts <= names and covered(need.about, names | statement.about) >= ANSWERS and need.about & names:
                return fact
        return None

    def _again(self) -> _Found | None:
        """A line that has been said and answers once more."""
        said = [line for line in self._sheet.lines if self._is_said(line)]
        best = max(said, key=self._fit, default=None)
        if best is None or self._fit(best) < ANSWERS or all(need.kind == "open" for need in self.asks.needs):
            return None
        return _Found(
            "facts",
            f"said before, in turn {best.turn_index + 1} of the recording: it answers {_phrases(self.asks.needs)}",
            best.turn_index,
            best.statements,
        )

    def _agreed(self) -> _Found | None:
        """Consent to what the user asked for, in the user's own words; never to what was not asked for."""
        needs = [need for need in self.asks.needs if need.kind == "yes_no"]
        if not needs:
            return None
        named = needs[-1].about & _ACTS
        acts = (named or self.asks.about & _ACTS) & self._sheet.wants
        if not acts or named - acts:
            return None
        request = next(
            (
                one
                for one in self._sheet.statements
                if one.act in ("request", "correct", "question") and one.about & acts
            ),
            None,
        )
        if request is None:
            return None
        plain = [
            one
            for one in self._sheet.statements
            if one.act == "agree"
            and not one.denies
            and not one.facts
            and not (one.about - _CONSENT_WORDS - self.asks.about)
        ]
        part = plain[0] if plain else request
        return _Found(
            "facts", f"the user asked for this in turn {request.turn_index + 1} of the recording", None, (part,)
        )

    def _missing(self) -> str:
        return f"the recorded user never said anything that answers {_phrases(self.asks.needs)}"


def _has_digit(word: str) -> bool:
    return any(map(str.isdigit, word))


def _informs(line: Utterance) -> bool:
    """Whether the line gives a detail that an agent may need though it does not ask for it."""
    return any(one.act == "inform" and one.facts for one in line.statements)


def _phrases(needs: Sequence[Need]) -> str:
    return "; ".join(_quoted(need.phrase) for need in needs[:4]) or "what the agent asks"


def _meets(statement: Statement, need: Need) -> float:
    """How far a statement gives a detail that is asked for; what sort of detail it is must agree."""
    sorts = need.about & _SORTS
    if sorts and not sorts & statement.answers:
        return 0.0
    return covered(need.about, statement.answers)


def _said(so_far: Sequence[Turn], placed: list[int | None], language: str | None) -> _Said:
    texts = [turn.user.text for turn in so_far if turn.user is not None]
    return _Said(
        lines=frozenset(index for index in placed if index is not None),
        words=stems(" ".join(texts), language),
        texts="\n".join(texts).casefold(),
        last=placed[-1],
        about=stems(" ".join((*texts[-LATELY:], so_far[-1].reply or "")), language),
    )


def _times_said(so_far: Sequence[Turn], found: _Found) -> int:
    folded = found.text.casefold()
    return sum(turn.user is not None and folded == " ".join(turn.user.text.casefold().split()) for turn in so_far)


def _composed(found: _Found) -> Line:
    evidence = tuple(Evidence(turn_index=part.turn_index, start=part.start, end=part.end) for part in found.parts)
    turns = {part.turn_index for part in found.parts}
    position = found.parts[0].turn_index if len(turns) == 1 else None
    return Line(UserLine(text=found.text), found.rung, found.reason, position, evidence)


def _is_same(recorded: str | None, replayed: str | None) -> bool:
    if recorded is None or replayed is None:
        return recorded is replayed
    return recorded == replayed or recorded.split() == replayed.split()


def _quoted(text: str) -> str:
    return f"“{cut_to(one_line(text), 80)}”"
