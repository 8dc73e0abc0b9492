"""Makes nonsense of what is right: requests for every route, files of every format, spans and log records."""

from __future__ import annotations

import copy
import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

import taketwo
from taketwo.server.api.door import OPERATIONS
from taketwo.server.api.examples import EXAMPLES
from taketwo.server.app import create_app
from taketwo.store import open_store

PLACE = re.compile(r"\{\w+\}")
WATCHED = re.compile(r"/events$|/watch$")
"""What is watched ends when something else happens; here it would only wait."""
BODILESS = ("GET", "HEAD")
FEW_CHANGES = (1, 1, 2, 5)
NUMBERS = (0, 1, -1, 99, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -(2**63))
FLOATS = (0.0, -0.0, -1.5, 1e308, math.inf, math.nan)
OCTETS = (b"", b"\x00" * 8, b"\x00" * 16, b"\x01" * 8, b"\x02" * 16, b"\xff" * 33)

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.1, -0.0, 1e308),
    *("", " ", "\x00", "\ud800", "\u202e", "é" * 300, "x" * 70_000, "'", '" OR 1=1 --', "%", "%00", "../../etc/passwd"),
    *("{{7*7}}", "<script>", "=cmd()", "null", "1e999", "NaN", "-1", "0", "١٢", "2026-11-17", "9999-12-31T23:59:59Z"),
    *("0001-01-01T00:00:00+14:00", "2026-02-30T25:61:61Z", "turns>", "(((((", 'said:"', "not not not", "a" * 64),
    *(
        "http://127.0.0.1:9/",
        "http://[::1",
        "file:///etc/passwd",
        "shop",
        "default",
        "text",
        "voice",
        "*",
        "[",
        "\n\r\t",
    ),
    *([], {}, [[]], [None], {"": None}, [1, "2", {"three": 3}]),
)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"accept": "text/html"},
    {"accept": "application/json"},
    {"hx-request": "true"},
    {"idempotency-key": "x"},
    {"range": "bytes=5-1"},
    {"accept-encoding": "gzip"},
    {"x-taketwo-project": "\u00e9"},
    {"traceparent": "00-zz-zz-zz"},
    {"content-encoding": "gzip"},
    {"content-encoding": "zstd"},
    {"cookie": "taketwo_signed_in=x"},
    {"authorization": "Basic %%%"},
)


class Target(NamedTuple):
    """A route and what it takes, as far as it says."""

    method: str
    path: str
    example: Any
    """A body that is right; None where nothing says one."""
    names: tuple[str, ...]
    """Names of parameters."""


class Asked(NamedTuple):
    """One request."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]

    def as_sent(self, host: str) -> bytes:
        """What goes over the wire."""
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        length = "" if self.method in BODILESS else f"content-length: {len(self.body)}\r\n"
        return f"{self.method} {self.target} HTTP/1.1\r\nhost: {host}\r\n{headers}{length}\r\n".encode() + self.body


def targets() -> list[Target]:
    """Every route with each of its methods."""
    store = open_store("memory:")
    routes = create_app(store).routes
    store.close()
    described = {(one.method, one.path): one for one in OPERATIONS}
    # Pages take what their code asks for: it is nowhere else.
    code = "".join(file.read_text(encoding="utf-8") for file in Path(taketwo.__file__).parent.glob("server/**/*.py"))
    known = tuple(sorted(set(re.findall(r'(?:get|texts?_of|query_params\[)\(?(?:form, )?"(\w+)"', code))))
    found = []
    for route in routes:
        for method in route.methods or ():  # type: ignore[attr-defined]  # all of them are Routes
            path = re.sub(r":\w+}", "}", route.path)  # type: ignore[attr-defined]  # the same
            if WATCHED.search(path):
                continue
            operation = described.get((method, path))
            example = EXAMPLES.get(operation.body) if operation is not None and operation.body is not None else None
            asked = getattr(operation.query, "__struct_fields__", ()) if operation is not None else ()
            found.append(
                Target(method, path, None if example is None else msgspec.to_builtins(example), asked or known)
            )
    return found


class Nonsense:
    """Makes requests."""

    def __init__(self, seed: int, ids: list[str], samples: Mapping[str, Sequence[Message]]) -> None:
        """`samples` are requests of senders by their signal, the last part of the address."""
        self.dice = random.Random(seed)
        self.ids = ids
        self._samples = samples

    def request(self, target: Target) -> Asked:
        """One request to a route, of which something may be wrong."""
        path = PLACE.sub(lambda _: quote(self._id(), safe="" if self.dice.random() < 0.9 else "/"), target.path)
        if self.dice.random() < (0.6 if target.method == "GET" else 0.15):
            pairs = [(self._name(target.names), self._text()) for _ in range(self.dice.randrange(1, 4))]
            path += "?" + urlencode(pairs, errors="replace")
        headers = dict(self.dice.choice(HEADERS))
        body = b""
        if target.method not in BODILESS:
            headers["content-type"], body = self._body(target)
        return Asked(target.method, path, body, headers)

    def _id(self) -> str:
        return self.dice.choice(self.ids) if self.dice.random() < 0.75 else self._text()

    def _name(self, names: Sequence[str]) -> str:
        return self.dice.choice(names) if names and self.dice.random() < 0.95 else self._text()[:50]

    def _text(self) -> str:
        value = self.dice.choice(NASTY)
        if self.dice.random() < 0.3:
            value = self.dice.choice(self.ids)
        text = value if isinstance(value, str) else json.dumps(value)
        return text[:3_000].encode(errors="replace").decode()

    def _nasty(self) -> Any:
        """Its own: what comes of it is changed further."""
        return copy.deepcopy(self.dice.choice([*NASTY, self.dice.choice(self.ids)]))

    def _body(self, target: Target) -> tuple[str, bytes]:
        if "/v1" in target.path:
            return self._sent(target.path.rpartition("/")[2])
        choice = self.dice.random()
        if target.example is not None and choice < 0.85:
            value = self._with_ids(copy.deepcopy(target.example))
            value = self.mutated(value) if choice < 0.5 else value
            body = json.dumps(value).encode()
            return "application/json", self.broken(body) if self.dice.random() < 0.1 else body
        if choice < 0.9 and target.example is None:
            form = [(self._name(target.names), self._text()) for _ in range(self.dice.randrange(6))]
            return "application/x-www-form-urlencoded", urlencode(form, errors="replace").encode()
        if choice < 0.95:
            return "multipart/form-data; boundary=x", self.broken(
                b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.json"\r\n\r\n{}\r\n--x--\r\n'
            )
        return self.dice.choice(["application/json", "application/yaml", ""]), self.dice.choice(
            [b"", b"{", b"[" * 5_000, b"\xff\xfe", b"null", b"a: &a [*a, *a]", self.dice.randbytes(200)]
        )

    def _sent(self, signal: str) -> tuple[str, bytes]:
        """What a sender of telemetry sends: mostly something that can be read and says what nobody would."""
        sample = self.dice.choice(self._samples.get(signal) or self._samples["traces"])
        message = type(sample)()
        message.CopyFrom(sample)
        for _ in range(self.dice.choice(FEW_CHANGES)):
            self.spoil(message)
        if self.dice.random() < 0.2:
            body = MessageToJson(message, preserving_proto_field_name=self.dice.random() < 0.3).encode()
            return "application/json", self.broken(body) if self.dice.random() < 0.5 else body
        body = message.SerializeToString()
        kind = "application/x-protobuf" if self.dice.random() < 0.95 else self.dice.choice(["text/plain", ""])
        return kind, self.broken(body) if self.dice.random() < 0.3 else body

    def spoil(self, message: Message) -> None:
        """Change something somewhere in it."""
        if not (there := message.ListFields()):
            return
        field, value = self.dice.choice(there)
        is_message = field.type == field.TYPE_MESSAGE
        if field.is_repeated and is_message:
            place = self.dice.randrange(len(value))
            match self.dice.randrange(12):
                case 0:
                    del value[place]
                case 1:
                    value.add().CopyFrom(value[place])
                case _:
                    self.spoil(value[place])
        elif is_message and self.dice.random() < 0.95:
            self.spoil(value)
        elif is_message or field.is_repeated:
            message.ClearField(field.name)
        else:
            with suppress(ValueError, TypeError):  # that number is too large for the field, or it takes no such thing
                setattr(message, field.name, self._scalar(field.cpp_type))

    def _scalar(self, kind: int) -> Any:
        match kind:
            case FieldDescriptor.CPPTYPE_STRING:  # bytes are told as the same, and take no text
                return self.dice.choice([self._text(), self._text(), self.dice.choice(OCTETS)])
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return self.dice.choice(FLOATS)
            case FieldDescriptor.CPPTYPE_BOOL:
                return self.dice.random() < 0.5
            case _:
                return self.dice.choice(NUMBERS)

    def _with_ids(self, value: Any, name: str = "") -> Any:
        """Where it names things, such as there are: else nothing comes of it."""
        match value:
            case dict():
                return {key: self._with_ids(inner, key) for key, inner in value.items()}
            case list():
                return [self._with_ids(inner, name) for inner in value]
            case str() if re.search(r"ids?$", name) and self.dice.random() < 0.8:
                return "shop" if name == "project_id" else self.dice.choice(self.ids)
            case _:
                return value

    def mutated(self, value: Any, depth: int = 0) -> Any:
        """The value with one or two parts of it otherwise."""
        if depth > 6 or self.dice.random() < 0.15:
            return self._nasty()
        if isinstance(value, dict) and value:
            name = self.dice.choice(list(value))
            match self.dice.randrange(8):
                case 0:
                    del value[name]
                case 1:
                    value[str(self.dice.choice(NASTY))[:100]] = value[name]
                case _:
                    value[name] = self.mutated(value[name], depth + 1)
            if self.dice.random() < 0.3:
                return self.mutated(value, depth + 1)
            return value
        if isinstance(value, list) and value:
            place = self.dice.randrange(len(value))
            value[place] = self.mutated(value[place], depth + 1)
            return value * self.dice.choice([1, 1, 1, 2, 50])
        if isinstance(value, str) and value and self.dice.random() < 0.3:
            return value[: self.dice.randrange(len(value))] + str(self.dice.choice(NASTY))[:200]
        return self._nasty()

    def broken(self, body: bytes) -> bytes:
        """The bytes with some of them otherwise."""
        changed = bytearray(body)
        for _ in range(self.dice.choice([0, 1, 1, 2, 8])):
            if not changed:
                break
            place = self.dice.randrange(len(changed))
            match self.dice.randrange(5):
                case 0:
                    changed[place] = self.dice.randrange(256)
                case 1:
                    del changed[place : place + self.dice.randrange(1, 40)]
                case 2:
                    changed[place:place] = changed[place : place + 30] * self.dice.randrange(1, 5)
                case 3:
                    del changed[place:]
                case _:
                    changed[place:place] = self.dice.choice([b"null", b'"', b"{", b"]", b"1e999", b"\x00", b"\xff\xff"])
        return bytes(changed)
