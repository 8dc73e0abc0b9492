"""Keys of a server: who may do what in which project. The secret itself is shown once and kept nowhere."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Literal, TypeAlias, get_args

from taketwo.errors import BadSetting, NotFound
from taketwo.store.documents import Document, Documents
from taketwo.value import Value, content_hash

Role: TypeAlias = Literal["ingest", "read", "replay", "admin"]
"""Send spans and scores; look at everything; also replay, keep and test; also delete and set."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)
_ALSO: Final[dict[Role, frozenset[Role]]] = {
    "ingest": frozenset({"ingest"}),
    "read": frozenset({"read"}),
    "replay": frozenset({"replay", "read"}),
    "admin": frozenset(ROLES),
}
KIND: Final = "key"
PUBLIC, SECRET = "pk-tt-", "sk-tt-"
GIVEN = "TAKETWO_ADMIN_KEY"
"""The name of a key whose secret was given."""
_SHAPE = re.compile(rf"{SECRET}([0-9a-z]{{16}})-([0-9A-Za-z_-]{{32,}})")


class Key(Value):
    """A key without its secret."""

    id: str
    """The public part, which may be written down anywhere."""
    name: str
    """What it is for, in words."""
    roles: tuple[Role, ...]
    """What it is good for."""
    project: str | None
    """The only project that it opens; None for all of them."""
    created_at: datetime
    """When it was made, UTC."""
    hashed: str
    """SHA-256 of the secret: 256 random bits need no slower one."""
    revoked_at: datetime | None = None
    """When it was revoked, UTC; None as long as it is good."""

    def may(self, role: Role) -> bool:
        """Whether it is good for what needs that role."""
        return self.revoked_at is None and any(role in _ALSO[each] for each in self.roles)


def create_key(
    documents: Documents, *, name: str, roles: tuple[Role, ...], project: str | None, now: datetime
) -> tuple[Key, str]:
    """Make a key; gives it and its secret, which nobody can give again."""
    number = secrets.token_hex(8)
    secret = f"{SECRET}{number}-{secrets.token_urlsafe(32)}"
    key = Key(
        id=f"{PUBLIC}{number}", name=name, roles=roles, project=project, created_at=now, hashed=content_hash(secret)
    )
    documents.add([Document(kind=KIND, id=key.id, body=key.to_json(), project=project)])
    return key, secret


def keep_given_key(documents: Documents, secret: str, now: datetime) -> Key:
    """Make a key of a secret that somebody chose, for all projects and the role admin; one given before goes.

    For whoever starts servers by a program, which knows the secret beforehand. Raises BadSetting.
    """
    if not (shape := _SHAPE.fullmatch(secret)):
        todo = "make one with: echo sk-tt-$(openssl rand -hex 8)-$(openssl rand -hex 32)"
        raise BadSetting("it has not the form of a key", where="TAKETWO_ADMIN_KEY", todo=todo)
    id = f"{PUBLIC}{shape[1]}"
    for one in keys(documents):
        if one.name == GIVEN and one.revoked_at is None and (one.id, one.hashed) != (id, content_hash(secret)):
            revoke_key(documents, one.id, now)
    if (there := key_of(documents, secret)) is not None:
        return there
    key = Key(id=id, name=GIVEN, roles=("admin",), project=None, created_at=now, hashed=content_hash(secret))
    documents.put(Document(kind=KIND, id=key.id, body=key.to_json()))
    return key


@contextmanager
def key_for_a_while(
    documents: Documents, *, name: str, roles: tuple[Role, ...], project: str | None, now: datetime
) -> Iterator[str]:
    """The secret of a key that is gone without a trace at the end of the block."""
    key, secret = create_key(documents, name=name, roles=roles, project=project, now=now)
    try:
        yield secret
    finally:
        documents.remove(KIND, id=key.id)


def keys(documents: Documents) -> list[Key]:
    """All keys in the order in which they were made, revoked ones too."""
    return [Key.from_json(document.body) for document in documents.find(KIND)]


def revoke_key(documents: Documents, id: str, now: datetime) -> Key:
    """Make a key good for nothing; servers hear of it within some seconds. Raises NotFound."""

    def revoked(document: Document) -> Document:
        key = Key.from_json(document.body)
        return document.but(body=key.but(revoked_at=key.revoked_at or now).to_json())

    return Key.from_json(documents.change(KIND, id, revoked).body)


def key_of(documents: Documents, secret: str) -> Key | None:
    """The key that a secret belongs to; None where there is none, or it was revoked."""
    number, dash, _ = secret.removeprefix(SECRET).partition("-")
    if not (secret.startswith(SECRET) and dash):
        return None
    try:
        key = Key.from_json(documents.get(KIND, f"{PUBLIC}{number}").body)
    except NotFound:
        return None
    return key if key.revoked_at is None and hmac.compare_digest(key.hashed, content_hash(secret)) else None
