"""A file that describes situations, as a person writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from taketwo.conversation import Agent
from taketwo.errors import BadSetting, ScenarioUnreadable
from taketwo.freeze.situations import Situation
from taketwo.freeze.typed import Misplaced, typed
from taketwo.freeze.variants import PERSONAS, Persona
from taketwo.freeze.yaml_reader import parse
from taketwo.value import Value


class Description(Value):
    """What somebody describes."""

    name: str
    """Name of the scenario."""
    situations: tuple[Situation, ...] = ()
    """The situations."""
    description: str | None = None
    """What the agent is for and who comes to it; what a model that invents situations is told."""
    personas: tuple[Persona, ...] = ()
    """People who say the lines, besides those that are there from the start."""
    agent: Agent = Agent()
    """The agent's instructions, tools and model, as far as they are known."""

    def speakers(self, names: Sequence[str]) -> list[Persona]:
        """The personas of these names; those of the file where none is named. Raises BadSetting."""
        known = {one.name: one for one in (*PERSONAS, *self.personas)}
        if strange := next((name for name in names if name not in known), None):
            raise BadSetting(
                f"there is no persona {strange!r}", where="--persona", todo=f"known are {', '.join(known)}"
            )
        return [known[name] for name in names] or list(self.personas)


def read_description(path: Path) -> Description:
    """What a file describes. Raises ScenarioUnreadable with the place."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ScenarioUnreadable(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    try:
        found: Description = typed(parse(content, str(path)), Description)
    except Misplaced as error:
        place = ".".join(str(part) for part in error.path)
        raise ScenarioUnreadable(error.what, where=f"{path}{f', {place}' if place else ''}", todo=error.todo) from error
    for number, one in enumerate(found.situations):
        if not one.says or not one.expected:
            lacking = "says" if not one.says else "expected"
            raise ScenarioUnreadable(f"{lacking} is empty", where=f"{path}, situations.{number}.{lacking}")
    return found
