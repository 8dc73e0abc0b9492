"""Which way through the tree of all model calls is the talk with the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from taketwo.capture.transcript import Node, Placed, Transcript

_AGENT = 1_000_000
"""Weight of a voice that was offered tools: guards and title generators are not."""


@dataclass(slots=True)
class Known:
    """What the spans around the runs say, to tell the talk from what an application asks a model besides."""

    asked: set[str]
    """Lines of the user, without space around them."""
    answered: set[str]
    """What the user was told, without space around it."""


@dataclass(slots=True)
class _Branch:
    """What a node and everything below it amount to."""

    talks: bool = False
    """Whether any of its model calls is neither in a tool nor a guard's or judge's."""
    voice: str = ""
    """The weightiest instructions among those calls."""
    weight: int = 0
    """How much that voice speaks in all."""
    proven: int = 0
    """The most lines of the user on one way that the runs' spans know as well."""
    lines: int = 0
    """The most lines of the user on one way."""
    told: bool = False
    """Whether some text is what a run's span says the user was told."""
    words: int = 0
    """Length of the longest text."""
    latest: int = -1
    """Order of its latest model call."""
    earliest: int = 1 << 60
    """Order of its earliest model call."""


def is_one_thread(transcript: Transcript) -> bool:
    """Whether there is nothing to choose: most talks have one way, on which one voice speaks to its end."""
    if transcript.forks or len(transcript.voices) != 1:
        return False
    last = transcript.placed[-1]
    return last.is_talk and not last.end.children


def choose(transcript: Transcript, known: Known) -> list[Node]:
    """The nodes of the talk, from first to last.

    Of several threads it is the one with the most lines of the user; of an edited line the later wording, and an
    earlier one that got an error; of several answers the one that later requests go on from, else the one that the
    user was told, else the later one.
    """
    if is_one_thread(transcript):
        return list(transcript.root.below())
    branches = _measured(transcript, known)
    agents = _voices_of_the_talk(transcript, known)
    whole = branches[id(transcript.root)]
    path: list[Node] = []
    node = transcript.root
    while node.children:
        options = [child for child in node.children if branches[id(child)].talks]
        if whole.proven:
            options = [child for child in options if not _is_foreign(branches[id(child)], agents)]
        if not options and node is transcript.root:
            options = node.children
        if not options:
            break
        node = _best(options, branches)
        path += _refused(options, node, branches)
        path.append(node)
    return path


def _refused(options: Sequence[Node], taken: Node, branches: dict[int, _Branch]) -> list[Node]:
    """Lines of the user that got an error for an answer and that the application then forgot, but the user did not."""
    if taken.utterance.kind != "user" or taken.first is None:
        return []
    trace, own = taken.first.span.trace_id, branches[id(taken)]
    forgotten = [
        node
        for node in options
        if node.utterance.kind == "user"
        and not node.children
        and branches[id(node)].latest < own.earliest
        and branches[id(node)].voice == own.voice
        and all(placed.call.reading.error and placed.call.span.trace_id != trace for placed in node.asked)
    ]
    return sorted(forgotten, key=lambda node: branches[id(node)].earliest)


def _voices_of_the_talk(transcript: Transcript, known: Known) -> set[str]:
    """The voices that answer lines which the runs' spans know."""
    return {
        placed.call.voice
        for placed in transcript.placed
        for line in [next((node for node in placed.at.above() if node.utterance.kind == "user"), None)]
        if line is not None and line.utterance.text.strip() in known.asked
    }


def _is_foreign(branch: _Branch, agents: set[str]) -> bool:
    """Whether a branch is somebody else's: lines that no run's span knows, said to no voice of the talk."""
    return bool(agents) and branch.lines > 0 and branch.proven == 0 and branch.voice not in agents


def _best(options: Sequence[Node], branches: dict[int, _Branch]) -> Node:
    if len(options) == 1:
        return options[0]
    one_voice = len({branches[id(option)].voice for option in options}) == 1
    return max(options, key=lambda node: _worth(node, branches[id(node)], one_voice))


def _worth(node: Node, branch: _Branch, one_voice: bool) -> tuple[int, ...]:
    """The better of several branches is greater."""
    if node.parent is not None and node.parent.parent is None:
        weight = branch.weight // _AGENT
        return weight, branch.proven, branch.lines, branch.told, branch.weight, -branch.earliest
    if node.utterance.kind == "user":
        return branch.weight // _AGENT, branch.proven > 0, branch.latest, branch.earliest
    rest = (branch.latest,) if one_voice else (branch.words, branch.latest)
    return (branch.weight, branch.lines > 0, branch.told, *rest, branch.earliest)


def _measured(transcript: Transcript, known: Known) -> dict[int, _Branch]:
    """Every node's branch, the ends first."""
    ending: dict[int, list[Placed]] = {}
    for placed in transcript.placed:
        ending.setdefault(id(placed.end), []).append(placed)
    weights = _weights(transcript.placed)
    measured: dict[int, _Branch] = {}
    for node in reversed([transcript.root, *transcript.root.below()]):
        branch = _own(node, known)
        for placed in ending.get(id(node), []):
            _count_call(branch, placed, weights)
        for child in node.children:
            _count_child(branch, measured[id(child)])
        branch.proven += node.utterance.kind == "user" and node.utterance.text.strip() in known.asked
        branch.lines += node.utterance.kind == "user"
        measured[id(node)] = branch
    return measured


def _own(node: Node, known: Known) -> _Branch:
    if node.utterance.kind != "say":
        return _Branch()
    text = node.utterance.text.strip()
    return _Branch(told=text in known.answered, words=len(text))


def _count_call(branch: _Branch, placed: Placed, weights: dict[str, int]) -> None:
    call = placed.call
    branch.latest, branch.earliest = max(branch.latest, call.order), min(branch.earliest, call.order)
    if placed.is_talk:
        branch.talks = True
        if weights[call.voice] > branch.weight:
            branch.voice, branch.weight = call.voice, weights[call.voice]


def _count_child(branch: _Branch, child: _Branch) -> None:
    branch.talks |= child.talks
    branch.told |= child.told
    # Written out, for a long talk has thousands of nodes and most of them one child.
    if child.proven > branch.proven:
        branch.proven = child.proven
    if child.lines > branch.lines:
        branch.lines = child.lines
    if child.words > branch.words:
        branch.words = child.words
    if child.latest > branch.latest:
        branch.latest = child.latest
    if child.earliest < branch.earliest:
        branch.earliest = child.earliest
    if child.weight > branch.weight:
        branch.voice, branch.weight = child.voice, child.weight


def _weights(placed: Sequence[Placed]) -> dict[str, int]:
    """How much each voice speaks; one that was offered tools, or called them, outweighs every other."""
    weights: Counter[str] = Counter()
    agents = set()
    for each in placed:
        reading = each.call.reading
        weights[each.call.voice] += 1
        if reading.tools or any(message.calls for message in reading.response or ()):
            agents.add(each.call.voice)
    return {name: count + (_AGENT if name in agents else 0) for name, count in weights.items()}
