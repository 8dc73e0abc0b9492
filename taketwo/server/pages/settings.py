"""What is set up: agents and their versions, evaluators, projects, keys, and how the server is."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import NamedTuple, get_args

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.config import load_settings
from taketwo.errors import BadSetting
from taketwo.scenario import Expectation, MustCall, MustNotCall, MustNotSay, MustSay
from taketwo.sdk.api.projects import CreateProject
from taketwo.sdk.api.run_tests import CreateEvaluator
from taketwo.server.assets import LIBRARY, address
from taketwo.server.disk import store_bytes
from taketwo.server.flow.agents import AGENTS, VERSIONS, activate, restore, version
from taketwo.server.flow.projects import create_project
from taketwo.server.flow.run_tests import EVALUATORS, create_evaluator
from taketwo.server.flow.shelf import Flow
from taketwo.server.lately import MINUTE_S, Lately
from taketwo.server.pages.charts import arrivals_chart
from taketwo.server.pages.drawing import page, reached, twin
from taketwo.server.pages.forms import filled_in, see_other, text_of, texts_of
from taketwo.server.pages.shell import Shell
from taketwo.store.addresses import shown
from taketwo.store.keys import ROLES, Role, create_key, keys, revoke_key
from taketwo.store.project import Redact
from taketwo.store.search import Held
from taketwo.suite.known_evaluators import known_evaluators

LISTED = 100
"""Things of a page."""
COUNTED_AGAIN_AFTER = 100
"""So many times as long as it took to count what the store holds it is not counted again."""
COUNTED_FOR_S = 30.0
"""But no longer than that."""


class _Counted(NamedTuple):
    """What was counted, and how long it is told again."""

    held: Held
    """What was there."""
    until: float
    """By the clock that never goes back: until when that is told."""


class Settings:
    """Draws what is set up, and changes it. The methods block; the application runs them in threads."""

    def __init__(
        self,
        flow: Flow,
        received: Callable[[], int],
        rejected: Callable[[], int],
        lately: Lately,
        only: Callable[[], str | None],
    ) -> None:
        """Work with that flow. received, rejected: how many spans and log records were since the start; only: the
        project that a request is confined to.
        """
        self._flow = flow
        self._received = received
        self._rejected = rejected
        self._lately = lately
        self._only = only
        self._since = datetime.now(UTC)
        self._counting = threading.Lock()
        self._counted: dict[str | None, _Counted] = {}

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/agents", self.agents),
            Route("/agents.json", self.agents),
            Route("/agents/{id}.json", self.agent),
            Route("/agents/{id}", self.agent),
            Route("/agents/{id}/versions/{number:int}/{what}", filled_in(self.choose_version), methods=["POST"]),
            Route("/evaluators", self.evaluators),
            Route("/evaluators.json", self.evaluators),
            Route("/evaluators", filled_in(self.add_evaluator), methods=["POST"]),
            Route("/settings", self.settings),
            Route("/settings.json", self.settings),
            Route("/settings/projects", filled_in(self.set_project), methods=["POST"]),
            Route("/keys", self.keys),
            Route("/keys.json", self.keys),
            Route("/keys", filled_in(self.add_key), methods=["POST"]),
            Route("/keys/revoke", filled_in(self.revoke), methods=["POST"]),
            Route("/status", self.status),
            Route("/status.json", self.status),
        ]

    def agents(self, request: Request) -> Response:
        """All agents under test."""
        asked = request.query_params
        project = asked.get("project") or None
        found = AGENTS.page(self._flow, project=project, limit=LISTED, after=asked.get("after"))
        return twin(
            request, "agents.html", self._shell("agents", project), {"agents": found.things, "next": found.next}
        )

    def agent(self, request: Request) -> Response:
        """One agent: its versions, and what changed from one to the next."""
        agent = AGENTS.get(self._flow, request.path_params["id"])
        versions = VERSIONS.page(self._flow, parent=agent.id, limit=LISTED).things
        shown = version(self._flow, agent.id, _number(request, agent.active_version))
        before = version(self._flow, agent.id, shown.number - 1) if shown.number > 1 else None
        was, now = (
            (one.overrides.get("system_prompt") or one.system_prompt or "") if one else "" for one in (before, shown)
        )
        return twin(
            request,
            "agent.html",
            self._shell("agents", agent.project),
            {"agent": agent, "versions": versions},
            shown=shown,
            changes=[line for change in shown.changes if (line := _change_in_words(change)) is not None],
            prompt=now,
            before=was,
            differs=before is not None and was != now,
        )

    def choose_version(self, request: Request, form: FormData) -> Response:
        """Test a version from now on, or bring an old one back as a new one."""
        id, number = request.path_params["id"], request.path_params["number"]
        match request.path_params["what"]:
            case "activate":
                activate(self._flow, id, number)
            case "restore":
                number = restore(self._flow, id, number).number
            case other:
                raise BadSetting(f"{other!r} is nothing that can be done with a version", where="address")
        return see_other(f"/agents/{id}?version={number}")

    def evaluators(self, request: Request) -> Response:
        """The judgements that run tests ask for by name."""
        asked = request.query_params
        project = asked.get("project") or None
        found = EVALUATORS.page(self._flow, project=project, limit=LISTED, after=asked.get("after"))
        here = load_settings(os.environ, Path.cwd())
        known = known_evaluators(here.evaluators, Path.cwd(), has_model=here.llm_model is not None)
        body = {"evaluators": found.things, "next": found.next, "known": known}
        return twin(request, "evaluators.html", self._shell("evaluators", project), body, asked=here.evaluators)

    def add_evaluator(self, request: Request, form: FormData) -> Response:
        """Keep a judgement under a name."""
        project = text_of(form, "project")
        asked = CreateEvaluator(project_id=project, name=text_of(form, "name"), expected=_expectation(form))
        if not asked.name:
            raise BadSetting("an evaluator needs a name", where="name")
        create_evaluator(self._flow, asked)
        return see_other("/evaluators")

    def settings(self, request: Request) -> Response:
        """Projects, how long they keep what they have, and what is replaced in it."""
        store = self._flow.store
        found = {name: store.project(name) for name in store.projects()}
        return twin(request, "settings.html", self._shell("settings"), {"projects": found}, redactions=get_args(Redact))

    def set_project(self, request: Request, form: FormData) -> Response:
        """Make a project, or say how one wishes its data to be treated."""
        name = text_of(form, "name")
        if not name:
            raise BadSetting("a project needs a name", where="name")
        days = text_of(form, "keep_for_days")
        if days and not (days.isascii() and days.isdigit() and 0 < int(days[:6]) <= 36_500):
            raise BadSetting(f"{days!r} is no number of days", where="keep_for_days", todo="leave it empty for ever")
        redact = text_of(form, "redact", "none")
        if redact not in get_args(Redact):
            raise BadSetting(f"{redact!r} is nothing that is replaced", where="redact")
        keep = int(days) if days else None
        if text_of(form, "is_new"):
            create_project(self._flow, CreateProject(name=name, keep_for_days=keep, redact=redact))  # type: ignore[arg-type]  # looked at above
        else:
            said = self._flow.store.project(name)  # what the form does not show stays as it is
            self._flow.store.set_project(name, said.but(keep_for_days=keep, redact=redact))
        return see_other("/settings")

    def keys(self, request: Request) -> Response:
        """The keys, without their secrets."""
        found = [key.but(hashed="") for key in keys(self._flow.documents)]
        shell = self._shell("keys")
        return twin(request, "keys.html", shell, {"keys": found}, roles=ROLES, secret=None, made=None)

    def add_key(self, request: Request, form: FormData) -> Response:
        """Make a key, and show its secret this once."""
        roles: list[Role] = [role for role in ROLES if role in texts_of(form, "role")]
        name = text_of(form, "name")
        if not roles or not name:
            raise BadSetting("a key needs a name and a role", where="name" if roles else "role")
        project = text_of(form, "project") or None
        made, secret = create_key(
            self._flow.documents, name=name, roles=tuple(roles), project=project, now=datetime.now(UTC)
        )
        found = [key.but(hashed="") for key in keys(self._flow.documents)]
        headers = {"cache-control": "no-store"}
        return page(
            "keys.html", self._shell("keys"), headers=headers, keys=found, roles=ROLES, secret=secret, made=made.id
        )

    def revoke(self, request: Request, form: FormData) -> Response:
        """Make a key good for nothing."""
        revoke_key(self._flow.documents, text_of(form, "id"), datetime.now(UTC))
        return see_other("/keys")

    def status(self, request: Request) -> Response:
        """What the store holds, and how the server is."""
        store, minutes, held = self._flow.store, self._lately.minutes(), self._held()
        body = {
            "version": version_of("taketwo"),
            "python": platform.python_version(),
            "since": self._since,
            "store": shown(store.url),
            "bytes": store_bytes(store.url),
            "projects": len(store.projects()),
            "waiting": store.search.unread(),
            "received": self._received(),
            "rejected": self._rejected(),
            "per_second": round(minutes[-1] / MINUTE_S, 2),
            "minutes": minutes,
            "held": held.to_builtins(),
            "load": os.getloadavg()[0],
            "script_library": address(LIBRARY) is not None,
        }
        arrivals = arrivals_chart(minutes, datetime.now(UTC))
        return twin(request, "status.html", self._shell("status"), body, arrivals=arrivals)

    def _held(self) -> Held:
        """What the store holds, counted again only after many times as long as counting took."""
        only = self._only()
        with self._counting:
            known, begun = self._counted.get(only), time.monotonic()
            if known is not None and begun < known.until:
                return known.held
            held = self._flow.store.search.held(only)
            ended = time.monotonic()
            self._counted[only] = _Counted(held, ended + min(COUNTED_AGAIN_AFTER * (ended - begun), COUNTED_FOR_S))
            return held

    def _shell(self, section: str, project: str | None = None) -> Shell:
        return Shell(section=section, project=project, projects=tuple(self._flow.store.projects()))


def _change_in_words(change: str) -> str | None:
    """A change of a version for people; None for one of the prompt, which is shown word by word."""
    field, _, values = change.partition(": ")
    if field in ("system_prompt", "overrides"):
        return None
    if field != "spec":
        return change
    before, after = (reached(None if spec == "null" else spec) for spec in values.split(" → "))
    return f"reached otherwise: {before} → {after}"


def _number(request: Request, otherwise: int) -> int:
    asked = request.query_params.get("version", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else otherwise


def _expectation(form: FormData) -> Expectation:
    what = text_of(form, "what")
    if not what:
        raise BadSetting("names no tool and no words", where="what")
    match text_of(form, "kind"):
        case "must_call":
            return MustCall(tool=what)
        case "must_not_call":
            return MustNotCall(tool=what)
        case "must_say":
            return MustSay(text=what)
        case "must_not_say":
            return MustNotSay(text=what)
        case other:
            raise BadSetting(f"{other!r} is no kind of judgement", where="kind")
