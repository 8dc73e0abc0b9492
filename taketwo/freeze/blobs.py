"""Long texts and results in files of their own beside the scenario, named after their content."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

from taketwo.freeze.typed import Misplaced
from taketwo.freeze.yaml_reader import FILE_LIMIT_BYTES
from taketwo.value import JSON, content_hash

LONG_TEXT = 2000
"""What is longer, in characters of text or JSON, goes into a file of its own."""
HASH_DIGITS = 16
NAME = re.compile(rf"([0-9a-f]{{{HASH_DIGITS}}})\.(json|txt)")
EDIT_INSTEAD = "to change the text, put it into the scenario file itself, under the key without _file"

Fetch = Callable[[str], JSON]
"""Gives what the file holds that a scenario refers to by its path. Raises Misplaced."""


def is_long(content: JSON) -> bool:
    """Whether a text or a JSON value would get in the way of whoever reads the scenario."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return len(text) > LONG_TEXT


def pack(content: JSON) -> tuple[str, bytes]:
    """The name and the bytes of the file that holds a text or a JSON value.

    A text with carriage returns goes as JSON, because git may rewrite the line ends of a text.
    """
    if isinstance(content, str) and "\r" not in content:
        kind, text = "txt", content
    else:
        kind, text = "json", json.dumps(content, ensure_ascii=False, indent=2)
    body = f"{text}\n".encode()
    return f"{content_hash(body)[:HASH_DIGITS]}.{kind}", body


def unpack(name: str, body: bytes) -> JSON:
    """What `pack` put into a file. Raises Misplaced when the file is not what its name says."""
    match = NAME.fullmatch(name)
    if match is None:
        raise Misplaced(f"is not named after its content: {name!r}", todo=EDIT_INSTEAD)
    body = body.replace(b"\r\n", b"\n")  # git on Windows writes them so
    if content_hash(body)[:HASH_DIGITS] != match.group(1):
        raise Misplaced(f"was changed since it was frozen: {name!r}", todo=EDIT_INSTEAD)
    try:
        return json.loads(body) if match.group(2) == "json" else body.decode().removesuffix("\n")
    except (ValueError, RecursionError) as error:
        raise Misplaced(f"cannot be read: {error}") from error


def fetch_from(folder: Path) -> Fetch:
    """Reads the files that a scenario in this folder refers to, each of them once."""

    @cache
    def fetch(reference: str) -> JSON:
        return unpack(PurePosixPath(reference).name, _body(folder, reference))

    return fetch


def _body(folder: Path, reference: str) -> bytes:
    """The bytes of a file below the folder. Raises Misplaced when it is not there or lies elsewhere."""
    try:
        file = (folder / reference).resolve()
        if not file.is_relative_to(folder.resolve()):
            raise Misplaced(f"lies outside of the scenario's folder: {reference!r}", todo="move it beside the scenario")
        if not file.is_file():
            raise Misplaced(f"is missing: {reference!r}", todo="it belongs to the scenario: was it committed?")
        if file.stat().st_size > FILE_LIMIT_BYTES:
            raise Misplaced(f"is larger than {FILE_LIMIT_BYTES // 2**20} MiB: {reference!r}")
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise Misplaced(f"cannot be read: {error}") from error
