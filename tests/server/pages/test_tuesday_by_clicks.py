"""The Tuesday story with a mouse, and again with a keyboard: from the list to a kept file that pytest runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from browsing import Visit

from taketwo.demo.desk import PROMPT_V2
from taketwo.demo.model import rules_as_model
from taketwo.store import Store, open_store

Visiting: TypeAlias = Callable[..., AbstractContextManager[Visit]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with rules_as_model() as address:
        yield address


def captured(visit: Visit) -> None:
    """The demo's customers talk to the desk that is live, and their spans come in here."""
    page = visit.open("/")
    page.get_by_role("button", name="Load the demo").click()
    page.get_by_role("link", name="Hi, I sent back the kettle from order A-1042.").wait_for()


def runs_in_pytest(file: Path, agent: str) -> int:
    """The exit code of pytest on a kept file."""
    command = [sys.executable, "-m", "pytest", str(file), "--taketwo-agent", agent, "-q", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAKETWO_")}
    done = subprocess.run(
        [*command, "-p", "no:asyncio", "-c", os.devnull, "--rootdir", str(file.parent)],
        capture_output=True,
        text=True,
        cwd=file.parent,
        env=environment,
    )
    return done.returncode


def saved(page: Any, link: Any, folder: Path) -> Path:
    with page.expect_download() as download:
        link.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_with_a_mouse_from_the_list_to_a_kept_test(visiting: Visiting, model: str, tmp_path: Path) -> None:
    store: Store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    access = {"llm_base_url": model, "llm_api_key": "none"}
    with visiting(store, access=access) as visit:
        captured(visit)
        page = visit.page
        page.get_by_label("Filter", exact=True).fill("tool:issue_refund said:status")
        page.get_by_role("button", name="Filter").click()
        page.get_by_role("link", name="Hi, I sent back the kettle").click()

        wrong = page.locator("#turn-4 .step").filter(has_text="issue_refund")
        wrong.get_by_role("link", name="Mark wrong").click()
        page.get_by_label("It must call").fill("check_status")
        page.get_by_role("button", name="Mark as wrong").click()
        page.locator("aside").get_by_text("must call check_status in turn 4").wait_for()

        page.get_by_role("button", name="Replay").click()
        page.get_by_role("link", name="Continue: make a scenario").click()
        page.get_by_role("button", name="Make the scenario").click()
        page.get_by_role("link", name="Continue: choose the agent").click()
        page.get_by_label("Rebuilt from the recording").check()
        page.get_by_role("button", name="Run the replay").click()
        page.get_by_role("link", name="sess-dana").first.wait_for()
        page.locator("td .chip.fail").wait_for()  # the recorded prompt has the bug, and the bug reproduces

        page.get_by_role("link", name="Change the agent and run again").click()
        page.get_by_label("System prompt under test").fill(PROMPT_V2)
        page.locator("#prompt-diff ins").first.wait_for()
        page.get_by_role("button", name="Run the replay").click()
        page.locator("td .chip.pass").wait_for()
        page.get_by_role("link", name="sess-dana").first.click()
        assert page.locator(".holds").count() == 2
        page.get_by_text("first divergence").wait_for()
        page.get_by_text("which had answered another call already").wait_for()

        file = saved(page, page.get_by_role("link", name="Keep as a file"), tmp_path)
        assert visit.grave_faults() == []
    store.close()
    assert file.name == "sess-dana.scenario.yaml"
    assert runs_in_pytest(file, "taketwo.demo.desk:desk_v2") == 0
    assert runs_in_pytest(file, "taketwo.demo.desk:desk_v1") == 1


def test_with_the_keyboard_alone(visiting: Visiting, tmp_path: Path) -> None:
    store: Store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    with visiting(store) as visit:
        captured(visit)
        page = visit.page
        press = page.keyboard.press
        press("/")
        page.keyboard.type("tool:issue_r")
        page.get_by_role("option", name="issue_refund").wait_for()
        press("ArrowDown")
        press("Enter")
        page.keyboard.type(" said:status")
        press("Escape")
        press("Enter")
        page.wait_for_url("**filter=tool**")
        press("j")
        press("Enter")
        page.locator("#turn-4").wait_for()
        page.locator("#step-4-1 .mark").focus()
        press("Enter")
        page.get_by_label("It must call").wait_for()
        page.locator("input[name=must_call]:focus").wait_for()
        page.keyboard.type("check_status")
        press("Enter")
        page.locator("aside").get_by_text("must call check_status in turn 4").wait_for()
        page.get_by_role("link", name="Keep as a test").first.focus()
        press("Enter")
        page.get_by_role("heading", name="Keep it as a test").wait_for()
        file = saved(page, page.get_by_role("link", name="Download file"), tmp_path)
        page.go_back()
        page.locator("#turn-4").wait_for()
    store.close()
    assert runs_in_pytest(file, "taketwo.demo.desk:desk_v2") == 0
