"""Webhooks of voice platforms: calls come in when they are over. Each must show or be signed with what was agreed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from taketwo.capture.imports import elevenlabs, retell, vapi
from taketwo.capture.imports.chat_facts import Ids
from taketwo.conversation import Conversation
from taketwo.errors import TakeTwoError, TraceUnreadable
from taketwo.server.fetching import Fetching
from taketwo.server.receiver import PROJECT_HEADERS
from taketwo.store import Store
from taketwo.value import JSON, Value, clean_json

FRESH_S: Final = 300.0
"""A signature with a time is good for so many seconds before and after."""
LONGEST_STAMP: Final = 19
"""Digits of a time, which somebody may have made up: nanoseconds have as many."""
WARNED_EVERY_S: Final = 60.0
"""The log tells of refused webhooks of a platform so often at most: anybody can send some."""
BACK_IN_S: Final = 5
"""After so many seconds a store that is away may be back."""
DEFAULT_PROJECT: Final = "default"
TOLD_SO_FAR: Final = "told_so_far"
"""Key of a call's metadata while webhooks have not told all of it: how much they have."""
_ALL: Final = 9
_OTHER_SECRET: Final = "the secret is not what {variable} says"
_OTHER_SIGNATURE: Final = "the signature does not fit: another key than {variable}, or the body was changed on its way"

_log = logging.getLogger("taketwo.server")


class WebhookSecrets(Value):
    """What the platforms' webhooks must show or be signed with; None where a platform may send nothing."""

    vapi: str | None = None
    """Vapi's secret: in `X-Vapi-Secret`, as a Bearer token, or as the key of an HMAC."""
    retell: str | None = None
    """Retell's API key, which signs."""
    elevenlabs: str | None = None
    """ElevenLabs' webhook secret, which signs."""


class Webhooks:
    """Takes the webhooks of voice platforms."""

    def __init__(
        self,
        store: Store,
        secrets: WebhookSecrets,
        fetching: Fetching,
        *,
        body_bytes: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        """fetching: keeps the calls, and fetches their recordings."""
        self._store = store
        self._secrets = secrets
        self._body_bytes = body_bytes
        self._fetching = fetching
        self._now = now
        self._warned: dict[str, float] = {}

    def routes(self) -> list[Route]:
        """One address a platform."""
        return [Route("/webhooks/{platform}", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        """POST /webhooks/vapi, /webhooks/retell, /webhooks/elevenlabs."""
        platform = request.path_params["platform"]
        if platform not in _READERS:
            return _told(HTTPStatus.NOT_FOUND, f"there are webhooks of {', '.join(_READERS)}")
        secret: str | None = getattr(self._secrets, platform)
        variable = "TAKETWO_RETELL_KEY" if platform == "retell" else f"TAKETWO_{platform.upper()}_SECRET"
        if secret is None:
            return self._refused(HTTPStatus.FORBIDDEN, platform, f"nothing is agreed with {platform}: set {variable}")
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > self._body_bytes:
                return _told(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {self._body_bytes:,} bytes")
        if why := _SIGNED[platform](secret, request.headers, bytes(body), self._now()):
            return self._refused(HTTPStatus.UNAUTHORIZED, platform, why.format(variable=variable))
        project = next((request.headers[name] for name in PROJECT_HEADERS if request.headers.get(name)), None)
        return await asyncio.to_thread(self._keep, platform, bytes(body), project or DEFAULT_PROJECT)

    def _refused(self, status: HTTPStatus, platform: str, why: str) -> Response:
        """Say why, in the log, too: what the platform is told only its own log shows. Now and then is enough there."""
        if self._now() - self._warned.get(platform, 0.0) >= WARNED_EVERY_S:
            self._warned[platform] = self._now()
            _log.warning("a webhook at /webhooks/%s was refused: %s", platform, why)
        return _told(status, why)

    def _keep(self, platform: str, body: bytes, project: str) -> Response:
        """What came is on disk when it is answered, and so is that its recording is to be fetched."""
        try:
            told = _READERS[platform](clean_json(json.loads(body)))
            if told is None:
                return JSONResponse({"kept": False})
            conversation = told.conversation.but(project=project)
            merging = _Merging(told.rank)
            new = self._fetching.keep(conversation, merging)
        except (ValueError, RecursionError) as error:
            return _told(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error}")
        except TraceUnreadable as error:
            return _told(HTTPStatus.BAD_REQUEST, str(error))
        except TakeTwoError as error:
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"retry-after": str(BACK_IN_S)})
        return JSONResponse({"kept": not merging.is_known, "id": conversation.id, "new": new})


def signed_by_vapi(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
    """Why a webhook is not Vapi's; None when it is. The HMAC is over `TIMESTAMP.BODY`, or the body alone."""
    if shown := headers.get("x-vapi-secret"):
        return None if hmac.compare_digest(shown.encode(), secret.encode()) else _OTHER_SECRET
    if (bearer := headers.get("authorization", "")).lower().startswith("bearer "):
        return None if hmac.compare_digest(bearer[7:].strip().encode(), secret.encode()) else _OTHER_SECRET
    signature, stamp = headers.get("x-signature"), headers.get("x-timestamp")
    if signature is None:
        return "there is neither X-Vapi-Secret, a Bearer token nor X-Signature"
    if stamp is not None and (why := _stale(stamp, now_s)):
        return why
    signed = body if stamp is None else stamp.encode() + b"." + body
    algorithm, _, digest = signature.rpartition("=")
    return _differs(secret, signed, digest, algorithm or "sha256")


def signed_by_retell(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
    """Why a webhook is not Retell's: `v=MILLISECONDS,d=HMAC` over the body and those milliseconds."""
    parts = dict(part.partition("=")[::2] for part in headers.get("x-retell-signature", "").split(","))
    stamp, digest = parts.get("v", ""), parts.get("d", "")
    if not stamp or not digest:
        return "there is no signature in X-Retell-Signature"
    return _stale(stamp, now_s) or _differs(secret, body + stamp.encode(), digest)


def signed_by_elevenlabs(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
    """Why a webhook is not ElevenLabs': `t=SECONDS,v0=HMAC` over `SECONDS.BODY`."""
    parts = dict(part.partition("=")[::2] for part in headers.get("elevenlabs-signature", "").split(","))
    stamp, digest = parts.get("t", ""), parts.get("v0", "")
    if not stamp or not digest:
        return "there is no signature in ElevenLabs-Signature"
    return _stale(stamp, now_s) or _differs(secret, stamp.encode() + b"." + body, digest)


def _stale(stamp: str, now_s: float) -> str | None:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= LONGEST_STAMP):
        return "the signature has no time"
    at_s = int(stamp) / (1000 if len(stamp) > 11 else 1)
    if abs(now_s - at_s) <= FRESH_S:
        return None
    off = f"{now_s - at_s:,.0f} s old" if now_s > at_s else f"{at_s - now_s:,.0f} s ahead"
    return f"the signature is {off}, and good for {FRESH_S:.0f} s: it was sent again, or a clock is wrong"


def _differs(secret: str, signed: bytes, digest: str, algorithm: str = "sha256") -> str | None:
    if algorithm not in ("sha1", "sha256", "sha512"):
        return "the signature has an unknown algorithm"
    right = hmac.new(secret.encode(), signed, getattr(hashlib, algorithm)).hexdigest()
    return None if hmac.compare_digest(right.encode(), digest.strip().lower().encode()) else _OTHER_SIGNATURE


class _Told(NamedTuple):
    """What a webhook tells of a call."""

    conversation: Conversation
    rank: int
    """How much it says; the same call may be told again, and in another order."""


class _Merging:
    """Lets nothing take the place of what says more: webhooks come twice, late, and to several servers at once."""

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self.is_known = False

    def __call__(self, kept: Conversation | None, told: Conversation) -> Conversation | None:
        self.is_known = kept is not None and self._rank < _rank_of(kept)
        return None if self.is_known else told


def _of_vapi(value: JSON) -> _Told | None:
    message = vapi.server_message(value)
    if message is None:
        raise TraceUnreadable("this is no server message of Vapi's")
    return (
        None
        if message.call is None
        else _told_so_far(vapi.conversation_of(message.call, Ids("vapi"), message.rank), message.rank, most=2)
    )


def _of_retell(value: JSON) -> _Told | None:
    found = retell.webhook(value) if isinstance(value, dict) else None
    return None if found is None else _told_so_far(retell.conversation_of(found[2], Ids("retell")), found[0], most=3)


def _of_elevenlabs(value: JSON) -> _Told | None:
    if isinstance(value, dict) and value.get("type") not in (None, "post_call_transcription"):
        return None
    return _Told(elevenlabs.conversation_of(value, Ids("elevenlabs")), _ALL)


def _told_so_far(conversation: Conversation, rank: int, *, most: int) -> _Told:
    """Notes in the conversation how much was told, unless it is all that is ever told."""
    if rank >= most:
        return _Told(conversation, _ALL)
    return _Told(conversation.but(metadata={**conversation.metadata, TOLD_SO_FAR: rank}), rank)


def _rank_of(kept: Conversation) -> int:
    """How much was told of a call that is kept."""
    rank = kept.metadata.get(TOLD_SO_FAR)
    return rank if isinstance(rank, int) else _ALL


_READERS: Final[dict[str, Callable[[JSON], _Told | None]]] = {
    "vapi": _of_vapi,
    "retell": _of_retell,
    "elevenlabs": _of_elevenlabs,
}
_SIGNED: Final[dict[str, Callable[[str, Mapping[str, str], bytes, float], str | None]]] = {
    "vapi": signed_by_vapi,
    "retell": signed_by_retell,
    "elevenlabs": signed_by_elevenlabs,
}


def _told(status: HTTPStatus, detail: str, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return Response(json.dumps(body), status, {**headers, "content-type": "application/problem+json"})
