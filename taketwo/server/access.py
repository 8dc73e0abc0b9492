"""Who may do what: one gate before every route and for gRPC, for keys in headers and people who signed in."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from taketwo.errors import NotFound, TakeTwoError
from taketwo.server.answers import refused
from taketwo.server.guard import READING
from taketwo.server.guesses import Guesses, address_of
from taketwo.server.pages import wants_page
from taketwo.server.problems import OTLP_PATHS, problem
from taketwo.store import Store
from taketwo.store.documents import Document
from taketwo.store.keys import Key, Role, key_of
from taketwo.value import Value, content_hash

OPEN_PATHS: Final = ("/health", "/ready", "/login", "/logout")
"""What needs no key."""
OPEN_FOLDERS: Final = ("/static/", "/webhooks/")
"""Under these nothing needs a key: webhooks show what was agreed with their platform."""
KNOWN_FOR_S: Final = 1.0
"""How long a key is believed to be good without a look; another process may have revoked it."""
MOST_KNOWN: Final = 1_000
"""How many keys and addresses are remembered at most."""
SIGNED_IN_FOR: Final = timedelta(days=7)
"""How long a person stays signed in."""
COOKIE: Final = "taketwo_signed_in"
TOO_MANY: Final = "too many wrong keys came from this address: try again in a minute"
_LOGIN: Final = "login"

_only_project: ContextVar[str | None] = ContextVar("only_project", default=None)


def only_project() -> str | None:
    """The project of the key of the request that is being answered; None where all may be looked at."""
    return _only_project.get()


def needed_role(method: str, path: str) -> Role | None:
    """The role that a request needs; None where it needs no key. Whatever nobody thought of needs a strong one."""
    if path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
        return None
    if path.endswith(OTLP_PATHS):
        return "ingest"
    if method in READING:
        return "admin" if path.startswith(("/api/keys", "/keys")) else "read"
    if path.endswith("/scores") and method == "POST":
        return "ingest"
    if method == "DELETE" or path.startswith(("/api/keys", "/keys", "/api/projects", "/settings")):
        return "admin"
    return "replay"


class SignedIn(Value):
    """That a person showed a key."""

    key_id: str
    """The key."""
    until: datetime
    """When it ends, UTC."""


class Refused(Exception):
    """Why a request is not let in."""

    def __init__(self, status: int, why: str) -> None:
        """Keep the HTTP status and the reason."""
        super().__init__(why)
        self.status = status
        self.why = why


class Keys:
    """Knows which key a request shows."""

    def __init__(self, store: Store, *, required: bool) -> None:
        """Look the keys up in that store; where none is required, wrong ones are as good as none."""
        self._documents = store.documents
        self.required = required
        self._known: dict[str, tuple[float, Key | None]] = {}
        self._remembering = Lock()
        self._guesses = Guesses()

    def admit(self, headers: Mapping[str, str], cookie: str | None, role: Role | None, address: str) -> Key | None:
        """The key that lets a request in; None where none is needed. Raises Refused. Blocks for a look at the store."""
        shown = credentials(headers)
        if self.required and role is not None:
            self._listen(shown, cookie, address)
        key = self._key(shown, cookie)
        if role is None or (key is not None and key.may(role)):
            return key
        if not self.required:
            return None
        if key is not None:
            raise Refused(403, f"this key is not good for it: it needs the role {role}")
        if shown is not None or cookie is not None:
            self._failed(address, _name(shown, cookie))
            raise Refused(401, "this key is not known here, or was revoked")
        raise Refused(401, "a key is needed: as a Bearer token, as x-api-key and x-secret-key, or as Basic pk:sk")

    def knows(self, headers: Mapping[str, str], cookie: str | None) -> bool:
        """Whether `admit` would not look at the store: a hop to a thread for every request costs more than the rest."""
        name = _name(credentials(headers), cookie)
        return not name or time.monotonic() - self._known.get(name, (float("-inf"), None))[0] <= KNOWN_FOR_S / 2

    def sign_in(self, secret: str, address: str) -> str | None:
        """A token for a cookie; None where the secret is no key that may read. Raises Refused."""
        shown = (None, secret.strip())
        self._listen(shown, None, address)
        key = self._key(shown, None)
        if key is None or not key.may("read"):
            self._failed(address, _name(shown, None))
            return None
        token = secrets.token_urlsafe(32)
        signed = SignedIn(key_id=key.id, until=datetime.now(UTC) + SIGNED_IN_FOR)
        self._documents.add([Document(kind=_LOGIN, id=content_hash(token), body=signed.to_json())])
        return token

    def sign_out(self, token: str) -> None:
        """Make a cookie worthless."""
        self._documents.remove(_LOGIN, id=content_hash(token))
        self._known.pop(f"cookie {token}", None)

    def _key(self, shown: tuple[str | None, str] | None, cookie: str | None) -> Key | None:
        if shown is not None:
            public, secret = shown
            key = self._remembered(secret)
            return key if key is not None and public in (None, key.id) else None
        return self._remembered(f"cookie {cookie}") if cookie else None

    def _remembered(self, name: str) -> Key | None:
        at, key = self._known.get(name, (float("-inf"), None))
        if time.monotonic() - at > KNOWN_FOR_S:
            key = self._signed_in(name.removeprefix("cookie ")) if name.startswith("cookie ") else self._looked_up(name)
            self._remember(name, key)
        return key

    def _remember(self, name: str, key: Key | None) -> None:
        """In place of one that is no key, else of the one that was looked up longest ago: guesses drive no key out."""
        with self._remembering:
            self._known.pop(name, None)
            if len(self._known) >= MOST_KNOWN:
                wrong = (known for known, (_, one) in self._known.items() if one is None)
                del self._known[next(wrong, next(iter(self._known)))]
            self._known[name] = (time.monotonic(), key)

    def _looked_up(self, secret: str) -> Key | None:
        return key_of(self._documents, secret)

    def _signed_in(self, token: str) -> Key | None:
        try:
            signed = SignedIn.from_json(self._documents.get(_LOGIN, content_hash(token)).body)
            key = Key.from_json(self._documents.get("key", signed.key_id).body)
        except NotFound:
            return None
        return key if signed.until > datetime.now(UTC) and key.revoked_at is None else None

    def _listen(self, shown: tuple[str | None, str] | None, cookie: str | None, address: str) -> None:
        """Raises Refused where an address has guessed so much that only keys that were good before are looked up."""
        name = _name(shown, cookie)
        was_good = self._known.get(name, (0.0, None))[1] is not None
        if name and not was_good and self._guesses.are_many(address_of(address)):
            raise Refused(429, TOO_MANY)

    def _failed(self, address: str, name: str) -> None:
        """Count a wrong key. Raises Refused where there were too many: guessing must not pay."""
        if self._guesses.add(address_of(address), name):
            raise Refused(429, TOO_MANY)


def _name(shown: tuple[str | None, str] | None, cookie: str | None) -> str:
    """What a key is remembered by; empty where none is shown."""
    return shown[1] if shown is not None else f"cookie {cookie}" if cookie else ""


class Access:
    """Wraps an application: lets in whoever may, for the project of their key."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        """Wrap that one."""
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        role = needed_role(scope["method"], scope["path"])
        cookie = connection.cookies.get(COOKIE)
        address = connection.client.host if connection.client else ""
        try:
            if cookie and credentials(connection.headers) is None and scope["method"] not in READING:
                _same_site(connection.headers)
            if self._keys.knows(connection.headers, cookie):
                key = self._keys.admit(connection.headers, cookie, role, address)
            else:
                key = await run_in_threadpool(self._keys.admit, connection.headers, cookie, role, address)
        except Refused as error:
            await _answer(Request(scope), error)(scope, receive, send)
            return
        except TakeTwoError as error:
            await _answer(Request(scope), Refused(503, str(error)))(scope, receive, send)
            return
        token = _only_project.set(key.project if key is not None else None)
        try:
            await self._app(scope, receive, send)
        finally:
            _only_project.reset(token)


def credentials(headers: Mapping[str, str]) -> tuple[str | None, str] | None:
    """The public part, where it is shown, and the secret; None where none is shown."""
    if secret := headers.get("x-secret-key", "").strip():
        return headers.get("x-api-key", "").strip() or None, secret
    if secret := headers.get("x-api-key", "").strip():
        return None, secret
    kind, _, rest = headers.get("authorization", "").strip().partition(" ")
    if kind.lower() == "bearer" and rest.strip():
        return None, rest.strip()
    if kind.lower() == "basic":
        try:
            public, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None, rest
        return public or None, secret
    return None


def _same_site(headers: Headers) -> None:
    """A browser sends the cookie along for any page; it says itself for which. Raises Refused."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    own = site == "same-origin" if site is not None else (origin or "").partition("://")[2] == headers.get("host")
    if own:
        return
    raise Refused(403, "only a page of this server may do that for a person who is signed in")


def _answer(request: Request, why: Refused) -> Response:
    headers = {"retry-after": "60"} if why.status == 429 else {"retry-after": "1"} if why.status == 503 else {}
    if request.url.path.endswith(OTLP_PATHS):
        answer = refused(why.status, why.why, request.headers.get("content-type", ""))
        return Response(answer.body, answer.status, {**headers, "content-type": answer.content_type})
    if why.status == 401:
        headers["www-authenticate"] = 'Bearer realm="taketwo"'
        if wants_page(request) and request.method in READING:
            # Only the path: an address of somebody else's must not be gone to after signing in.
            return RedirectResponse(str(request.url_for("sign_in").include_query_params(to=request.url.path)), 303)
    return problem(request, why.status, why.why, headers)
