"""`taketwo.describe`: a scenario on a server, made of situations that somebody describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec

from taketwo.errors import BadSetting
from taketwo.freeze.situations import Situation
from taketwo.sdk.api.scenarios import DescribedScenario, DescribeScenario
from taketwo.sdk.client import asking


def describe(
    name: str,
    situations: Sequence[Situation | Mapping[str, Any]] = (),
    *,
    project: str,
    description: str = "",
    personas: Sequence[str] = (),
    invent: int = 0,
    agent: str | None = None,
    server: str | None = None,
    key: str | None = None,
) -> DescribedScenario:
    """Make a scenario of described situations, one row for each and for each persona.

    situations: as `DescribeScenario` of the API has them, or the same as dictionaries. personas: ids, or names such as
    `terse`. invent: so many more the server's language model thinks of. agent: id of the agent definition it is for.
    server, key: URL of the server and a key for it; `TAKETWO_SERVER` and `TAKETWO_SERVER_KEY` when left out.

    Raises BadSetting naming the field, WrongState where the name is taken, ServerUnreachable. Blocks.
    """
    given = {
        "project_id": project,
        "name": name,
        "description": description,
        "situations": [one.to_builtins() if isinstance(one, Situation) else dict(one) for one in situations],
        "personas": list(personas),
        "invent": invent,
        "agent_definition_id": agent,
    }
    try:
        asked = msgspec.convert(given, DescribeScenario)
    except msgspec.ValidationError as error:
        raise BadSetting(str(error), where="describe") from error
    return asking(
        lambda to: to.post("/scenario-descriptions", DescribedScenario, asked, once=str(uuid4())), server, key
    )
