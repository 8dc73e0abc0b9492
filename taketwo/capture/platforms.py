"""Calls asked for from the API of a voice platform, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import httpx

from taketwo.bounded_http import asked
from taketwo.capture.imports import retell, vapi
from taketwo.capture.imports.chat_facts import Ids
from taketwo.capture.imports.imported import Unread
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, TraceUnreadable
from taketwo.value import JSON, clean_json

PAGE: Final = 100
TIMEOUT_S: Final = 60.0


class Platform(NamedTuple):
    """A platform whose calls can be asked for."""

    base_url: str
    """Where its API is."""
    pages: Callable[[httpx.Client], Iterator[list[JSON]]]
    """Its calls, page by page."""
    conversation_of: Callable[[JSON, Ids], Conversation]
    """Reads one of them."""


def pull(
    name: str, key: str, *, base_url: str | None = None, most: int | None = None
) -> Iterator[Conversation | Unread]:
    """The calls of a platform; what is no call comes as `Unread` in between.

    Raises BadSetting for a platform that there is not and for a key that is refused, TraceUnreadable where it does not
    answer.
    """
    if name not in PLATFORMS:
        raise BadSetting(f"no platform is called {name!r}", where="--from", todo=f"there are {', '.join(PLATFORMS)}")
    platform, ids, seen = PLATFORMS[name], Ids(name), 0
    with httpx.Client(
        base_url=base_url or platform.base_url, headers={"authorization": f"Bearer {key}"}, timeout=TIMEOUT_S
    ) as client:
        for page in platform.pages(client):
            for call in page:
                if most is not None and seen >= most:
                    return
                seen += 1
                try:
                    yield platform.conversation_of(call, ids)
                except TraceUnreadable as error:
                    yield Unread(where=f"{name}, call {seen}", why=error.what)


def _vapi(client: httpx.Client) -> Iterator[list[JSON]]:
    """`GET /call`, each page before the oldest call of the one before."""
    before: dict[str, Any] = {}
    while page := _asked(client, "GET", "/call", params={"limit": PAGE, **before}):
        yield page
        oldest = page[-1].get("createdAt") if isinstance(page[-1], dict) else None
        if len(page) < PAGE or not isinstance(oldest, str) or before == {"createdAtLt": oldest}:
            return
        before = {"createdAtLt": oldest}


def _retell(client: httpx.Client) -> Iterator[list[JSON]]:
    """`POST /v2/list-calls`, each page after the last call of the one before."""
    after: dict[str, Any] = {}
    while page := _asked(client, "POST", "/v2/list-calls", json={"limit": PAGE, "sort_order": "descending", **after}):
        yield page
        last = page[-1].get("call_id") if isinstance(page[-1], dict) else None
        if len(page) < PAGE or not isinstance(last, str) or after == {"pagination_key": last}:
            return
        after = {"pagination_key": last}


def _asked(client: httpx.Client, method: str, path: str, **how: Any) -> list[JSON]:
    """The list that the API answers with. Raises BadSetting, TraceUnreadable."""
    where = f"{str(client.base_url).rstrip('/')}{path}"
    try:
        answer = asked(client, method, path, **how)
        if answer.status_code in (401, 403):
            raise BadSetting("the key is refused", where=where, todo="use a private key of the platform")
        answer.raise_for_status()
        found = clean_json(answer.json())
    except (httpx.HTTPError, ValueError) as error:
        raise TraceUnreadable(f"the platform does not answer with calls: {error}", where=where) from error
    if isinstance(found, dict):
        found = next((found[name] for name in ("items", "results", "calls", "data") if name in found), None)
    if not isinstance(found, list):
        raise TraceUnreadable("the answer is no list of calls", where=where)
    return found


PLATFORMS: Final[dict[str, Platform]] = {
    "vapi": Platform("https://api.vapi.ai", _vapi, lambda call, ids: vapi.conversation_of(call, ids)),
    "retell": Platform("https://api.retellai.com", _retell, lambda call, ids: retell.conversation_of(call, ids)),
}
"""Every platform by its name."""
