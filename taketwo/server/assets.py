"""The files that pages load: read and packed once, named by their content so that browsers may keep them for good."""

from __future__ import annotations

import gzip
import mimetypes
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.report.drawing import TEMPLATES
from taketwo.value import Value, content_hash

STATIC = Path(__file__).with_name("static")
SHARED = (TEMPLATES / "design.css",)
"""What reports carry inside, and pages load."""
LIBRARY = "vendor/htmx.min.js"
"""From npm, at build time (frontend/build.py); where it is missing pages work by full loads."""


class Asset(Value):
    """One file, ready to be sent."""

    type: str
    """Its media type."""
    body: bytes
    """The file."""
    packed: bytes
    """The same, as gzip."""
    version: str
    """Begins the hash of its content."""


@cache
def assets() -> dict[str, Asset]:
    """Every file by the name it has under /static."""
    files = {str(file.relative_to(STATIC)): file for file in sorted(STATIC.rglob("*")) if file.is_file()}
    files |= {file.name: file for file in SHARED}
    return {name.replace("\\", "/"): _asset(file) for name, file in files.items()}


def address(name: str) -> str | None:
    """Where a file is loaded from; None where it is not there."""
    asset = assets().get(name)
    return None if asset is None else f"/static/{name}?v={asset.version}"


def route() -> Route:
    """The address of all of them."""
    return Route("/static/{name:path}", _serve)


async def _serve(request: Request) -> Response:
    asset = assets().get(request.path_params["name"])
    if asset is None:
        raise HTTPException(404, "there is no such file")
    fresh = request.query_params.get("v") == asset.version
    headers = {
        "cache-control": "public, max-age=31536000, immutable" if fresh else "no-cache",
        "vary": "accept-encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, media_type=asset.type, headers={**headers, "content-encoding": "gzip"})
    return Response(asset.body, media_type=asset.type, headers=headers)


def _asset(file: Path) -> Asset:
    body = file.read_bytes()
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Asset(type=kind, body=body, packed=gzip.compress(body, 9, mtime=0), version=content_hash(body)[:12])
