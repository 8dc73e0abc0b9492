"""What an agent says that it did, against what its tools did. Works on any conversation, recorded or replayed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from taketwo.compare.acts import TOOLS, Said, claims
from taketwo.compare.likeness import said
from taketwo.compare.results import failure
from taketwo.comparison import Claim
from taketwo.conversation import Call, Conversation, Turn
from taketwo.language.phrasebook import ENGLISH, Act, language_of_talk, phrasebook
from taketwo.run import StepPlace
from taketwo.value import canonical_json, in_words
from taketwo.writes import Writes, words_of_name

MADE_BEHIND = (
    r"[\W_](?:[^.\n]{0,30}\W)?(?:approved|issued|processed|completed?|confirmed|initiated|paid|sent|succeeded)\b"
)
"""What stands behind a noun in a result that tells of something done: `refund approved`, `refund_status: issued`."""


def claimed(conversation: Conversation) -> list[tuple[Turn, Sequence[Said]]]:
    """What the agent says that it did, turn by turn."""
    language = language_of_talk(conversation.texts())
    return [(turn, claims(said([turn]), language)) for turn in conversation.turns]


def unbacked_claims(
    conversation: Conversation,
    writes: Callable[[str], bool | None] | None = None,
    told: Sequence[tuple[Turn, Sequence[Said]]] | None = None,
) -> tuple[Claim, ...]:
    """What the agent says that it did, and no call until then bears out.

    A call bears a claim out if it succeeded and its tool does such a thing by its name or arguments, or if nobody knows
    what its tool does. `your refund has been issued` may also have come along with another write since the user spoke,
    or be something that a tool or the user had told the agent. Where the capture left calls out, nothing is claimed.

    writes: as for `compare`. told: what is `claimed` there, if that is known.
    """
    told = claimed(conversation) if told is None else told
    if not any(found for _, found in told):
        return ()
    does_write = Writes((conversation,), writes)
    hidden = _hidden_turns(conversation)
    return tuple(
        claim
        for turn, found in told
        for one in found
        if not any(index <= turn.index for index in hidden)
        and (claim := _unbacked(one, turn, conversation, does_write)) is not None
    )


def _hidden_turns(conversation: Conversation) -> set[int]:
    """Turns of which the capture does not say all calls; the first one stands for spans that could not be read."""
    found = (re.fullmatch(r"turns(?:\[(\d+)\](?:\.steps)?)?", gap.where) for gap in conversation.gaps)
    unread = [gap for gap in conversation.gaps if gap.where == "turns" and gap.why.startswith("span ")]
    return {int(match[1]) for match in found if match and match[1]} | ({0} if unread else set())


def _unbacked(one: Said, turn: Turn, conversation: Conversation, writes: Callable[[str], bool | None]) -> Claim | None:
    failed: tuple[StepPlace, Call, str] | None = None
    spoke = (each.index for each in conversation.turns[: turn.index + 1] if each.user is not None)
    since = max(spoke, default=0)
    for index, position, call in conversation.calls():
        if index > turn.index:
            break
        does = writes(call.tool)
        # What has been done without saying by whom may have come along with any write since the user spoke.
        came_along = not one.by_the_agent and index >= since and failure(call) is None
        if does is False or (does and not came_along and not _does(one, call)):
            continue
        if (why := failure(call)) is None:
            return None
        failed = StepPlace(turn_index=index, step_index=position), call, why
    if not one.by_the_agent and _was_told(one, conversation, turn.index):
        return None
    what = f"no tool that does it was called by then ({one.act})"
    if failed is not None:
        what = f"{failed[1].in_words} failed: {in_words(failed[2])}"
    place = None if failed is None else failed[0]
    return Claim(turn_index=turn.index, act=one.act, quote=one.quote, why=what, call=place)


def _does(said_now: Said, call: Call) -> bool:
    """Whether a call may be this act, by the name of its tool or by what it was asked with."""
    if not TOOLS[said_now.act].isdisjoint(words_of_name(call.tool)):
        return True
    return any(_speaks(f"{one.verbs} {one.nouns}", canonical_json(call.arguments)) for one in _acts(said_now))


def _acts(said_now: Said) -> list[Act]:
    """The act as it is said in English, as which tools are mostly written, and as it was said."""
    return [phrasebook(language).acts[said_now.act] for language in dict.fromkeys((ENGLISH, said_now.language))]


def _was_told(said_now: Said, conversation: Conversation, last: int) -> bool:
    """Whether a tool spoke of the act until this turn, or the user said that it was done."""
    acts = _acts(said_now)
    done = " ".join(one.done for one in acts)
    of_a_tool = f"{done} " + " ".join(f"{noun}{MADE_BEHIND}" for one in acts for noun in one.nouns.split())
    for turn in conversation.turns[: last + 1]:
        if turn.user is not None and _speaks(done, turn.user.text):
            return True
        results = (call.result if isinstance(call.result, str) else canonical_json(call.result) for call in turn.calls)
        if any(_speaks(of_a_tool, result) for result in results):
            return True
    return False


def _speaks(words: str, text: str) -> bool:
    return re.search("|".join(words.split()), text, re.IGNORECASE) is not None
