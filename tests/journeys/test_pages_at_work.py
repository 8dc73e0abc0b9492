"""Days with the pages: a real server that the demo's customers have talked to, and a real browser."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from browsing import Visit

from taketwo.demo.model import rules_as_model

pytestmark = pytest.mark.slow

DANA = "/sessions/sess-dana?project=default"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with an empty home, to which the demo's customers have talked."""
    folder = tmp_path_factory.mktemp("home")
    with rules_as_model() as model:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
        environment |= {"TAKETWO_LLM_BASE_URL": model, "TAKETWO_LLM_API_KEY": "none"}
        command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--grpc-port", "0"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            address = process.stdout.readline().split()[2]
            try:
                production = [sys.executable, "-m", "taketwo.demo.production", address]
                subprocess.run(production, check=True, capture_output=True, timeout=60)
                while httpx.get(f"{address}/api/sessions?limit=1", timeout=120).json()["unread"]:
                    time.sleep(0.1)  # a page does not wait for all of it
                yield address
            finally:
                process.terminate()
                process.wait(120)


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Visit]:
    """Somebody at a screen; at the end nothing may have gone wrong unseen."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(30_000)
    visit = Visit(context.new_page(), address)
    yield visit
    assert not visit.complaints and not visit.foreign
    context.close()


def test_scores_that_a_program_gives_are_seen_over_time(visit: Visit) -> None:
    with httpx.Client(base_url=visit.address, timeout=120) as client:
        for name, value in (("ada", 5), ("ben", 4), ("dana", 1)):
            given = {"name": "csat", "value": value}
            client.post(f"/api/sessions/sess-{name}/scores", json=given).raise_for_status()
    page = visit.open("/sessions?project=default")
    csat = page.locator(".chart").filter(has_text="csat")
    csat.get_by_text("3.33", exact=True).wait_for()
    assert csat.locator("path").count() == 1
    page.get_by_role("link", name="larger").click()
    page.get_by_role("heading", name="Over time").wait_for()
    page.get_by_label("Filter", exact=True).fill("score.csat<3")
    page.get_by_role("button", name="Filter").click()
    page.locator(".chart").filter(has_text="csat").get_by_text("1", exact=True).wait_for()
    assert visit.grave_faults() == []
    page.get_by_role("link", name="The conversations").click()
    assert page.locator("tr[data-row]").count() == 1
    page.go_back()
    page.get_by_role("heading", name="Over time").wait_for()


def replayed(visit: Visit, reach: str) -> Any:
    """Dana's conversation is marked and made a test of; the page where it is run against that agent."""
    page = visit.open(f"{DANA}&mark=3.0")
    page.get_by_label("It must call").fill("check_status")
    page.get_by_role("button", name="Mark as wrong").click()
    page.get_by_role("button", name="Replay").click()
    page.get_by_role("link", name="Continue: make a scenario").click()
    page.get_by_role("button", name="Make the scenario").click()
    page.get_by_role("link", name="Continue: choose the agent").click()
    page.get_by_label(reach).check()
    page.locator("main form button.primary").last.click()
    return page


def run_as_shown(command: str, agent: str) -> int:
    """The exit code of a command as it stands on a page, with one's own agent in it."""
    words = shlex.split(command.replace("my_package:my_agent", agent))
    assert words[0] == "taketwo"
    environment = {**os.environ, "TAKETWO_STORE": "memory:"}
    done = subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True, timeout=60)
    return done.returncode


def test_one_row_is_run_again_by_the_server_and_by_ones_own_process(visit: Visit) -> None:
    page = replayed(visit, "Rebuilt from the recording")
    page.locator("td .chip.fail").wait_for()
    page.get_by_role("link", name="sess-dana").first.click()
    before = page.evaluate("fetch(location.pathname + '.json').then(answer => answer.json())")["call"]
    page.get_by_role("button", name="Re-run this row").click()
    page.locator("[data-events]").wait_for(state="detached")
    page.get_by_role("button", name="Re-run this row").wait_for()
    after = page.evaluate("fetch(location.pathname + '.json').then(answer => answer.json())")["call"]
    assert (after["status"], after["verdict"]) == ("completed", "fail")
    assert after["run_id"] != before["run_id"] and len(after["handed_out"]) == 2

    page = replayed(visit, "My own code")
    command = page.locator(".own-code .muted code").last.inner_text()
    assert run_as_shown(f"{command} --server {visit.address}", "taketwo.demo.desk:desk_v1") == 1
    page.get_by_role("link", name="run 1").click()
    assert run_as_shown(page.locator("#again").inner_text(), "taketwo.demo.desk:desk_v1") == 1
    page.reload()
    page.get_by_role("link", name="sess-dana").first.click()
    assert page.get_by_role("button", name="Re-run this row").count() == 0
    assert visit.grave_faults() == []
    assert run_as_shown(page.locator("#again").inner_text(), "taketwo.demo.desk:desk_v2") == 0
    page.reload()
    page.locator(".verdict-line .chip.pass").wait_for()


def test_somebody_says_what_they_think_of_a_conversation_and_of_a_turn(visit: Visit) -> None:
    page = visit.open("/sessions/sess-gus?project=default")
    page.get_by_role("link", name="Feedback on turn 2").click()
    page.get_by_label("Bad").check()
    page.get_by_label("Your name").fill("Zoë")
    page.get_by_label("Comment").fill("<b>Looked up the wrong order.</b>")
    page.get_by_role("button", name="Give feedback").click()
    page.locator("#turn-2 header").get_by_text("bad", exact=True).wait_for()

    page.get_by_role("navigation", name="Views").get_by_role("link", name="Feedback").click()
    page.get_by_text("<b>Looked up the wrong order.</b>").wait_for()
    page.locator("input[name=score]").fill("2")
    page.get_by_label("What is judged").fill("csat")
    assert page.get_by_label("Your name").input_value() == "Zoë"
    page.get_by_role("button", name="Give feedback").click()
    page.locator(".opinion").nth(1).wait_for()
    assert visit.grave_faults() == []

    for text in ("score.helpful:no", "score.csat<3 score:helpful"):
        page = visit.open("/sessions?" + urlencode({"project": "default", "filter": text}))
        assert page.locator("tr[data-row]").count() == 1
        page.get_by_role("link", name="Where is A-9999?").wait_for()
    told = httpx.get(f"{visit.address}/sessions/sess-gus.json?view=feedback", timeout=120).json()["feedback"]
    assert [(one["name"], one["value"], one["turn"], one["given_by"]) for one in told] == [
        ("helpful", False, 1, "Zoë"),
        ("csat", 2.0, None, "Zoë"),
    ]
    forged = {"id": "sess-gus", "project": "default", "name": "csat", "score": "5"}
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert httpx.post(f"{visit.address}/feedback", data=forged, headers=headers, timeout=120).status_code == 403


def test_a_test_runs_by_the_clock_is_paused_and_run_now(visit: Visit) -> None:
    page = replayed(visit, "Rebuilt from the recording")
    page.locator("td .chip.fail").wait_for()
    page.get_by_role("link", name="Tests").click()
    page.locator("tr[data-row] .main a").first.click()
    page.locator(".schedule-form [name=every]").fill("6")
    page.get_by_label("Unit").select_option("hours")
    page.get_by_label("Who hears of it").fill("team@example.com\nhttps://hooks.example.com/x?secret=1")
    page.get_by_role("button", name="Save").click()
    row = page.locator("tr[data-row]")
    row.get_by_text("every 6 hours").wait_for()
    row.get_by_text("team@example.com, hooks.example.com").wait_for()
    assert visit.grave_faults() == []
    row.get_by_role("button", name="Pause").click()
    row.get_by_text("paused").wait_for()
    (told,) = httpx.get(f"{visit.address}/schedules.json", timeout=120).json()["run_tests"]
    assert told["schedule"]["paused"] and told["next_run_at"] is None
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Run now").click()
    page.locator("td .chip.fail").wait_for()
    page.get_by_role("link", name="Schedules").click()
    assert (row.locator(".chip.fail").count(), row.locator(".run.fail").count()) == (1, 1)

    page.get_by_role("link", name="Change").click()
    page.get_by_label("By a cron line").check()
    page.get_by_role("textbox", name="Cron line").fill("61 * * * *")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("is no cron line").wait_for()
    visit.complaints.clear()
    page.go_back()
    assert page.get_by_role("textbox", name="Cron line").input_value() == "61 * * * *"
    page.get_by_role("link", name="Tests").click()
    page.get_by_text("no row of a test calls these").wait_for()
