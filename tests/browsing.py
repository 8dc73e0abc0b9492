"""Debian's Chromium, driven by Playwright, on a real server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from taketwo.store import Store

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
AXE = Path(__file__).parents[1] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")  # the browser's event loop must not outlive it: other tests have theirs
def browser() -> Iterator[Any]:
    """A browser without a window."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra dev-slow is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A person's window on a server, and what went on behind it."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("request", lambda request: self._see(request.url))

    def open(self, path: str) -> Any:
        """Go there; gives the page."""
        self.page.goto(self.address + path)
        return self.page

    def grave_faults(self) -> list[str]:
        """What axe-core finds serious or critical on the page."""
        if not AXE.is_file():
            pytest.skip("axe-core is not there: make pages")
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        return [
            f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _see(self, url: str) -> None:
        if not url.startswith((self.address + "/", "data:")):
            self.foreign.append(url)


@pytest.fixture
def visiting(
    browser: Any, serving: Callable[..., AbstractContextManager[httpx.Client]]
) -> Callable[..., AbstractContextManager[Visit]]:
    """A context in which somebody looks at a store; at its end nothing may have gone wrong unseen."""

    @contextmanager
    def visit(
        store: Store, *, width: int = 1280, dark: bool = False, script: bool = True, **asked: Any
    ) -> Iterator[Visit]:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            accept_downloads=True,
        )
        context.set_default_timeout(60_000)
        try:
            with serving(store, **asked) as client:
                visit = Visit(context.new_page(), str(client.base_url).rstrip("/"))
                yield visit
                assert not visit.complaints and not visit.foreign
        finally:
            context.close()

    return visit
