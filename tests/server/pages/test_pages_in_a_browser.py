"""What a person sees: nothing breaks the page, nothing runs, nothing leaves the server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TypeAlias

import pytest
from browsing import Visit
from made_replays import replayed
from made_spans import chat_span, raw_spans

from taketwo.conversation import Agent, Call, Conversation, Gap, Say, ToolDefinition, Turn, UserLine
from taketwo.server.pages import conversation_address
from taketwo.store import Store, open_store
from taketwo.store.feedback import Feedback
from taketwo.store.keys import create_key

Visiting: TypeAlias = Callable[..., AbstractContextManager[Visit]]

pytestmark = pytest.mark.slow

EVIL = (
    '"\'></pre></textarea></title><script>window.owned=1</script><img src=x onerror="window.owned=1">'
    "<svg onload=\"window.owned=1\"><a href='javascript:document.title=1'>x</a>{{7*7}}${7*7}"
    "\x1b[31mred\x1b[0m\u202egnp.exe\u2066\u200b\x07" + "\U0001f469\u200d\U0001f4bb" + "z\u0300" * 50
)
LONG = "x" * 1_000_000


def hostile(id: str, word: str) -> Conversation:
    """A conversation with the same word in every place that holds text."""
    call = Call(call_id=word, tool=word, arguments={word: word, "n": {word: [word]}}, result={word: word})
    failed = Call(call_id=word, tool=word, arguments_text=word, error=word)
    agent = Agent(
        name=word,
        model=word,
        provider=word,
        system_prompt=word,
        settings={word: word},
        tools=(ToolDefinition(name=word, description=word),),
    )
    turn = Turn(index=0, user=UserLine(text=word), steps=(call, Say(text=word), failed), reply=word)
    at = datetime(2026, 11, 17, 9, 30, tzinfo=UTC)
    return Conversation(
        id=id,
        project="default",
        user_id=word,
        started_at=at,
        ended_at=at,
        agent=agent,
        turns=(turn,),
        gaps=(Gap(where=word, why=word),),
    )


@pytest.fixture(scope="module")
def store() -> Store:
    store = open_store("memory:")
    store.put_conversation(hostile(EVIL, EVIL))
    store.put_conversation(hostile("long", LONG))
    store.add_spans("default", raw_spans(chat_span(1, 1, session="spans"), chat_span(2, 1, session="spans")))
    store.add_feedback("long", Feedback(name=EVIL, value=EVIL, comment=EVIL, given_by=EVIL))
    store.add_feedback("spans", Feedback(name=EVIL, value=2.5, turn=0))
    return store


PAGES = [
    "/",
    "/sessions",
    "/traces",
    "/calls",
    "/users",
    "/sessions?filter=tool:(",
    "/start",
    "/replays",
    "/scenarios",
    "/tests",
    "/agents",
    "/evaluators",
    "/settings",
    "/keys",
    "/status",
    conversation_address(EVIL, "default"),
    conversation_address(EVIL, "default", mark="0.0"),
    conversation_address("long", "default"),
    conversation_address("spans", "default", view="spans"),
    "/keep?id=spans&project=default",
    "/nowhere",
    "/charts",
    "/charts?filter=tool:(",
    "/schedules",
    conversation_address("long", "default", view="feedback"),
    conversation_address("spans", "default", feedback="0"),
    "/keep/preview?id=spans&project=default",
]


@pytest.mark.parametrize("path", PAGES, ids=range(len(PAGES)))
def test_every_page_holds_at_both_widths_and_in_the_dark(visiting: Visiting, store: Store, path: str) -> None:
    for width, dark in ((1280, False), (390, True)):
        with visiting(store, width=width, dark=dark) as visit:
            page = visit.open(path)
            assert page.title().endswith("Take Two")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator("h1").count() == 1
            assert visit.grave_faults() == []
            visit.complaints = [one for one in visit.complaints if "status of 40" not in one]


def test_hostile_text_is_text(visiting: Visiting, store: Store) -> None:
    for path in ("/", conversation_address(EVIL, "default"), f"/keep?id={'long'}&project=default"):
        with visiting(store) as visit:
            page = visit.open(path)
            if path.startswith("/keep"):
                page.locator("#preview pre").wait_for()
            for fold in page.locator("main summary").all():
                fold.click()
            assert page.evaluate("window.owned") is None
            assert page.locator("main img, main script, main a[href^=javascript]").count() == 0
            text = page.locator("main").inner_text()
            assert "\u202e" not in text and "\x1b" not in text
            if path != "/":
                assert "<script>" in text or "xxxx" in text


def test_what_a_hostile_agent_says_is_text_on_every_page_of_its_replay(visiting: Visiting) -> None:
    store = open_store("memory:")
    store.put_conversation(hostile("evil", EVIL))
    paths = replayed(store, ["evil"], lambda messages: EVIL + "x" * 5_000, name=EVIL[:150], repeat=2)
    for width, dark in ((1280, False), (390, True)):
        with visiting(store, width=width, dark=dark) as visit:
            for path in paths:
                page = visit.open(path)
                assert page.evaluate("window.owned") is None
                assert page.locator("main img, main script, main a[href^=javascript]").count() == 0
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path
                text = page.locator("main").text_content()
                assert "\u202e" not in text and "\x1b" not in text
                assert visit.grave_faults() == [], path


def test_the_back_button_leads_through_the_filters_that_were_tried_and_a_link_shows_the_same(
    visiting: Visiting, store: Store
) -> None:
    with visiting(store) as visit:
        page = visit.open("/sessions?project=default")
        box = page.get_by_label("Filter", exact=True)
        tried = ("id:spans", "zzabsentzz")
        for text in tried:
            box.fill(text)
            page.keyboard.press("Escape")
            page.get_by_role("button", name="Filter").click()
            page.wait_for_url(f"**filter={text.replace(':', '%3A')}**")
        page.get_by_text("Nothing matches this filter").wait_for()
        page.go_back()
        page.locator("tr[data-row]").wait_for()
        assert box.input_value() == tried[0]
        page.get_by_role("link", name="Turns", exact=True).click()
        page.wait_for_url("**sort=**")
        visit.open(page.url.removeprefix(visit.address))
        assert box.input_value() == tried[0] and page.locator("th[aria-sort]").inner_text().startswith("Turns")
        page.go_back()
        page.go_back()
        page.wait_for_url("**/sessions?project=default")
        assert box.input_value() == "" and page.locator("tr[data-row]").count() == 3


def test_what_comes_in_is_seen_as_it_comes(visiting: Visiting) -> None:
    store = open_store("memory:")
    with visiting(store) as visit:
        page = visit.open("/")
        page.get_by_text("Waiting for the first span").wait_for()
        store.add_spans("default", raw_spans(chat_span(1, 1, session="one")))
        page.get_by_text("A span has been received").wait_for()
        page.get_by_role("link", name="Look at the conversations").click()
        page.get_by_role("button", name="Live").click()
        page.wait_for_url("**live=1**")
        assert page.locator("tr[data-row]").count() == 1
        store.add_spans("default", raw_spans(chat_span(2, 1, session="two")))
        page.locator("tr[data-row] >> nth=1").wait_for()
        page.keyboard.press("?")
        page.get_by_role("heading", name="Keys").wait_for()


def test_the_demo_is_loaded_by_somebody_who_signed_in(visiting: Visiting) -> None:
    store = open_store("memory:")
    _, secret = create_key(store.documents, name="me", roles=("replay",), project=None, now=datetime.now(UTC))
    with visiting(store, keys_required=True) as visit:
        page = visit.open("/start")
        page.get_by_label("Secret key").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Load the demo").click()
        page.get_by_role("link", name="Hi, I sent back the kettle from order A-1042.").wait_for()


def test_without_script_the_pages_are_links_and_forms(visiting: Visiting, store: Store) -> None:
    with visiting(store, script=False) as visit:
        page = visit.open("/sessions/spans")
        page.get_by_role("link", name="Mark wrong").first.click()
        page.get_by_label("It must say").fill("hello")
        page.get_by_role("button", name="Mark as wrong").click()
        page.locator("aside").get_by_text("must say hello in turn 1").wait_for()
        page.get_by_role("link", name="Spans").click()
        page.locator(".waterfall summary").first.click()
