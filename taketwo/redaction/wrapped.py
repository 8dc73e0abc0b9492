"""Texts inside texts that are no JSON: parameters of addresses and forms, and base64."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import quote, quote_plus, unquote_plus

_PARAMETERS: Final = re.compile(r"(?:(?<=\?)|^)[A-Za-z][\w.\[\]-]*=[^\s&\"'<>]*(?:&[A-Za-z][\w.\[\]-]*=[^\s&\"'<>]*)*")
_PAIR: Final = re.compile(r"(?P<key>[A-Za-z][\w.\[\]-]{0,60})=(?P<value>[^&#\s\"'<>]{1,2000})")
_BASE64: Final = re.compile(
    r"(?<![\w+/=.-])(?:[A-Za-z0-9+/]{4}){5,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?![\w+/=.-])"
)


def rewritten_parameters(text: str, rewrite: Callable[[list[tuple[str, str]]], Iterable[str]]) -> str:
    """The text with other values of parameters. rewrite: gets keys and values without their escapes, gives values."""
    if "=" not in text or not ("?" in text or "&" in text):
        return text

    def put(found: re.Match[str]) -> str:
        pairs = list(_PAIR.finditer(found[0]))
        if found.start() == 0 and "&" not in found[0]:
            return found[0]
        old = [unquote_plus(pair["value"]) for pair in pairs]
        new = rewrite([(pair["key"], value) for pair, value in zip(pairs, old, strict=True)])
        parts, end = [], 0
        for pair, before, after in zip(pairs, old, new, strict=True):
            escaped = quote_plus if "+" in pair["value"] else quote
            parts += [
                found[0][end : pair.start("value")],
                pair["value"] if before == after else escaped(after, safe=""),
            ]
            end = pair.end("value")
        return "".join(parts) + found[0][end:]

    return _PARAMETERS.sub(put, text)


def rewritten_base64(text: str, rewrite: Callable[[str], str]) -> str:
    """The text with other contents of what is a text in base64."""

    def put(found: re.Match[str]) -> str:
        try:
            inside = base64.b64decode(found[0], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return found[0]
        if not all(sign.isprintable() or sign.isspace() for sign in inside):
            return found[0]
        new = rewrite(inside)
        return found[0] if new == inside else base64.b64encode(new.encode()).decode()

    return _BASE64.sub(put, text)
