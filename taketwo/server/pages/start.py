"""How to begin: where traces go, whether they have come, files that are dropped, and the demo's customers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.capture.imports.imported import Unread
from taketwo.errors import BadSetting, MissingExtra, TakeTwoError
from taketwo.report.words import items_in_words
from taketwo.server.pages.drawing import twin, wants_page
from taketwo.server.pages.forms import filled_in, see_other, text_of
from taketwo.server.pages.shell import Shell
from taketwo.store import Store
from taketwo.store.importing import Tally, import_file
from taketwo.store.keys import key_for_a_while
from taketwo.value import Value

MOST_UNPACKED = 2 * 1024 * 1024 * 1024
"""Bytes of a file that is dropped which are read, unpacked."""
UNREAD_SHOWN = 20
"""How many records that could not be read are named one by one; the others are counted."""
DEFAULT_PROJECT = "default"
DEMO_S = 120.0
"""How long the demo may take."""


class Came(Value):
    """What came of one file."""

    file: str
    """Its name."""
    read: str
    """What was read, in words."""
    new: int
    """How much of it was not there before."""
    unread: int
    """How many records could not be read."""
    named: tuple[Unread, ...]
    """The first of them."""
    error: str | None = None
    """What ended it early; None when nothing did."""


class Start:
    """Draws the page of the first minutes. The methods block; the application runs them in threads."""

    def __init__(self, store: Store, only_project: Callable[[], str | None]) -> None:
        """Look at that store, and import into it. only_project: the project that the request may see, None for all."""
        self._store = store
        self._only_project = only_project

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/start", self.start),
            Route("/start.json", self.start),
            Route("/start/arrived", self.arrived),
            Route("/start/arrived.json", self.arrived),
            Route("/import", filled_in(self.take_files), methods=["POST"]),
            Route("/demo", self.demo, methods=["POST"]),
        ]

    def start(self, request: Request) -> Response:
        """Where to send traces, and whether any have come."""
        return begin(request, self._store)

    def arrived(self, request: Request) -> Response:
        """A part of that page: whether a trace has come since the newest one it knew."""
        return twin(request, "arrived.html", Shell(), _arrivals(self._store, request.query_params.get("newest")))

    def take_files(self, request: Request, form: FormData) -> Response:
        """Import what was dropped."""
        files = [file for file in form.getlist("file") if isinstance(file, UploadFile) and file.filename]
        if not files:
            raise BadSetting("there is no file in the form", where="file")
        project = text_of(form, "project") or DEFAULT_PROJECT
        came = [self._import(file, text_of(form, "format") or None, project) for file in files]
        shell = Shell(section="start", project=project, projects=tuple(self._store.projects()))
        return twin(request, "imported.html", shell, {"project": project, "files": came})

    async def demo(self, request: Request) -> Response:
        """Let the demo's customers talk to its support desk, and send what happens here as any agent would."""
        await run_in_threadpool(self._talk, str(request.base_url).rstrip("/"))
        await run_in_threadpool(self._store.settle)
        return see_other("/sessions") if wants_page(request) else Response(status_code=204)

    def _talk(self, origin: str) -> None:
        """Have the demo's customers talk, in a process of their own with a key of its own. Raises TakeTwoError."""
        command = [sys.executable, "-m", "taketwo.demo.production", origin]
        with key_for_a_while(
            self._store.documents, name="demo", roles=("ingest",), project=self._only_project(), now=datetime.now(UTC)
        ) as secret:
            environment = {**os.environ, "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{secret}"}
            try:
                done = subprocess.run(command, env=environment, capture_output=True, timeout=DEMO_S)
            except subprocess.TimeoutExpired as error:
                raise TakeTwoError(f"the demo did not end within {DEMO_S:.0f} s") from error
        if done.returncode:
            if b"ModuleNotFoundError" in done.stderr:
                raise MissingExtra("demo", needed_for="the demo")
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise TakeTwoError(f"the demo ended with {done.returncode}: {last[0]}")

    def _import(self, file: UploadFile, format: str | None, project: str) -> Came:
        named: list[Unread] = []
        tally = Tally(lambda unread: named.append(unread) if len(named) < UNREAD_SHOWN else None)
        error = None
        name = Path(file.filename or "file").name
        with tempfile.TemporaryDirectory(prefix="taketwo-") as folder:
            # Formats are told by the content; the name is kept for what is said about it.
            place = Path(folder) / "upload"
            with place.open("wb") as copy:
                shutil.copyfileobj(file.file, copy)
            try:
                import_file(self._store, place, format, project, tally, most_bytes=MOST_UNPACKED)
            except TakeTwoError as found:
                error = str(found).replace(str(place), name)
        read = items_in_words(tally.read)
        return Came(file=name, read=read, new=tally.new, unread=tally.unread, named=tuple(named), error=error)


def begin(request: Request, store: Store) -> Response:
    """The page of the first minutes."""
    project = request.query_params.get("project") or None
    projects = tuple(store.projects())
    arrivals = _arrivals(store, None)
    shell = Shell(section="start", project=project, projects=projects, live=True)
    origin = str(request.base_url).rstrip("/")
    body = {"endpoint": origin, "newest": arrivals["newest"]}
    is_empty = arrivals["newest"] is None and next(iter(store.summaries(limit=1)), None) is None
    return twin(request, "start.html", shell, body, is_empty=is_empty, arrived=None)


def _arrivals(store: Store, known: str | None) -> dict[str, Any]:
    newest = next(iter(store.traces(limit=1)), None)
    arrived = newest if newest is not None and newest.id != known else None
    return {"newest": newest.id if newest else None, "known": known, "arrived": arrived}
