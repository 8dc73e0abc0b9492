"""Which user side a mode means."""

from __future__ import annotations

from typing import NamedTuple, assert_never, get_args

from taketwo.conversation import Conversation
from taketwo.errors import BadSetting
from taketwo.language.similarity import load_similarity
from taketwo.llm import LanguageModel
from taketwo.replay.added_facts import FactModel
from taketwo.replay.anchored_user import AnchoredUser
from taketwo.replay.ladder import Similarity
from taketwo.replay.simulated_user import SimulatedUser
from taketwo.replay.user import UserMode, UserSide, Verbatim


class Users(NamedTuple):
    """How the users of a suite are played."""

    mode: UserMode = "anchored"
    """Whether the recorded lines come in order, as they fit, or with a model where they do not reach."""
    model: LanguageModel | None = None
    """The model of mode `simulated`; None in the others."""
    similarity: Similarity | None = None
    """Likeness in meaning, from 0 to 1; None to go by words alone."""
    facts: FactModel | None = None
    """Who adds facts where the recording's own do not answer; None for nobody."""


DEFAULT_USERS = Users()


def by_meaning(one: str, other: str) -> float:
    """How near two texts are in meaning, by the embedding of the extra `similarity`; 0 where it is not installed.

    It is loaded when it is first needed, which takes half a second: most replays never need it.
    """
    similarity = load_similarity()
    return 0.0 if similarity is None else similarity(one, other)


def user_side(users: Users, recorded: Conversation, attempt: int = 1) -> UserSide:
    """The user of the replay of this number, from 1. Raises BadSetting for `simulated` without a model."""
    match users.mode:
        case "verbatim":
            return Verbatim(recorded)
        case "anchored":
            return AnchoredUser(recorded, users.similarity, users.facts)
        case "simulated":
            if users.model is None:
                todo = "set TAKETWO_LLM_MODEL, see docs/models.md"
                raise BadSetting("simulated users need a language model", where="users", todo=todo)
            return SimulatedUser(AnchoredUser(recorded, users.similarity, users.facts), users.model, attempt)
        case _:
            assert_never(users.mode)


def user_mode(text: str) -> UserMode:
    """A mode by its name. Raises BadSetting for one that there is not."""
    modes: tuple[UserMode, ...] = get_args(UserMode)
    for mode in modes:
        if mode == text:
            return mode
    raise BadSetting(f"there is no user mode {text!r}", where="users", todo=f"there is: {', '.join(modes)}")
