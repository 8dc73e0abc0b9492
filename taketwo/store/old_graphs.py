"""Scenarios of earlier versions hold the graph that was drawn of their conversations, which outlived each of these.

Such a graph is taken out, with what no row covers: both are made anew, of the conversations that are there, when
somebody next asks for the scenario.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from taketwo.store.chunks import COMPRESSION_LEVEL

Execute = Callable[[str, Sequence[object]], Any]
"""Runs a statement, whose values stand as question marks, within the step of a migration; gives its rows."""


def take_out_drawn_graphs(execute: Execute) -> None:
    """Take out every graph that an earlier version has drawn."""
    every = {kind: dict(execute("SELECT id, body FROM document WHERE kind = ?", (kind,))) for kind in _READ}
    told_apart = every["gathered"].keys() - every["choice"].keys()  # a choice was kept by earlier versions only
    for id in every["scenario"].keys() - told_apart:
        before = _opened(every["scenario"][id])
        session = every["replay_session"].get(before.get("replay_session_id"))
        after = _without_drawn_graph(before, {} if session is None else _opened(session))
        if after != before:
            execute("UPDATE document SET body = ? WHERE kind = 'scenario' AND id = ?", (_packed(after), id))


_READ = ("scenario", "replay_session", "gathered", "choice")
"""Kinds of documents that say which graphs were drawn, and how."""


def _without_drawn_graph(scenario: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
    """The scenario as it is kept today; where its replay session is gone, its graph is taken for a drawn one."""
    if scenario.get("replay_session_id") is None:
        return scenario
    asked = session.get("generate") or {}
    is_drawn = asked.get("graph") is None and asked.get("generate_graph", True) and scenario.get("graph") is not None
    after = {key: value for key, value in scenario.items() if key != "not_covered"}
    return after | {"graph": None, "graph_is_drawn": True} if is_drawn else after


def _opened(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(body))
    return found


def _packed(thing: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps(thing, ensure_ascii=False, separators=(",", ":")).encode(), COMPRESSION_LEVEL)
