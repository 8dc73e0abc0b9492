"""Finds secrets in a text: keys of known providers by how they begin, headers, private keys, passwords."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from taketwo.redaction.kinds import SECRET, Found

_PREFIXED: Final = re.compile(
    r"""(?<![A-Za-z0-9])(?P<prefix>
      sk-(?:proj-|svcacct-|admin-|ant-(?:api|admin|oat)\d\d-|or-v\d-|lf-)? (?=[\w-]{16})
    | pk-lf- (?=[\w-]{16})
    | (?:sk|rk|pk)_(?:live|test)_ (?=\w{10}) | whsec_ (?=\w{16})
    | (?:AKIA|ASIA|ABIA|ACCA) (?=[A-Z0-9]{16}(?![A-Za-z0-9]))
    | AIza (?=[\w-]{30}) | ya29\. (?=[\w-]{20}) | GOCSPX- (?=[\w-]{20})
    | gh[pousr]_ (?=\w{30}) | github_pat_ (?=\w{22}) | glpat- (?=[\w-]{20})
    | xox[abeoprs]- (?=[\w-]{10}) | xapp- (?=[\w-]{20})
    | hf_ (?=\w{30}) | gsk_ (?=\w{30}) | xai- (?=\w{30}) | r8_ (?=\w{30}) | pplx- (?=\w{30}) | fw_ (?=\w{22})
    | tvly- (?=[\w-]{16}) | nvapi- (?=[\w-]{30}) | lsv2_(?:pt|sk)_ (?=\w{30})
    | SG\. (?=[\w-]{16,}\.[\w-]{16}) | key- (?=[0-9a-f]{32}) | SK (?=[0-9a-f]{32}(?!\w)) | npm_ (?=\w{30})
    | pypi-(?=[\w-]{50}) | do[opr]_v1_ (?=[0-9a-f]{40}) | shp(?:at|ca|pa|ss)_ (?=[0-9a-fA-F]{32})
    | sq0(?:atp|csp)- (?=[\w-]{20}) | dapi (?=[0-9a-f]{32}) | ntn_ (?=\w{30}) | lin_api_ (?=\w{30})
    | sbp_ (?=[0-9a-f]{40}) | ATATT3 (?=[\w-]{40}) | sess- (?=\w{30}) | PMAK- (?=[0-9a-f]{24})
    )(?P<secret>[\w.=-]*[\w=])""",
    re.VERBOSE,
)
_HINTS: Final = re.compile(
    r"sk-|pk-lf|_live_|_test_|whsec_|A(?:K|S|B|C)[IC]A|AIza|ya29|GOCSPX|gh[pousr]_|github_pat|glpat|xox|xapp-|hf_|gsk_|"
    r"xai-|r8_|pplx-|fw_|tvly-|nvapi-|lsv2_|SG\.|key-|SK[0-9a-f]|npm_|pypi-|_v1_|shp|sq0|dapi|ntn_|lin_api_|sbp_|"
    r"ATATT3|sess-|PMAK-"
)
_JWT: Final = re.compile(r"(?<![\w-])(?P<prefix>eyJ)(?P<secret>[\w-]{10,}\.[\w-]{8,}\.[\w-]{8,})(?![\w-])")
_PRIVATE_KEY: Final = re.compile(
    r"(?P<prefix>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)(?P<secret>[^-]{16,})"
    r"(?=-----END|(?P<cut>-|$))"
)
_BEARER: Final = re.compile(r"\b(?P<prefix>bearer\s+)(?P<secret>[\w.~+/-]{8,}=*)", re.IGNORECASE)
_BASIC: Final = re.compile(r"\b(?P<prefix>basic\s+)(?P<secret>[A-Za-z0-9+/]{8,}={0,2})(?![\w+/=])", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(
    r"(?P<prefix>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,100}:)(?P<secret>[^\s/@\"'<>]{1,200})(?=@)", re.IGNORECASE
)
_URL_PARAMETER: Final = re.compile(
    r"(?P<prefix>[?&](?:api_?key|key|token|access_token|auth|sig|signature|password|secret|client_secret|code)=)"
    r"(?P<secret>[^\s&\"'<>#]{8,})",
    re.IGNORECASE,
)
_ASSIGNED: Final = re.compile(
    r"""(?P<prefix>(?<![A-Za-z])(?:pass(?:word|wd|phrase|code)|pwd|secret(?:[_ -]?(?:access[_ -]?)?key)?
        |client[_-]secret
        |api[_ -]?(?:key|secret|token)|(?:access|auth|refresh|session)[_ -]?token|access[_ -]?key|private[_ -]?key)
        (?:\s{0,3}[:=]\s{0,3}|\s+(?:is|was)[:\s]\s{0,3})["'`]?)
        (?P<secret>[^\s"'`,;<>(){}\[\]]{4,})""",
    re.IGNORECASE | re.VERBOSE,
)
_AWS_SECRET: Final = re.compile(
    r"(?<![\w/+=])(?=[A-Za-z/+]*\d)(?=[a-z0-9/+]*[A-Z])(?=[A-Z0-9/+]*[a-z])(?P<secret>[A-Za-z0-9/+]{40})(?![\w/+=])"
)
"""It says nothing of itself, but stands near the key that it belongs to."""
_ASSIGNED_HINT: Final = re.compile(r"pass|pwd|secret|key|token", re.IGNORECASE)


def find_secrets(text: str) -> Iterator[Found]:
    """Every secret in a text, without what it begins with: that says only whose it is. They may overlap."""
    if _HINTS.search(text):
        yield from _all(_PREFIXED, text)
    if "AKIA" in text or "ASIA" in text:
        yield from _all(_AWS_SECRET, text)
    if "eyJ" in text:
        yield from _all(_JWT, text)
    if "PRIVATE KEY" in text:
        yield from _all(_PRIVATE_KEY, text)
    if "://" in text:
        yield from _all(_URL_PASSWORD, text)
        yield from (found for found in _all(_URL_PARAMETER, text) if _is_set(text[found.start : found.end]))
    if "earer" in text or "BEARER" in text:
        yield from (found for found in _all(_BEARER, text) if _is_set(text[found.start : found.end]))
    if "asic" in text or "BASIC" in text:
        yield from (found for found in _all(_BASIC, text) if _names_and_password(text[found.start : found.end]))
    if _ASSIGNED_HINT.search(text):
        yield from _assigned(text)


def known_prefix(secret: str) -> str:
    """What a secret begins with that says only whose it is; empty where it is none of a known kind."""
    for pattern in (_PREFIXED, _JWT, _PRIVATE_KEY, _BEARER, _BASIC):
        if (match := pattern.match(secret)) is not None:
            return match["prefix"]
    return ""


def _all(pattern: re.Pattern[str], text: str) -> Iterator[Found]:
    for match in pattern.finditer(text):
        yield Found(*match.span("secret"), SECRET)


def _assigned(text: str) -> Iterator[Found]:
    """`password=hunter2` is one, `password: required` and `my password is wrong` are none."""
    for match in _ASSIGNED.finditer(text):
        start, end = match.span("secret")
        while end > start and text[end - 1] in ".!?:)\\":
            end -= 1
        if end - start >= 4 and _is_set(text[start:end]):
            yield Found(start, end, SECRET)


def _is_set(value: str) -> bool:
    """Whether a value was chosen by somebody: words, places for one, and stars were not."""
    has_digit, has_letter = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    special = any(not character.isalnum() and character not in "_-./*" for character in value[:-1])
    return (has_digit or (special and has_letter)) and not value.startswith(("$", "{", "<", "%", "*"))


def _names_and_password(value: str) -> bool:
    """Whether it decodes to `name:password`, or stands in place of what did."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return False
