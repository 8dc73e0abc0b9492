"""A call as it is drawn: the waves of both parties, and each turn to be heard, recorded and replayed."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from taketwo.comparison import TurnPair
from taketwo.conversation import Conversation, Say, Turn
from taketwo.errors import MissingExtra, TraceUnreadable
from taketwo.report.call_figures import Figure, call_figures

if TYPE_CHECKING:
    from taketwo.voice.audio import Sound
    from taketwo.voice.recordings import Recording

BUCKETS: Final = 500
"""Points of a wave."""
HEIGHT: Final = 20
"""Half the height of a wave, in the units of its drawing."""
MOST_EMBEDDED: Final = 20
"""Calls whose sound a report carries inside."""
_PAD_S: Final = 0.15

FindRecording = Callable[[Conversation], "Recording | None"]
"""Gives the recording of a conversation; None where there is none."""


class Heard(NamedTuple):
    """A turn of one of the calls."""

    number: int
    """Counted from 1."""
    user: str | None
    reply: str | None
    start_s: float
    end_s: float
    source: str
    """What plays it: a `data:` URL, or an address."""


class Side(NamedTuple):
    """One of the calls."""

    name: str
    """`Recorded`, `Replayed`, or `The call`."""
    length_s: float
    waves: tuple[str, ...]
    """The caller's wave and the agent's, as the path of an SVG of BUCKETS × 2·HEIGHT."""
    source: str
    """What plays all of it."""
    file: str
    """The name under which it is downloaded."""


class CallView(NamedTuple):
    """A call, or a pair of them."""

    sides: tuple[Side, ...]
    rows: tuple[tuple[Heard | None, ...], ...]
    """The turns that belong together, one for each side."""
    figures: tuple[Figure, ...]
    """The figures of both, where it is a pair."""


class Played(NamedTuple):
    """How the sound of a call is reached."""

    whole: str
    """What plays all of it."""
    stretch: Callable[[float, float], str]
    """Gives what plays it from one second to another."""


def call_view(
    calls: Sequence[tuple[str, Conversation]],
    pairs: Sequence[TurnPair] | None,
    find: FindRecording,
    played: Callable[[Recording, Sound], Played],
) -> CallView | None:
    """How these calls are drawn, by name; None where none of them can be heard.

    pairs: the turns that belong together, where there are two calls.
    """
    sides: list[Side] = []
    hear: list[Callable[[Turn], Heard | None]] = []
    for name, conversation in calls:
        sound = _sound(find(conversation))
        if sound is None:
            hear.append(lambda turn: None)
            continue
        recording, heard = sound
        access = played(recording, heard)
        sides.append(
            Side(name, heard.length_s, tuple(map(_wave, heard.channels[:2])), access.whole, recording.file_name)
        )
        hear.append(partial(_heard, access=access))
    if not sides:
        return None
    return CallView(
        sides=tuple(sides),
        rows=tuple(_rows(calls, pairs, hear)),
        figures=tuple(call_figures(calls[-1][1])),
    )


def embedded(recording: Recording, sound: Sound) -> Played:
    """The sound inside the page itself, small enough to be sent on."""
    return Played(whole=_data_url(sound, 0.0, sound.length_s), stretch=lambda start, end: _data_url(sound, start, end))


def _rows(
    calls: Sequence[tuple[str, Conversation]],
    pairs: Sequence[TurnPair] | None,
    hear: Sequence[Callable[[Turn], Heard | None]],
) -> Sequence[tuple[Heard | None, ...]]:
    if pairs is None:
        found: list[tuple[Heard | None, ...]] = [(hear[0](turn),) for turn in calls[0][1].turns]
    else:
        places = [(pair.recorded, pair.replayed) for pair in pairs]
        found = [
            tuple(None if at is None else hear[side](calls[side][1].turns[at]) for side, at in enumerate(both))
            for both in places
        ]
    return [row for row in found if any(row)]


def _heard(turn: Turn, access: Played) -> Heard | None:
    """The turn from the caller's first word to the agent's last; None where its times are not known."""
    said = [step.audio for step in turn.steps if isinstance(step, Say)]
    known = [
        one for one in [turn.user.audio if turn.user else None, *said] if one is not None and one.start_s is not None
    ]
    if not known:
        return None
    start = max(0.0, min(one.start_s or 0.0 for one in known) - _PAD_S)
    end = max(one.end_s if one.end_s is not None else (one.start_s or 0.0) + 2 for one in known) + _PAD_S
    user = turn.user.text if turn.user else None
    return Heard(turn.index + 1, user, turn.reply, start, end, access.stretch(start, end))


def _sound(recording: Recording | None) -> tuple[Recording, Sound] | None:
    """The recording; None where it cannot be read here, which the gaps of the conversation say."""
    if recording is None:
        return None
    try:
        from taketwo.voice.audio import read_sound

        return recording, read_sound(recording.body)
    except (ModuleNotFoundError, MissingExtra, TraceUnreadable):
        return None


def _wave(samples: object) -> str:
    """The loudness of one channel over time, as an area around its middle."""
    import numpy as np

    pieces = np.array_split(np.abs(np.asarray(samples)), BUCKETS)
    loud = [float(piece.max()) if len(piece) else 0.0 for piece in pieces]
    highest = max(max(loud), 0.05)
    heights = [max(0.4, HEIGHT * one / highest) for one in loud]
    above = " ".join(f"L{at} {HEIGHT - height:.1f}" for at, height in enumerate(heights))
    below = " ".join(f"L{at} {HEIGHT + heights[at]:.1f}" for at in range(len(heights) - 1, -1, -1))
    return f"M0 {HEIGHT} {above} {below}Z"


def _data_url(sound: Sound, start_s: float, end_s: float) -> str:
    """A stretch of a recording as MP3 in a URL, half a hundredth of its samples."""
    import numpy as np
    import soundfile

    first, last = round(start_s * sound.rate), round(end_s * sound.rate)
    out = io.BytesIO()
    soundfile.write(out, np.stack([c[first:last] for c in sound.channels[:2]], axis=1), sound.rate, format="MP3")
    return f"data:audio/mpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
