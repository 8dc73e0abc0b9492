"""Lists of what was captured: sessions, calls, traces, users; `/` is the first of them, or how to begin."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import AlreadyThere, BadFilter, BadSetting
from taketwo.select.filters import parse
from taketwo.select.suggest import suggest
from taketwo.server.listing import Asked, following, listed_conversations, listed_traces, understood, unread
from taketwo.server.pages.columns import SESSIONS, TRACES, USERS, Column, chosen
from taketwo.server.pages.drawing import link, twin, wants_page
from taketwo.server.pages.forms import filled_in, see_other, text_of
from taketwo.server.pages.saved import SavedFilter, forget, keep, saved_filters
from taketwo.server.pages.shell import Shell
from taketwo.server.pages.start import begin
from taketwo.store import Store

NEWS = 50
"""So many new rows are counted; more are some number above it."""
LOOKED_AT = 300
"""Of so many of the newest conversations the values are suggested."""


class Lists:
    """Draws lists. The methods block; the application runs them in threads."""

    def __init__(self, store: Store) -> None:
        """Read from that store."""
        self._store = store

    def routes(self) -> list[Route]:
        """The addresses."""
        lists = {"": self.sessions, "index": self.sessions, "sessions": self.sessions, "calls": self.calls}
        lists |= {"traces": self.traces, "users": self.users}
        twins = [
            Route(f"/{name}{end}", made) for name, made in lists.items() for end in ("", ".json") if name or not end
        ]
        return [
            *twins,
            Route("/news", self.news),
            Route("/news.json", self.news),
            Route("/api/filters/suggestions", self.suggestions),
            Route("/filters", filled_in(self.keep_filter), methods=["POST"]),
        ]

    def sessions(self, request: Request) -> Response:
        """Conversations."""
        return self._conversations(request, "sessions", "Sessions")

    def calls(self, request: Request) -> Response:
        """Voice calls."""
        return self._conversations(request, "calls", "Calls")

    def traces(self, request: Request) -> Response:
        """Traces."""
        asked, wrong = understood(request)
        rows = [] if wrong else listed_traces(self._store, asked)
        return self._list(request, "traces", "Traces", asked, rows, TRACES, wrong)

    def users(self, request: Request) -> Response:
        """The users of a project; of the only one, or the first one, where none is named."""
        asked, _ = understood(request)
        project = asked.project or next(iter(self._store.projects()), None)
        rows = []
        if project is not None:
            rows = self._store.search.users(project, limit=asked.limit, after=asked.after)
        return self._list(request, "users", "Users", asked.but(project=project), rows, USERS, None)

    def news(self, request: Request) -> Response:
        """A part of a list: how many rows there are now before the one that was its first."""
        section = "calls" if request.query_params.get("list") == "calls" else "sessions"
        asked, wrong = understood(request)
        known = request.query_params.get("newest")
        count = 0
        if wrong is None:
            rows = listed_conversations(self._store, asked.but(limit=NEWS, after=None), only_voice=section == "calls")
            count = next((place for place, row in enumerate(rows) if _name(row) == known), len(rows))
        body = {"count": count, "most": NEWS}
        return twin(request, "news.html", Shell(), body, asked=asked, section=section, newest=known)

    def suggestions(self, request: Request) -> Response:
        """What may come next in a filter that is being typed."""
        asked = request.query_params
        place, found = suggest(asked.get("text", ""), lambda field: self._known(field, asked.get("project") or None))
        return twin(request, "", Shell(), {"from": place, "suggestions": found})

    def keep_filter(self, request: Request, form: FormData) -> Response:
        """Keep a filter under a name, or forget one."""
        section = text_of(form, "list", "sessions")
        project = text_of(form, "project") or None
        if gone := text_of(form, "forget"):
            forget(self._store.documents, gone)
            return see_other(link(f"/{section}", project=project))
        kept = SavedFilter(name=text_of(form, "name"), filter=text_of(form, "filter"), sort=text_of(form, "sort"))
        if not kept.name:
            raise BadSetting("a filter is kept under a name", where="name")
        parse(kept.filter)
        try:
            keep(self._store.documents, kept, project)
        except AlreadyThere as error:
            raise AlreadyThere(f"there is a filter {kept.name!r} already", where="name") from error
        return see_other(link(f"/{section}", project=project, filter=kept.filter, sort=kept.sort))

    def _conversations(self, request: Request, section: str, title: str) -> Response:
        asked, wrong = understood(request)
        rows = [] if wrong else listed_conversations(self._store, asked, only_voice=section == "calls")
        if not rows and not asked.filter and request.url.path == "/" and wants_page(request):
            return begin(request, self._store)
        return self._list(request, section, title, asked, rows, SESSIONS, wrong)

    def _list(
        self,
        request: Request,
        section: str,
        title: str,
        asked: Asked,
        rows: list[Any],
        columns: tuple[Column, ...],
        wrong: BadFilter | None,
    ) -> Response:
        if wrong is not None and not wants_page(request):
            raise wrong
        given = request.query_params
        shell = Shell(
            section=section,
            project=asked.project,
            projects=tuple(self._store.projects()),
            live=bool(given.get("live")),
        )
        answer = twin(
            request,
            f"{'sessions' if section == 'calls' else section}.html",
            shell,
            {section: rows, "next": following(rows, asked.limit), "unread": unread(self._store, asked)},
            title=title,
            section=section,
            rows=rows,
            asked=asked,
            wrong=wrong,
            columns=chosen(columns, given.getlist("column")),
            all_columns=columns,
            column_names=given.getlist("column"),
            saved=saved_filters(self._store.documents, asked.project) if columns is SESSIONS else [],
            newest=_name(rows[0]) if rows and columns is SESSIONS else None,
        )
        if wrong is not None:
            answer.status_code = HTTPStatus.BAD_REQUEST
        return answer

    def _known(self, field: str, project: str | None) -> list[str]:
        """Values of a field in the newest conversations, those first that occur most often."""
        if field == "project":
            return self._store.projects()
        counts: dict[str, int] = {}
        for row in self._store.summaries(project, limit=LOOKED_AT):
            values = {
                "tool": row.tools,
                "tag": row.tags,
                "score": tuple(row.scores),
                "user": (row.user_id,),
                "session": (row.session_id,),
                "id": (row.id,),
                "agent": (row.agent,),
                "model": (row.model,),
                "channel": (row.channel,),
            }.get(field, ())
            for value in values:
                if value is not None:
                    counts[value] = counts.get(value, 0) + 1
        return sorted(counts, key=lambda value: -counts[value])


def _name(row: Any) -> str:
    """What a row is known by, in all projects."""
    return f"{row.project}/{row.id}"
