"""Keys of the server."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from msgspec import Meta

from taketwo.sdk.api.asked import Asked, Name
from taketwo.server.api.operation import Given, Operation, listing
from taketwo.server.flow.projects import project_name
from taketwo.store.keys import Key, Role, create_key, keys, revoke_key
from taketwo.value import Value


class CreateKey(Asked):
    """A key that is to be made."""

    name: Name
    """What it is for, in words."""
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=4)]
    """What it is good for."""
    project_id: Name | None = None
    """Id or name of the only project that it opens; null for all of them."""


class MadeKey(Value):
    """A key with its secret, which nobody can give again."""

    key: Key
    """The key."""
    secret: str
    """The secret."""


Keys = listing("Keys", "keys", Key)


def _list(given: Given) -> Any:
    return Keys(keys=tuple(map(_told, keys(given.flow.documents))), next=None)


def _create(given: Given) -> MadeKey:
    asked: CreateKey = given.body
    project = None if asked.project_id is None else project_name(given.flow, asked.project_id)
    key, secret = create_key(
        given.flow.documents, name=asked.name, roles=asked.roles, project=project, now=given.flow.now()
    )
    return MadeKey(key=_told(key), secret=secret)


def _told(key: Key) -> Key:
    """Without what the secret is checked by, which is nobody's business."""
    return key.but(hashed="")


OPERATIONS = (
    Operation("GET", "/api/keys", "Keys", "list_keys", "Every key, revoked ones too, without secrets.", _list, Keys),
    Operation(
        "POST",
        "/api/keys",
        "Keys",
        "create_key",
        "Make a key; its secret is shown this once.",
        _create,
        MadeKey,
        CreateKey,
        status=HTTPStatus.CREATED,
        refusals=(HTTPStatus.NOT_FOUND,),
        is_repeatable=False,
    ),
    Operation(
        "POST",
        "/api/keys/{id}/revoke",
        "Keys",
        "revoke_key",
        "Make a key good for nothing.",
        lambda given: _told(revoke_key(given.flow.documents, given.id, given.flow.now())),
        Key,
    ),
)
"""What can be asked about keys."""
