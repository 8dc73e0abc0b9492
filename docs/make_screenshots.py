"""The pictures in docs/pages.md: the demo's story on a real server, seen by a headless Chromium: `make screenshots`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import sync_playwright

from taketwo.demo.desk import PROMPT_V2
from taketwo.demo.model import rules_as_model

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]
WIDTH, HEIGHT = 1280, 800


@contextmanager
def served(model: str) -> Iterator[str]:
    """A server on a new store, in which the demo's customers have talked."""
    with tempfile.TemporaryDirectory(prefix="taketwo-pictures-") as folder:
        command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--grpc-port", "0"]
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": folder,
            "TAKETWO_LLM_BASE_URL": model,
            "TAKETWO_LLM_API_KEY": "none",
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        try:
            subprocess.run([sys.executable, "-m", "taketwo.demo.production", address], check=True, capture_output=True)
            yield address
        finally:
            process.terminate()
            process.wait()


def tell(address: str) -> dict[str, str]:
    """Mark, replay with both prompts; gives the pages that are worth a picture."""
    with httpx.Client(base_url=address, headers={"accept": "text/html"}, timeout=30) as client:

        def posted(path: str, **fields: Any) -> str:
            return client.post(path, data=fields).headers["location"]

        dana = {"id": "sess-dana", "project": "default"}
        posted("/marks", **dana, turn="3", step="0", must_not_call="any", must_call="check_status")
        posted("/marks/reason", **dana, why="Asked how a refund stands, the desk paid a second one.")
        names = ["dana", "ada", "june", "gus", "hana", "cleo", "eli"]
        replay = posted("/replays", project="default", id=[f"sess-{name}" for name in names])
        posted(f"{replay}/scenario", no_of_rows=str(len(names)))
        while client.get(f"{replay}.json").json()["replay_session"]["current_step"] != "ready":
            time.sleep(0.1)
        executions: list[str] = []
        for prompt in ("", PROMPT_V2):
            executions.append(posted(f"{replay}/run", reach="prompt", system_prompt=prompt, repeat="3"))
            while client.get(f"{executions[-1]}.json").json()["execution"]["status"] not in ("completed", "failed"):
                time.sleep(0.1)
        broken, mended = executions
        calls = client.get(f"{mended}.json").json()["calls"]
        row = next(call["id"] for call in calls if call["case_id"] == "sess-dana")
        scenario = client.get("/scenarios.json").json()["scenarios"][0]["id"]
    return {
        "sessions": "/sessions?project=default",
        "conversation": "/sessions/sess-dana?project=default#turn-3",
        "agent": f"{replay}?step=agent",
        "results": broken,
        "row": f"/rows/{row}",
        "scenario": f"/scenarios/{scenario}?run={mended.rpartition('/')[2]}",
    }


def main() -> None:
    """Make every picture, one of them in the dark."""
    PICTURES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or sys.exit("chromium is not installed: apt-get install chromium")
    with rules_as_model() as model, served(model) as address, sync_playwright() as driver:
        pages = tell(address)
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, path, scheme in [
            *((name, path, "light") for name, path in pages.items()),
            ("dark", pages["row"], "dark"),
        ]:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            page.goto(address + path)
            page.wait_for_timeout(800)
            page.screenshot(path=PICTURES / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
